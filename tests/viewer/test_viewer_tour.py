"""The tour of the window that is taken with every supported napari before a release, taken with the one that is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import napari
import numpy as np
import pytest
import qtpy
from matplotlib import image

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TOUR = TOOLS / "tour.py"
SEEN = Path(__file__).with_name("pictures")
"""What was seen on the tour, and found good, with napari 0.9 and PyQt6: others arrange their controls otherwise."""
is_as_seen = napari.__version__.startswith("0.9.") and qtpy.API_NAME == "PyQt6"
CANVAS = np.s_[20:600, 345:625]


@pytest.fixture
def mosaic(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import mosaic

    return mosaic


def take(folder, *how):
    own = {**os.environ, "NAPARI_CONFIG": str(folder / "napari.yaml")}  # a person's settings are left alone
    size = "900x650"  # without a GPU drawing takes the longer, the larger the window is
    return subprocess.run(
        [sys.executable, *how, folder, size], capture_output=True, text=True, check=False, env=own
    )


@pytest.mark.screen
@pytest.mark.slow
def test_the_tour_comes_to_its_end(tmp_path, mosaic):
    done = take(tmp_path, TOUR)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert len(list(tmp_path.glob("*.png"))) == 7
    assert (tmp_path / "tour.cxi").is_file()
    if is_as_seen:
        assert mosaic.compare(tmp_path, SEEN) == []


def enlarged(name):
    """A picture of 1028 × 650 pixels whose mosaic is that of a baseline, nearly."""
    tiles = image.imread(SEEN / name)[..., :3]
    rows, columns = (
        np.arange(length) * parts // length for length, parts in zip((650, 1028), tiles.shape, strict=False)
    )
    return tiles[np.ix_(rows, columns)]


def kept_as_it_is(canvas):
    return np.roll(canvas, 1, axis=1)  # letters of another font, a line half a pixel away


def in_other_colours(canvas):
    return canvas[..., ::-1]


def turned_over(canvas):
    return canvas[::-1]


def black(canvas):
    return np.zeros_like(canvas)


@pytest.mark.parametrize(
    ("change", "tells"), [(kept_as_it_is, 0), (in_other_colours, 1), (turned_over, 1), (black, 1)]
)
@pytest.mark.parametrize("name", ["3_strain.png", "5_diffraction.png"])
def test_a_canvas_that_differs_from_its_baseline_is_told(mosaic, tmp_path, name, change, tells):
    picture = enlarged(name)
    picture[CANVAS] = change(picture[CANVAS].copy())
    image.imsave(tmp_path / name, picture)
    told = [each for each in mosaic.compare(tmp_path, SEEN) if each.startswith(name)]
    assert len(told) == tells, told


def test_a_picture_that_was_not_taken_is_told(mosaic, tmp_path):
    assert mosaic.compare(tmp_path, SEEN) == [
        f"{path.name} was not taken." for path in sorted(SEEN.glob("*.png"))
    ]


@pytest.mark.screen
@pytest.mark.slow
def test_the_first_thing_that_fails_ends_it(tmp_path):
    code = f"""
import runpy
from napari_autophase.viewer.model.canvas import compat
def broken(*_, **__): raise AttributeError("the canvas has moved")
compat.surroundings = broken
runpy.run_path({str(TOUR)!r}, run_name="__main__")
"""
    done = take(tmp_path, "-c", code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "FAILED: open the sample: AttributeError: the canvas has moved"
