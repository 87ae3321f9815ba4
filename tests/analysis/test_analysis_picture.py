from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from matplotlib.text import Text

from napari_autophase.analysis import draw_picture, drawing
from napari_autophase.analysis.colours import phase_lab, phase_rgb, signed_rgb
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import InputError

r = np.indices((24, 26, 28)) - np.array([12, 13, 14])[:, None, None, None]
ball = np.linalg.norm(r, axis=0) < 8


def made(object: np.ndarray, nm: bool) -> Reconstruction:
    return Reconstruction(
        object=object.astype(np.complex64),
        support=np.abs(object) > 0,
        recipe=Recipe(),
        figures={"chi2": 0.0125, "free_llk": float("nan")},
        seconds={"total": 3.5},
        voxel_steps_nm=np.diag([9.0, 8.0, 7.0])[::-1] if nm else None,
        q_bragg_per_nm=np.array([0.0, 26.0, 3.0]) if nm else None,
        name="S0001",
    )


def pixels(path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


@pytest.mark.parametrize("nm", [True, False])
def test_the_picture_says_name_figures_units_and_shows_colours(tmp_path, nm):
    figure = draw_picture(made(ball * np.exp(0.03j * r[0] ** 2), nm), tmp_path / "a.png", 0.4, dpi=50)
    words = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
    for word in (
        "S0001",
        "0.0125",
        "3.5 s",
        "25*HIO+75*RAAR+40*ER",
        "amplitude 0.40",
        "nm" if nm else "pixels",
    ):
        assert word in words
    assert ("strain (%), relative to the mean" in words) == nm
    # what a reader of a figure must know
    for word in (
        "x (outboard), y (up), z (downstream)",
        "Phase −Q·u",
        "strain along Q (0.00, 26.00, 3.00) 1/nm, positive where",
    ):
        assert (word in words) == nm
    assert ("Axes of the phased array" in words) != nm
    below = figure.texts[-1].get_window_extent()
    assert below.y0 > 0
    assert below.x1 < 0.36 * figure.bbox.x1, "beside the colour bars"
    assert "likelihood" not in words
    shown = pixels(tmp_path / "a.png")
    assert shown.shape == (420, 620, 3)
    colourful = np.ptp(shown, axis=2) > 0.2
    # both surfaces on the left, slices on the right
    assert colourful[:, :200].mean() > 0.05
    assert colourful[:, 220:].mean() > 0.03
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_is_drawn_without_a_file_and_without_pyplot(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    assert draw_picture(made(ball + 0j, True)).get_axes()
    assert "matplotlib.pyplot" not in sys.modules


def test_a_threshold_above_everything_draws_an_empty_page(tmp_path):
    draw_picture(made(ball + 0j, False), tmp_path / "empty.png", 5.0, dpi=30)
    assert (tmp_path / "empty.png").stat().st_size > 0


@pytest.mark.parametrize("name", ["missing/a.png", "a.nonsense"])
def test_a_picture_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path, name):
    with pytest.raises(InputError, match="cannot be written"):
        draw_picture(made(ball + 0j, False), tmp_path / name, dpi=30)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        draw_picture(made(ball + 0j, False), path, dpi=30)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_axes_drawn_are_a_right_handed_frame_with_y_up():
    right, up, towards = drawing.VIEW[:, ::-1]
    np.testing.assert_allclose(np.cross(right, up), towards, atol=1e-12)
    np.testing.assert_allclose(drawing.VIEW @ drawing.VIEW.T, np.eye(3), atol=1e-12)
    assert up[1] > 0.8
    assert right[1] == pytest.approx(0)


def test_scale_bars_have_round_lengths():
    assert [drawing._round_length(x) for x in (0.9, 1, 3, 7, 49, 130)] == [0.5, 1, 2, 5, 20, 100]


def test_the_phase_map_is_a_closed_even_walk_readable_on_black_and_white():
    rgb, lab = phase_rgb(), phase_lab()
    assert rgb.shape == (256, 3)
    assert 0 <= rgb.min() <= rgb.max() <= 1
    np.testing.assert_allclose(rgb[0], rgb[-1], atol=1e-6)
    paces = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert np.ptp(paces) < 0.05 * paces.mean()
    assert 0.5 < lab[:, 0].min() <= lab[:, 0].max() < 0.9


def test_no_strain_is_seen_on_white_and_on_black():
    """By the contrast ratio of WCAG 2, (L1 + 0.05) / (L2 + 0.05): white on white has 1, and 1.5 is seen."""
    rgb = signed_rgb()
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (luminance + 0.05)).min() > 1.5
    assert ((luminance + 0.05) / 0.05).min() > 2
    middle = rgb[len(rgb) // 2]
    np.testing.assert_allclose(middle, middle.mean(), atol=0.01)
    assert rgb[0][2] > 2 * rgb[0][0], "negative is blue"
    assert rgb[-1][0] > 2 * rgb[-1][2], "positive is red"
