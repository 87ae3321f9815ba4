"""The scan in small: slices with the mask over them, the rocking curve, and a press that goes there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import Preparation
from napari_autophase.scan import Scan
from napari_autophase.viewer.docks import scan_pictures
from napari_autophase.viewer.docks.scan_pictures import ScanPictures
from napari_autophase.viewer.model.run.background import _Now
from napari_autophase.viewer.model.scan.masks import COLOURS
from napari_autophase.viewer.model.scan.scan_seen import scan_seen
from napari_autophase.viewer.model.session import Session

PLAIN = Preparation(hot_pixels=False, other_peaks=False)


class AtOnce(_Now):
    def forget(self, task):
        pass

    def close(self):
        pass


@pytest.fixture
def session(viewer):
    """A session that does everything at once."""
    return Session(viewer)


@pytest.fixture
def pictures(session, qtbot, monkeypatch):
    monkeypatch.setattr(scan_pictures, "Tasks", AtOnce)
    pictures = ScanPictures(session)
    qtbot.addWidget(pictures)
    pictures.resize(360, 260)
    return pictures


def peak_at(frame, row, column, shape=(24, 20, 28)):
    grid = np.indices(shape)
    away = sum((axis - at) ** 2 for axis, at in zip(grid, (frame, row, column), strict=True))
    return Scan((1e4 * np.exp(-away / 18)).astype(np.int32), name="peak")


def test_the_slices_meet_in_the_brightest_voxel_that_is_not_masked():
    scan = peak_at(9, 12, 17)
    seen = scan_seen(scan, PLAIN)
    assert seen.at == (9, 12, 17)
    assert [picture.shape[:2] for picture in seen.slices] == [(20, 28), (24, 28), (24, 20)]
    for picture, at in zip(seen.slices, [(12, 17), (9, 17), (9, 12)], strict=True):
        brightness = picture[..., :3].sum(-1, dtype=int)
        assert np.unravel_index(brightness.argmax(), brightness.shape) == at
    np.testing.assert_array_equal(seen.curve, scan.counts.sum((1, 2)))
    assert seen.curve.argmax() == 9


def test_what_is_masked_is_coloured_and_is_not_counted():
    scan = peak_at(9, 12, 17)
    mask = np.zeros(scan.shape, bool)
    mask[:, :, 15:19] = True
    seen = scan_seen(replace(scan, mask=mask), PLAIN)
    colour = [int(COLOURS["came masked"][k : k + 2], 16) for k in (1, 3, 5)]
    first, second, _ = seen.slices
    for picture in (first, second):
        np.testing.assert_array_equal((picture[..., :3] == colour).all(-1).any(0), mask[0, 0])
    assert seen.at[:2] == (9, 12)
    np.testing.assert_array_equal(seen.curve, np.where(mask, 0, scan.counts).sum((1, 2)))


def test_of_large_frames_the_brightest_pixels_are_seen():
    counts = np.ones((16, 600, 16), np.int32)
    counts[8, 411, 8] = 10**6
    seen = scan_seen(Scan(counts, name="long"), PLAIN)
    first = seen.slices[0]
    assert first.shape[:2] == (200, 16)
    assert first[411 // 3, 8, :3].sum() > 600


def test_a_press_goes_there(pictures, session, viewer):
    assert pictures.isHidden()
    session.add_scan(make_scan())
    assert not pictures.isHidden()
    pictures.show()
    viewer.dims.ndisplay = 2
    area = pictures.slices[1].area  # frames downwards, columns to the right
    QTest.mousePress(
        pictures.slices[1],
        Qt.MouseButton.LeftButton,
        pos=QPoint(round(area.left() + 0.27 * area.width()), round(area.top() + 0.77 * area.height())),
    )
    frame, row, column = viewer.dims.point
    assert frame == pytest.approx(0.77 * 24, abs=1.5)
    assert row == 12
    assert column == pytest.approx(0.27 * 24, abs=1.5)
    QTest.mousePress(pictures.curve, Qt.MouseButton.LeftButton, pos=QPoint(pictures.curve.width() - 4, 30))
    assert viewer.dims.point[0] == 23
    QTest.mouseDClick(pictures.slices[0], Qt.MouseButton.LeftButton, pos=QPoint(60, 60))
    assert viewer.dims.point[0] == 12


def test_it_goes_to_the_diffraction_where_a_result_is_seen(pictures, session, viewer):
    session.add_scan(make_scan())
    session.add_result(make_reconstruction())
    pictures.curve.show_curve(np.ones(24), 3)
    pictures.curve.chosen.emit(5)
    assert session.diffraction_shown
    assert viewer.dims.point[0] == 5


def test_pictures_follow_the_scan_and_its_preparation(pictures, session, viewer):
    session.add_scan(make_scan())
    before = pictures._seen
    session.choices_made = {"prepare.saturation": float(session.current.counts.max())}
    session.choices_said.emit()
    assert pictures._seen is not before
    session.choices_said.emit()
    after = pictures._seen
    session.choices_said.emit()
    assert pictures._seen is after, "nothing else was said"
    session.choices_made = {"prepare.saturation": 0.5}  # all of it
    session.choices_said.emit()
    assert not pictures._seen.curve.any()
    viewer.layers.clear()
    assert pictures.isHidden()
