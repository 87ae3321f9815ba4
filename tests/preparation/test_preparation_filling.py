"""Peaks whose middle was not measured."""

from __future__ import annotations

import numpy as np
import pytest

from napari_autophase.preparation import complete_peak, estimate_oversampling, prepare
from napari_autophase.scan import Scan
from napari_autophase.simulation import simulate


def measured(seed: int, phase_range: float = 2.0, sampling: float = 3.0) -> np.ndarray:
    """Return counts, float32 (48, 48, 48), with a peak of a million."""
    return simulate(
        seed, 48, phase_range=phase_range, oversampling=(sampling,) * 3, geometry=None
    ).scan.counts.astype(np.float32)


@pytest.mark.parametrize("part", [0.5, 0.2])
@pytest.mark.parametrize(("seed", "phase_range"), [(31, 0.0), (32, 2.0), (33, 5.0)])
def test_a_clipped_peak_is_completed_to_a_few_percent_of_its_moduli(seed, phase_range, part):
    counts = measured(seed, phase_range)
    limit = round(part * float(counts.max()))
    good = counts < limit
    found = complete_peak(np.minimum(counts, limit), good)
    np.testing.assert_array_equal(found.counts[good], counts[good])
    assert (found.counts >= np.minimum(counts, limit)).all()
    missed = np.square(np.sqrt(found.counts) - np.sqrt(counts))[~good].sum()
    assert missed < 0.05**2 * counts[~good].sum()
    assert found.determined
    assert found.known.all()
    assert found.oversampling == pytest.approx(estimate_oversampling(counts), rel=0.02)
    assert found.missing == pytest.approx(counts[~good].sum() / counts.sum(), rel=0.1)


def test_a_narrow_gap_through_the_peak_is_completed_and_a_wide_one_is_doubted():
    counts = measured(34)
    for half, determined in ((1, True), (5, False)):
        good = np.ones(counts.shape, bool)
        good[:, :, 24 - half : 24 + half] = False
        found = complete_peak(np.where(good, counts, 0), good)
        assert found.determined == determined
        assert found.known[24, 24, 24] == determined
        if determined:
            missed = np.square(np.sqrt(found.counts) - np.sqrt(counts))[24, :, 23:25].sum()
            assert missed < 0.1**2 * counts[24, :, 23:25].sum()


def test_a_peak_that_was_measured_is_left_alone():
    counts = measured(35)
    good = np.ones(counts.shape, bool)
    assert complete_peak(counts, good) is None
    good[:, :, 5:9] = False
    assert complete_peak(np.where(good, counts, 0), good) is None
    found = prepare(Scan(counts, ~good))
    assert found.shown is found.counts
    assert found.known is found.good
    assert not found.doubtful


def test_a_peak_that_nobody_can_know_is_said_and_one_that_is_clipped_is_not_called_undersampled():
    counts = measured(36)
    mask = np.zeros(counts.shape, bool)
    mask[:, 20:28, 20:28] = True
    found = prepare(Scan(np.where(mask, 0, counts), mask))
    assert found.doubtful
    assert sum("random starts" in note for note in found.notes) == 1
    clipped = prepare(Scan(np.minimum(counts, round(counts.max() / 5))))
    assert not clipped.doubtful
    assert not [note for note in clipped.notes if "undersampled" in note or "random" in note]


def test_a_gap_through_the_brighter_of_two_maxima_is_seen_and_one_through_faint_light_is_not():
    index = np.indices((48, 48, 48))

    def spot(place: tuple[int, int, int], photons: float) -> np.ndarray:
        away = sum((axis - p) ** 2 for axis, p in zip(index, place, strict=True))
        return photons * np.exp(-away / (2 * 2.5**2))

    counts = (spot((24, 24, 16), 1000) + spot((24, 24, 30), 800)).astype(np.float32)
    for first, hidden in ((14, True), (4, False), (38, False)):
        good = np.ones(counts.shape, bool)
        good[:, :, first : first + 4] = False
        found = complete_peak(np.where(good, counts, 0), good)
        assert (found is not None) == hidden
        prepared = prepare(Scan(np.where(good, counts, 0), ~good))
        assert prepared.doubtful == hidden


def test_a_saturated_peak_is_bounded_and_one_in_a_gap_is_not():
    counts = measured(31, 0.0)
    good = counts < counts.max() / 5
    assert complete_peak(np.minimum(counts, counts.max() / 5), good).bounded
    assert not complete_peak(np.where(good, counts, 0), good).bounded


@pytest.mark.parametrize(("first", "number", "doubted"), [(26, 3, False), (28, 4, False), (23, 3, True)])
def test_frames_lost_beside_the_brightest_one_are_not_doubted_and_those_through_it_are(
    first, number, doubted
):
    """What is known of the brightest part tells the widest modes of the object, in which a guess would go wrong."""
    counts = measured(34)
    lost = np.zeros(counts.shape, bool)
    lost[first : first + number] = True
    assert counts.argmax() // counts[0].size == 24
    found = prepare(Scan(np.where(lost, 0, counts), lost))
    assert found.shown is not found.counts
    assert found.doubtful == doubted
