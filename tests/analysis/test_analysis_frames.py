"""Frames against an independent program, a closed form, published values and the physics itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.analysis.frames import (
    direction,
    frame,
    orthogonalise,
    reciprocal_steps,
    rotation,
    scattering_vector,
)
from napari_autophase.scan import BEAMLINES, Geometry, InputError


def preset(name: str) -> dict:
    return {key: value for key, value in BEAMLINES[name].items() if not key.endswith("_names")}


# scan 54 of 34-ID-C: the array is a corner of the detector, whose centre (256, 256) the direct beam meets
GOLD = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.005,
    detector_angles_deg=(32.174, 12.6346),
    sample_angles_deg=(0.22, 90.0, -5.0),
    direct_beam_pixel=(256.0, 256.0),
    **preset("34-ID-C"),
)
GOLD_PEAK, GOLD_SHAPE = (99, 126, 127), (200, 128, 128)

PLATINUM = Geometry(
    energy_kev=9.0,
    distance_m=0.50678,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.01015,
    detector_angles_deg=(0.4864, 35.3627),
    sample_angles_deg=(17.0, 0.0),
    **preset("ID01"),
)


def test_gold_scan_of_34idc_gives_the_published_voxels_and_spacings():
    steps, q = frame(GOLD, GOLD_PEAK, GOLD_SHAPE)
    assert np.linalg.norm(steps, axis=0) == pytest.approx([15.62, 10.06, 10.05], rel=2e-3)
    assert 2 * np.pi / np.linalg.norm(q) == pytest.approx(0.23679, rel=5e-4)
    arm = scattering_vector(GOLD, (256, 256), GOLD_SHAPE)
    assert 2 * np.pi / np.linalg.norm(arm) == pytest.approx(0.23348, rel=5e-5)


def test_platinum_scan_of_id01_gives_the_published_voxels_and_spacing():
    steps, q = frame(PLATINUM, (126, 210, 196), (252, 420, 392))
    assert np.linalg.norm(steps, axis=0) == pytest.approx([5.33, 3.17, 3.24], abs=0.006)
    assert np.linalg.norm(steps, axis=1)[::-1] == pytest.approx([4.45, 4.32, 3.24], abs=0.006)
    assert 2 * np.pi / np.linalg.norm(q) == pytest.approx(0.22677, abs=1e-5)


def test_eta_rocking_matches_its_closed_form():
    inner, outer = np.radians(PLATINUM.detector_angles_deg)
    k = 2 * np.pi / PLATINUM.wavelength_nm
    pixel = k * 55e-6 / PLATINUM.distance_m
    expected = np.stack(
        [
            k
            * np.radians(PLATINUM.rocking_step_deg)
            * np.array([0, 1 - np.cos(inner) * np.cos(outer), np.sin(outer)]),
            pixel * np.array([-np.sin(inner) * np.sin(outer), -np.cos(outer), np.cos(inner) * np.sin(outer)]),
            pixel * np.array([np.cos(inner), 0, np.sin(inner)]),
        ],
        axis=1,
    )
    found = reciprocal_steps(PLATINUM, (50, 60, 70), (100, 120, 140))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(sorted(BEAMLINES)),
    detector=st.tuples(st.floats(-20, 40), st.floats(5, 50)),
    tilt=st.floats(-30, 30),
    circle=st.integers(0, 1),
    pixel=st.tuples(st.integers(10, 90), st.integers(10, 110)),
)
def test_frame_agrees_with_xrayutilities(name, detector, tilt, circle, pixel):
    xrayutilities = pytest.importorskip("xrayutilities")
    settings_ = {**preset(name), "rocking_circle": circle}
    sample = [tilt, 70.0, -5.0][: len(settings_["sample_circles"])]
    step, shape = 0.02, (40, 100, 120)
    geometry = Geometry(
        energy_kev=8.7,
        distance_m=0.9,
        pixel_size_um=(55.0, 75.0),
        rocking_step_deg=step,
        detector_angles_deg=detector,
        sample_angles_deg=tuple(sample),
        direct_beam_pixel=(30.0, 41.0),
        **settings_,
    )
    conversion = xrayutilities.QConversion(
        geometry.sample_circles, geometry.detector_circles, [0, 0, 1], en=8700
    )
    conversion.init_area(
        *geometry.pixel_directions,
        cch1=30,
        cch2=41,
        Nch1=100,
        Nch2=120,
        distance=0.9,
        pwidth1=55e-6,
        pwidth2=75e-6,
    )
    angles = [np.full(3, angle) for angle in sample]
    angles[circle] = angles[circle] + np.array([-step, 0, step])
    wavelength = xrayutilities.en2lam(8700)
    in_sample = np.stack(conversion.area(*angles, *detector, wl=wavelength), -1) * 10  # 1/Å to 1/nm
    lab = in_sample @ rotation(geometry.sample_circles, tuple(sample)).T
    row, column = pixel
    expected = np.stack(
        [
            (lab[2, row, column] - lab[0, row, column]) / 2,
            (lab[1, row + 1, column] - lab[1, row - 1, column]) / 2,
            (lab[1, row, column + 1] - lab[1, row, column - 1]) / 2,
        ],
        axis=1,
    )
    found = reciprocal_steps(geometry, (20, row, column), shape)
    scale = np.linalg.norm(expected, axis=0)
    assert np.abs(found - expected).max(0) / scale == pytest.approx(0, abs=1e-4)
    q = scattering_vector(geometry, pixel, shape)
    assert q == pytest.approx(lab[1, row, column], rel=1e-5, abs=1e-5)


def test_real_and_reciprocal_steps_are_dual():
    steps, _ = frame(GOLD, GOLD_PEAK, GOLD_SHAPE)
    phase = reciprocal_steps(GOLD, GOLD_PEAK, GOLD_SHAPE).T @ steps
    assert phase == pytest.approx(2 * np.pi * np.diag(1 / np.array(GOLD_SHAPE)), abs=1e-12)


@pytest.mark.parametrize("geometry", [GOLD, PLATINUM])
def test_tension_moves_the_bragg_peak_to_smaller_q(geometry):
    """phase = -Q·u and fftn: the peak of a crystal stretched by ε along Q moves by -ε Q."""
    shape, peak = (32, 32, 32), (16, 126, 127)
    steps, q = frame(geometry, peak, shape)
    index = np.stack(np.meshgrid(*[np.arange(32) - 16] * 3, indexing="ij"), -1)
    position = index @ steps.T
    strain = 2e-3
    displacement = strain * (position @ q) / np.linalg.norm(q)
    crystal = np.exp(-1j * np.linalg.norm(q) * displacement) * np.exp(-np.sum(index**2, -1) / 40)
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(crystal)))) ** 2
    moved = np.array([np.sum(intensity * index[..., axis]) for axis in range(3)]) / intensity.sum()
    dq = reciprocal_steps(geometry, peak, shape) @ moved
    assert dq == pytest.approx(-strain * q, abs=0.02 * strain * np.linalg.norm(q))


def test_binning_changes_the_array_not_the_crystal():
    shape, factors = (200, 256, 252), (2, 4, 3)
    peak = (99.0, 126.0, 127.0)
    binned_peak = tuple((p + 0.5) / f - 0.5 for p, f in zip(peak, factors, strict=True))
    steps, q = frame(GOLD, peak, shape)
    binned_steps, binned_q = frame(
        GOLD.binned(factors), binned_peak, tuple(n // f for n, f in zip(shape, factors, strict=True))
    )
    assert binned_q == pytest.approx(q, rel=1e-9)
    assert binned_steps == pytest.approx(steps, rel=1e-5, abs=1e-4)


def test_the_centre_of_the_array_is_the_beam_where_nothing_else_is_said():
    silent = replace(GOLD, direct_beam_pixel=None)
    said = replace(GOLD, direct_beam_pixel=(64.0, 64.0))
    assert frame(silent, (99, 30, 40), GOLD_SHAPE)[1] == pytest.approx(
        frame(said, (99, 30, 40), GOLD_SHAPE)[1]
    )


def test_without_geometry_there_is_no_frame():
    assert frame(None, GOLD_PEAK, GOLD_SHAPE) == (None, None)


def test_circles_turn_by_the_right_hand_rule():
    assert rotation(("y+",), (90.0,)) @ [0, 0, 1] == pytest.approx([1, 0, 0])
    assert rotation(("x-",), (90.0,)) @ [0, 0, 1] == pytest.approx([0, 1, 0])
    # the outermost circle acts last
    assert rotation(("y+", "x-"), (90.0, 90.0)) @ [0, 0, 1] == pytest.approx([0, 1, 0])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sample_angles_deg": (1.0,)}, "one angle per circle"),
        ({"rocking_circle": 5}, "count from 0"),
        ({"detector_circles": ("q+", "x-")}, "names no axis"),
        ({"rocking_step_deg": 0.0}, "span no volume"),
        ({"pixel_directions": ("x+", "x+")}, "span no volume"),
    ],
)
def test_a_contradictory_geometry_says_so(change, word):
    with pytest.raises(InputError, match=word):
        frame(replace(GOLD, **change), GOLD_PEAK, GOLD_SHAPE)


def test_an_axis_needs_a_sense():
    with pytest.raises(InputError, match="such as 'y\\+'"):
        direction("y")


def sheared_sphere(radius_nm: float, shape=(40, 36, 44)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a sphere on gold's sheared grid, the grid's steps, and the laboratory positions of its voxels."""
    steps, _ = frame(GOLD, GOLD_PEAK, shape)
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), -1)
    position = index @ steps.T
    return (np.linalg.norm(position, axis=-1) < radius_nm).astype(np.complex64), steps, position


