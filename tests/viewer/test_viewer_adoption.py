"""Scans that another reader opened as images, and scans and results that a person renames."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from napari.layers import Image, Labels, _layer_actions
from npe2 import PluginManifest
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.docks.undo_row import UndoButton
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.drawing import draw
from napari_autophase.viewer.model.crystal.result_data import RECONSTRUCTION
from napari_autophase.viewer.model.result.logbook import logbook_line
from napari_autophase.viewer.model.result.naming import suggested_name
from napari_autophase.viewer.model.result.saving import SAVED, save
from napari_autophase.viewer.model.scan import adoption
from napari_autophase.viewer.model.stage import layers


@pytest.fixture(autouse=True)
def plugins(npe2pm):
    """Napari's own readers and ours, and nobody else's."""
    for package, name in (("napari_builtins", "builtins.yaml"), ("napari_autophase", "napari.yaml")):
        npe2pm.register(PluginManifest.from_file(str(resources.files(package) / name)))


@pytest.fixture
def counts(tmp_path):
    """A rocking curve of 64 × 64 × 64 voxels as a plain .npy file."""
    found = make_scan(size=64).counts.astype(np.uint16)
    np.save(tmp_path / "curve.npy", found)
    return found


def opened(viewer, path):
    """Open a file as napari's own reader does: an image that knows its path."""
    (layer,) = viewer.open(str(path), plugin="napari")
    return layer


def heard(qtbot, session):
    qtbot.waitUntil(lambda: not session._arrivals.adoption._tasks._newest, timeout=120_000)


def test_a_scan_opened_by_another_reader_becomes_one(session, viewer, qtbot, counts, tmp_path):
    layer = opened(viewer, tmp_path / "curve.npy")
    assert session.current is layer, "an image that may be one, until its file was looked at"
    heard(qtbot, session)
    scan = session.current
    assert [session.scans, list(viewer.layers)] == [[scan], [layer]]
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.source == str(tmp_path / "curve.npy")
    assert layer.metadata[layers.SCAN] is scan
    assert scan.name == "curve"
    np.testing.assert_allclose(layer.data, np.log10(1.0 + counts), atol=1e-5)
    assert (layer.name, layer.colormap.name) == ("curve", "inferno")
    assert session.diffraction_shown
    session.add_result(make_reconstruction())
    assert not layer.visible, "it is hidden for the result as every diffraction is"


def test_whole_numbers_that_napari_takes_for_labels_too(session, viewer, qtbot, counts, tmp_path):
    np.save(tmp_path / "whole.npy", counts.astype(np.int32))
    layer = opened(viewer, tmp_path / "whole.npy")
    assert isinstance(layer, Labels)
    heard(qtbot, session)
    qtbot.waitUntil(lambda: session.current is not None)
    np.testing.assert_array_equal(session.current.counts, counts)
    assert [(shown.name, type(shown)) for shown in viewer.layers] == [("whole", Image)]


def test_what_is_no_scan_is_left_alone(session, viewer, qtbot, tmp_path):
    noise = np.random.default_rng(0).random((20, 64, 64)).astype(np.float32)
    np.save(tmp_path / "stack.npy", noise)
    layer = opened(viewer, tmp_path / "stack.npy")
    heard(qtbot, session)
    assert session.current is layer
    assert session.scans == []
    np.testing.assert_array_equal(layer.data, noise)


def test_an_image_deleted_or_changed_in_the_meantime_is_no_scan(session, viewer, qtbot, counts, tmp_path):
    layer = opened(viewer, tmp_path / "curve.npy")
    layer.data = layer.data[:40]
    heard(qtbot, session)
    assert session.scans == []
    viewer.layers.clear()
    opened(viewer, tmp_path / "curve.npy")
    viewer.layers.clear()
    heard(qtbot, session)
    assert session.scans == []
    assert session.current is None


