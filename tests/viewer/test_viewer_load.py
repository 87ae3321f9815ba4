"""The Load dock: reading in the background, asking which dataset, geometry in and out."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QToolButton
from viewer_doubles import (
    GEOMETRY,
    TYPED,
    enter,
    fill_in,
    make_reconstruction,
    make_scan,
    threads_are_over,
)

from napari_autophase import analysis, formats, painted
from napari_autophase.geometry import BEAMLINES, find_beamline, frame
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import UNKNOWN_GEOMETRY
from napari_autophase.scan import Geometry, InputError, Scan
from napari_autophase.viewer.docks import load_dock
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.widgets.geometry_form import GeometryForm


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = LoadDock(viewer)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def errors(monkeypatch):
    """Notifications that were shown."""
    shown = []
    monkeypatch.setattr(load_dock, "show_error", shown.append)
    return shown


def settle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)


def press_clear(field):
    """Press the × of a path's line."""
    field.line.findChild(QToolButton).click()


def write(tmp_path, scan, name="scan.h5"):
    path = tmp_path / name
    formats.write_scan(scan, path)
    return str(path)


def test_a_file_is_read_and_described(dock, session, qtbot, tmp_path):
    scan = make_scan()
    dock.file.choose(write(tmp_path, scan))
    settle(qtbot, dock)
    assert isinstance(session.current, Scan)
    np.testing.assert_array_equal(session.current.counts, scan.counts)
    assert dock.facts["Shape"].text() == "24 × 24 × 24, int32"
    assert dock.facts["Peak"].text() == "12, 12, 12"
    assert f"{scan.counts.max():.4g}" in dock.facts["Counts"].text()
    assert dock.facts["Voxel size"].text().endswith("nm")
    assert dock.geometry_box.form.read_geometry() == GEOMETRY
    assert not dock.geometry_box.revert.isEnabled()


def test_reading_does_not_block_the_window(dock, session, qtbot, monkeypatch, scan):
    go = threading.Event()
    monkeypatch.setattr(load_dock, "read", lambda request: go.wait(120) and scan)
    dock.file.choose("slow.h5")
    assert not dock.activity.isHidden()
    assert session.current is None
    go.set()
    settle(qtbot, dock)
    assert session.current is scan
    assert dock.activity.isHidden()


def test_only_the_last_file_chosen_counts(dock, session, qtbot, monkeypatch):
    go = threading.Event()
    scans = {name: make_scan(name) for name in ("first", "second")}
    monkeypatch.setattr(load_dock, "read", lambda request: go.wait(120) and scans[request.path])
    dock.file.choose("first")
    dock.file.choose("second")
    go.set()
    settle(qtbot, dock)
    assert session.scans == [scans["second"]]


def test_an_error_is_said_and_the_dock_goes_on(dock, session, qtbot, tmp_path, errors):
    dock.file.choose(str(tmp_path / "missing.h5"))
    settle(qtbot, dock)
    assert "missing.h5" in dock.status.text()
    assert errors == [dock.status.text()]
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    assert dock.status.text() == ""
    assert session.current is not None


def test_several_datasets_are_asked_for(dock, session, qtbot, tmp_path, errors):
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["left"] = make_scan(seed=1).counts
        file["right"] = make_scan(seed=2).counts
    dock.file.choose(str(path))
    settle(qtbot, dock)
    assert session.current is None
    assert errors == [], "a question is no error"
    offered = [dock.dataset.itemData(index) for index in range(dock.dataset.count())]
    assert sorted(each.strip("/") for each in offered) == ["left", "right"]
    index = next(index for index, each in enumerate(offered) if "right" in each)
    dock.dataset.setCurrentIndex(index)
    dock.dataset.activated.emit(index)
    settle(qtbot, dock)
    np.testing.assert_array_equal(session.current.counts, make_scan(seed=2).counts)


def test_a_mask_replaces_the_scan_by_a_masked_one(dock, session, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    mask = np.zeros((24, 24), bool)
    mask[3, 5] = True
    np.save(tmp_path / "mask.npy", mask)
    dock.corrections.mask_file.choose(str(tmp_path / "mask.npy"))
    settle(qtbot, dock)
    assert len(session.scans) == 1
    assert session.current.mask[:, 3, 5].all()
    assert int(dock.facts["Masked"].text().split()[0].replace(",", "")) >= 24


def test_a_geometry_that_was_given_survives_a_mask(dock, session, qtbot, tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, make_scan().counts)
    dock.file.choose(str(path))
    settle(qtbot, dock)
    fill_in(dock, TYPED)
    np.save(tmp_path / "mask.npy", np.eye(24, dtype=bool))
    dock.corrections.mask_file.choose(str(tmp_path / "mask.npy"))
    settle(qtbot, dock)
    assert session.current.geometry == TYPED
    assert session.current.mask[:, 7, 7].all()
    dock.file.choose(str(path))
    settle(qtbot, dock)
    assert (session.current.geometry, session.current.mask) == (None, None), "the file as it is"
    assert dock.corrections.mask_file.path == ""
    assert len(session.scans) == 1


def test_files_can_be_dropped_anywhere_on_the_dock(dock, session, qtbot, tmp_path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(write(tmp_path, make_scan("dropped")))])
    place, buttons, keys = QPointF(50, 300), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    dock.dropEvent(QDropEvent(place, Qt.DropAction.CopyAction, mime, buttons, keys))
    settle(qtbot, dock)
    assert len(session.scans) == 1
    mime = QMimeData()
    mime.setText("no file")
    dock.dropEvent(QDropEvent(place, Qt.DropAction.CopyAction, mime, buttons, keys))
    settle(qtbot, dock)
    assert len(session.scans) == 1


