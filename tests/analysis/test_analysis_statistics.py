from __future__ import annotations

import numpy as np
import pytest

from napari_autophase.analysis import statistics, surface_and_bulk


def test_moments_and_width_of_known_distributions():
    draws = np.random.default_rng(0).normal(3.0, 2.0, 200_000)
    found = statistics(draws)
    assert found.count == 200_000
    assert found.mean == pytest.approx(3, abs=0.02)
    assert found.std == pytest.approx(2, rel=0.01)
    assert found.rms == pytest.approx(np.sqrt(13), rel=0.01)
    assert found.skew == pytest.approx(0, abs=0.03)
    assert found.fwhm == pytest.approx(2.3548 * 2, rel=0.05)
    # an exponential leans: skew 2, half its height at ln 2
    found = statistics(np.random.default_rng(1).exponential(1.0, 200_000))
    assert found.skew == pytest.approx(2, abs=0.1)


def test_what_is_not_finite_does_not_count():
    found = statistics(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.count, found.mean, found.std) == (2, 2.0, 1.0)
    assert np.isnan(statistics(np.full(4, np.nan)).mean)
    assert statistics(np.ones(5)).fwhm == statistics(np.ones(5)).skew == 0


def test_surface_and_bulk_make_the_support():
    ball = np.linalg.norm(np.indices((21, 21, 21)) - 10, axis=0) < 8
    surface, bulk = surface_and_bulk(ball, 2)
    np.testing.assert_array_equal(surface | bulk, ball)
    assert not (surface & bulk).any()
    assert bulk[10, 10, 5]
    assert surface[10, 10, 4]
    assert not bulk[10, 10, 4]