def test_a_file_that_cannot_be_read_again_leaves_the_image(
    session, viewer, qtbot, counts, tmp_path, monkeypatch
):
    def fail(path):
        raise OSError("gone")

    monkeypatch.setattr(adoption, "scan_in", fail)
    layer = opened(viewer, tmp_path / "curve.npy")
    heard(qtbot, session)
    assert session.current is layer


@pytest.fixture
def panels(session, viewer, qtbot):
    found = LoadDock(viewer), ReconstructDock(viewer)
    for dock in found:
        qtbot.addWidget(dock)
    return found


def test_a_scan_is_renamed_with_its_layer(session, viewer, qtbot, panels, launch, tmp_path):
    load, reconstruct = panels
    formats.write_scan(make_scan("plain"), tmp_path / "plain.h5")
    load.load(str(tmp_path / "plain.h5"))
    qtbot.waitUntil(lambda: not load._tasks._newest, timeout=120_000)
    first = session.add_result(replace(make_reconstruction("plain"), source=session.current.source))
    session.scan_layer.name = "gold, before"
    assert session.current.name == "gold, before"
    assert reconstruct.scan.currentText() == "gold, before"
    assert [scan.name for scan in session.scans] == ["gold, before"]
    # a correction does not undo that, and results phased before are still its own
    load.corrections.crop.choose("20,20,20")
    qtbot.waitUntil(lambda: not load._tasks._newest, timeout=120_000)
    assert session.current.shape == (20, 20, 20)
    assert (session.current.name, session.scan_layer.name) == ("gold, before", "gold, before")
    seen = []
    session._gallery._placed, asked = (lambda found: seen.append(found)), session._gallery._placed
    session.update_scan(session.current, replace(session.current, geometry=replace(GEOMETRY, energy_kev=8.0)))
    assert asked(first.reconstruction) is session.current
    assert seen == [first.reconstruction]
    viewer.layers.remove(session.scan_layer)
    assert session.scans == []


def test_a_result_is_renamed_with_its_layer(session, viewer, qtbot):
    dock = DisplayDock(viewer)
    qtbot.addWidget(dock)
    session.add_result(make_reconstruction())
    second = session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2  # which makes its slices
    viewer.dims.ndisplay = 3
    second.layer("isosurface").name = "tip, best isosurface"
    assert second.title == "tip, best"
    assert {layer.name for layer in second.layers} == {"tip, best isosurface", "tip, best slices"}
    assert dock.result.currentText() == "tip, best"
    assert compat.text(viewer).text.startswith("tip, best")
    assert second.reconstruction.name == "crystal", "which says what it was found in"
    second.layer("slices").name = "whole"
    assert [result.title for result in session.results] == ["crystal · 1", "whole"]
    assert second.layer("isosurface").name == "whole isosurface"
    second.layer("slices").name = "crystal · 2 slices"
    assert dock.result.currentText() == "crystal · 2"
    second.layer("isosurface").name = "crystal · 1 isosurface"  # which is taken: napari numbers it
    assert [result.title for result in session.results] == ["crystal · 1", "crystal · 1 [1]"]


def test_panels_follow_a_result_that_is_renamed(session, viewer, qtbot, panels):
    dock, (_, reconstruct) = DisplayDock(viewer), panels
    qtbot.addWidget(dock)
    first, second = (session.add_result(make_reconstruction()) for _ in range(2))
    first.layer("isosurface").name = "tip"
    other = dock.beside.other
    assert [other.itemText(at) for at in range(other.count())] == ["nothing", "tip"]
    second.layer("isosurface").name = "whole"
    assert reconstruct.going_on.name.text() == "Go on from whole"


def test_a_renamed_result_comes_back_by_its_name_and_what_takes_its_place_has_its_own(session, viewer, qtbot):
    result = session.add_result(make_reconstruction())
    (layer,) = result.layers
    layer.name = "tip"
    viewer.layers.remove(layer)
    assert session.deleted.last == "tip"
    session.deleted.bring_back()
    qtbot.waitUntil(lambda: len(session.results) == 1)
    (back,) = session.results
    assert (back.title, back.layers[0].name) == ("tip", "tip isosurface")
    assert suggested_name(back) == "tip.cxi"
    session.add_result(make_reconstruction(), replace_last=True)
    assert [each.title for each in session.results] == ["crystal · 1"]
    assert back.layers[0].name == "crystal · 1 isosurface"
    assert suggested_name(back) == "crystal_result1.cxi"


