"""A mask painted on the diffraction with napari's own tools, and the view of what will be masked."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import formats, painted
from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError, Scan
from napari_autophase.viewer.docks import load_dock, mask_row
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = LoadDock(viewer)
    qtbot.addWidget(dock)
    dock.corrections.head.setChecked(True)
    return dock


@pytest.fixture
def row(dock, session, scan, qtbot):
    session.add_scan(scan)
    # what warns in a thread takes the filter from under napari's colour maps, which are made with a warning that it hides
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)
    return dock.corrections.painted


def choose(row, name):
    row.layer.setCurrentText(name)
    row.layer.activated.emit(row.layer.currentIndex())


def test_what_is_painted_is_masked_in_the_next_run(row, session, viewer, launch, scan):
    row.paint.click()
    labels = viewer.layers["crystal mask"]
    assert viewer.layers.selection == {labels}
    assert labels.mode == "paint"
    assert row.layer.currentText() == "crystal mask"
    labels.brush_size = 3
    labels.paint((5, 6, 7), 1)
    session.reconstruct(Recipe())
    mask = launch.job.scan.mask
    np.testing.assert_array_equal(mask, labels.data != 0)
    assert mask.sum() > 1
    assert mask[5, 6, 7]


def test_it_is_used_when_the_brush_rests_and_given_back_when_nothing_is_chosen(
    row, session, viewer, qtbot, scan
):
    row.paint.click()
    viewer.layers["crystal mask"].paint((5, 6, 7), 1)
    qtbot.waitUntil(lambda: session.current.painted is not None, timeout=120_000)
    np.testing.assert_array_equal(
        session.scan_layer.data, np.log1p(scan.counts, dtype=np.float32) / np.float32(np.log(10))
    )
    choose(row, "nothing painted")
    assert session.current.painted is None
    assert session.current.mask is None


def test_any_labels_layer_can_be_the_mask_and_one_of_another_shape_is_refused(
    row, session, viewer, monkeypatch
):
    shown = []
    monkeypatch.setattr(mask_row, "show_error", shown.append)
    data = np.zeros((24, 24, 24), int)
    data[3] = 9
    viewer.add_labels(data, name="by hand")
    viewer.add_labels(np.zeros((24, 24), int), name="flat")
    viewer.add_labels(np.ones((24, 24, 23), int), name="elsewhere")
    offered = [row.layer.itemText(index) for index in range(row.layer.count())]
    assert offered == ["nothing painted", "by hand", "elsewhere"]
    choose(row, "by hand")
    assert session.current.mask.sum() == 24 * 24
    choose(row, "elsewhere")
    assert "shape (24, 24, 23) but crystal has (24, 24, 24)" in shown[0]
    assert row.layer.currentText() == "by hand"
    viewer.layers["by hand"].data = np.zeros((24, 24, 22), int)
    with pytest.raises(InputError, match=r"\(24, 24, 22\)"):
        session.reconstruct(Recipe())


def test_a_deleted_layer_leaves_its_mask_and_that_is_said(row, session, viewer):
    row.paint.click()
    viewer.layers["crystal mask"].paint((5, 6, 7), 1)
    session.settle()
    count = int(session.current.painted.sum())
    viewer.layers.remove("crystal mask")
    assert row.layer.currentText() == f"as painted before: {count:,} voxels"
    row.paint.click()
    assert viewer.layers["crystal mask"].data.sum() == count, "to be painted on"
    choose(row, "nothing painted")
    assert session.current.mask is None


def test_every_scan_has_its_own(row, session, viewer, scan):
    other = make_scan("other")
    row.paint.click()
    session.add_scan(other)
    assert row.layer.currentText() == "nothing painted"
    session.choose(scan)
    assert row.layer.currentText() == "crystal mask"


def test_it_is_hidden_with_the_diffraction_and_comes_back_with_it(row, session, viewer):
    row.paint.click()
    labels = viewer.layers["crystal mask"]
    session.add_result(make_reconstruction())
    assert not labels.visible
    viewer.dims.ndisplay = 2
    low, high, _ = viewer.dims.range[1]
    assert high - low < 24 * 6, "the slider reaches over the crystal, not over the frames"
    session.show_diffraction()
    assert labels.visible
    assert {str(unit) for unit in labels.units} == {"pixel"}
    labels.visible = False
    session.show_result()
    session.show_diffraction()
    assert not labels.visible, "as the person left it"


def test_on_a_cropped_scan_the_mask_of_the_whole_frames_is_cut(row, session, viewer, tmp_path):
    scan = make_scan(size=32)
    scan = replace(scan, counts=scan.counts + 1)  # its first frame has no count, and would be masked
    formats.write_scan(scan, tmp_path / "large.h5")
    session.add_scan(formats.read_scan(tmp_path / "large.h5"))
    row.paint.click()
    viewer.layers["large mask"].data[:, 10, :] = 1
    part = formats.read_scan(tmp_path / "large.h5", crop=((4, 28), (4, 28), (4, 28)))
    session.update_scan(session.current, replace(part, name="large"))
    session.settle()
    np.testing.assert_array_equal(np.argwhere(session.current.painted.any((0, 2))).ravel(), [6])


@pytest.fixture
def of_a_file(row, session, tmp_path, qtbot):
    """The panel with a scan that was read from a file; a function that waits until it was read anew."""
    scan = make_scan(size=32)
    scan = replace(scan, counts=scan.counts + 1)  # its first frame has no count, and would be masked
    formats.write_scan(scan, tmp_path / "large.h5")
    session.add_scan(formats.read_scan(tmp_path / "large.h5"))

    def settled(dock):
        qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)

    return settled


def test_what_was_painted_follows_a_crop_and_comes_back_without_it(dock, row, session, viewer, of_a_file):
    row.paint.click()
    labels = viewer.layers["large mask"]
    labels.brush_size = 3
    labels.paint((9, 10, 11), 2)
    labels.paint((0, 1, 2), 3)
    before = labels.data.copy()
    session.settle()
    dock.corrections.crop.choose("4:28,4:28,4:28")
    of_a_file(dock)
    assert session.current.shape == labels.data.shape == (24, 24, 24)
    assert labels.data[5, 6, 7] == 2
    assert labels.mode == "paint"
    np.testing.assert_array_equal(session.current.painted, labels.data != 0)
    labels.undo()  # of a stroke that was counted from another corner
    assert labels.data[5, 6, 7] == 2
    labels.paint((12, 12, 12), 4)
    dock.corrections.crop.choose("")
    of_a_file(dock)
    assert labels.data[16, 16, 16] == 4
    elsewhere = labels.data != 4
    np.testing.assert_array_equal(labels.data[elsewhere], before[elsewhere])
    np.testing.assert_array_equal(session.current.painted, labels.data != 0)


def test_what_was_painted_before_stays_when_a_scan_is_read_otherwise(dock, row, session, of_a_file, tmp_path):
    scan = session.current
    where = np.zeros(scan.shape, bool)
    where[3, 4, 5] = True
    session.update_scan(scan, painted.over(scan, where))
    np.save(tmp_path / "mask.npy", np.arange(32 * 32).reshape(32, 32) == 70)
    dock.corrections.mask_file.choose(str(tmp_path / "mask.npy"))
    of_a_file(dock)
    np.testing.assert_array_equal(session.current.painted, where)
    assert session.current.mask.sum() == 32 + 1
    assert row.layer.currentText() == "as painted before: 1 voxels"


def test_a_stroke_that_is_taken_back_is_heard_of(row, session, viewer, qtbot):
    row.paint.click()
    labels = viewer.layers["crystal mask"]
    labels.paint((5, 6, 7), 1)
    session.settle()
    assert session.current.painted is not None
    row._soon.stop()  # that of the stroke
    row._soon.setInterval(1)
    labels.undo()
    qtbot.waitUntil(lambda: session.current.painted is None)


def test_what_will_be_masked_is_shown_with_its_reason(row, session, viewer, qtbot):
    counts = make_scan().counts.copy()
    counts[3, 4, 5] = 90_000
    mask = np.zeros(counts.shape, bool)
    mask[:, :, 0] = True
    session.add_scan(Scan(counts, mask, name="hot"))
    before = viewer.layers.selection.copy()
    row.view.setChecked(True)
    qtbot.waitUntil(lambda: "masked" in viewer.layers, timeout=120_000)
    view = viewer.layers["masked"]
    assert "hot 1" in row.legend.text()
    assert "came masked 576" in row.legend.text()
    assert view.data[3, 4, 5] == 5
    colours = {tuple(pixel) for row_ in view.thumbnail for pixel in row_}
    assert colours == {(0x8A, 0x8F, 0x98, 255), (0xFF, 0x3B, 0x6B, 255)}, "grey came masked, red is hot"
    viewer.dims.set_point(0, 1)
    assert {tuple(pixel) for row_ in view.thumbnail for pixel in row_} == colours, "in every frame"
    assert not view.editable
    assert viewer.layers.selection == before
    assert [row.layer.itemText(index) for index in range(row.layer.count())] == ["nothing painted"]
    assert not any(isinstance(choice, Labels) for _, choice in session.choices)
    row.view.setChecked(False)
    assert "masked" not in viewer.layers


def test_the_oversampling_follows_the_binning_that_a_run_would_take(
    row, session, viewer, qtbot, dock, monkeypatch
):
    session.add_scan(make_scan(size=48))
    panel = ReconstructDock(viewer)
    qtbot.addWidget(panel)

    def understood():
        qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)
        return re.sub("<.*?>", "", dock.facts["Oversampling"].text())

    whole = [float(part) for part in understood().split(" × ")]
    panel.form.settings["prepare.binning"].value = (1, 2, 2)
    text, _, said = understood().partition(",")
    binned = [float(part) for part in text.split(" × ")]
    assert said == " binned 1 × 2 × 2"
    np.testing.assert_allclose(binned, np.array(whole) / (1, 2, 2), rtol=0.1)
    assert "#e5484d" in dock.facts["Oversampling"].text() or min(binned) >= 2
    aloud = []
    monkeypatch.setattr(load_dock, "show_error", aloud.append)
    panel.form.settings["prepare.binning"].value = (1, 2, 40)  # in the midst of typing
    understood()
    assert "bin less" in dock.status.text()
    panel.form.settings["prepare.binning"].value = (1, 2, 1)
    assert understood().endswith("binned 1 × 2 × 1")
    assert (dock.status.text(), aloud) == ("", [])


def test_what_is_shown_as_masked_goes_while_several_layers_are_deleted(row, session, viewer, qtbot):
    row.view.setChecked(True)
    qtbot.waitUntil(lambda: "masked" in viewer.layers, timeout=120_000)
    last, kept, first = viewer.add_points(name="last"), viewer.add_points(name="kept"), session.scan_layer
    viewer.layers.selection = {first, last}
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: "masked" not in viewer.layers, timeout=120_000)
    assert list(viewer.layers) == [kept]


def test_the_window_need_not_wait_until_what_was_shown_as_masked_has_left(
    row, session, viewer, qtbot, monkeypatch
):
    row.view.setChecked(True)
    qtbot.waitUntil(lambda: "masked" in viewer.layers, timeout=120_000)
    turns = []
    monkeypatch.setattr(session.extras.leaving, "soon", lambda go_on: turns.append(go_on) or True)
    row.view.setChecked(False)
    assert not viewer.layers["masked"].visible
    turns.pop()()
    assert "masked" not in viewer.layers