def test_of_several_files_that_are_dropped_none_is_left_out(dock, session, qtbot, tmp_path):
    mime = QMimeData()
    paths = [write(tmp_path, make_scan(name), f"{name}.h5") for name in ("one", "two", "three")]
    mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
    place, buttons, keys = QPointF(50, 300), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    dock.dropEvent(QDropEvent(place, Qt.DropAction.CopyAction, mime, buttons, keys))
    qtbot.waitUntil(lambda: len(session.scans) == 3, timeout=120_000)
    assert {each.source.partition("::")[0] for each in session.scans} == set(paths)


def test_a_result_file_is_shown_as_a_crystal(dock, session, qtbot, tmp_path):
    path = tmp_path / "result.cxi"
    formats.write(make_reconstruction(), path)
    dock.file.choose(str(path))
    settle(qtbot, dock)
    assert session.current is None
    assert len(session.results) == 1


def test_enter_makes_a_new_scan_of_the_geometry(dock, session, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    before = dock.facts["Voxel size"].text()
    enter(dock, "distance_m", "1.0")
    assert session.scans == [session.current]
    assert session.current.geometry == replace(GEOMETRY, distance_m=1.0)
    assert scan.geometry == GEOMETRY, "scans are not changed"
    settle(qtbot, dock)
    sizes = [float(text) for text in before.removesuffix(" nm").split(" × ")]
    now = [float(text) for text in dock.facts["Voxel size"].text().removesuffix(" nm").split(" × ")]
    assert now[1:] == pytest.approx([2 * size for size in sizes[1:]], rel=2e-3), (
        "as far again, as coarse again"
    )


def test_nonsense_in_the_geometry_is_explained(dock, session, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    enter(dock, "energy_kev", "nine")
    assert "'nine' is no number" in dock.geometry_box.note.text()
    assert session.current is scan


def test_what_a_file_knows_is_filled_in(dock, session, qtbot):
    known = {"energy_kev": 8.5, "pixel_size_um": (55.0, 75.0)}
    session.add_scan(Scan(make_scan().counts, metadata=known))
    settle(qtbot, dock)
    form = dock.geometry_box.form
    assert form.lines["energy_kev"].text() == "8.5"
    assert form.lines["pixel_size_um"].text() == "55, 75"
    assert dock.facts["Voxel size"].text() == "unknown without geometry"
    with pytest.raises(InputError, match="Distance"):
        form.read_geometry()


def test_the_dock_may_go_while_it_reads(session, viewer, qtbot, monkeypatch, scan):
    go = threading.Event()
    monkeypatch.setattr(load_dock, "read", lambda request: go.wait(120) and scan)
    dock = LoadDock(viewer)
    dock.file.choose("slow.h5")
    with qtbot.waitSignal(dock.destroyed, timeout=120_000):
        dock.deleteLater()
    go.set()
    threads_are_over()
    session.add_scan(scan)
    assert session.current is scan


angles = st.floats(-90, 90, allow_nan=False).map(lambda value: round(value, 6))


def between(low, high):
    return st.floats(low, high).map(lambda value: float(f"{value:.6g}"))


@st.composite
def geometries(draw):
    preset = BEAMLINES[draw(st.sampled_from(sorted(BEAMLINES)))]
    optional = ("beamline", "detector") if draw(st.booleans()) else ()
    keys = ("sample_circles", "detector_circles", "pixel_directions", "sample_offsets_deg", *optional)
    circles = {key: preset[key] for key in keys if key in preset}
    return Geometry(
        energy_kev=draw(between(2, 120)),
        distance_m=draw(between(0.02, 20)),
        pixel_size_um=(draw(between(5, 1000)), draw(between(5, 1000))),
        rocking_step_deg=draw(between(1e-4, 1)) * draw(st.sampled_from([-1, 1])),
        detector_angles_deg=tuple(draw(angles) for _ in circles["detector_circles"]),
        sample_angles_deg=tuple(draw(angles) for _ in circles["sample_circles"]),
        rocking_circle=draw(st.integers(0, len(circles["sample_circles"]) - 1)),
        direct_beam_pixel=draw(st.none() | st.tuples(angles, angles)),
        reflection=draw(st.none() | st.just((1, 1, 1))),
        **circles,
    )


@settings(max_examples=30)
@given(geometry=geometries())
def test_the_form_gives_back_what_it_shows(qapp, geometry):
    form = GeometryForm()
    form.show_geometry(geometry, {})
    assert form.read_geometry() == geometry


def test_what_no_line_shows_is_kept(qapp):
    more = replace(
        GEOMETRY,
        detector_offsets_deg=(0.1, 0.2),
        energy_step_kev=0.001,
        rocking_angles_deg=(17.4, 17.5, 17.7),
    )
    form = GeometryForm()
    form.show_geometry(more, {})
    form.lines["distance_m"].setText("0.7")
    assert form.read_geometry() == replace(more, distance_m=0.7)
    form.lines["rocking_step_deg"].setText("0.03")
    assert form.read_geometry().rocking_angles_deg is None, "they would belie the step"


def test_a_beamline_brings_what_it_knows_and_asks_for_no_angles_of_circles_that_it_lacks(qapp):
    form = GeometryForm()
    for name, angles in (("P10", "1 2 3 4"), ("ID27", "5")):
        form.beamline.setCurrentText(name)
        for field, text in {
            "energy_kev": "9",
            "distance_m": "0.5",
            "pixel_size_um": "55",
            "rocking_step_deg": "0.02",
            "sample_angles_deg": angles,
        }.items():
            form.lines[field].setText(text)
        if name == "P10":
            with pytest.raises(InputError, match="lacks Detector angles"):
                form.read_geometry()
            form.lines["detector_angles_deg"].setText("1 30")
            assert form.read_geometry().sample_offsets_deg == (0.0, 0.0, 90.0, 0.0)
            form.lines["detector_angles_deg"].setText("")
    assert form.read_geometry().detector_circles == ()
    assert form.read_geometry().beamline == "ID27"
    assert not form.lines["detector_angles_deg"].isEnabled()


def test_unknown_conventions_are_kept(qapp):
    strange = replace(
        GEOMETRY,
        sample_circles=((0.0, 0.6, -0.8),),
        sample_angles_deg=(3.0,),
        rocking_circle=0,
        pixel_directions=("x+", "y+"),
    )
    form = GeometryForm()
    form.show_geometry(strange, {})
    assert form.read_geometry() == strange
    form.show_geometry(GEOMETRY, {})
    assert form.read_geometry() == GEOMETRY


def test_what_has_no_line_stays_as_it_was(qapp):
    """A detector mounted in its own way, offsets, angles of every frame: a form that shows less does not lose them."""
    given_before = replace(
        GEOMETRY,
        pixel_directions=("y-", "x-"),
        rocking_angles_deg=tuple(17.3 + 0.02 * n + 0.001 * (n % 2) for n in range(24)),
    )
    form = GeometryForm()
    form.show_geometry(given_before, {})
    assert form.beamline.currentText() == "ID01"
    form.lines["distance_m"].setText("0.75")
    assert form.read_geometry() == replace(given_before, distance_m=0.75)
    # another step is not that of the angles any more, and another beamline has its own directions and offsets
    form.lines["rocking_step_deg"].setText("0.03")
    assert form.read_geometry().rocking_angles_deg is None
    form.beamline.setCurrentText("P10")
    form.lines["sample_angles_deg"].setText("0, 17.5, 90, 0")
    changed = form.read_geometry()
    assert changed.sample_offsets_deg == (0, 0, 90, 0)
    assert changed.pixel_directions == find_beamline("P10").detector().directions


def test_how_the_detector_is_mounted_is_seen_and_can_be_changed(qapp):
    form = GeometryForm()
    form.show_geometry(GEOMETRY, {})
    assert form.directions.text() == "y-, x+"
    assert "x- (cohere for mpxgaas" in form.directions.toolTip()
    assert not form.edited
    form.directions.setText("y- x-")
    assert form.edited
    turned = form.read_geometry()
    assert turned == replace(GEOMETRY, pixel_directions=("y-", "x-"))
    form.show_geometry(turned, {})
    assert (form.directions.text(), form.beamline.currentText()) == ("y-, x-", "ID01")
    form.beamline.setCurrentText("SIXS 2022")
    assert form.directions.text() == "x-, y-"
    form.beamline.setCurrentText("ID01")
    for wrong, says in (("y-", "two directions"), ("up, x+", "names no axis"), ("x-, x+", "one line")):
        form.directions.setText(wrong)
        with pytest.raises(InputError, match=says):
            form.read_geometry()


def test_what_is_off_with_a_geometry_is_marked(dock, session, qtbot):
    session.add_scan(make_scan(geometry=replace(GEOMETRY, direct_beam_pixel=(12.0, 12.0))))
    settle(qtbot, dock)
    assert "nm at the arm" in dock.facts["Lattice"].text()
    assert "Sources disagree on how mpx1x4 is mounted" in dock.notes.text()
    assert dock.off.text() == ""
    uneven = tuple(17.3 + 0.02 * n + 0.004 * (n % 2) for n in range(24))
    session.update_scan(session.current, replace(session.current, geometry=replace(
        session.current.geometry, rocking_angles_deg=uneven)))  # fmt: skip
    settle(qtbot, dock)
    assert "rocking steps differ" in dock.off.text()
    assert "border-left" in dock.off.styleSheet()


def test_a_detector_that_only_translates_has_no_angles_to_type(qapp):
    form = GeometryForm()
    form.show_geometry(None, {"energy_kev": 9.0, "distance_m": 2.0, "pixel_size_um": (75.0, 75.0)})
    form.beamline.setCurrentText("ID27")
    form.lines["sample_angles_deg"].setText("3")
    form.lines["rocking_step_deg"].setText("0.01")
    assert form.read_geometry().detector_angles_deg == ()


def test_an_empty_form_is_no_geometry(qapp):
    form = GeometryForm()
    assert form.read_geometry() is None
    form.show_geometry(GEOMETRY, {})
    form.show_geometry(None, {})
    assert form.read_geometry() is None


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("energy_kev", "8 9", "needs one number"),
        ("pixel_size_um", "55 55 55", "needs 2 numbers"),
        ("detector_angles_deg", "1", "needs 2 numbers"),
        ("distance_m", "-1", "-1 is no distance"),
        ("energy_kev", "9000", "9 keV, if the number is in eV"),
        ("rocking_step_deg", "", "lacks Rocking step"),
        ("rocking_step_deg", "0", "no rocking step"),
        ("sample_angles_deg", "", r"lacks Sample angles \(°\);"),
        ("detector_angles_deg", " ", r"lacks Detector angles \(°\);"),
        ("sample_angles_deg", "17.5", "needs 3 numbers"),
        ("distance_m", "inf", "'inf' is no number"),
    ],
)
def test_what_the_form_refuses(qapp, field, text, says):
    form = GeometryForm()
    form.show_geometry(GEOMETRY, {})
    form.lines[field].setText(text)
    with pytest.raises(InputError, match=says):
        form.read_geometry()


