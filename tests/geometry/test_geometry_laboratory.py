"""Every beamline sees a crystal that stands in the laboratory as it is: shape, hand, spacing and strain.

The pattern is the sum over the crystal's cells (`geometry_laboratory`), which knows nothing of this package.  Its complex
waves are inverted at once, so that no phasing and no twin come between.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from geometry_laboratory import (
    GOLD_111_NM,
    bragg_energy,
    displaced,
    inside,
    lattice,
    towards,
    turned,
    vector,
    waves,
)

from napari_autophase.analysis.frames import frame
from napari_autophase.analysis.strain import strain
from napari_autophase.scan import BEAMLINES, Geometry

SHAPE = (26, 24, 28)
PEAK = (13, 12, 14)
PHASE = 2.0

LABORATORY = {
    # circles of sample and arm (outermost first), which of the sample's rock, directions of rows and columns: as the beamlines'
    # own code and calibrations have them, not as this package does
    "34-ID-C": (("y+", "z-", "y+"), ("y+", "x-"), (0, 2), ("y-", "x+")),
    # the column that the direct beam meets grows with nu, which turns the arm inboard
    "ID01": (("x-", "y-"), ("y-", "x-"), (0, 1), ("y-", "x+")),
}
SCANS = [(name, circle) for name, (_, _, rocking, _) in LABORATORY.items() for circle in rocking]


class Seen(NamedTuple):
    geometry: Geometry
    object: np.ndarray
    q: np.ndarray
    half_nm: float


def laboratory(name: str, circle: int) -> Geometry:
    sample, arm, _, directions = LABORATORY[name]
    return Geometry(
        energy_kev=9.0,
        distance_m=0.8,
        pixel_size_um=(55.0, 60.0),
        rocking_step_deg=1.0,
        detector_angles_deg=(13.0, 31.0)[: len(arm)],
        sample_circles=sample,
        sample_angles_deg=(14.0, 75.0, -7.0, 9.0)[: len(sample)],
        rocking_circle=circle,
        detector_circles=arm,
        pixel_directions=directions,
        direct_beam_pixel=(-150.0, 210.0),
    )


@cache
def see(name: str, circle: int) -> Seen:
    """Let gold (111) reflect into the middle of the detector, and invert what is seen there."""
    geometry = laboratory(name, circle)
    geometry = replace(geometry, energy_kev=bragg_energy(geometry, PEAK[1:], GOLD_111_NM))
    k = 2 * np.pi / geometry.wavelength_nm
    q = k * (towards(geometry, *PEAK[1:]) - [0, 0, 1])
    pixel = k * 55e-6 / geometry.distance_m
    axis = turned(geometry.sample_circles[:circle], geometry.sample_angles_deg[:circle]).apply(
        vector(geometry.sample_circles[circle])
    )
    # frames lie as far apart as pixels, and the crystal half fills the field of view
    geometry = replace(
        geometry, rocking_step_deg=float(np.degrees(pixel / np.linalg.norm(np.cross(axis, q))))
    )
    half_nm = 0.22 * 2 * np.pi / pixel
    cells = lattice(q, half_nm, apart_nm=0.75 * 2 * np.pi / (pixel * max(SHAPE)))
    u, _ = displaced(cells, q, half_nm, PHASE)
    cells = cells + u[:, None] * q / np.linalg.norm(q)
    offsets = (np.arange(SHAPE[0]) - PEAK[0]) * geometry.rocking_step_deg
    seen = waves(geometry, cells, SHAPE, offsets)
    return Seen(geometry, np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(seen))), q, half_nm)


def as_preset(geometry: Geometry, name: str) -> Geometry:
    """Return what a person has who chose this beamline and typed the numbers."""
    keys = ("sample_circles", "detector_circles", "pixel_directions")
    return replace(geometry, **{key: BEAMLINES[name][key] for key in keys})


def voxels(geometry: Geometry) -> np.ndarray:
    """Return where the voxels of the object lie in the laboratory."""
    steps, _ = frame(geometry, PEAK, SHAPE)
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"), -1) @ steps.T


def likeness(seen: Seen, geometry: Geometry) -> float:
    """Return the correlation of the amplitude with the crystal, the voxels lying where `geometry` says."""
    steps, _ = frame(geometry, PEAK, SHAPE)
    # the mean over each voxel is what can be seen of the crystal
    parts = [
        inside(voxels(geometry) + steps @ np.array(at) / 4, seen.half_nm) for at in product((-1, 1), repeat=3)
    ]
    return float(np.corrcoef(np.mean(parts, 0).ravel(), np.abs(seen.object).ravel())[0, 1])


@pytest.mark.parametrize(("name", "circle"), SCANS)
def test_the_crystal_has_its_shape_and_its_hand(name, circle):
    seen = see(name, circle)
    assert likeness(seen, as_preset(seen.geometry, name)) > 0.95
    row, column = seen.geometry.pixel_directions
    turned_round = {"+": "-", "-": "+"}
    for wrong in ((row[0] + turned_round[row[1]], column), (row, column[0] + turned_round[column[1]])):
        assert likeness(seen, replace(seen.geometry, pixel_directions=wrong)) < 0.9


@pytest.mark.parametrize(("name", "circle"), SCANS)
def test_the_spacing_is_golds(name, circle):
    seen = see(name, circle)
    _, q = frame(as_preset(seen.geometry, name), PEAK, SHAPE)
    assert 2 * np.pi / np.linalg.norm(q) == pytest.approx(GOLD_111_NM, rel=1e-9)
    assert q == pytest.approx(seen.q, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("name", "circle"), SCANS)
def test_displacement_and_strain_are_those_of_the_cells(name, circle):
    seen = see(name, circle)
    geometry = as_preset(seen.geometry, name)
    steps, q = frame(geometry, PEAK, SHAPE)
    place = voxels(geometry)
    u, expected = displaced(place, seen.q, seen.half_nm, PHASE)
    core = inside(place / 0.75, seen.half_nm)
    phase = np.angle(seen.object * np.exp(1j * np.linalg.norm(q) * u))[core]
    assert np.abs(phase - phase.mean()).max() < 0.25
    found = strain(seen.object, inside(place, seen.half_nm), steps, q)
    assert np.corrcoef(expected[core], found[core])[0, 1] > 0.99
    slope, offset = np.polyfit(expected[core], found[core], 1)
    assert slope == pytest.approx(1, abs=0.03)
    assert offset == pytest.approx(0, abs=0.03 * expected[core].std())


@pytest.mark.parametrize(("name", "circle"), SCANS)
def test_the_voxels_are_those_of_a_plane_through_all_of_reciprocal_space(name, circle):
    """A least-squares fit of q = B·(frame, row, column) over the whole scan, each pixel's q turned back with its frame."""
    seen = see(name, circle)
    true, (frames, rows, columns) = seen.geometry, np.indices(SHAPE)
    outgoing = (towards(true, rows, columns) - [0, 0, 1]) * 2 * np.pi / true.wavelength_nm
    stood = turned(true.sample_circles, true.sample_angles_deg)
    for index in range(SHAPE[0]):
        angles = list(true.sample_angles_deg)
        angles[circle] += (index - PEAK[0]) * true.rocking_step_deg
        back = turned(true.sample_circles, angles) * stood.inv()
        outgoing[index] = back.inv().apply(outgoing[index].reshape(-1, 3)).reshape(outgoing[index].shape)
    index = np.stack([np.ones(SHAPE), frames, rows, columns], -1).reshape(-1, 4)
    fitted = np.linalg.lstsq(index, outgoing.reshape(-1, 3), rcond=None)[0][1:].T
    steps, _ = frame(as_preset(true, name), PEAK, SHAPE)
    found = 2 * np.pi * np.linalg.inv(steps.T) / SHAPE
    assert np.abs(found - fitted).max() < 2e-3 * np.linalg.norm(fitted, axis=0).min()
