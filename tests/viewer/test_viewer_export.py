"""From a result onwards: its orthogonal volume, and the same result again."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run
from napari_autophase.viewer.docks import export_section
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = DisplayDock(viewer)
    qtbot.addWidget(dock)
    return dock


@pytest.fixture
def errors(monkeypatch):
    shown = []
    monkeypatch.setattr(export_section, "show_error", shown.append)
    return shown


def datasets(group):
    for item in group.values():
        yield from datasets(item) if isinstance(item, h5py.Group) else [item]


def settle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.exports._tasks._newest, timeout=120_000)


def test_nothing_is_offered_where_there_is_nothing(dock):
    assert not dock.exports.export.isEnabled()
    assert not dock.exports.repeat.isEnabled()


def test_the_crystal_is_written_on_a_cubic_grid(dock, session, qtbot, tmp_path, monkeypatch, errors):
    session.add_result(make_reconstruction())
    monkeypatch.setattr(
        export_section.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "cube.h5"), "")
    )
    dock.exports.voxel.setText("3")
    dock.exports.export.click()
    assert not dock.exports.activity.isHidden()
    settle(qtbot, dock)
    assert "voxels of 3 nm along z, y, x of the laboratory frame" in dock.exports.note.text()
    with h5py.File(tmp_path / "cube.h5") as file:
        found = {each.name.rpartition("/")[2]: each[()] for each in datasets(file)}
    # a block of 12 × 12 × 12 voxels of 5 × 6 × 7 nm along x, y, z
    support = np.argwhere(np.asarray(found["support"]))
    extent = 3 * (np.ptp(support, axis=0) + 1)
    np.testing.assert_allclose(extent, [12 * 7, 12 * 6, 12 * 5], atol=6)
    np.testing.assert_allclose(np.diff(found["x"]), 3.0)
    assert errors == []


def test_counts_are_written_while_the_diffraction_is_shown(dock, session, qtbot, tmp_path):
    session.add_result(make_reconstruction())
    session.add_scan(make_scan())
    qtbot.waitUntil(lambda: session.diffraction_shown)
    dock.exports.frame.setCurrentIndex(dock.exports.frame.findData("crystal"))
    dock.exports.write(str(tmp_path / "counts"))
    settle(qtbot, dock)
    assert "1/nm along z, y, x of the crystal frame" in dock.exports.note.text()
    assert (tmp_path / "counts.h5").is_file()


@pytest.mark.parametrize(
    ("nm", "voxel", "says"),
    [(True, "-1", "no length"), (True, "fine", "no length"), (False, "", "without geometry")],
)
def test_what_cannot_be_written_is_said(dock, session, qtbot, tmp_path, errors, nm, voxel, says):
    session.add_result(make_reconstruction(nm=nm))
    dock.exports.voxel.setText(voxel)
    dock.exports.write(str(tmp_path / "no.h5"))
    settle(qtbot, dock)
    assert len(errors) == 1
    assert says in errors[0]
    assert says in dock.exports.note.text()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def made(tmp_path):
    """A result of a cropped scan in a file, and the scan's file."""
    formats.write_scan(make_scan(), tmp_path / "scan.h5")
    scan = formats.read_scan(tmp_path / "scan.h5", crop=(20, 20, 20))
    recipe = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "3*ER", "seed": 7})
    formats.write(run(scan, recipe), tmp_path / "result.cxi")
    return tmp_path


def test_a_result_brings_its_scan_and_recipe_back_and_is_phased_again(
    dock, session, viewer, qtbot, launch, made, errors
):
    load, reconstruct = LoadDock(viewer), ReconstructDock(viewer)
    for other in (load, reconstruct):
        qtbot.addWidget(other)
    found = formats.read(made / "result.cxi")
    session.add_result(found)
    assert dock.exports.repeat.isEnabled()
    dock.exports.repeat.click()
    settle(qtbot, dock)
    assert errors == []
    assert session.current.shape == (20, 20, 20)
    assert load.file.path == str(made / "scan.h5")
    assert reconstruct.recipe() == found.recipe
    assert launch.job.recipe == found.recipe
    np.testing.assert_array_equal(run(launch.job.scan, launch.job.recipe).object, found.object)
    # once more: the scan is there already
    launch.job.done(found)
    launch.job.run.on_stopped()
    dock.exports.repeat.click()
    settle(qtbot, dock)
    assert len(session.scans) == 1
    assert len(launch.jobs) == 2


def test_a_scan_that_has_changed_is_refused(dock, session, qtbot, launch, made, errors):
    session.add_result(formats.read(made / "result.cxi"))
    other = make_scan(seed=5)
    formats.write_scan(other, made / "scan.h5")
    dock.exports.repeat.click()
    settle(qtbot, dock)
    assert len(errors) == 1
    assert "not what result.cxi was made from" in errors[0]
    assert (launch.jobs, session.scans) == ([], [])


def test_a_run_in_progress_is_left_alone(dock, session, qtbot, launch, made, errors):
    session.add_result(formats.read(made / "result.cxi"))
    session.add_scan(make_scan("other"))
    session.reconstruct(Recipe())
    dock.exports.repeat.click()
    settle(qtbot, dock)
    assert "is running" in errors[0]
    assert len(launch.jobs) == 1
    assert [scan.name for scan in session.scans] == ["other"]


def test_a_result_that_came_from_no_file_cannot_be_repeated(dock, session):
    session.add_result(replace(make_reconstruction(), origin=None))
    assert not dock.exports.repeat.isEnabled()
    assert dock.exports.export.isEnabled()


@pytest.mark.parametrize(
    ("name", "begins"),
    [("figure.pdf", b"%PDF"), ("figure.svg", b"<?xml"), ("figure.png", b"\x89PNG"), ("figure", b"%PDF")],
)
def test_a_figure_in_one_click(dock, session, qtbot, tmp_path, monkeypatch, errors, name, begins):
    result = session.add_result(make_reconstruction())
    result.set_threshold(0.4)
    monkeypatch.setattr(export_section.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / name), ""))
    dock.exports.figure.click()
    settle(qtbot, dock)
    (written,) = tmp_path.iterdir()
    assert written.read_bytes().startswith(begins)
    assert str(written) in dock.exports.note.text()
    assert errors == []


def test_a_figure_that_cannot_be_written_is_said(dock, session, qtbot, tmp_path, errors):
    session.add_result(make_reconstruction())
    dock.exports.draw(str(tmp_path / "nowhere" / "figure.png"))
    settle(qtbot, dock)
    assert "no such folder" in errors[0]


def test_a_result_in_a_line_for_the_logbook(dock, session, qapp, errors):
    assert not dock.exports.line.isEnabled()
    session.add_result(make_reconstruction())
    dock.exports.line.click()
    line = qapp.clipboard().text()
    assert "\n" not in line
    # a box of 12 voxels of 5, 6 and 7 nm, with a voxel around it
    for part in ("crystal", "fast, seed 0", "χ² 0.0123", "held-out likelihood 1.5", "amplitude ≥ 0.30", "nm"):
        assert part in line, line
