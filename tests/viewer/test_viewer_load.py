"""The Load dock: reading in the background, asking which dataset, geometry in and out."""

from __future__ import annotations

import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.scan import BEAMLINES, Geometry, InputError, Scan
from napari_autophase.viewer import load_dock
from napari_autophase.viewer.geometry_form import GeometryForm
from napari_autophase.viewer.load_dock import LoadDock


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
    assert dock.geometry_form.read_geometry() == GEOMETRY
    assert not dock.apply.isEnabled()


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
    dock.mask_file.choose(str(tmp_path / "mask.npy"))
    settle(qtbot, dock)
    assert len(session.scans) == 1
    assert session.current.mask[:, 3, 5].all()
    assert int(dock.facts["Masked"].text().split()[0].replace(",", "")) >= 24


def test_a_geometry_that_was_given_survives_a_mask(dock, session, qtbot, tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, make_scan().counts)
    dock.file.choose(str(path))
    settle(qtbot, dock)
    dock.geometry_form.show_geometry(GEOMETRY, {})
    dock._apply()
    np.save(tmp_path / "mask.npy", np.eye(24, dtype=bool))
    dock.mask_file.choose(str(tmp_path / "mask.npy"))
    settle(qtbot, dock)
    assert session.current.geometry == GEOMETRY
    assert session.current.mask[:, 7, 7].all()
    dock.file.choose(str(path))
    settle(qtbot, dock)
    assert (session.current.geometry, session.current.mask) == (None, None), "the file as it is"
    assert dock.mask_file.path == ""
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


def test_a_result_file_is_shown_as_a_crystal(dock, session, qtbot, tmp_path):
    path = tmp_path / "result.cxi"
    formats.write(make_reconstruction(), path)
    dock.file.choose(str(path))
    settle(qtbot, dock)
    assert session.current is None
    assert len(session.results) == 1


def test_apply_makes_a_new_scan(dock, session, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    before = dock.facts["Voxel size"].text()
    line = dock.geometry_form.lines["distance_m"]
    line.setText("1.0")
    line.textEdited.emit("1.0")
    assert dock.apply.isEnabled()
    dock.apply.click()
    settle(qtbot, dock)
    assert session.scans == [session.current]
    assert session.current.geometry == replace(GEOMETRY, distance_m=1.0)
    assert scan.geometry == GEOMETRY, "scans are not changed"
    assert dock.facts["Voxel size"].text() != before


def test_nonsense_in_the_geometry_is_explained(dock, session, qtbot, scan):
    session.add_scan(scan)
    settle(qtbot, dock)
    dock.geometry_form.lines["energy_kev"].setText("nine")
    dock._apply()
    assert "'nine' is no number" in dock.status.text()
    assert session.current is scan


def test_what_a_file_knows_is_filled_in(dock, session, qtbot):
    known = {"energy_kev": 8.5, "pixel_size_um": (55.0, 75.0)}
    session.add_scan(Scan(make_scan().counts, metadata=known))
    settle(qtbot, dock)
    form = dock.geometry_form
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
    dock.deleteLater()
    qtbot.wait(20)
    go.set()
    qtbot.wait(100)
    session.add_scan(scan)
    assert session.current is scan


angles = st.floats(-90, 90, allow_nan=False).map(lambda value: round(value, 6))
lengths = st.floats(1e-3, 1e3).map(lambda value: float(f"{value:.6g}"))


@st.composite
def geometries(draw):
    preset = BEAMLINES[draw(st.sampled_from(sorted(BEAMLINES)))]
    circles = {key: preset[key] for key in ("sample_circles", "detector_circles", "pixel_directions")}
    return Geometry(
        energy_kev=draw(lengths),
        distance_m=draw(lengths),
        pixel_size_um=(draw(lengths), draw(lengths)),
        rocking_step_deg=draw(angles),
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


def test_unknown_conventions_are_kept(qapp):
    strange = replace(
        GEOMETRY, sample_circles=("z+",), sample_angles_deg=(3.0,), pixel_directions=("x+", "y+")
    )
    form = GeometryForm()
    form.show_geometry(strange, {})
    assert form.read_geometry() == strange
    form.show_geometry(GEOMETRY, {})
    assert form.read_geometry() == GEOMETRY


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
        ("distance_m", "-1", "greater than zero"),
        ("rocking_step_deg", "", "missing"),
    ],
)
def test_what_the_form_refuses(qapp, field, text, says):
    form = GeometryForm()
    form.show_geometry(GEOMETRY, {})
    form.lines[field].setText(text)
    with pytest.raises(InputError, match=says):
        form.read_geometry()