def test_the_name_that_a_person_gives_a_result_is_kept_in_its_file_and_its_report(session, viewer, tmp_path):
    result = session.add_result(make_reconstruction())
    (layer,) = result.layers
    save(result.reconstruction, tmp_path / "one.cxi")
    layer.name = "tip, best\x00 isosurface"
    assert SAVED.gist(result.reconstruction).words == "changed since one.cxi"
    path = save(layer.metadata[RECONSTRUCTION], tmp_path / "one.cxi", result.look)
    assert SAVED.gist(result.reconstruction).words.startswith("saved")
    found = formats.read(path)
    assert (found.called, found.name) == ("tip, best", "crystal"), "the scan is still called as it is"
    assert (found.report()["called"], found.title) == ("tip, best", "tip, best (crystal)")
    assert logbook_line(result).startswith("tip, best (crystal); fast")

    viewer.layers.clear()
    session.add_result(found)
    for data, options, kind in layers.reconstruction_layer_data(formats.read(path)):  # File > Open
        viewer._add_layer_from_data(data, options, kind)
    one, other = session.results
    assert (one.title, one.layers[0].name) == ("tip, best", "tip, best isosurface")
    assert other.title == "tip, best [1]", "napari numbers what is called alike"
    one.layers[0].name = f"crystal · {one.group} isosurface"
    assert formats.read(save(one.reconstruction, tmp_path / "two.cxi")).called == ""


@pytest.mark.parametrize("name", ["", "   ", "isosurface", " isosurface "])
def test_a_result_without_a_name_goes_by_its_scan_s(session, viewer, name):
    result = session.add_result(make_reconstruction())
    (layer,) = result.layers
    layer.name = "tip"
    layer.name = name
    # napari calls what has no name by what it is
    wanted = ("Surface", "Surface") if name == "" else ("crystal · 1", "crystal · 1 isosurface")
    assert (result.title, layer.name) == wanted


def test_scans_of_one_name_can_be_told_apart(session, viewer, qtbot, panels, tmp_path):
    load, reconstruct = panels
    for folder, seed in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        formats.write_scan(make_scan("S54", seed=seed), tmp_path / folder / "S54.h5")
        load.file.choose(str(tmp_path / folder / "S54.h5"))
        qtbot.waitUntil(lambda: not load._tasks._newest, timeout=120_000)
    listed = [reconstruct.scan.itemText(at) for at in range(reconstruct.scan.count())]
    assert listed == ["S54", "S54 [1]"] == [scan.name for scan in session.scans]
    assert session.current is session.scans[1]
    assert session.scan_layer.metadata[layers.SCAN] is session.current
    found = replace(make_reconstruction("S54 [1]"), source=session.current.source)
    session.show_diffraction_of(session.add_result(found))
    assert session.current is session.scans[1]
    load.corrections.crop.choose("20,20,20")  # it stays another one
    qtbot.waitUntil(lambda: not load._tasks._newest, timeout=120_000)
    assert [(scan.name, scan.shape[0]) for scan in session.scans] == [("S54", 24), ("S54 [1]", 20)]


@pytest.mark.parametrize(("name", "called"), [(" ", "gold"), ("\n", "gold"), ("two\nlines", "two lines")])
def test_a_scan_has_a_name_of_one_line(session, viewer, name, called):
    session.add_scan(make_scan("gold"))
    session.scan_layer.name = name
    assert session.current.name == called
    assert session.choices == [(called, session.current)]
    assert session.scan_layer.name.strip()


