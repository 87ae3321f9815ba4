"""What the Load panel reads of a file: a crop in words or drawn, repeated scans as a sum, the motors' file."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from qtpy.QtCore import Qt
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.scan import InputError
from napari_autophase.viewer.docks import load_dock
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.model.scan.crop_box import CropBox


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


@pytest.fixture
def opened(dock, qtbot, tmp_path):
    """The dock, with a scan of 40 × 36 × 32 voxels from a file."""
    whole = make_scan(size=40)
    part = replace(
        whole, counts=whole.counts[:, 2:38, 4:36], geometry=replace(GEOMETRY, direct_beam_pixel=(200.0, 10.0))
    )
    formats.write_scan(part, tmp_path / "scan.h5")
    dock.file.choose(str(tmp_path / "scan.h5"))
    settle(qtbot, dock)
    return dock


def settle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)


def test_a_crop_takes_the_person_s_geometry_along_and_gives_it_back(opened, session, qtbot):
    whole = session.current
    form = opened.geometry_box.form
    form.lines["energy_kev"].setText("8.5")
    form.entered.emit()
    opened.corrections.crop.choose("32, 20, 24")
    settle(qtbot, opened)
    part = session.current
    # the peak is at 20, 18, 16: half of each side before it
    np.testing.assert_array_equal(part.counts, whole.counts[4:36, 8:28, 4:28])
    assert part.geometry.energy_kev == 8.5
    assert part.geometry.direct_beam_pixel == (192.0, 6.0)
    assert opened.facts["Shape"].text().startswith("32 × 20 × 24")
    assert opened.corrections.crop.path == "32,20,24"
    assert any("only a part was read" in note for note in part.notes)
    opened.corrections.crop.choose("")
    settle(qtbot, opened)
    assert session.current.shape == whole.shape
    assert session.current.geometry.direct_beam_pixel == (200.0, 10.0)
    assert len(session.scans) == 1


@pytest.mark.parametrize("text", ["peak", "12,12", "4,4,4", "0:6,0:36,0:32", "0:20,0:40,0:32"])
def test_a_crop_that_is_none_is_said_and_changes_nothing(opened, session, qtbot, errors, text):
    before = session.current
    opened.corrections.crop.choose(text)
    settle(qtbot, opened)
    assert session.current is before
    assert len(errors) == 1
    assert "crop" in errors[0].lower()
    assert opened.corrections.crop.path == "", "what is not used must not stand there"


def draw(qtbot, dock, viewer):
    dock.corrections.crop.draw.click()
    qtbot.waitUntil(lambda: "crop" in viewer.layers)


def test_a_box_is_drawn_moved_and_read(opened, session, viewer, qtbot):
    whole, crop = session.current, opened.corrections.crop
    draw(qtbot, opened, viewer)
    box = viewer.layers["crop"]
    assert viewer.layers.selection == {box}
    assert not crop.drawing.isHidden()
    crop.first.setValue(3)
    crop.end.setValue(38)
    crop.box.move((5, 30), (2, 29))
    assert crop.seen.text() == (
        "35 × 25 × 27 of 40 × 36 × 32 voxels; the crystal's voxels become 1.1 × 1.4 × 1.2 times as large."
    )
    crop.use.click()
    assert "crop" not in viewer.layers
    settle(qtbot, opened)
    np.testing.assert_array_equal(session.current.counts, whole.counts[3:38, 5:30, 2:29])
    assert crop.path == "3:38,5:30,2:29"
    # a box on what was cropped counts in the stored scan all the same
    draw(qtbot, opened, viewer)
    crop.first.setValue(1)
    crop.end.setValue(21)
    crop.box.move((1, 21), (2, 22))
    crop.use.click()
    settle(qtbot, opened)
    np.testing.assert_array_equal(session.current.counts, whole.counts[4:24, 6:26, 4:24])


def test_the_panel_stays_within_its_width(opened, viewer, qtbot):
    opened.show()
    for section in (opened.corrections, opened.repeats, opened.geometry_box.arm):
        section.head.click()
    draw(qtbot, opened, viewer)
    assert not opened.corrections.crop.drawing.isHidden()
    assert opened.minimumSizeHint().width() <= 380


def test_a_box_reaches_no_farther_than_the_scan_and_is_no_smaller_than_one(opened, session, viewer, qtbot):
    crop = opened.corrections.crop
    draw(qtbot, opened, viewer)
    crop.box.move((-9, 99), (-9, 99))
    assert crop.box.ends == ((0, 36), (0, 32))
    crop.box.move((5, 15), (0, 32))
    assert not crop.use.isEnabled()
    assert "16" in crop.seen.text()


def test_whatever_happens_to_the_box_the_row_follows(opened, session, viewer, qtbot):
    crop = opened.corrections.crop
    draw(qtbot, opened, viewer)
    viewer.layers.remove("crop")
    assert not crop.draw.isChecked()
    assert crop.drawing.isHidden()
    draw(qtbot, opened, viewer)
    session.add_result(make_reconstruction())
    assert "crop" not in viewer.layers, "a box of pixels must not lie over a crystal in nm"
    assert not crop.draw.isChecked()
    crop.draw.click()
    qtbot.waitUntil(lambda: "crop" in viewer.layers)
    assert session.diffraction_shown
    crop.draw.click()
    assert "crop" not in viewer.layers
    assert viewer.layers.selection == {session.scan_layer}


def test_a_closed_panel_takes_its_box_along(session, viewer, qtbot, scan):
    dock = LoadDock(viewer)
    session.add_scan(scan)
    settle(qtbot, dock)
    dock.corrections.crop.draw.setChecked(True)
    qtbot.waitUntil(lambda: "crop" in viewer.layers)
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    assert "crop" not in viewer.layers


def test_a_box_is_in_whole_pixels(viewer):
    layer = viewer.add_image(np.zeros((16, 40, 50)))
    box = CropBox(viewer)
    box.draw(layer, (4, 30), (6, 40))
    np.testing.assert_array_equal(np.min(viewer.layers["crop"].data[0], axis=0), [3.5, 5.5])
    viewer.layers["crop"].data = [np.array([[3.9, 6.2], [3.9, 41.0], [30.2, 41.0], [30.2, 6.2]])]
    assert box.ends == ((4, 31), (7, 42))


def write_repeats(tmp_path):
    """Two scans of one crystal, the second moved by two pixels, and one of another crystal."""
    first = make_scan(size=32, seed=1)
    again = make_scan(size=32, seed=2)
    other = make_scan(size=32, seed=3)
    again = replace(again, counts=np.roll(again.counts, 2, axis=2))
    rng = np.random.default_rng(0)
    other = replace(other, counts=rng.permutation(other.counts.ravel()).reshape(other.shape))
    paths = [str(tmp_path / f"{name}.h5") for name in ("first", "again", "other")]
    for scan, path in zip((first, again, other), paths, strict=True):
        formats.write_scan(scan, path)
    return first, again, paths


def test_repeated_scans_are_aligned_and_summed(dock, session, qtbot, tmp_path):
    first, again, paths = write_repeats(tmp_path)
    dock.file.choose(paths[0])
    settle(qtbot, dock)
    assert not dock.repeats.sum.isEnabled()
    dock.repeats.add_files(paths[1:])
    dock.repeats.least.setValue(0.9)
    assert dock.repeats.sum.text() == "Sum the 3 scans"
    dock.repeats.sum.click()
    settle(qtbot, dock)
    total = session.current
    assert total.name == "first, summed"
    assert len(session.scans) == 2, "the scan itself stays"
    told = next(note for note in total.notes if note.startswith("The sum of 2"))
    assert "again" in told
    assert any("Left out" in note and "other" in note for note in total.notes)
    seen = np.s_[4:-4, 4:-4, 4:-4]
    back = np.roll(again.counts, -2, axis=2)
    np.testing.assert_allclose(total.counts[seen], (first.counts + back)[seen], rtol=1e-6)
    # the panel shows what was summed, and a correction reads all of it again
    assert dock.file.path == paths[0]
    assert len(dock.repeats.ticked) == 2
    mask = np.zeros((32, 32), np.uint8)
    mask[:3] = 1
    np.save(tmp_path / "mask.npy", mask)
    dock.corrections.mask_file.choose(str(tmp_path / "mask.npy"))
    settle(qtbot, dock)
    assert len(session.scans) == 2
    assert session.current.name == "first, summed"
    assert session.current.mask[:, :3].all()
    assert any(note.startswith("The sum of 2") for note in session.current.notes)


def test_a_sum_of_what_is_not_alike_is_refused(dock, session, qtbot, tmp_path, errors):
    _, _, paths = write_repeats(tmp_path)
    dock.file.choose(paths[0])
    settle(qtbot, dock)
    before = session.current
    dock.repeats.add_files(paths[2:])
    dock.repeats.sum.click()
    settle(qtbot, dock)
    assert session.current is before
    assert len(errors) == 1
    assert "None of these scans is like another" in errors[0]


def test_the_scans_of_one_file_are_ticked(dock, session, qtbot, tmp_path):
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in (1, 2, 11):
            scan = file.create_group(f"{number}.1")
            counts = make_scan(seed=number).counts
            scan["title"] = f"ascan eta 17 17.1 {len(counts) - 1} 1"
            scan["measurement/mpx1x4"] = counts
            scan["instrument/mpx1x4/distance"] = 0.8
            scan["instrument/positioners/eta"] = np.linspace(17, 17.1, len(counts))
            for motor, value in {"mu": 0, "phi": 0, "nu": 10, "delta": 35, "mononrj": 9}.items():
                scan[f"instrument/positioners/{motor}"] = float(value)
    dock.file.choose(str(tmp_path / "many.h5"))
    settle(qtbot, dock)
    dock.dataset.setCurrentIndex(0)
    dock.dataset.activated.emit(0)
    settle(qtbot, dock)
    texts = [item.text().split(",")[0] for item in dock.repeats._items]
    assert texts == ["2.1", "11.1"], "11.1 is not a part of 1.1"
    dock.repeats._items[0].setCheckState(Qt.CheckState.Checked)
    dock.repeats.sum.click()
    settle(qtbot, dock)
    assert any(note.startswith("The sum of 2 scans") for note in session.current.notes)
    assert [item.checkState() == Qt.CheckState.Checked for item in dock.repeats._items] == [True, False]


def test_the_words_of_a_crop():
    assert formats.crop_in(None) is None
    assert formats.crop_in(" auto ") == "auto"
    assert formats.crop_in("64, 128 × 130") == (64, 128, 130)
    assert formats.crop_in("10:74, 0 : 128,30:158") == ((10, 74), (0, 128), (30, 158))
    for wrong in ("64", "64,128", "64:70,128,128", "-5,20,20", "auto,1,1"):
        with pytest.raises(InputError, match=r"write auto"):
            formats.crop_in(wrong)


def test_motors_from_another_file_bring_their_own_geometry(opened, session, qtbot, monkeypatch):
    found = replace(
        session.current,
        geometry=replace(GEOMETRY, energy_kev=8.0),
        corrections={"spec": "motors.spec"},
    )
    asked = []
    monkeypatch.setattr(load_dock, "read", lambda request: asked.append(request) or found)
    opened.corrections.spec_file.choose("motors.spec")
    settle(qtbot, opened)
    assert asked[0].said()["spec"] == "motors.spec"
    assert session.current.geometry.energy_kev == 8.0
