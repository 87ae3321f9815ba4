"""Frames against an independent program, a closed form, published values and the physics itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_autophase.geometry import (
    BEAMLINES,
    beamlines,
    direction,
    frame,
    reciprocal_steps,
    rotation,
    scattering_vector,
)
from napari_autophase.scan import Geometry, InputError


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
    sample_angles_deg=(0.0, 17.0, 0.0),
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


# xrayutilities' frame: x along the beam, y outboard, z up
XU = {"x": "y", "y": "z", "z": "x"}


def for_xrayutilities(axis) -> str:
    return XU[axis[0]] + axis[1]


def as_strings(circles, angles) -> tuple[list[str], list[float]]:
    """Return circles and angles in xrayutilities' frame; one about a vector of the yz plane as a turn between two others."""
    names, values = [], []
    for circle, angle in zip(circles, angles, strict=True):
        if isinstance(circle, str):
            names.append(for_xrayutilities(circle))
            values.append(angle)
        else:
            x, y, z = circle / np.linalg.norm(circle)
            if x:  # kappa is the only one that is skew, and it has no x
                assert (y, z) == (0, 0)
                names.append(for_xrayutilities("x+"))
                values.append(angle)
            else:
                tilt = np.degrees(np.arctan2(z, y))
                names += [for_xrayutilities(name) for name in ("x+", "y+", "x-")]
                values += [tilt, angle, tilt]
    return names, values


class Xrayutilities:
    """What xrayutilities makes of a geometry: q of a pixel, in our frame and in 1/nm, the sample turned back."""

    def __init__(self, geometry: Geometry) -> None:
        self.package = pytest.importorskip("xrayutilities")
        self.geometry = geometry

    def q(self, row: float, column: float, offset_deg: float = 0.0) -> np.ndarray:
        geometry = self.geometry
        wanted = list(np.subtract(geometry.sample_angles_deg, geometry.sample_offsets_deg or 0))
        stood = as_strings(geometry.sample_circles, wanted)
        wanted[geometry.rocking_circle] += offset_deg
        sample, sample_angles = as_strings(geometry.sample_circles, wanted)
        arm, arm_angles = as_strings(geometry.detector_circles, geometry.detector_angles_deg)
        beam, distance, directions = (
            geometry.direct_beam_pixel,
            geometry.distance_m,
            geometry.pixel_directions,
        )
        sizes = np.array(geometry.pixel_size_um) * 1e-6
        if not isinstance(directions[0], str):
            # a module askew: turn it square, to stand on its normal
            down, right = (np.array(each) / np.linalg.norm(each) for each in directions)
            normal = np.cross(right, down)
            turn = Rotation.from_matrix(np.stack([right, down, normal], 1))
            extra = turn.as_euler("XYZ", degrees=True)
            arm = arm + [for_xrayutilities(name) for name in ("x+", "y+", "z+")]
            arm_angles = [*arm_angles, *extra]
            foot = turn.inv().apply([0, 0, distance])
            beam = (beam[0] - foot[1] / sizes[0], beam[1] - foot[0] / sizes[1])
            distance, directions = foot[2], ("y+", "x+")
        conversion = self.package.QConversion(sample, arm or ["z+"], [1, 0, 0])
        conversion.init_area(
            *[for_xrayutilities(each) for each in directions],
            cch1=beam[0] - row,
            cch2=beam[1] - column,
            Nch1=2,
            Nch2=2,
            distance=distance,
            pwidth1=sizes[0],
            pwidth2=sizes[1],
        )
        found = conversion.area(*sample_angles, *(arm_angles or [0.0]), wl=geometry.wavelength_nm * 10)
        lying = np.array([part.squeeze()[0, 0] for part in found]) * 10
        lying = np.array([lying[1], lying[2], lying[0]])
        return self._stood(*stood).apply(lying)

    def _stood(self, names: list[str], angles: list[float]) -> Rotation:
        ours = {theirs: name for name, theirs in XU.items()}
        total = Rotation.identity()
        for name, angle in zip(names, angles, strict=True):
            axis = np.eye(3)["xyz".index(ours[name[0]])] * (1 if name[1] == "+" else -1)
            total = total * Rotation.from_rotvec(np.radians(angle) * axis)
        return total


MOUNTED = [
    (name, detector.name, motor)
    for name, beamline in beamlines().items()
    for detector in beamline.detectors
    for motor in beamline.rocking
]


@pytest.mark.parametrize(("name", "detector", "motor"), MOUNTED)
@settings(max_examples=4)
@given(
    angles=st.tuples(*[st.floats(-40, 40)] * 4),
    arm=st.tuples(*[st.floats(5, 40)] * 3),
    pixel=st.tuples(st.floats(10, 90), st.floats(10, 110)),
)
def test_every_beamline_agrees_with_xrayutilities(name, detector, motor, angles, arm, pixel):
    conventions = beamlines()[name].conventions(detector, motor)
    geometry = Geometry(
        energy_kev=8.7,
        distance_m=0.9,
        pixel_size_um=(55.0, 75.0),
        rocking_step_deg=0.004,
        detector_angles_deg=arm[: len(conventions["detector_circles"])],
        sample_angles_deg=angles[: len(conventions["sample_circles"])],
        direct_beam_pixel=(-330.0, 441.0),
        **conventions,
    )
    independent = Xrayutilities(geometry)
    row, column = pixel
    q = scattering_vector(geometry, pixel, (40, 100, 120))
    assert q == pytest.approx(independent.q(row, column), rel=1e-8, abs=1e-8)
    expected = np.stack(
        [
            (independent.q(row, column, 0.004) - independent.q(row, column, -0.004)) / 2,
            independent.q(row + 0.5, column) - independent.q(row - 0.5, column),
            independent.q(row, column + 0.5) - independent.q(row, column - 0.5),
        ],
        axis=1,
    )
    found = reciprocal_steps(geometry, (20, row, column), (40, 100, 120))
    lengths = np.linalg.norm(expected, axis=0)
    assert (np.linalg.norm(found - expected, axis=0) < 1e-8 * lengths + 1e-13 * np.linalg.norm(q)).all()


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
