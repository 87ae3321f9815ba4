"""From a result onwards: its orthogonal volume, and the same result again."""

from __future__ import annotations

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import export, formats, report
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run
from napari_autophase.scan import InputError
from napari_autophase.viewer.docks import export_section
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.result import outputs, turntable


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
    assert re.search(r"; strain ± \d\.\d\de-\d\d \(99 %\)", line), line


def test_what_is_said_of_an_export_says_of_what_and_goes_with_its_result(
    dock, session, viewer, qtbot, errors
):
    def choose(result):
        dock.result.setCurrentIndex(session.results.index(result))
        dock.result.activated.emit(dock.result.currentIndex())

    first, second = (session.add_result(make_reconstruction(name)) for name in ("first", "second"))
    choose(first)
    dock.exports.line.click()
    said = dock.exports.note.text()
    assert said.startswith("Copied: first")
    choose(second)
    assert dock.exports.note.text() == f"first · 1: {said}"
    first.layers[0].name = "tip isosurface"
    assert dock.exports.note.text() == f"tip: {said}"
    choose(first)
    assert dock.exports.note.text() == said
    for layer in first.layers:
        viewer.layers.remove(layer)
    assert dock.exports.note.text() == ""
    assert dock.exports.note.isHidden()
    session.deleted.bring_back()
    qtbot.waitUntil(lambda: len(session.results) == 2)
    assert dock.exports.note.text().endswith(said)


def test_a_file_that_is_written_after_its_result_was_deleted_is_told(
    dock, session, viewer, qtbot, tmp_path, errors
):
    session.add_result(make_reconstruction())
    dock.exports.draw(str(tmp_path / "figure.png"))
    viewer.layers.clear()
    settle(qtbot, dock)
    assert dock.exports.note.text().startswith("crystal")
    assert "figure.png" in dock.exports.note.text()


def test_a_report_in_one_click_shows_the_data_of_a_scan_that_is_open(dock, session, qtbot, tmp_path, errors):
    session.add_result(make_reconstruction())
    dock.exports.write_report(str(tmp_path / "alone.html"))
    settle(qtbot, dock)
    assert errors == []
    assert "without data" in dock.exports.note.text()
    assert "crystal" in (tmp_path / "alone.html").read_text()


@pytest.mark.parametrize("kind", ["vti", "vtp", "nxs", "npz", "mat", "tif", "stl", "ply", "cxi"])
def test_what_other_programs_open_is_written_at_the_present_threshold(
    dock, session, qtbot, tmp_path, monkeypatch, errors, kind
):
    """Each kind that the command line writes; the dialog gives a name without its ending."""
    result = session.add_result(make_reconstruction())
    result.set_threshold(0.4)
    filters = f"whatever (*.{kind})"
    monkeypatch.setattr(
        export_section.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "crystal"), filters)
    )
    dock.exports.maps.click()
    settle(qtbot, dock)
    assert errors == []
    assert (tmp_path / f"crystal.{kind}").stat().st_size > 200
    assert f"crystal.{kind}, at amplitude ≥ 0.40" in dock.exports.note.text()


def test_all_that_the_command_line_writes_is_offered():
    other_spellings = {".hdf5", ".tiff"}
    offered = set(re.findall(r"\*(\.\w+)", outputs.PROGRAMS + outputs.GRIDS))
    assert set(export.SUFFIXES) - other_spellings == offered
    assert set(re.findall(r"\*(\.\w+)", outputs.REPORTS)) == set(report.SUFFIXES)


def pictures(count=12, side=40):
    """A bright square that goes round on black."""
    found = []
    for index in range(count):
        picture = np.zeros((side, side + 10, 3), np.uint8)
        angle = 2 * np.pi * index / count
        row, column = (int(side / 2 + side / 3 * f(angle)) for f in (np.sin, np.cos))
        picture[row - 3 : row + 3, column - 3 : column + 3] = (200, 60, 30)
        found.append(picture)
    return found


def test_a_film_begins_anew_and_shows_each_picture_in_its_colours(tmp_path):
    shot = pictures()
    said = outputs.write_film(shot, str(tmp_path / "turn.gif"))
    assert "12 pictures" in said
    with Image.open(tmp_path / "turn.gif") as film:
        assert film.info["loop"] == 0, "for ever"
        assert film.n_frames == 12
        for index, picture in enumerate(shot):
            film.seek(index)
            np.testing.assert_allclose(np.asarray(film.convert("RGB")), picture, atol=8)


@pytest.mark.parametrize(
    ("name", "says"), [("turn.mp4", "pip install imageio-ffmpeg"), ("turn.avi", "ends in .gif or .mp4")]
)
def test_a_film_that_cannot_be_made_is_said(tmp_path, monkeypatch, name, says):
    monkeypatch.setattr(outputs, "find_spec", lambda _: None)
    assert outputs.films() == "GIF (*.gif)"
    with pytest.raises(InputError, match=says):
        outputs.write_film(pictures(), str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_turn_goes_once_around_the_vertical_and_back(viewer, session, monkeypatch):
    result = session.add_result(make_reconstruction())
    before = compat.camera(viewer).angles
    seen = []

    def shoot(viewer):
        seen.append(compat.looking(viewer))
        return np.zeros((4, 5, 4), np.uint8)

    monkeypatch.setattr(compat, "picture", shoot)
    kept, ends = [], []
    session.piecewise(turntable.turning(viewer, result, kept.append, ends.append))
    assert ends == [True]
    assert {picture.shape for picture in kept} == {(4, 5, 3)}
    assert len(kept) == turntable.PICTURES
    np.testing.assert_allclose(compat.camera(viewer).angles, before)
    directions = np.array([direction for direction, _ in seen])
    np.testing.assert_allclose(directions[:, 1], directions[0, 1], atol=1e-6, err_msg="as steep all around")
    around = np.unwrap(np.arctan2(directions[:, 2], directions[:, 0]))
    np.testing.assert_allclose(np.abs(np.diff(around)), 2 * np.pi / turntable.PICTURES, rtol=1e-6)


def test_a_result_deleted_while_it_turns_ends_the_film(viewer, session, monkeypatch):
    result = session.add_result(make_reconstruction())
    monkeypatch.setattr(compat, "picture", lambda _: np.zeros((4, 5, 4), np.uint8))
    ends, before = [], compat.camera(viewer).angles
    work = turntable.turning(viewer, result, lambda _: None, ends.append)
    for _ in range(5):
        next(work)
    viewer.layers.clear()
    list(work)
    assert ends == [False]
    np.testing.assert_allclose(compat.camera(viewer).angles, before)