@pytest.mark.parametrize(
    ("name", "file"),
    [(300 * "é", 50 * "é"), ("../etc", "_etc"), ("...", "unnamed"), ("a/b: c", "a_b__c")],
)
def test_a_file_is_called_so_that_every_system_takes_it(session, tmp_path, name, file):
    result = session.add_result(make_reconstruction())
    result.layers[0].name = name
    assert suggested_name(result) == f"{file}.cxi"
    (tmp_path / suggested_name(result)).touch()


def test_a_long_name_widens_no_panel(session, viewer, qtbot, panels):
    display = DisplayDock(viewer)
    qtbot.addWidget(display)
    session.add_scan(make_scan("gold"))
    session.add_result(make_reconstruction("gold"))
    docks = (*panels, display)

    def widths():
        return [dock.minimumSizeHint().width() for dock in docks]

    before = widths()
    for layer in list(viewer.layers):
        layer.name = "platinum & gold " * 20
    assert widths() == before
    viewer.layers.clear()
    session.add_scan(make_scan("gold"))
    (button,) = panels[0].findChildren(UndoButton)
    assert button.text().startswith("Bring back platinum && gold"), "a single & is a shortcut of Qt's"
    assert panels[0].minimumSizeHint().width() == before[0]


def test_another_geometry_leaves_a_result_its_name(session):
    result = session.add_result(make_reconstruction())
    result.layers[0].name = "tip"
    before = result.reconstruction
    session._gallery._redraw(result, draw(replace(before, geometry=GEOMETRY, called="")))
    assert (result.title, result.reconstruction.geometry) == ("tip", GEOMETRY)


def test_layers_of_a_result_are_called_alike_whatever_the_route(session, viewer, reconstruction):
    session.add_result(reconstruction)
    for data, options, kind in layers.reconstruction_layer_data(make_reconstruction("crystal")):
        viewer._add_layer_from_data(data, options, kind)
    names = {layer.name for layer in viewer.layers}
    assert names == {f"crystal · {group} {role}" for group in (1, 2) for role in ["isosurface"]}


napari_says = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in cast:RuntimeWarning", "ignore:projection mode:UserWarning"
)


@napari_says
def test_what_napari_makes_of_a_scan_s_layer_is_not_taken_for_the_scan(viewer, session):
    scan = make_scan()
    session.add_scan(scan)
    layer = session.scan_layer
    viewer.layers.selection = {layer}
    _layer_actions._project(viewer.layers)
    projection = viewer.layers[-1]
    assert projection.ndim == 2
    assert session.choices == [(scan.name, scan)]
    viewer.layers.selection = {layer}
    _layer_actions._convert_to_labels(viewer.layers)
    assert [name for name, _ in session.choices] == [scan.name]
    session.show_diffraction()
    assert layer.visible

    session.add_scan(make_scan("other"))
    viewer.layers.selection = {layer, session.scan_layer}
    _layer_actions._merge_stack(viewer.layers)
    stack = viewer.layers[-1]
    assert stack.ndim == 4
    assert session.choices == []
    assert session.current is None


def test_a_duplicate_of_a_scan_is_a_scan_beside_it(viewer, session):
    scan = make_scan()
    session.add_scan(scan)
    layer = session.scan_layer
    viewer.layers.selection = {layer}
    _layer_actions._duplicate_layer(viewer.layers)
    assert [name for name, _ in session.choices] == [scan.name, f"{scan.name} copy"]
    viewer.layers.remove(layer)
    assert session.current.name == f"{scan.name} copy"
    assert session.current.counts is scan.counts
    session.deleted.bring_back()
    assert [name for name, _ in session.choices] == [f"{scan.name} copy", scan.name]


@napari_says
def test_what_napari_makes_of_a_result_s_slices_is_not_taken_for_the_result(viewer, session):
    result = session.add_result(make_reconstruction())
    viewer.dims.ndisplay = 2
    slices = result.layer("slices")
    for action in (_layer_actions._project, _layer_actions._convert_to_labels):
        viewer.layers.selection = {slices}
        action(viewer.layers)
    assert session.results == [result]
    assert set(result.layers) == {slices, result.layer("isosurface")}
    session.show_result()
    assert result.shown
