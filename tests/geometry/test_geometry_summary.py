"""What is said of a geometry before phasing: numbers that are known otherwise, and sentences where something is off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_laboratory import GOLD_111_NM, bragg_energy
from scipy.spatial.transform import Rotation

from napari_autophase.geometry import Geometry, beamlines, frame, rocked, summarise
from napari_autophase.scan import InputError

SHAPE, PEAK = (200, 128, 128), (99.0, 64.0, 64.0)
GOLD = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.0050000339,
    detector_angles_deg=(32.174, 12.6346),
    sample_angles_deg=(0.22, 90.0, -5.0),
    direct_beam_pixel=(194.0, 193.0),
    reflection=(1, 1, 1),
    **beamlines()["34-ID-C"].conventions(),
)


def test_the_gold_scan_in_numbers():
    seen = summarise(GOLD, PEAK, SHAPE, (8.0, 4.3, 3.3), material="Au")
    assert seen.spacing_nm == pytest.approx(0.23679, rel=1e-3)
    assert seen.arm_spacing_nm == pytest.approx(0.23348, rel=5e-5)
    assert seen.voxel_size_nm == pytest.approx((15.62, 10.06, 10.05), rel=2e-3)
    assert seen.q_per_nm == pytest.approx(26.54, rel=1e-3)
    assert seen.mismatch_percent == pytest.approx(0.53, abs=0.03)
    assert (seen.off, seen.notes) == ((), ())
    text = "\n".join(f"{label} {words}" for label, words in seen.lines())
    for part in ("26.54", "0.23673", "0.23348", "15.60", "+0.53 %", "Au (1 1 1)"):
        assert part in text
    assert seen.document()["spacing_nm"] == seen.spacing_nm


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pixel_directions": ("y-", "x-")}, "(with rows y- and columns x+ they would fit to +0.53 %)"),
        ({"energy_kev": 9.4}, "too close: check the energy"),
        ({"rocking_angles_deg": tuple(0.005 * n + 0.0004 * (n == 7) for n in range(200))}, "differ by up to"),
        (
            {"rocking_angles_deg": tuple(0.005 * (n - 3 * (n > 150)) for n in range(200))},
            "runs back at frame 151",
        ),
        ({"rocking_angles_deg": tuple(0.01 * n for n in range(200))}, "the angles of the frames say 0.01"),
        (
            {"detector_angles_deg": (0.5615422335, 12.6346)},
            "angle of 0.5615422 degrees, which is 32.174 if it is in radians",
        ),
        (
            {"sample_angles_deg": (0.22, np.pi / 2, -5.0)},
            "angle of 1.570796 degrees, which is 90 if it is in radians",
        ),
        ({"sample_circles": ((23, 11, -6),), "sample_angles_deg": (0.0,)}, "rocking hardly moves the peak"),
    ],
)
def test_what_is_off_is_said(change, says):
    seen = summarise(replace(GOLD, **change), PEAK, SHAPE, material="Au")
    assert any(says in sentence for sentence in seen.off), seen.off


def test_small_unevenness_is_nothing():
    angles = tuple(0.0050000339 * n + 2e-5 * np.sin(n) for n in range(200))
    assert summarise(replace(GOLD, rocking_angles_deg=angles), PEAK, SHAPE).off == ()


def test_undersampling_is_off():
    assert any("row axis" in each for each in summarise(GOLD, PEAK, SHAPE, (3.0, 1.7, 2.5)).off)


def test_a_disputed_mount_is_a_note():
    conventions = beamlines()["ID01"].conventions()
    geometry = Geometry(
        9.0,
        1.0,
        (55.0, 55.0),
        0.01,
        (0.5, 35.4),
        sample_angles_deg=(0, 17.5, 0),
        direct_beam_pixel=(9, 9),
        **conventions,
    )
    note = summarise(geometry, (10, 20, 20), (20, 40, 40)).notes[0]
    for part in ("mpx1x4", "ID01", "cohere", "columns x+", "geometry lattice"):
        assert part in note


def test_a_material_needs_a_reflection_and_a_spacing_needs_neither():
    seen = summarise(replace(GOLD, reflection=None), PEAK, SHAPE, material="Au")
    assert seen.mismatch_percent is None
    assert "No reflection" in seen.notes[0]
    tuned = replace(GOLD, energy_kev=bragg_energy(GOLD, PEAK[1:], GOLD_111_NM))
    seen = summarise(tuned, PEAK, SHAPE, spacing=GOLD_111_NM)
    assert seen.mismatch_percent == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="table of materials"):
        summarise(GOLD, PEAK, SHAPE, material="Kryptonite")


KAPPA = (("x+", "y+", (0.0, 0.6427876, -0.7660444), "y+"), (0.0, 64.6, -124.1, 106.2))


def test_circles_that_turn_together_are_one_axis():
    """A scan of eta on a kappa diffractometer: the motors are found that turn the sample about x, and give the axis back."""
    circles, stood = KAPPA
    vectors = [np.array(c) if not isinstance(c, str) else np.eye(3)["xyz".index(c[0])] for c in circles]

    def sample(angles) -> Rotation:
        total = Rotation.identity()
        for axis, angle in zip(vectors, angles, strict=True):
            total = total * Rotation.from_rotvec(np.radians(angle) * axis / np.linalg.norm(axis))
        return total

    offsets = np.linspace(-0.3, 0.3, 31)
    # mu stays; theta, kappa and phi by Newton's method
    motors, guess = [], np.array(stood)
    axis = np.array([0.36, 0.48, -0.8])
    for offset in offsets:
        wanted = Rotation.from_rotvec(np.radians(offset) * axis) * sample(stood)
        for _ in range(6):
            error = np.degrees((wanted * sample(guess).inv()).as_rotvec())
            jacobian = np.stack(
                [
                    np.degrees((sample(guess + step) * sample(guess).inv()).as_rotvec()) / 1e-3
                    for step in 1e-3 * np.eye(4)[1:]
                ],
                1,
            )
            guess = guess + np.r_[0, np.linalg.solve(jacobian, error)]
        motors.append(guess)
    found, angles = rocked(circles, np.array(motors))
    assert found == pytest.approx(axis, abs=1e-6)
    assert angles == pytest.approx(offsets, abs=1e-6)
    assert angles[15] == 0


def test_one_circle_is_its_own_axis_and_two_that_turn_apart_are_none():
    frames = np.linspace(0, 1, 11)
    still = np.zeros(11)
    axis, angles = rocked(("y+", "x-"), np.stack([still + 20, 3 - frames], 1))
    # x- is carried by y+, and the motor went backwards
    assert axis == pytest.approx([np.cos(np.radians(20)), 0, -np.sin(np.radians(20))])
    assert angles == pytest.approx(frames - frames[5])
    with pytest.raises(InputError, match="did not turn"):
        rocked(("y+", "x-"), np.ones((11, 2)))
    with pytest.raises(InputError, match="more than one axis"):
        rocked(("y+", "x-"), np.stack([frames, np.sin(6 * frames)], 1))


def test_a_scan_of_several_circles_has_the_voxels_of_its_axis():
    axis, _ = rocked(("y+", "x-"), np.stack([np.full(11, 20.0), np.linspace(0, 0.1, 11)], 1))
    whole = replace(
        GOLD,
        sample_circles=("y+", "x-"),
        sample_angles_deg=(20.0, 0.05),
        rocking_circle=1,
        rocking_step_deg=0.01,
    )
    alone = replace(whole, sample_circles=(tuple(axis),), sample_angles_deg=(0.0,), rocking_circle=0)
    assert frame(alone, PEAK, SHAPE)[0] == pytest.approx(frame(whole, PEAK, SHAPE)[0])


def test_a_peak_far_from_where_the_arm_points_is_off_without_a_material():
    assert summarise(GOLD, PEAK, SHAPE).off == ()
    far = summarise(replace(GOLD, direct_beam_pixel=(1e6, 0.0)), PEAK, SHAPE)
    assert any("where the arm points" in sentence and "direct beam" in sentence for sentence in far.off)


@pytest.mark.parametrize(
    ("step", "says"),
    [(0.0050000339, ""), (0.0050000339 * np.pi / 180, "degrees in radians?"), (5e-6, "in another unit?")],
)
def test_a_rocking_step_in_another_unit_makes_a_crystal_that_is_none(step, says):
    """The gold crystal is about as long as wide; with radians for degrees it comes out 57 times longer."""
    off = summarise(replace(GOLD, rocking_step_deg=step), PEAK, SHAPE, (8.0, 4.3, 3.3)).off
    assert len(off) == bool(says)
    assert all(says in sentence for sentence in off)


def test_a_direct_beam_that_no_detector_reaches_is_off():
    """TIM2 has 512 rows: in frames that are a part of it the beam lies at most so far from the peak."""
    near = replace(GOLD, direct_beam_pixel=(64.0 + 512, 193.0))
    assert not any("no more than" in sentence for sentence in summarise(near, PEAK, SHAPE).off)
    for beam, what in (((64.0 + 600, 193.0), "600 rows"), ((194.0, 64.0 - 700), "700 columns")):
        off = summarise(replace(GOLD, direct_beam_pixel=beam), PEAK, SHAPE).off
        assert any(f"{what} from the peak" in each and "no more than 512" in each for each in off)
    binned = replace(GOLD, direct_beam_pixel=(64.0 + 300, 97.0), pixel_size_um=(110.0, 110.0))
    assert any("no more than 256" in each for each in summarise(binned, PEAK, SHAPE).off)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"energy_kev": 90.0}, "(with an energy of 9 keV, its point moved they would fit to +0.53 %)"),
        ({"distance_m": 0.05}, "(with a distance of 0.5 m, its point moved they would fit to +0.53 %)"),
        ({"pixel_size_um": (110.0, 110.0)}, "with pixels of 55 × 55 µm, as where frames were binned they would fit"),
        ({"reflection": (2, 0, 0)}, "(as reflection 1 1 1 they would fit to +0.53 %)"),
        ({"detector_angles_deg": (16.087, 6.3173)}, "(with twice the angles of the arm (θ was given for 2θ) they would fit"),
        ({"detector_angles_deg": (12.6346, 32.174)}, "(with the arm's angles exchanged they would fit to +0.53 %, or with rows"),
    ],
)  # fmt: skip
def test_the_likely_slip_is_named_where_the_crystal_is_known(change, says):
    """The same misfit as that of the right geometry is left: see `test_the_gold_scan_in_numbers`."""
    (sentence,) = summarise(replace(GOLD, **change), PEAK, SHAPE, material="Au").off
    assert says in sentence


def test_two_digits_of_an_energy_exchanged_are_told():
    """8.979 keV is copper's edge; 9.879 was typed."""
    right = replace(GOLD, energy_kev=8.979)
    spacing = summarise(right, PEAK, SHAPE).spacing_nm
    seen = summarise(replace(right, energy_kev=9.879), PEAK, SHAPE, spacing=spacing)
    assert "(with an energy of 8.979 keV, two digits exchanged they would fit to -0 %)" in seen.off[
        0
    ].replace("+0 %", "-0 %")


def test_an_energy_that_no_slip_explains_is_not_explained():
    (sentence,) = summarise(replace(GOLD, energy_kev=9.4), PEAK, SHAPE, material="Au").off
    assert sentence.endswith("the detector's angles and the reflection.")