# -- what is shown is what is used -------------------------------------------------------------------------------------


def corrections(tmp_path):
    """A mask, a dark and a white field, as files."""
    mask, dark, white = np.zeros((24, 24), bool), np.full((24, 24), 2.0), np.full((24, 24), 3.0)
    mask[3, 5], white[:, 10:] = True, 6.0
    for name, image in (("mask", mask), ("dark", dark), ("white", white)):
        np.save(tmp_path / f"{name}.npy", image)
    return {name: str(tmp_path / f"{name}.npy") for name in ("mask", "dark", "white")}


@pytest.mark.parametrize("name", ["mask", "dark", "white"])
def test_clearing_a_line_takes_the_correction_back(dock, session, qtbot, tmp_path, name):
    own = make_scan()
    own = replace(own, mask=np.zeros(own.shape, bool))
    own.mask[:, 20, 20] = True
    path = write(tmp_path, own)
    dock.file.choose(path)
    settle(qtbot, dock)
    assert dock.corrections.mask_file.line.placeholderText() == "24 voxels masked already"
    field = dock.corrections.fields[name]
    field.choose(corrections(tmp_path)[name])
    settle(qtbot, dock)
    corrected = session.current
    assert corrected.corrections == {name: field.path}
    assert name == "mask" or not np.array_equal(corrected.counts, own.counts)
    assert name != "mask" or corrected.mask[:, 3, 5].all()

    press_clear(field)
    settle(qtbot, dock)
    assert field.path == ""
    assert session.current.corrections == {}
    np.testing.assert_array_equal(session.current.counts, own.counts)
    np.testing.assert_array_equal(session.current.mask, own.mask, err_msg="the file's own mask stays")
    assert dock.corrections.mask_file.line.placeholderText() == "24 voxels masked already"
    assert len(session.scans) == 1


