"""The crystal on a real canvas: what is drawn, not only what the layers say."""

from __future__ import annotations

import logging

import napari
import numpy as np
import pytest
from napari._qt.qt_main_window import _QtMainWindow
from napari._qt.qt_viewer import QtViewer
from napari._qt.threads.status_checker import StatusChecker
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.sessions import session_of

pytestmark = pytest.mark.screen


@pytest.fixture(scope="module")
def one_window(qapp):
    """A window takes seconds: all tests draw into this one."""
    with pytest.MonkeyPatch.context() as patch:  # as `make_napari_viewer` does
        patch.setattr(StatusChecker, "start", lambda _: None)
        patch.setattr(_QtMainWindow, "_save_current_window_settings", lambda _: None)
        viewer = napari.Viewer(show_welcome_screen=False)
        viewer.window.resize(700, 500)
        yield viewer
        viewer.close()
        QtViewer._instances.clear()


@pytest.fixture
def window(one_window):
    """The window, as empty as a new one."""
    yield one_window
    one_window.layers.clear()
    one_window.dims.ndisplay = 2
    camera = compat.camera(one_window)
    camera.update(type(camera)().model_dump())
    for around in compat.surroundings(one_window):
        around.visible = False


@pytest.fixture
def crystal(window, caplog):
    caplog.set_level(logging.WARNING)
    yield layers.add_reconstruction(window, make_reconstruction(), group=1)
    assert "Error drawing" not in caplog.text


def drawn(viewer):
    """Pixels of the crystal: lit, and away from what stands around it."""
    for around in compat.surroundings(viewer):
        around.visible = False
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    rows, columns = picture.shape[:2]
    middle = picture[rows // 5 : 4 * rows // 5, columns // 4 : 3 * columns // 4].reshape(-1, 3)
    return middle[middle.max(axis=-1) > 30]


def test_the_relief_darkens_and_is_taken_off_again(window, crystal):
    lit = drawn(window)
    crystal.set_relief(False)
    bare = drawn(window)
    crystal.set_relief(True)
    again = drawn(window)
    assert len(lit) == len(bare) > 5000
    assert lit.mean() < 0.97 * bare.mean()
    assert again.mean() == pytest.approx(lit.mean(), rel=1e-3)


def test_meshes_of_any_size_follow_each_other(window, crystal):
    areas = []
    for threshold in (0.3, 5.0, 0.9, 0.1):
        crystal.set_threshold(threshold)
        areas.append(len(drawn(window)))
    assert areas[1] == 0
    assert areas[3] >= areas[0] >= areas[2] > 5000


def test_an_empty_mesh_may_come_first(window, monkeypatch):
    recipe = make_reconstruction().recipe.with_settings({"analyse.threshold": 0.99})
    faint = make_reconstruction()
    object.__setattr__(faint, "recipe", recipe)
    faint.object[faint.support] *= np.linspace(0.2, 0.9, faint.support.sum())
    result = layers.add_reconstruction(window, faint, group=1)
    result.set_threshold(3.0)
    assert len(drawn(window)) == 0
    result.set_threshold(0.3)
    assert len(drawn(window)) > 5000


def test_a_cut_shows_the_inside_in_the_colours_of_the_map(window, crystal):
    crystal.set_colour_by("amplitude")
    looking, _ = compat.looking(window)
    crystal.set_clipping(Cut(tuple(-np.array(looking)), 0.0))
    colours, counts = np.unique(drawn(window).round(-1), axis=0, return_counts=True)
    inside = crystal.layer("isosurface").colormap.map(1.0).ravel()[:3] * 255
    np.testing.assert_allclose(colours[counts.argmax()], inside, atol=12)


def test_the_isosurface_may_be_looked_at_in_slices(window, crystal):
    window.dims.ndisplay = 2
    crystal.layer("isosurface").visible = True
    crystal.set_threshold(0.5)
    assert len(drawn(window)) > 1000, "its outline"


def test_x_is_drawn_to_the_right_y_up_and_z_towards_the_eye(window, crystal):
    """The laboratory is right-handed, and its camera looks down along z, tilted: whatever napari calls its directions."""
    crystal.layer("isosurface").visible = False
    compat.text(window).visible = False
    tips = {"x": (0, 0, 60), "y": (0, 60, 0), "z": (60, 0, 0)}  # as (z, y, x) in nm
    places = {}
    for name, tip in tips.items():
        mark = window.add_points([tip], size=12, face_color="#00ff00", border_width=0, units=("nm",) * 3)
        picture = window.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        rows, columns = np.nonzero((picture[..., 1] > 200) & (picture[..., 0] < 60) & (picture[..., 2] < 60))
        places[name] = np.array([columns.mean() - picture.shape[1] / 2, picture.shape[0] / 2 - rows.mean()])
        mark.visible = False
    x, y, z = places["x"], places["y"], places["z"]
    assert x[0] > abs(x[1]) > 0  # to the right
    assert y[1] > 3 * abs(y[0])  # up
    assert z[0] < 0  # the eye stands to the right of the z axis and above it
    assert z[1] < 0


def test_in_slices_y_is_drawn_up_as_in_space_and_rows_of_a_detector_down(window, crystal):
    def seen(mark):
        compat.text(window).visible = False
        picture = window.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        rows, columns = np.nonzero((picture[..., 1] > 200) & (picture[..., 0] < 60) & (picture[..., 2] < 60))
        mark.visible = False
        return columns.mean() - picture.shape[1] / 2, picture.shape[0] / 2 - rows.mean()

    def mark(row, column, unit, size):
        bar = np.ones((100, 1, 1))  # through all slices
        place = {"scale": (size,) * 3, "translate": (-50 * size, row, column), "units": (unit,) * 3}
        return window.add_image(bar, colormap="green", contrast_limits=(0, 1), **place)

    crystal.set_colour_by("amplitude")
    window.dims.ndisplay = 2
    crystal.frame()
    right, up = seen(mark(30, 0, "nm", 5.0))
    assert up > 50 > abs(right)
    right, up = seen(mark(0, 30, "nm", 5.0))
    assert right > 50 > abs(up)
    session = session_of(window)
    session.add_scan(make_scan())
    session._queue.finish()
    right, up = seen(mark(20, 12, "pixel", 1.0))
    assert up < -50 < -abs(right)


def test_the_near_side_of_the_crystal_is_in_front(window, crystal):
    """What lies between the eye and the crystal is seen, what lies behind it is not."""
    looking, _ = compat.looking(window)
    seen = []
    for side in (-100, 100):  # nm along the line of sight
        mark = window.add_points(
            [side * looking],
            size=12,
            face_color="#00ff00",
            border_width=0,
            blending="opaque",
            units=("nm",) * 3,
        )
        picture = window.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        seen.append(
            bool(((picture[..., 1] > 200) & (picture[..., 0] < 60) & (picture[..., 2] < 60)).sum() > 20)
        )
        mark.visible = False
    assert seen == [True, False]
