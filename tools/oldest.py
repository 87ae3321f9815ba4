"""Print the oldest versions that the package says it works with, as pins for pip: what `tools/test_with.sh oldest` installs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement


def pins() -> list[str]:
    """Return ``NAME==VERSION`` for every dependency, from its lower bound in ``pyproject.toml``."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    needs = [Requirement(text) for text in project["project"]["dependencies"]]
    return [f"{need.name}=={next(iter(need.specifier)).version}" for need in needs]


if __name__ == "__main__":
    print("\n".join(pins()))