def test_a_path_that_was_typed_is_used_when_its_line_is_left(dock, session, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    QTest.keyClicks(dock.corrections.mask_file.line, corrections(tmp_path)["mask"])
    dock.corrections.mask_file.line.editingFinished.emit()  # as when the next field is clicked
    settle(qtbot, dock)
    assert session.current.mask[:, 3, 5].all()


def test_no_run_starts_before_what_was_typed_is_used(dock, session, launch, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    QTest.keyClicks(dock.corrections.mask_file.line, corrections(tmp_path)["mask"])
    with pytest.raises(InputError, match=r"reading scan\.h5"):
        session.reconstruct(Recipe())
    settle(qtbot, dock)
    session.reconstruct(Recipe())
    (job,) = launch.jobs
    assert job.scan.mask[:, 3, 5].all()


def test_corrections_are_those_of_the_scan_that_is_shown(dock, session, qtbot, tmp_path):
    files = corrections(tmp_path)
    dock.file.choose(write(tmp_path, make_scan("first"), "first.h5"))
    settle(qtbot, dock)
    dock.corrections.dark_file.choose(files["dark"])
    settle(qtbot, dock)
    first = session.current
    dock.file.choose(write(tmp_path, make_scan("second"), "second.h5"))
    settle(qtbot, dock)
    assert (dock.corrections.dark_file.path, session.current.corrections) == ("", {})
    session.choose(first)
    assert dock.corrections.dark_file.path == files["dark"]
    assert dock.file.path.endswith("first.h5")
    dock.corrections.mask_file.choose(files["mask"])
    settle(qtbot, dock)
    assert session.current.corrections == {"dark": files["dark"], "mask": files["mask"]}
    assert [scan.corrections for scan in session.scans if scan.name == "second"] == [{}]


def test_a_region_and_a_field_of_the_whole_detector(dock, session, qtbot, tmp_path, errors):
    scan = make_scan()
    dock.file.choose(write(tmp_path, scan))
    settle(qtbot, dock)
    white = np.random.default_rng(1).uniform(50, 60, (100, 100))
    np.save(tmp_path / "white.npy", white)
    dock.corrections.white_file.choose(str(tmp_path / "white.npy"))
    settle(qtbot, dock)
    assert "say where these lie on it with Region: ROW0" in errors.pop()  # nobody knows where the frames lie
    rows, columns = scan.shape[1:]
    QTest.keyClicks(dock.corrections.roi, f"10,{10 + rows},20,{20 + columns}")
    dock.corrections.roi.editingFinished.emit()
    settle(qtbot, dock)
    dock.corrections.white_file.choose(str(tmp_path / "white.npy"))
    settle(qtbot, dock)
    flat = white[10 : 10 + rows, 20 : 20 + columns]
    np.testing.assert_allclose(session.current.counts, scan.counts / flat * flat.mean(), rtol=1e-5)
    assert session.current.corrections["roi"] == f"10,{10 + rows},20,{20 + columns}"


def test_a_region_that_the_detector_of_a_beamline_lacks_is_refused(dock, session, qtbot, tmp_path):
    scan = make_scan()
    rows, columns = scan.shape[1:]
    assert scan.geometry is not None
    dock.file.choose(write(tmp_path, replace(scan, geometry=None)))
    settle(qtbot, dock)
    QTest.keyClicks(dock.corrections.roi, f"2000,{2000 + rows},0,{columns}")
    dock.corrections.roi.editingFinished.emit()
    settle(qtbot, dock)
    dock.geometry_box.form.show_geometry(replace(scan.geometry, beamline="34-ID-C"), {})
    dock.geometry_box.form.lines["energy_kev"].setText("9.1")
    with pytest.raises(
        InputError, match=rf"ends at row {2000 + rows} and column {columns}, but 34idcTIM2 has 512 × 512"
    ):
        dock.geometry_box.settle()
    assert "Region: 2000," in dock.geometry_box.note.text()


def test_what_the_numbers_are_is_said_after_a_refusal(dock, session, qtbot, tmp_path, errors):
    scaled = make_scan().counts * np.random.default_rng(1).uniform(0.5, 1, make_scan().shape)
    np.save(tmp_path / "a.npy", scaled / scaled.max())
    dock.file.choose(str(tmp_path / "a.npy"))
    settle(qtbot, dock)
    assert "no step tells" in errors.pop()
    dock.corrections.values.choose("scaled")
    settle(qtbot, dock)
    assert session.current.counts.max() == pytest.approx(1e5)
    assert dock.corrections.values.path == "scaled"


def test_another_axis_rocks(dock, session, qtbot, tmp_path):
    scan = make_scan(geometry=None)
    np.save(tmp_path / "a.npy", np.moveaxis(scan.counts, 0, -1))
    dock.file.choose(str(tmp_path / "a.npy"))
    settle(qtbot, dock)
    dock.corrections.axes.choose("2,0,1")
    settle(qtbot, dock)
    np.testing.assert_array_equal(session.current.counts, scan.counts)
    assert dock.facts["Shape"].text().startswith(" × ".join(map(str, scan.shape)))


def test_a_correction_that_fails_is_not_shown_as_used(dock, session, qtbot, tmp_path, errors):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    scan = session.current
    np.save(tmp_path / "small.npy", np.zeros((3, 3), bool))
    dock.corrections.mask_file.choose(str(tmp_path / "small.npy"))
    settle(qtbot, dock)
    assert (dock.corrections.mask_file.path, session.current) == ("", scan)
    assert "small.npy" in dock.status.text()
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["mask_a"] = file["mask_b"] = np.eye(24, dtype=bool)
        file["other_mask"] = np.eye(24, dtype=bool)
    dock.corrections.mask_file.choose(str(tmp_path / "masks.h5"))
    settle(qtbot, dock)
    assert "masks.h5" in dock.status.text()
    assert dock.dataset.isHidden(), "those are volumes of the mask's file, not of the scan's"
    assert dock.corrections.mask_file.path == ""


def test_corrections_wait_for_a_scan(dock, session, qtbot, tmp_path):
    assert not dock.corrections.mask_file.isEnabled()
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    assert dock.corrections.mask_file.isEnabled()


def test_a_correction_leaves_the_view_alone(dock, session, viewer, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    diffraction = viewer.layers[0]
    session.add_result(make_reconstruction())
    shown = [layer for layer in viewer.layers if layer.visible]
    before = list(viewer.layers)
    dock.corrections.dark_file.choose(corrections(tmp_path)["dark"])
    settle(qtbot, dock)
    assert list(viewer.layers) == before
    assert [layer for layer in viewer.layers if layer.visible] == shown
    np.testing.assert_allclose(diffraction.data, np.log10(1 + session.current.counts), rtol=1e-5)
    session.show_diffraction()
    assert diffraction in viewer.layers


def test_the_name_of_a_file_that_failed_does_not_stand_over_the_facts(dock, session, qtbot, tmp_path, errors):
    good = write(tmp_path, make_scan(), "good.h5")
    dock.file.choose(good)
    settle(qtbot, dock)
    facts = {name: label.text() for name, label in dock.facts.items()}
    (tmp_path / "broken.h5").write_bytes(b"no HDF5 at all")
    dock.file.choose(str(tmp_path / "broken.h5"))
    assert not dock.scan_facts.isEnabled(), "while it is read, these are another scan's"
    settle(qtbot, dock)
    assert "broken.h5" in dock.status.text()
    assert dock.file.path == good
    assert dock.scan_facts.isEnabled()
    assert {name: label.text() for name, label in dock.facts.items()} == facts


def test_a_file_that_failed_can_be_mended_where_nothing_else_is_shown(dock, session, qtbot, tmp_path, errors):
    dock.file.choose(str(tmp_path / "typo.h5"))
    settle(qtbot, dock)
    assert dock.file.path.endswith("typo.h5")


def test_a_result_s_file_does_not_stand_over_the_facts_of_a_scan(dock, session, qtbot, tmp_path):
    good = write(tmp_path, make_scan(), "good.h5")
    dock.file.choose(good)
    settle(qtbot, dock)
    formats.write(make_reconstruction(), tmp_path / "result.cxi")
    dock.file.choose(str(tmp_path / "result.cxi"))
    settle(qtbot, dock)
    assert dock.file.path == good
    assert "its crystal is shown" in dock.status.text()


def test_the_path_of_a_deleted_scan_does_not_stay(dock, session, viewer, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    dock.corrections.mask_file.choose(corrections(tmp_path)["mask"])
    settle(qtbot, dock)
    viewer.layers.clear()
    assert (session.current, dock.file.path, dock.corrections.mask_file.path) == (None, "", "")
    assert dock.file.line.toolTip() == ""


def test_clearing_the_file_shows_the_current_one_again(dock, session, launch, qtbot, monkeypatch, scan):
    session.add_scan(replace(scan, source="here.h5"))
    settle(qtbot, dock)
    go = threading.Event()
    monkeypatch.setattr(load_dock, "read", lambda request: go.wait(120) and make_scan("late"))
    dock.file.choose("slow.h5")
    with pytest.raises(InputError, match=r"reading slow\.h5"):
        session.reconstruct(Recipe())
    press_clear(dock.file)
    assert dock.file.path == "here.h5"
    go.set()
    session.reconstruct(Recipe())
    assert launch.job.scan is session.current
    threads_are_over()
    assert session.current.source == "here.h5", "nobody waits for the slow one any more"


def test_a_question_is_answered_before_a_run(dock, session, launch, qtbot, tmp_path):
    session.add_scan(make_scan())
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["left"], file["right"] = make_scan(seed=1).counts, make_scan(seed=2).counts
    dock.file.choose(str(tmp_path / "two.h5"))
    settle(qtbot, dock)
    assert not dock.scan_facts.isEnabled()
    with pytest.raises(InputError, match=r"two\.h5 holds several volumes"):
        session.reconstruct(Recipe())
    dock.dataset.setCurrentIndex(0)
    dock.dataset.activated.emit(0)
    settle(qtbot, dock)
    session.reconstruct(Recipe())
    assert launch.job.scan.source.startswith(str(tmp_path / "two.h5") + "::")
    assert dock.dataset.currentIndex() == 0


def test_the_scans_of_a_file_are_offered_each_with_its_own_geometry(dock, session, qtbot, tmp_path):
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in (1, 2):
            scan = file.create_group(f"{number}.1")
            counts = make_scan(seed=number).counts
            scan["title"] = f"ascan eta 17 17.1 {len(counts) - 1} 1"
            scan["measurement/mpx1x4"] = counts
            scan["instrument/mpx1x4/distance"] = 0.8
            scan["instrument/positioners/eta"] = np.linspace(17, 17.1, len(counts))
            for motor, value in {"mu": 0, "phi": 0, "nu": 10.0 * number, "delta": 35, "mononrj": 9}.items():
                scan[f"instrument/positioners/{motor}"] = float(value)
    dock.dataset.show()
    width = dock.dataset.sizeHint().width()
    dock.file.choose(str(tmp_path / "many.h5"))
    settle(qtbot, dock)
    assert dock.dataset.count() == 2
    assert dock.dataset.sizeHint().width() == width, "a long line must not widen the dock"
    assert dock.dataset.itemText(1).startswith("2.1, ascan eta 17 17.1")
    for index in (0, 1):
        dock.dataset.setCurrentIndex(index)
        dock.dataset.activated.emit(index)
        settle(qtbot, dock)
        assert session.current.geometry.detector_angles_deg == (10.0 * (index + 1), 35.0)
        assert (dock.dataset.count(), dock.dataset.currentIndex()) == (2, index)
    assert len(session.scans) == 2


def test_what_is_read_is_named_though_another_scan_is_shown(dock, session, qtbot, monkeypatch, scan):
    go = threading.Event()
    monkeypatch.setattr(load_dock, "read", lambda request: go.wait(120) and make_scan("late"))
    dock.file.choose("slow.h5")
    session.add_scan(replace(scan, source="here.h5"))
    assert (dock.file.path, dock.status.text()) == ("here.h5", "Reading slow.h5…")
    with pytest.raises(InputError, match=r"reading slow\.h5"):
        session.reconstruct(Recipe())
    go.set()
    settle(qtbot, dock)
    assert session.current.name == "late"


def test_a_question_stands_under_the_file_that_it_is_about(dock, session, qtbot, tmp_path, monkeypatch, scan):
    monkeypatch.chdir(tmp_path)
    with h5py.File("two.h5", "w") as file:
        file["left"], file["right"] = make_scan(seed=1).counts, make_scan(seed=2).counts
    dock.file.choose("./two.h5")
    session.add_scan(replace(scan, source="here.h5"))
    settle(qtbot, dock)
    assert (dock.file.path, dock.dataset.count()) == ("./two.h5", 2)
    assert not dock.scan_facts.isEnabled()
    dock.dataset.setCurrentIndex(1)
    dock.dataset.activated.emit(1)
    settle(qtbot, dock)
    assert session.current.source == "two.h5::" + dock.dataset.currentData()
    assert dock.file.path == "two.h5"


def test_a_scan_deleted_while_it_is_corrected_does_not_come_back(dock, session, viewer, qtbot, tmp_path):
    dock.file.choose(write(tmp_path, make_scan()))
    settle(qtbot, dock)
    dock.corrections.mask_file.choose(corrections(tmp_path)["mask"])
    viewer.layers.clear()
    settle(qtbot, dock)
    assert session.scans == []


def test_what_was_typed_is_used_though_nobody_pressed_enter(dock, session, launch, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    enter(dock, "energy_kev", "8.5", key=None)
    assert "Enter" in dock.geometry_box.note.text()
    session.reconstruct(Recipe())
    assert launch.job.scan.geometry == replace(GEOMETRY, energy_kev=8.5)
    assert session.current is launch.job.scan
    assert dock.geometry_box.note.text() == ""


def typed_so_far(dock):
    form = dock.geometry_box.form
    return {
        **{name: line.text() for name, line in form.lines.items() if line.text()},
        "": form.beamline.currentText(),
    }


def test_a_half_filled_geometry_is_there_again_with_its_scan_and_with_the_panel(session, viewer, qtbot):
    dock = LoadDock(viewer)
    half, other = make_scan(geometry=None), make_scan("other", geometry=None)
    session.add_scan(half)
    form = dock.geometry_box.form
    form.beamline.setCurrentText("ID01")
    form.beamline.activated.emit(form.beamline.currentIndex())
    enter(dock, "energy_kev", "9")
    enter(dock, "pixel_size_um", "fifty", key=None)
    wanted = {"energy_kev": "9", "pixel_size_um": "fifty", "": "ID01"}

    session.add_scan(other)
    settle(qtbot, dock)
    assert set(typed_so_far(dock)) == {""}, "nothing was typed of this one"
    session.choose(half)
    assert typed_so_far(dock) == wanted
    with pytest.raises(InputError, match="'fifty' is no number"):  # which is still in the way of a run
        session.settle()

    session.scan_layer.name = "renamed"
    settle(qtbot, dock)
    with qtbot.waitSignal(dock.destroyed, timeout=120_000):
        dock.deleteLater()
    again = LoadDock(viewer)
    qtbot.addWidget(again)
    assert typed_so_far(again) == wanted
    assert again.geometry_box.head.isChecked()
    assert "'fifty' is no number" in again.geometry_box.note.text()

    viewer.layers.remove(session.scan_layer)
    session.deleted.bring_back()
    assert typed_so_far(again) == wanted
    again.geometry_box.revert.click()
    session.choose(other)
    session.choose(session.scans[-1])
    assert set(typed_so_far(again)) == {""}, "it was taken back"
    settle(qtbot, again)


def test_what_is_typed_over_another_geometry_is_not_said_of_this_one(dock, session, qtbot, scan):
    session.add_scan(scan)
    enter(dock, "energy_kev", "9,", key=None)
    session.update_scan(scan, replace(scan, geometry=replace(GEOMETRY, distance_m=0.7)))
    assert dock.geometry_box.form.read_geometry() == replace(GEOMETRY, distance_m=0.7)
    settle(qtbot, dock)


def test_an_incomplete_geometry_is_asked_for_before_the_run(
    dock, session, viewer, launch, qtbot, monkeypatch
):
    said = []
    monkeypatch.setattr("napari_autophase.viewer.docks.run_report.show_error", said.append)
    panel = ReconstructDock(viewer)
    qtbot.addWidget(panel)
    session.add_scan(make_scan(geometry=None))
    settle(qtbot, dock)
    enter(dock, "energy_kev", "9")
    enter(dock, "pixel_size_um", "55")
    panel.button.click()
    assert launch.jobs == []
    missing = ("Distance (m)", "Rocking step (°)", "Sample angles (°)", "Detector angles (°)")
    for text in (said[0], panel.summary.text(), dock.geometry_box.note.text()):
        assert [field for field in missing if field not in text] == []
        assert "Energy" not in text
    fill_in(dock, TYPED)
    assert panel.summary.text() == "", "nothing is missing any more"
    dock.geometry_box.clear.click()
    panel.button.click()
    assert launch.job.scan.geometry is None
    assert "lengths will be in voxels" in panel.lengths.text()


def test_what_a_file_knows_in_part_is_said_and_is_no_obstacle(dock, session, launch, qtbot):
    session.add_scan(Scan(make_scan().counts, metadata={"energy_kev": 8.5}))
    settle(qtbot, dock)
    assert "Sample angles (°)" in dock.geometry_box.note.text()
    session.reconstruct(Recipe())
    assert launch.job.scan.geometry is None


def test_clear_and_revert(dock, session, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    box = dock.geometry_box
    enter(dock, "detector_angles_deg", "35")
    assert "needs 2 numbers" in box.note.text()
    box.revert.click()
    assert (box.form.read_geometry(), box.note.text(), box.revert.isEnabled()) == (GEOMETRY, "", False)
    assert session.current is scan
    box.clear.click()
    assert session.current.geometry is None
    assert (box.form.read_geometry(), box.note.text()) == (None, "")
    settle(qtbot, dock)
    assert dock.facts["Voxel size"].text() == "unknown without geometry"


def test_more_digits_than_a_line_shows_are_kept(qapp):
    fine = replace(GEOMETRY, energy_kev=9.0 + 1e-12, detector_angles_deg=(1 / 3, 2 / 3))
    form = GeometryForm()
    form.show_geometry(fine, {})
    assert form.read_geometry() == fine
    form.lines["distance_m"].setText("0.7")
    assert form.read_geometry() == replace(fine, distance_m=0.7)


def test_two_panels_show_the_same_geometry(dock, session, viewer, qtbot, scan):
    other = LoadDock(viewer)
    qtbot.addWidget(other)
    session.add_scan(scan)
    settle(qtbot, dock)
    enter(dock, "energy_kev", "8.5")
    assert other.geometry_box.form.read_geometry() == replace(GEOMETRY, energy_kev=8.5)
    settle(qtbot, dock)
    settle(qtbot, other)


# -- results follow the geometry ---------------------------------------------------------------------------------------


def make_result(name="crystal", **changes):
    """A result of the scan `name` that was phased without geometry, its peak in the middle."""
    found = make_reconstruction(name, nm=False)
    return replace(found, peak=(12.0, 12.0, 12.0), notes=(UNKNOWN_GEOMETRY, "another note"), **changes)


def test_results_gain_their_nanometres_and_stay_in_the_list(dock, session, viewer, qtbot):
    display = DisplayDock(viewer)
    qtbot.addWidget(display)
    session.add_scan(make_scan(geometry=None))
    result = session.add_result(make_result())
    viewer.dims.ndisplay = 2  # which makes slices
    viewer.dims.ndisplay = 3
    before = list(viewer.layers)
    assert "lengths in voxels" in display.facts.text()
    fill_in(dock, TYPED)
    qtbot.waitUntil(lambda: result.quantities.unit == "nm", timeout=120_000)
    qtbot.waitUntil(lambda: "nm" in display.facts.text(), timeout=120_000)
    assert list(viewer.layers) == before
    assert session.results == [result]
    assert result.shown

    # as if it had been known from the start
    steps, q_bragg = frame(replace(TYPED, direct_beam_pixel=(12.0, 12.0)), (12.0, 12.0, 12.0), (24, 24, 24))
    wanted = analysis.quantities(
        replace(make_result(), voxel_steps_nm=steps, q_bragg_per_nm=q_bragg), result.threshold
    )
    layer = result.layer("slices")
    np.testing.assert_allclose(layer.scale, wanted.voxel_size)
    for quantity in ("amplitude", "strain", "phase"):
        result.set_colour_by(quantity)
        viewer.dims.ndisplay = 2
        np.testing.assert_allclose(layer.data, getattr(wanted, quantity), rtol=1e-5, atol=1e-6)
        viewer.dims.ndisplay = 3
    for layer in result.layers:
        assert {str(unit) for unit in layer.units} == {"nanometer"}
        assert tuple(layer.axis_labels) == ("z", "y", "x")
        assert layer.metadata["autophase_reconstruction"] is result.reconstruction, "which is what is saved"
    reach = np.abs(result.layer("isosurface").vertices * result.layer("isosurface").scale)
    assert reach.max() > 24 * min(wanted.voxel_size) / 8
    first, second = result.reconstruction.notes
    assert (first, "middle of the array" in second) == ("another note", True)

    dock.geometry_box.clear.click()
    qtbot.waitUntil(lambda: result.quantities.unit == "pixel", timeout=120_000)
    assert UNKNOWN_GEOMETRY in result.reconstruction.notes


def test_results_of_other_scans_stay_as_they_are(dock, session, qtbot):
    session.add_scan(make_scan(geometry=None))
    mine, other = session.add_result(make_result()), session.add_result(make_result("another"))
    unknown = session.add_result(replace(make_result(), peak=None))
    fill_in(dock, TYPED)
    qtbot.waitUntil(lambda: mine.quantities.unit == "nm", timeout=120_000)
    qtbot.waitUntil(lambda: not session._gallery._tasks._newest, timeout=120_000)
    assert (other.quantities.unit, unknown.quantities.unit) == ("pixel", "pixel")


def test_a_geometry_given_while_it_is_phased_counts(dock, session, launch, qtbot):
    session.add_scan(make_scan(geometry=None))
    session.reconstruct(Recipe())
    fill_in(dock, TYPED)
    launch.job.done(make_result())
    qtbot.waitUntil(lambda: [result.quantities.unit for result in session.results] == ["nm"], timeout=120_000)


def test_a_result_that_is_not_seen_does_not_come_forward(dock, session, viewer, qtbot):
    session.add_scan(make_scan(geometry=None))
    result = session.add_result(make_result())
    session.show_diffraction()
    seen = [layer for layer in viewer.layers if layer.visible]
    camera = (viewer.dims.ndisplay, compat.camera(viewer).zoom)
    fill_in(dock, TYPED)
    qtbot.waitUntil(lambda: result.quantities.unit == "nm", timeout=120_000)
    qtbot.waitUntil(lambda: not session._queue._works, timeout=120_000)
    assert [layer for layer in viewer.layers if layer.visible] == seen
    assert (viewer.dims.ndisplay, compat.camera(viewer).zoom) == camera
    session.show_result()
    assert result.shown


def test_a_look_that_has_lost_its_meaning_goes(dock, session, qtbot):
    session.add_scan(make_scan(geometry=None))
    result = session.add_result(make_result())
    result.set_colour_by("strain")
    result.set_range((-0.25, 0.25))
    result.set_threshold(0.5)
    result.set_clipping(Cut((1.0, 0.0, 0.0), 3.0))
    fill_in(dock, TYPED)
    qtbot.waitUntil(lambda: result.quantities.unit == "nm", timeout=120_000)
    qtbot.waitUntil(lambda: not session._queue._works, timeout=120_000)
    assert (result.threshold, result.ranges, result.cut) == (0.5, {}, None)
    limit = result.quantities.strain_limit
    result.set_colour_by("strain")
    low, high = result.layer("isosurface").contrast_limits
    assert (low, result.limits) == (-high, result.usual_limits)
    assert limit * (1 - 1e-5) <= high < 4 / 3 * limit, (
        "those of strain without a unit are a thousand times smaller"
    )


def test_what_is_wrong_with_a_line_of_the_geometry_stands_below_it_while_it_is_typed(qtbot):
    form = GeometryForm()
    qtbot.addWidget(form)
    form.lines["energy_kev"].setText("8.x")
    assert form.notes["energy_kev"].text() == "Energy (keV): '8.x' is no number; write for example 8.0."
    assert form.notes["distance_m"].text() == ""
    form.lines["energy_kev"].setText("8.5")
    assert form.notes["energy_kev"].text() == ""
    form.directions.setText("x+, x-")
    assert "run along one line" in form.notes["pixel_directions"].text()


def test_voxels_are_judged_once_for_all_panels(dock, session, qtbot, monkeypatch):
    """It takes as long as the rest of looking at a scan."""

    judged, seek = [], sys.modules["napari_autophase.preparation.judge"].find_dead_pixels

    def counted(counts, good):
        judged.append(counts.shape)
        return seek(counts, good)

    monkeypatch.setattr(sys.modules["napari_autophase.preparation.judge"], "find_dead_pixels", counted)

    def looked_at():
        return not dock._tasks._newest and not dock.pictures._tasks._newest

    session.add_scan(scan := make_scan(seed=17))
    qtbot.waitUntil(looked_at, timeout=120_000)
    assert len(judged) == 1
    session.update_scan(scan, replace(scan, geometry=replace(GEOMETRY, energy_kev=8.0)))
    qtbot.waitUntil(looked_at, timeout=120_000)
    assert len(judged) == 1, "another geometry masks nothing else"
    brush = np.zeros(scan.shape, bool)
    brush[2] = True
    session.update_scan(session.current, painted.over(session.current, brush))
    qtbot.waitUntil(looked_at, timeout=120_000)
    assert len(judged) == 2
