"""The tour of the window that is taken with every supported napari before a release, taken with the one that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOUR = Path(__file__).resolve().parents[2] / "tools" / "tour.py"
pytestmark = [pytest.mark.screen, pytest.mark.slow]


def take(folder, *how):
    own = {**os.environ, "NAPARI_CONFIG": str(folder / "napari.yaml")}  # a person's settings are left alone
    size = "900x650"  # without a GPU drawing takes the longer, the larger the window is
    return subprocess.run(
        [sys.executable, *how, folder, size], capture_output=True, text=True, check=False, env=own
    )


def test_the_tour_comes_to_its_end(tmp_path):
    done = take(tmp_path, TOUR)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert len(list(tmp_path.glob("*.png"))) == 7
    assert (tmp_path / "tour.cxi").is_file()


def test_the_first_thing_that_fails_ends_it(tmp_path):
    code = f"""
import runpy
from napari_autophase.viewer.model import compat
def broken(*_, **__): raise AttributeError("the canvas has moved")
compat.surroundings = broken
runpy.run_path({str(TOUR)!r}, run_name="__main__")
"""
    done = take(tmp_path, "-c", code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "FAILED: open the sample: AttributeError: the canvas has moved"
