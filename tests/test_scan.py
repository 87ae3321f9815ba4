"""The scan and its geometry: what is accepted, what is refused, and what binning does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_autophase.scan import Geometry, InputError, Scan

GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=1.0,
    pixel_size_um=(55.0, 50.0),
    rocking_step_deg=0.01,
    detector_angles_deg=(30.0, 12.0),
    direct_beam_pixel=(100.0, 120.5),
)


def counts(shape: tuple[int, ...] = (16, 17, 18), dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).poisson(3, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "float32", "float64", "bool"])
def test_any_real_dtype_is_kept_as_it_is(dtype):
    given_counts = counts(dtype=dtype)
    scan = Scan(given_counts)
    assert scan.counts is given_counts
    assert scan.shape == (16, 17, 18)


@pytest.mark.parametrize(
    ("volume", "says"),
    [
        (counts((16, 16)), "2-dimensional"),
        (counts((2, 16, 16, 16)), "4-dimensional"),
        (counts() * 1j, "complex"),
        (counts().astype("U3"), "photon counts"),
        (counts((7, 40, 40)), "at least 8 frames of 16 × 16 pixels; give a longer"),
        (counts((40, 40, 15)), "at least 8 frames of 16 × 16 pixels; say with --axes"),
        (np.zeros((16, 16, 16)), "no counts"),
        (np.full((16, 16, 16), np.nan), "NaN"),
        (np.where(np.arange(16) == 5, np.inf, counts((16, 16, 16), "float32")), "infinite"),
        (counts(dtype="int16") - 5, "negative"),
    ],
)
def test_what_is_no_rocking_curve_is_refused_in_one_sentence(volume, says):
    with pytest.raises(InputError, match=says) as caught:
        Scan(volume)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(InputError, match="mask"):
        Scan(counts(), mask=np.zeros((17, 16, 18), bool))


def test_the_mask_becomes_boolean():
    mask = np.zeros((16, 17, 18), np.uint8)
    mask[3] = 7
    scan = Scan(counts(), mask=mask)
    assert scan.mask is not None
    assert scan.mask.dtype == bool
    np.testing.assert_array_equal(scan.mask.nonzero()[0], np.full(17 * 18, 3))


def test_flagged_voxels_become_masked_zeros_and_the_given_mask_is_kept():
    volume = counts(dtype="float32") + 1
    volume[0, 0, 0], volume[1, 2, 3], volume[4, 5, 6] = np.nan, -1, np.inf
    given_mask = np.zeros(volume.shape, bool)
    given_mask[7, 7, 7] = True
    untouched = volume.copy()
    scan = Scan.from_array(volume, mask=given_mask)
    assert scan.mask is not None
    assert set(zip(*np.nonzero(scan.mask), strict=True)) == {(0, 0, 0), (1, 2, 3), (4, 5, 6), (7, 7, 7)}
    assert scan.counts[0, 0, 0] == scan.counts[1, 2, 3] == scan.counts[4, 5, 6] == 0
    np.testing.assert_array_equal(volume, untouched)  # the caller's array is not written to


def test_a_clean_array_is_not_copied():
    volume = counts()
    assert Scan.from_array(volume).counts is volume


def test_the_wavelength_of_a_known_energy():
    # copper's K-alpha1 line: 8.04778 keV is 0.154059 nm (Bearden 1967)
    assert replace(GEOMETRY, energy_kev=8.04778).wavelength_nm == pytest.approx(0.154059, rel=1e-5)


factors = st.tuples(*[st.integers(1, 5)] * 3)


@given(first=factors, second=factors)
def test_binning_twice_is_binning_by_the_product(first, second):
    together = tuple(a * b for a, b in zip(first, second, strict=True))
    twice, once = GEOMETRY.binned(first).binned(second), GEOMETRY.binned(together)
    assert twice.pixel_size_um == pytest.approx(once.pixel_size_um)
    assert twice.rocking_step_deg == pytest.approx(once.rocking_step_deg)
    assert twice.direct_beam_pixel == pytest.approx(once.direct_beam_pixel)


@given(factors)
def test_binning_moves_no_point_of_the_detector(binning):
    # the direct beam meets the same place on the detector, measured from its edge, whatever the pixels are
    binned = GEOMETRY.binned(binning)
    for before, size, after, large in zip(
        GEOMETRY.direct_beam_pixel,
        GEOMETRY.pixel_size_um,
        binned.direct_beam_pixel,
        binned.pixel_size_um,
        strict=True,
    ):
        assert (before + 0.5) * size == pytest.approx((after + 0.5) * large)


def test_binning_leaves_an_unknown_direct_beam_unknown():
    assert replace(GEOMETRY, direct_beam_pixel=None).binned((2, 2, 2)).direct_beam_pixel is None
