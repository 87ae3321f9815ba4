"""The lattice test and the arm test, against a detector that is mounted in every way."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from geometry_laboratory import GOLD_111_NM, bragg_energy, towards, turned, vector

from napari_autophase.geometry import (
    MATERIALS,
    Geometry,
    arm_test,
    find_material,
    indices,
    lattice_test,
    spacing_nm,
)
from napari_autophase.scan import InputError, opposite

SHAPE = (20, 128, 128)
MOUNTS = [*product(("y-", "y+"), ("x+", "x-")), ("x-", "y-")]
ARMS = [("y+", "x-"), ("y-", "x-")]


def mounted(directions, arm=("y+", "x-"), beam=(194.0, 193.0)) -> Geometry:
    return Geometry(
        9.0,
        0.5,
        (55.0, 55.0),
        0.005,
        (32.0, 13.0),
        detector_circles=arm,
        pixel_directions=directions,
        direct_beam_pixel=beam,
    )


def wrongly(geometry: Geometry, rows: bool, columns: bool) -> Geometry:
    row, column = geometry.pixel_directions
    return replace(
        geometry,
        pixel_directions=(opposite(row) if rows else row, opposite(column) if columns else column),
    )


@pytest.mark.parametrize(("directions", "arm"), list(product(MOUNTS, ARMS)))
@pytest.mark.parametrize("wrong", list(product((False, True), repeat=2)))
def test_a_known_spacing_tells_how_the_detector_is_mounted(directions, arm, wrong):
    true = mounted(directions, arm)
    true = replace(true, energy_kev=bragg_energy(true, (60, 70), GOLD_111_NM))
    found = lattice_test(wrongly(true, *wrong), (60, 70), SHAPE, GOLD_111_NM * 1.0005)
    assert found.decisive
    assert (found.rows, found.columns) == directions
    assert ("as stated" in found.sentence) == (not any(wrong))
    assert len({mounting.pixel_directions for mounting in found.mountings}) == 4
    best = min(found.mountings, key=lambda mounting: abs(mounting.misfit))
    assert best.spacing_nm == pytest.approx(GOLD_111_NM)


def test_near_the_direct_beams_pixel_no_spacing_can_tell():
    true = mounted(("y-", "x+"), beam=(62.0, 69.0))
    true = replace(true, energy_kev=bragg_energy(true, (60, 70), GOLD_111_NM))
    found = lattice_test(true, (60, 70), SHAPE, GOLD_111_NM * 1.001)
    assert not found.decisive
    assert (found.rows, found.columns) == (None, None)
    assert "cannot tell" in found.sentence.lower()


def test_one_direction_may_be_certain_where_the_other_is_not():
    true = mounted(("y-", "x+"), beam=(194.0, 70.5))
    true = replace(true, energy_kev=bragg_energy(true, (60, 70), GOLD_111_NM))
    found = lattice_test(true, (60, 70), SHAPE, GOLD_111_NM)
    assert (found.rows, found.columns) == ("y-", None)
    assert not found.decisive


def test_a_spacing_that_nothing_explains_says_so():
    true = mounted(("y-", "x+"))
    true = replace(true, energy_kev=bragg_energy(true, (60, 70), GOLD_111_NM))
    found = lattice_test(true, (60, 70), SHAPE, 0.3)
    assert (found.rows, found.columns) == (None, None)
    assert "no orientation comes within" in found.sentence
    with pytest.raises(InputError, match="is no lattice spacing"):
        lattice_test(true, (60, 70), SHAPE, 0.0)


def seen(geometry: Geometry, out: np.ndarray, angles) -> tuple[float, float]:
    """Return where a ray along `out` meets the detector when the arm stands at `angles`."""
    ray = turned(geometry.detector_circles, angles).inv().apply(out)
    place = ray * geometry.distance_m / ray[2]
    return tuple(
        beam + place @ vector(axis) / (size * 1e-6)
        for beam, axis, size in zip(
            geometry.direct_beam_pixel, geometry.pixel_directions, geometry.pixel_size_um, strict=True
        )
    )


@pytest.mark.parametrize(("directions", "arm"), list(product(MOUNTS, ARMS)))
@pytest.mark.parametrize("wrong", list(product((False, True), repeat=2)))
def test_a_spot_at_two_positions_of_the_arm_tells_mount_and_distance(directions, arm, wrong):
    true = mounted(directions, arm)
    out = towards(true, 60, 70)
    positions = ((32.0, 13.0), (31.4, 12.5))
    spots = [np.round(seen(true, out, angles), 1) for angles in positions]
    believed = replace(wrongly(true, *wrong), distance_m=0.9)
    found = arm_test(believed, (spots[0], positions[0]), (spots[1], positions[1]), SHAPE)
    assert (found.rows, found.columns) == directions
    assert found.distance_m == pytest.approx(0.5, rel=0.005)
    assert ("as stated" in found.sentence) == (not any(wrong))


def test_the_column_grows_with_an_arm_that_turns_inboard_where_columns_run_outboard():
    """The rule of thumb: arm y-, columns x+: the column grows with nu; arm y+, columns x+: it falls."""
    for arm, grows in ((("y-", "x-"), True), (("y+", "x-"), False)):
        true = mounted(("y-", "x+"), arm)
        out = towards(true, 60, 70)
        first, second = (seen(true, out, (angle, 13.0)) for angle in (32.0, 32.5))
        assert (second[1] > first[1]) == grows
        found = arm_test(true, (first, (32.0, 13.0)), (second, (32.5, 13.0)), SHAPE)
        assert (found.rows, found.columns) == (None, "x+"), "one motor tells of one direction"
        assert abs(second[1] - first[1]) * 55e-6 / np.tan(np.radians(0.5)) == pytest.approx(0.5, rel=0.06)


def test_an_arm_test_without_a_motion_or_with_another_spot_says_so():
    true = mounted(("y-", "x+"))
    spot = (60.0, 70.0)
    with pytest.raises(InputError, match="did not move by a pixel"):
        arm_test(true, (spot, (32, 13)), (spot, (31, 13)), SHAPE)
    with pytest.raises(InputError, match="arm did not move"):
        arm_test(true, (spot, (32, 13)), ((90, 70), (32, 13)), SHAPE)
    with pytest.raises(InputError, match="one angle per circle"):
        arm_test(true, (spot, (32,)), ((90, 70), (31,)), SHAPE)
    # the arm went by half a degree along the columns, the spot along the rows
    found = arm_test(true, (spot, (32, 13)), ((600, 70), (32.5, 13)), SHAPE)
    assert (found.rows, found.columns) == (None, None)
    assert "Cannot tell" in found.sentence


GOLD = Path(__file__).resolve().parents[2] / "../shared/data/34idc_Au_S0054"


@pytest.mark.skipif(not GOLD.exists(), reason="the measured scans are not here")
def test_the_gold_scan_of_34idc_decides_its_own_mount():
    from napari_autophase import formats
    from napari_autophase.preparation.prepare import find_peak

    scan = formats.read_scan(GOLD / "scan54_crop_200x128x128.cxi")
    geometry = replace(mounted(("y-", "x+")), detector_angles_deg=(32.174, 12.6346))
    _, row, column = find_peak(scan.counts, np.ones(scan.shape, bool))
    found = lattice_test(geometry, (row, column), scan.shape, spacing_nm(MATERIALS["Au"], (1, 1, 1)))
    assert (found.rows, found.columns) == ("y-", "x+")
    assert found.mountings[0].misfit == pytest.approx(0.53, abs=0.02)


@pytest.mark.parametrize(
    ("formula", "hkl", "angstrom"),
    [
        # d of the powder diffraction cards, to their last digit
        ("Au", (1, 1, 1), 2.355),
        ("Pt", (1, 1, 1), 2.265),
        ("Pt", (2, 0, 0), 1.9616),
        ("Pd", (1, 1, 1), 2.246),
        ("Ni", (1, 1, 1), 2.034),
        ("Cu", (1, 1, 1), 2.088),
        ("Ag", (1, 1, 1), 2.359),
        ("Al", (1, 1, 1), 2.338),
        ("Fe", (1, 1, 0), 2.0268),
        ("Si", (1, 1, 1), 3.1355),
        ("Si", (2, 2, 0), 1.9201),
        ("ZnO", (1, 0, 0), 2.8143),
        ("ZnO", (0, 0, 2), 2.6033),
        ("ZnO", (1, 0, 1), 2.4759),
        ("GaN", (0, 0, 2), 2.593),
    ],
)
def test_spacings_are_those_of_the_tables(formula, hkl, angstrom):
    assert 10 * spacing_nm(MATERIALS[formula], hkl) == pytest.approx(angstrom, rel=5e-4)


def test_materials_and_reflections_as_people_write_them():
    assert find_material("au")[0] == find_material("Gold")[0] == "Au"
    with pytest.raises(InputError, match="table of materials"):
        find_material("unobtainium")
    assert indices("1,1,1") == indices("111") == indices("(1 1 1)") == (1, 1, 1)
    assert indices("1,-1,13") == (1, -1, 13)
    assert indices("1-11") == (1, -1, 1)
    for wrong in ("11", "1,1", "1.5,1,1", "abc", ""):
        with pytest.raises(InputError, match="Miller"):
            indices(wrong)
    with pytest.raises(InputError, match="no lattice planes"):
        spacing_nm(MATERIALS["Au"], (0, 0, 0))
