"""Every napari from 0.7 on: what moved between the versions is found by one module, on viewers of each shape."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components.camera import Camera
from packaging.version import Version
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.model.canvas import compat

ROOT = Path(__file__).resolve().parents[2]
ROOM = sorted((ROOT / "src" / "napari_autophase" / "viewer").glob("*.py"))


class OldLayers(list):
    """The layer list of napari 0.7 and 0.8, as far as it is asked: no labels of its axes."""

    def get_extent(self, chosen):
        return SimpleNamespace(world=np.array([layer.box for layer in chosen], float)[0])


def old_viewer(ndisplay=3, **more):
    """A viewer of napari 0.7; `more` is what 0.8 has besides."""
    shown = (0, 1, 2)[-ndisplay:]
    return SimpleNamespace(
        camera=Camera(),
        scale_bar="scale bar",
        axes="axes at the origin",
        text_overlay="text",
        _canvas_size=(600, 800),
        layers=OldLayers(),
        dims=SimpleNamespace(ndim=3, ndisplay=ndisplay, displayed=shown, axis_labels=("-3", "-2", "-1")),
        **more,
    )


def test_what_stands_around_the_layers_in_every_version(viewer):
    assert compat.surroundings(old_viewer()) == ("scale bar", "text")
    later = old_viewer(floating_axes="axes in the corner")
    assert compat.surroundings(later) == ("scale bar", "axes in the corner", "text")
    assert compat.text(later) == "text"
    compat.text(viewer).text = "here"
    assert compat.surroundings(viewer)[-1].text == "here"
    assert all(not around.visible for around in compat.surroundings(viewer))


def test_camera_and_canvas_of_every_version(viewer):
    old = old_viewer()
    assert compat.camera(old) is old.camera
    assert compat.canvas_size(old) == (600, 800)
    compat.camera(viewer).zoom = 2.5
    assert compat.camera(viewer).zoom == 2.5
    assert len(compat.canvas_size(viewer)) == 2


@pytest.mark.parametrize("make", [old_viewer, None], ids=["old", "installed"])
@pytest.mark.parametrize(
    "orientation", [("towards", "down", "right"), ("away", "down", "right"), ("away", "up", "left")]
)
def test_the_camera_looks_where_it_is_told_whatever_way_the_axes_are_drawn(viewer, make, orientation):
    chosen = viewer if make is None else make()
    compat.camera(chosen).orientation = orientation
    directions = np.random.default_rng(5).normal(size=(20, 2, 3))
    for direction, near_up in directions:
        compat.look(chosen, direction, near_up)
        looking, up = compat.looking(chosen)
        np.testing.assert_allclose(looking, direction / np.linalg.norm(direction), atol=1e-6)
        # what of the wanted direction is across the line of sight
        across = near_up - near_up @ looking * looking
        np.testing.assert_allclose(up, across / np.linalg.norm(across), atol=1e-6)


def test_the_usual_axes_keep_the_angles_that_napari_gives_them():
    old = old_viewer()
    compat.look(old, (-1, 0, 0), (0, -1, 0))  # where every version of napari looks at first
    np.testing.assert_allclose(old.camera.angles, 0, atol=1e-6)
    old.camera.orientation = ("away", "down", "right")  # z into the screen: at first it looks along it
    direction, up = compat.looking(old)
    np.testing.assert_allclose(direction, (1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(up, (0, -1, 0), atol=1e-6)


def test_old_versions_fit_the_layers_that_are_asked_for_alone():
    old = old_viewer(ndisplay=2)
    small, large = (
        SimpleNamespace(box=[(0, 10, 20), (9, 50, 120)]),
        SimpleNamespace(box=[(0, 0, 0), (9, 900, 900)]),
    )
    old.layers += [small, large]
    compat.fit_to_view(old, [small])
    np.testing.assert_allclose(old.camera.center[-2:], (30, 70))
    assert old.camera.zoom == pytest.approx(0.95 * 800 / 100)  # 100 wide on 800 pixels, 40 high on 600
    spatial = old_viewer()
    compat.look(spatial, (-1, 0, 0), (0, -1, 0))  # along z: y is high, x is wide
    compat.fit_to_view(spatial, [SimpleNamespace(box=[(-500, -30, -10), (500, 30, 10)])])
    np.testing.assert_allclose(spatial.camera.center, 0)
    assert spatial.camera.zoom == pytest.approx(0.95 * 600 / 60)
    compat.fit_to_view(spatial, [SimpleNamespace(box=[(1, 2, 3), (1, 2, 3)])])  # one point
    assert np.isfinite(spatial.camera.zoom)


def test_the_installed_version_fits_a_layer_among_larger_ones(viewer):
    small = viewer.add_image(np.zeros((8, 40, 60)), translate=(0, 5, 5))
    viewer.add_image(np.zeros((8, 400, 600)))
    viewer.dims.ndisplay = 2
    compat.fit_to_view(viewer, [small])
    height, width = compat.canvas_size(viewer)
    assert compat.camera(viewer).zoom == pytest.approx(0.95 * min(height / 40, width / 60), rel=0.03)
    np.testing.assert_allclose(compat.camera(viewer).center[-2:], (24.5, 34.5), atol=0.5)


def test_it_fits_a_layer_among_some_with_more_axes(viewer):
    small = viewer.add_image(np.zeros((8, 40, 60)), translate=(0, 5, 5))
    viewer.add_image(np.zeros((3, 8, 400, 600)))
    viewer.dims.ndisplay = 2
    compat.fit_to_view(viewer, [small])
    height, width = compat.canvas_size(viewer)
    assert compat.camera(viewer).zoom == pytest.approx(0.95 * min(height / 40, width / 60), rel=0.03)
    np.testing.assert_allclose(compat.camera(viewer).center[-2:], (24.5, 34.5), atol=0.5)
    np.testing.assert_allclose(compat.extent(viewer, [small])[:, -2:], [(5, 5), (44, 64)])


def test_scans_and_results_are_shown_beside_an_image_with_a_time_axis(session, viewer):
    viewer.add_image(np.zeros((3, 8, 20, 20)), name="film")
    session.add_scan(make_scan())
    assert [layer.name for layer in viewer.layers if layer.visible] == ["film", "crystal"]
    session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2
    session.show_diffraction()
    session.show_result()
    assert session.results[0].shown


def test_axes_are_called_as_those_of_the_uppermost_layer_that_names_them(session, viewer):
    session.add_scan(make_scan())
    assert viewer.dims.axis_labels == ("frame", "row", "col")
    viewer.layers.clear()
    session.add_result(make_reconstruction())
    assert viewer.dims.axis_labels == ("z", "y", "x")
    viewer.add_image(np.zeros((2, 3, 4, 5)))  # somebody else's, without names
    assert viewer.dims.axis_labels[1:] == ("z", "y", "x")


def test_old_versions_are_told_their_names():
    old = old_viewer(ndisplay=2)
    old.dims.axis_labels = ("-4", "-3", "-2", "-1")
    compat.name_axes(old, ("z", "y", "x"))
    assert old.dims.axis_labels == ("-4", "z", "y", "x")


# -- which versions


@pytest.mark.parametrize("version", ["0.7.0", "0.7.1rc2", "0.8.0", "0.9.3.dev12+gabc", "0.10.0", "1.0"])
def test_a_napari_that_is_new_enough_is_not_refused(version):
    compat.require(version)


@pytest.mark.parametrize("version", ["0.6.6", "0.4.19.post1"])
def test_a_napari_that_is_too_old_is_refused_in_one_sentence(version):
    with pytest.raises(ImportError, match=f"needs napari 0.7 or newer, and this is napari {version}"):
        compat.require(version)


def test_it_is_refused_wherever_a_person_begins():
    modules = [
        *(f"docks.{name}" for name in ("workspace", "load_dock", "reconstruct_dock", "display_dock")),
        "model.stage.layers",
        "writer",
    ]
    code = f"""
