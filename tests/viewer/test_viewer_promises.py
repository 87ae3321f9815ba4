"""What the developers' page says the window promises is held by tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "developers.md"


def test_every_promise_names_a_test_that_is_there():
    text = PAGE.read_text(encoding="utf-8").partition("What the window promises")[2].partition(":::")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 35
    for row in rows:
        named = re.findall(r"`(test_viewer_\w+\.py)::(test_\w+|AnyOrder)`", row)
        assert named, row
        for file, name in named:
            text = (HERE / file).read_text(encoding="utf-8")
            assert f"def {name}(" in text or f"class {name}(" in text, name
