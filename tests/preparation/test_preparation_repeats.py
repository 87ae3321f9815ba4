"""Repeated scans: brought onto each other, summed, and the odd one left out by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_autophase.preparation import prepare, sum_scans
from napari_autophase.scan import InputError, Scan
from napari_autophase.simulation import simulate

SIDES = (32, 40, 36)


@pytest.fixture(scope="module")
def pattern():
    return simulate(6, (48, 56, 52), oversampling=(3, 3, 3), peak=3e4, off_centre=0.0).scan


def measured(
    pattern: Scan, first: tuple[int, int, int], seed: int, share: float = 1.0, name: str = ""
) -> Scan:
    """Return a part of the pattern as another exposure would count it."""
    part = tuple(slice(at, at + n) for at, n in zip(first, SIDES, strict=True))
    counts = np.random.default_rng(seed).poisson(share * pattern.counts[part].astype(float)).astype(np.uint32)
    return Scan(counts, geometry=pattern.geometry, name=name or f"scan{seed}", source=f"scan{seed}.h5")


FIRST = [(8, 8, 8), (10, 5, 8), (7, 8, 12)]


def test_scans_are_aligned_by_whole_voxels_and_summed(pattern):
    scans = [measured(pattern, first, seed) for seed, first in enumerate(FIRST)]
    found = sum_scans(scans)
    # of three parts of one pattern the sum is known voxel by voxel where all see it
    best = next(i for i in range(3) if f"scan{i} (0, 0, 0)" in found.notes[0])
    total, seen = np.zeros(SIDES), np.zeros(SIDES, int)
    for scan, first in zip(scans, FIRST, strict=True):
        for index in np.ndindex(*SIDES):
            there = tuple(np.array(index) + FIRST[best] - first)
            if all(0 <= at < n for at, n in zip(there, SIDES, strict=True)):
                total[index] += scan.counts[there]
                seen[index] += 1
    everywhere = seen == 3
    assert found.mask is None or not found.mask[everywhere].any()
    assert np.array_equal(found.counts[everywhere], total[everywhere])
    # where one is missing the sum is scaled to all; where most are, nothing is known
    assert found.counts[seen == 2] == pytest.approx(total[seen == 2] * 1.5, rel=0.01)
    assert np.array_equal(found.mask, seen < 1.5)
    unseen = f"Of the sum {np.count_nonzero(seen < 1.5):,} voxels are masked: scans with less than about half of all light"
    assert any(note.startswith(unseen) for note in found.notes)
    moves = {i: tuple(np.subtract(FIRST[i], FIRST[best])) for i in range(3)}
    for i, move in moves.items():
        assert f"scan{i} ({move[0]}, {move[1]}, {move[2]})" in found.notes[0]
    assert found.geometry == pattern.geometry
    assert prepare(found).counts.max() > 2.5 * prepare(scans[0]).counts.max()


def test_another_crystal_is_left_out_by_name_and_a_weak_exposure_is_not(pattern):
    other = replace(
        simulate(11, (48, 56, 52), oversampling=(3, 3, 3), peak=3e4, off_centre=0.0).scan,
        geometry=pattern.geometry,
    )
    scans = [
        measured(other, (8, 8, 8), 0, name="stranger"),
        measured(pattern, (8, 8, 8), 1),
        measured(pattern, (9, 8, 7), 2, share=0.1, name="weak"),
        measured(pattern, (8, 9, 8), 3),
    ]
    found = sum_scans(scans)
    assert "The sum of 3 scans" in found.notes[0]
    assert "stranger" not in found.notes[0]
    assert "weak" in found.notes[0]
    assert "Left out" in found.notes[1]
    assert "stranger (0." in found.notes[1]
    assert found.counts.sum() == pytest.approx(
        sum(each.counts.sum(dtype=float) for each in scans[1:]), rel=0.01
    )


def test_strain_that_grew_between_scans_is_seen():
    one, two = (
        simulate(9, 40, oversampling=(3, 3, 3), phase_range=phase, peak=1e5, off_centre=0.0).scan
        for phase in (1.0, 2.5)
    )
    again = replace(one, counts=np.random.default_rng(0).poisson(one.counts.astype(float)), name="again")
    found = sum_scans([one, again, replace(two, geometry=one.geometry, name="strained")])
    assert "strained" in found.notes[1]


def test_a_hot_pixel_of_one_scan_does_not_come_into_the_sum(pattern):
    scans = [measured(pattern, (8, 8, 8), seed) for seed in range(3)]
    scans[1].counts[4, 4, 4] = 10**6
    found = sum_scans(scans)
    expected = 1.5 * (scans[0].counts[4, 4, 4] + scans[2].counts[4, 4, 4])
    assert found.counts[4, 4, 4] == pytest.approx(expected, rel=0.01)


def test_scans_with_different_masks_are_brought_onto_each_other(pattern):
    """A gap through the peak of one of them is no dark place of the crystal."""
    whole, other = measured(pattern, (8, 8, 8), 0), measured(pattern, (10, 5, 8), 1)
    gap = np.zeros(SIDES, bool)
    gap[:, int(other.counts.sum((0, 2)).argmax()) - 1 :][:, :4] = True
    found = sum_scans([whole, replace(other, mask=gap)])
    assert "scan0 (0, 0, 0), scan1 (2, -3, 0)" in found.notes[0]
    assert found.mask is None or not found.mask[: SIDES[0] - 2, 3:].any()


def test_what_one_exposure_did_not_see_is_scaled_by_its_light(pattern):
    long, short = measured(pattern, (8, 8, 8), 0, share=1.0), measured(pattern, (8, 8, 8), 1, share=0.25)
    gap = np.zeros(SIDES, bool)
    gap[:, 3:6] = True
    found = sum_scans([long, replace(short, mask=gap)])
    assert found.counts[gap] == pytest.approx(1.25 * long.counts[gap], rel=0.01)
    assert sum_scans([replace(long, mask=gap), short]).mask[gap].all()  # four fifths of the light are missing


def test_a_copy_of_a_scan_is_refused(pattern):
    scan = measured(pattern, (8, 8, 8), 0)
    copy = replace(scan, name="copy", source="copy.h5", counts=scan.counts.astype(float))
    with pytest.raises(InputError, match=r"copy\.h5 hold the same counts, photon by photon"):
        sum_scans([scan, copy])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"energy_kev": 9.5}, "energy_kev is 9.5"),
        ({"distance_m": 2.0}, "distance_m"),
        ({"detector_angles_deg": (30.0, 11.0)}, "detector_angles_deg"),
        ({"pixel_directions": ("x-", "y+")}, "pixel_directions"),
    ],
)
def test_scans_of_other_geometries_are_refused(pattern, change, words):
    one = measured(pattern, (8, 8, 8), 0)
    other = replace(measured(pattern, (8, 8, 8), 1), geometry=replace(pattern.geometry, **change))
    with pytest.raises(InputError, match=words):
        sum_scans([one, other])


def test_a_sample_that_was_aligned_anew_is_not_another_geometry(pattern):
    one = measured(pattern, (8, 8, 8), 0)
    angles = tuple(angle + 0.1 for angle in pattern.geometry.sample_angles_deg)
    other = replace(
        measured(pattern, (8, 8, 8), 1),
        geometry=replace(pattern.geometry, sample_angles_deg=angles),
        name="later",
    )
    assert "later" in sum_scans([one, other]).notes[0]


def test_what_cannot_be_summed_is_said(pattern):
    one = measured(pattern, (8, 8, 8), 0)
    with pytest.raises(InputError, match="One scan alone"):
        sum_scans([one])
    with pytest.raises(InputError, match="has shape"):
        sum_scans([one, replace(one, counts=one.counts[:-1])])
    with pytest.raises(InputError, match="has no geometry"):
        sum_scans([one, replace(one, geometry=None)])
    with pytest.raises(InputError, match="between 0 and 1"):
        sum_scans([one, one], 1.5)
    noise = replace(one, counts=np.random.default_rng(0).poisson(50, SIDES))
    with pytest.raises(InputError, match="None of these scans is like another"):
        sum_scans([one, noise])


def test_what_is_amiss_of_any_scan_is_said_of_the_sum(pattern):
    """And once what all have in common, but for their names and numbers."""
    scans = [
        replace(
            each,
            notes=(
                f"Scan {index} of {each.source} is complete: 32 of 32 points.",
                "Frames have light.",
                *odd,
            ),
        )
        for index, (each, odd) in enumerate(
            zip(
                [measured(pattern, (8, 8, 8), seed) for seed in range(3)],
                [("Frame 4 has 0.2 times the light.",), (), ("Frame 9 has 0.2 times the light.",)],
                strict=True,
            )
        )
    ]
    notes = sum_scans(scans).notes
    assert [note for note in notes if "Frame " in note and "light" in note] in (
        ["Frame 4 has 0.2 times the light.", "scan2: Frame 9 has 0.2 times the light."],
        ["scan0: Frame 4 has 0.2 times the light.", "scan2: Frame 9 has 0.2 times the light."],
        ["Frame 9 has 0.2 times the light.", "scan0: Frame 4 has 0.2 times the light."],
    )
    assert sum("complete" in note for note in notes) == sum("Frames have" in note for note in notes) == 1


def test_scans_of_one_name_are_told_apart_by_their_files():
    """Each sample's first scan is called alike, as S1_0001.h5 of its own folder."""
    one = replace(simulate(3, 24).scan, name="S1_0001_1", source="a/S1_0001.h5::/1.1")
    assert one.geometry is not None
    other = replace(one, source="b/S1_0001.h5::/1.1", geometry=replace(one.geometry, energy_kev=8.5))
    with pytest.raises(
        InputError, match=r"b/S1_0001\.h5::/1\.1 was not measured as a/S1_0001\.h5::/1\.1 was: energy_kev"
    ):
        sum_scans([one, other])
