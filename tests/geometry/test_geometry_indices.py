"""Binning, cropping, padding and flips change the array, never where a photon went or how the sample stood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_laboratory import BEAM, towards, turned
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase import Recipe
from napari_autophase.geometry import Geometry, frame, moved, on_plane, scattering_vector
from napari_autophase.preparation import prepare
from napari_autophase.scan import InputError, Scan

SHAPE = (40, 48, 36)
UNEVEN = tuple(0.3 + 0.01 * n + 0.002 * np.sin(n) for n in range(SHAPE[0]))
GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.7,
    pixel_size_um=(55.0, 80.0),
    rocking_step_deg=0.01,
    detector_angles_deg=(31.0, 12.0),
    sample_circles=("y+", "z-", "y+"),
    sample_angles_deg=(0.5, 80.0, -3.0),
    rocking_circle=2,
    direct_beam_pixel=(-61.0, 97.5),
    energy_step_kev=0.0003,
    detector_steps_deg=(0.002, -0.001),
    rocking_angles_deg=UNEVEN,
)


def in_the_crystal(geometry: Geometry, voxel, shape) -> np.ndarray:
    """Return q of a voxel as the crystal sees it: everything that moves stands where it stood in that frame."""
    frames = voxel[0] - shape[0] // 2
    sample = np.array(geometry.sample_angles_deg)
    sample[geometry.rocking_circle] += frames * geometry.rocking_step_deg
    arm = np.add(geometry.detector_angles_deg, frames * np.array(geometry.detector_steps_deg))
    then = replace(
        geometry.with_beam(shape),
        detector_angles_deg=tuple(arm),
        energy_kev=geometry.energy_kev + frames * geometry.energy_step_kev,
    )
    out = (towards(then, voxel[1], voxel[2]) - BEAM) * 2 * np.pi * then.energy_kev
    return turned(geometry.sample_circles, sample).inv().apply(out)


voxels = st.tuples(*[st.integers(0, n - 1) for n in SHAPE])
silent = st.booleans()


def both(geometry: Geometry, unknown_beam: bool) -> Geometry:
    return replace(geometry, direct_beam_pixel=None) if unknown_beam else geometry


@given(
    first=st.tuples(*[st.integers(-20, 20)] * 3),
    size=st.tuples(*[st.integers(5, 60)] * 3),
    voxel=voxels,
    unknown=silent,
)
def test_a_voxel_keeps_its_q_in_a_part_and_in_a_padded_array(first, size, voxel, unknown):
    before = both(GEOMETRY, unknown)
    after = before.cropped(first, SHAPE, size)
    there = tuple(v - f for v, f in zip(voxel, first, strict=True))
    assert in_the_crystal(after, there, size) == pytest.approx(in_the_crystal(before, voxel, SHAPE), abs=1e-9)


@given(axes=st.sets(st.integers(0, 2)), voxel=voxels, unknown=silent)
def test_a_voxel_keeps_its_q_when_axes_are_reversed(axes, voxel, unknown):
    before = both(GEOMETRY, unknown)
    after = before.flipped(tuple(axes), SHAPE)
    there = tuple(n - 1 - v if a in axes else v for a, (v, n) in enumerate(zip(voxel, SHAPE, strict=True)))
    assert in_the_crystal(after, there, SHAPE) == pytest.approx(
        in_the_crystal(before, voxel, SHAPE), abs=1e-9
    )
    again = after.flipped(tuple(axes), SHAPE)
    assert again.pixel_directions == GEOMETRY.pixel_directions
    assert again.rocking_angles_deg == pytest.approx(UNEVEN)


@given(factors=st.tuples(*[st.integers(1, 5)] * 3), block=st.tuples(*[st.integers(0, 6)] * 3), unknown=silent)
def test_a_block_has_the_q_of_its_middle(factors, block, unknown):
    before = both(GEOMETRY, unknown)
    after = before.binned(factors, SHAPE)
    middle = tuple((b + 0.5) * f - 0.5 for b, f in zip(block, factors, strict=True))
    shape = tuple(n // f for n, f in zip(SHAPE, factors, strict=True))
    assert in_the_crystal(after, block, shape) == pytest.approx(
        in_the_crystal(before, middle, SHAPE), abs=1e-9
    )
    assert len(after.rocking_angles_deg) == shape[0]


def test_rows_and_columns_change_places():
    after = GEOMETRY.transposed()
    assert scattering_vector(after, (20, 10), (40, 36, 48)) == pytest.approx(
        scattering_vector(GEOMETRY, (10, 20), SHAPE)
    )


@given(st.tuples(*[st.floats(-0.05, 0.05)] * 3), st.tuples(st.integers(0, 47), st.integers(0, 35)))
def test_a_detector_that_moves_takes_its_pixels_along(metres, pixel):
    after = moved(GEOMETRY, metres, SHAPE)
    rows, columns = GEOMETRY.pixel_size_um
    # rows run down and columns outboard
    place = np.array(
        [(pixel[1] - 97.5) * columns * 1e-6, (pixel[0] + 61) * -rows * 1e-6, GEOMETRY.distance_m]
    )
    place = turned(GEOMETRY.detector_circles, GEOMETRY.detector_angles_deg).apply(place + metres)
    assert towards(after, *pixel) == pytest.approx(place / np.linalg.norm(place), abs=1e-12)


def test_a_module_askew_is_where_its_first_pixel_is():
    """As I16 bolts its Pilatus to the arm: 45 degrees to the beam, 62.6, -18.3 and 621.1 mm away."""
    rows, columns = (0.000441563, 0.999995312, 0.003030009), (0.7063757, 0.00183285, -0.70783474)
    origin = np.array([62.58314655, -18.31388151, 621.14621608]) * 1e-3
    askew = replace(GEOMETRY, pixel_size_um=(172.0, 172.0), pixel_directions=(rows, columns))
    found = on_plane(askew, origin)
    arm = turned(GEOMETRY.detector_circles, GEOMETRY.detector_angles_deg)
    for pixel in ((0, 0), (100, 250)):
        place = origin + 172e-6 * (pixel[0] * np.array(rows) + pixel[1] * np.array(columns))
        assert towards(found, *pixel) == pytest.approx(arm.apply(place / np.linalg.norm(place)), abs=1e-7)


def test_a_detector_along_the_beam_or_behind_the_sample_says_so():
    with pytest.raises(InputError, match="never meets"):
        on_plane(replace(GEOMETRY, pixel_directions=("z+", "x+")), np.array([0, 0, 1.0]))
    with pytest.raises(InputError, match="before the sample"):
        moved(GEOMETRY, (0, 0, -2), SHAPE)


@settings(max_examples=10)
@given(
    peak=st.tuples(st.integers(12, 28), st.integers(12, 36), st.integers(10, 26)),
    crop=st.tuples(*[st.integers(16, 36)] * 3) | st.none(),
    binning=st.sampled_from([(1, 1, 1), (2, 2, 2), (1, 2, 1)]),
    pad=st.sampled_from(["fast", "none"]),
)
def test_what_is_phased_carries_the_direct_beam(peak, crop, binning, pad):
    """The Bragg vector of the phased array's middle voxel is that of the peak in the scan, whatever was done in between."""
    centres = np.indices(SHAPE) - np.array(peak)[:, None, None, None]
    counts = 1e5 * np.exp(-np.sum(centres**2, 0) / 8)
    geometry = replace(
        GEOMETRY, energy_step_kev=0.0, detector_steps_deg=None, rocking_angles_deg=None, rocking_circle=0
    )
    choice = Recipe().prepare.model_copy(
        update={"crop": crop, "binning": binning, "pad": pad, "hot_pixels": False}
    )
    prepared = prepare(Scan(counts.astype(np.float32), geometry=geometry), choice)
    middle = tuple(n // 2 for n in prepared.counts.shape)
    steps, q = frame(prepared.phased_geometry, middle, prepared.counts.shape)
    expected_steps, expected_q = frame(prepared.geometry, prepared.peak, prepared.counts.shape)
    assert q == pytest.approx(expected_q, abs=1e-9)
    assert steps == pytest.approx(expected_steps, rel=1e-9)
    brightest = tuple((p + 0.5) / b - 0.5 for p, b in zip(peak, binning, strict=True))
    assert np.abs(np.subtract(prepared.peak, brightest)).max() <= 0.5