def test_a_sphere_becomes_a_sphere():
    radius = 350.0
    sphere, steps, _ = sheared_sphere(radius)
    found, size = orthogonalise(sphere, steps, 20.0)
    assert size == 20.0
    assert found.dtype == np.complex64
    z, y, x = (np.arange(n) - n // 2 for n in found.shape)
    distance = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) * size
    amplitude = np.abs(found)
    blur = 2 * np.linalg.norm(steps, axis=0).max()
    assert amplitude[distance < radius - blur].min() > 0.5
    assert amplitude[distance > radius + blur].max() < 0.5
    volume = np.count_nonzero(amplitude > 0.5) * size**3
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.05)
    moment = [np.sum(amplitude * axis**2) for axis in np.meshgrid(z, y, x, indexing="ij")]
    assert moment == pytest.approx([np.mean(moment)] * 3, rel=0.05)


def test_the_new_voxel_is_as_large_as_the_old_one():
    sphere, steps, _ = sheared_sphere(300.0)
    found, size = orthogonalise(sphere, steps)
    assert size**3 == pytest.approx(abs(np.linalg.det(steps)))
    assert np.abs(found).sum() == pytest.approx(np.abs(sphere).sum(), rel=0.02)


def test_a_plane_wave_keeps_its_direction():
    sphere, steps, position = sheared_sphere(350.0)
    wave = np.array([0.001, -0.0015, 0.002])  # 1/nm, laboratory x, y, z
    found, size = orthogonalise((sphere * np.exp(1j * position @ wave)).astype(np.complex64), steps, order=3)
    middle = tuple(slice(n // 2 - 4, n // 2 + 5) for n in found.shape)
    slopes = [np.gradient(np.unwrap(np.angle(found[middle]), axis=a), size, axis=a).mean() for a in range(3)]
    assert slopes == pytest.approx(wave[::-1], rel=0.03)
    assert np.angle(found[tuple(n // 2 for n in found.shape)]) == pytest.approx(0, abs=1e-3)


def test_a_real_volume_stays_real():
    sphere, steps, _ = sheared_sphere(300.0)
    found, _ = orthogonalise(sphere.real, steps)
    assert found.dtype == np.float32


def test_nothing_to_orthogonalise_says_so():
    _, steps, _ = sheared_sphere(300.0)
    with pytest.raises(InputError, match="empty"):
        orthogonalise(np.zeros((20, 20, 20), np.complex64), steps)
    with pytest.raises(InputError, match="positive"):
        orthogonalise(np.ones((20, 20, 20), np.complex64), steps, -1.0)
