"""What phasing takes of a scan, drawn over its diffraction: cropped about the peak, in blocks where it is binned."""

from __future__ import annotations

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.recipe import Preparation
from napari_autophase.scan import Scan
from napari_autophase.viewer.docks.binning_row import BinningRow
from napari_autophase.viewer.model.run.choices import preparation_of
from napari_autophase.viewer.model.scan.phased_view import NAME, phased_part
from napari_autophase.viewer.model.session import Session

PLAIN = {"hot_pixels": False, "other_peaks": False}


@pytest.fixture
def session(viewer):
    """A session that does everything at once."""
    return Session(viewer)


@pytest.fixture
def row(session, qtbot):
    session.add_scan(make_scan(size=32))
    row = BinningRow(session)
    qtbot.addWidget(row)
    return row


def over(viewer):
    return next((layer for layer in viewer.layers if layer.name == NAME), None)


def test_nothing_is_drawn_before_it_is_wanted(row, viewer):
    assert over(viewer) is None
    row.view.click()
    assert over(viewer).visible
    assert row.seen.text() == "In the frame: 32 × 32 × 32 voxels are phased."
    row.view.click()
    assert over(viewer) is None
    assert row.seen.text() == ""


def test_binning_is_drawn_as_soon_as_it_is_chosen(row, viewer, session):
    row.sides[1].setValue(2)
    assert row.view.isChecked()
    assert row.seen.text() == "In the frame: 32 × 16 × 32 blocks of 1 × 2 × 1 voxels are phased."
    layer = over(viewer)
    np.testing.assert_array_equal(layer.scale, (1, 2, 1))
    # the first block holds the rows 0 and 1: its middle lies between them
    np.testing.assert_array_equal(layer.translate, (0, 0.5, 0))
    (first, last), (begin, end) = layer.extent.world, session.scan_layer.extent.world
    np.testing.assert_array_equal(first - layer.scale / 2, begin - 0.5)
    np.testing.assert_array_equal(last + layer.scale / 2, end + 0.5)
    row.sides[2].setValue(4)
    assert over(viewer) is None, "8 columns are too few"
    assert "leaves [32, 16, 8]" in row.seen.text()
    row.sides[2].setValue(1)
    assert over(viewer).visible


def test_each_block_is_the_sum_of_its_voxels():
    counts = np.zeros((48, 40, 36), np.int32)
    counts[20:28, 14:22, 13:21] = np.random.default_rng(1).poisson(50, (8, 8, 8))
    counts[24, 18, 17] = 900
    scan = Scan(counts, name="away from the middle")
    found = phased_part(scan, Preparation(binning=(3, 2, 2), **PLAIN))
    sums = counts.reshape(16, 3, 20, 2, 18, 2).sum((1, 3, 5))
    first = [start // block for start, block in zip(found.first, found.block, strict=True)]
    part = tuple(slice(start, start + n) for start, n in zip(first, found.shown.shape, strict=True))
    np.testing.assert_allclose(10.0**found.shown - 1, sums[part], rtol=1e-4, atol=1e-3)
    assert found.shown.max() == pytest.approx(np.log10(1 + sums.max()), rel=1e-5)


def test_a_crop_is_drawn_about_the_peak():
    counts = np.zeros((48, 48, 48), np.int32)
    counts[18:23, 28:33, 24:29] = 30
    counts[20, 30, 26] = 500
    found = phased_part(Scan(counts, name="crystal"), Preparation(crop=(32, 32, 32), **PLAIN))
    # 32 about the peak would begin at 4, 14, 10; of the rows, 46 is the end
    assert found.first == (4, 14, 10)
    assert found.shown.shape == (32, 32, 32)
    at = np.unravel_index(found.shown.argmax(), found.shown.shape)
    assert tuple(int(a) + f for a, f in zip(at, found.first, strict=True)) == (20, 30, 26)


def test_it_is_hidden_with_the_diffraction_and_is_no_image_of_somebody_else(row, viewer, session):
    row.view.click()
    assert [name for name, _ in session.choices] == ["crystal"]
    session.add_result(make_reconstruction())
    assert not over(viewer).visible
    session.show_diffraction()
    assert over(viewer).visible


def test_a_view_that_a_person_deletes_is_not_wanted_any_more(row, viewer, session):
    row.view.click()
    viewer.layers.remove(over(viewer))
    assert not row.view.isChecked()
    row.view.click()
    viewer.layers.remove(session.scan_layer)
    assert over(viewer) is None


def test_what_is_typed_half_says_no_preparation():
    assert preparation_of({"prepare.binning": (1, 2)}) is None
    assert preparation_of({"prepare.binning": (1, 2, 2), "seed": -5}).binning == (1, 2, 2)