import importlib, sys
import napari
napari.__version__ = "0.6.6"
for module in {modules}:
    try:
        importlib.import_module("napari_autophase.viewer." + module)
    except ImportError as error:
        print(error)
    for name in [name for name in sys.modules if name.startswith("napari_autophase")]:
        del sys.modules[name]  # each begins anew
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == len(modules)
    assert {line.partition(",")[0] for line in said} == {"AutoPhase needs napari 0.7 or newer"}


def test_the_extras_ask_for_the_version_that_the_code_asks_for():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = ".".join(map(str, compat.OLDEST))
    assert re.findall(r'"napari\[pyqt6\](.*?)"', text) == [f">={oldest}"] * 2  # all, test
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert Version(re.search(r"^napari==(.*)$", pinned, re.MULTILINE)[1]) >= Version(oldest)


@pytest.mark.parametrize("path", ROOM, ids=lambda path: path.name)
def test_nothing_else_asks_for_what_moved(path):
    """Attributes of the viewer that are elsewhere in another version, and the version itself."""
    moved = (
        r"(?<!self)\.(canvas|scene|camera|text_overlay|scale_bar|floating_axes|axes)\b"
        r"|\bfit_to_view\(|set_view_direction|__version__"
    )
    lines = path.read_text(encoding="utf-8").splitlines()
    asking = [
        line for line in lines if re.search(moved, line) and "compat." not in line and "import" not in line
    ]
    assert path.name == "compat.py" or not asking


@pytest.mark.screen
def test_a_viewer_is_open_until_its_window_is_closed(make_napari_viewer):
    viewer = make_napari_viewer()
    assert compat.is_open(viewer)
    viewer.close()
    assert not compat.is_open(viewer)


def test_a_viewer_that_has_no_window_is_open(viewer):
    assert compat.is_open(viewer)
