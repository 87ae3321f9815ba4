"""Every beamline sees a crystal that stands in the laboratory as it is: shape, hand, spacing and strain.

The pattern is the sum over the crystal's cells (`geometry_laboratory`), which knows nothing of this package.  Its complex
waves are inverted at once, so that no phasing and no twin come between.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
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

from napari_autophase.analysis.strain import strain
from napari_autophase.geometry import beamlines, frame
from napari_autophase.scan import Geometry, opposite

SHAPE = (26, 24, 28)
PEAK = (13, 12, 14)
PHASE = 2.0

KAPPA = (0.0, 0.6427876163303212, -0.766044437544183)
MODULE = ((0.000441563, 0.999995312, 0.003030009), (0.7063757, 0.00183285, -0.70783474))
SIX = (("y+", "x-", "z+", "y-"), ("y+", "x-"))

LABORATORY = {
    # (beamline, detector): circles of sample and arm (outermost first), motors that rock, directions of rows and columns.  As
    # the beamlines' own codes, calibrations and files have them, written down apart from this package's
    ("34-ID-C", "34idcTIM2"): (("y+", "z-", "y+"), ("y+", "x-"), ("theta", "phi"), ("y-", "x+")),
    ("34-ID-C", "34idcTIM1"): (("y+", "z-", "y+"), ("y+", "x-"), ("theta",), ("y-", "x+")),
    # at ID01 the column that the direct beam meets grows with nu, which turns the arm inboard
    ("ID01", "mpx1x4"): (("y-", "x-", "y-"), ("y-", "x-"), ("eta", "phi"), ("y-", "x+")),
    ("ID01", "mpxgaas"): (("y-", "x-", "y-"), ("y-", "x-"), ("eta",), ("y-", "x+")),
    ("ID01", "eiger2M"): (("y-", "x-", "y-"), ("y-", "x-"), ("eta",), ("y-", "x+")),
    ("P10", "e4m"): (*SIX, ("om", "phi"), ("y-", "x-")),
    ("P10", "e500"): (*SIX, ("om",), ("y-", "x-")),
    ("P10", "e2500"): (*SIX, ("om",), ("y-", "x-")),
    ("P10 EH2", "e4m"): (*SIX, ("samth", "phi"), ("y-", "x-")),
    ("P10 EH2", "e500"): (*SIX, ("samth",), ("y-", "x-")),
    ("P10 EH2", "e2500"): (*SIX, ("samth",), ("y-", "x-")),
    ("P10 SAXS", "e4m"): (("y+",), (), ("sprz",), ("y-", "x-")),
    ("P10 SAXS", "e500"): (("y+",), (), ("sprz",), ("y-", "x-")),
    # beta carries sample and detector
    ("SIXS 2019", "maxipix"): (("x-", "y+"), ("x-", "y+", "x-"), ("mu", "beta"), ("y-", "x+")),
    ("SIXS 2019", "merlin"): (("x-", "y+"), ("x-", "y+", "x-"), ("mu",), ("y-", "x+")),
    ("SIXS 2022", "maxipix"): (("x-", "y+"), ("x-", "y+", "x-"), ("mu", "beta"), ("x-", "y-")),
    ("SIXS 2022", "merlin"): (("x-", "y+"), ("x-", "y+", "x-"), ("mu",), ("x-", "y-")),
    ("CRISTAL", "maxipix"): (("x-", "y+"), ("y+", "x-"), ("mgomega", "mgphi"), ("y-", "x+")),
    ("NanoMAX", "merlin"): (("x-", "y-"), ("y-", "x-"), ("gontheta", "gonphi"), ("y-", "x+")),
    ("NanoMAX", "eiger500k"): (("x-", "y-"), ("y-", "x-"), ("gontheta",), ("y-", "x-")),
    ("BM02", "detector"): (("y+", "x-", "z+", "x-"), ("y+", "x-"), ("th", "mu"), ("y-", "x-")),
    ("ID27", "eiger9M"): (("y+",), (), ("nath",), ("y-", "x-")),
    ("I16", "pil3_100k"): (
        ((1, 0, 0), (0, 1, 0), KAPPA, (0, 1, 0)),
        ((1, 0, 0), (0, 1, 0)),
        ("kth", "kphi", "kmu"),
        MODULE,
    ),
    ("28-ID-B", "detector"): (("y-", "x-", "z+", "y-"), ("y-", "x-"), ("eta", "phi"), ("y-", "x+")),
    ("7-ID-D", "eiger1M"): (("x-", "z-", "x-", "y+"), ("y+", "x-"), ("th", "phi"), ("y+", "x+")),
    ("1-ID-E", "ASI"): (("y-",), ("z+",), ("aero",), ("y-", "x+")),
    ("1-ID-E", "BSE"): (("y-",), ("z+",), ("aero",), ("y-", "x-")),
    ("20-ID-E", "ASI"): (("y+",), (), ("samRy",), ("y-", "x+")),
    ("20-ID-E", "Lambda"): (("y+",), (), ("samRy",), ("y-", "x+")),
    ("P08", "eiger1M"): (*SIX, ("omega", "phi"), ("y-", "x-")),
    ("HEPS ID05", "e4m"): (*SIX, ("omega", "phi"), ("y-", "x-")),
    ("HEPS ID05", "pilatus100k"): (*SIX, ("omega",), ("y-", "x-")),
    ("BSRF 1W1A", "pilatus100k"): (*SIX, ("omega", "phi"), ("y-", "x-")),
}
MOTORS = {
    "34-ID-C": "theta chi phi", "ID01": "mu eta phi", "P10": "mu om chi phi", "P10 EH2": "mu samth chi phi",
    "P10 SAXS": "sprz", "SIXS 2019": "beta mu", "SIXS 2022": "beta mu", "CRISTAL": "mgomega mgphi",
    "NanoMAX": "gontheta gonphi", "BM02": "mu th chi phi", "ID27": "nath", "I16": "kmu kth kap kphi",
    "28-ID-B": "mu eta chi phi", "7-ID-D": "wedge chi th phi", "1-ID-E": "aero", "20-ID-E": "samRy",
    "P08": "mu omega chi phi", "HEPS ID05": "mu omega chi phi", "BSRF 1W1A": "mu omega chi phi",
}  # fmt: skip
READS_90 = ("P10", "P10 EH2")
"""Where the motor chi reads 90 when the sample lies flat."""
SCANS = [
    (name, detector, motor) for (name, detector), (_, _, motors, _) in LABORATORY.items() for motor in motors
]


class Seen(NamedTuple):
    geometry: Geometry
    object: np.ndarray
    q: np.ndarray
    half_nm: float


def laboratory(name: str, detector: str, motor: str) -> Geometry:
    sample, arm, _, directions = LABORATORY[name, detector]
    return Geometry(
        energy_kev=9.0,
        distance_m=0.8,
        pixel_size_um=(55.0, 60.0),
        rocking_step_deg=1.0,
        detector_angles_deg=(13.0, 26.0, 11.0)[: len(arm)],
        sample_circles=sample,
        sample_angles_deg=(14.0, 21.0, -7.0, 9.0)[: len(sample)],
        rocking_circle=MOTORS[name].split().index(motor),
        detector_circles=arm,
        pixel_directions=directions,
        # a detector that only translates stands far off the beam
        direct_beam_pixel=(-150.0, 210.0) if len(arm) > 1 else (-5200.0, 3100.0),
    )


@cache
def see(geometry: Geometry) -> Seen:
    """Let gold (111) reflect into the middle of the detector, and invert what is seen there."""
    circle = geometry.rocking_circle
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


def as_preset(geometry: Geometry, name: str, detector: str, motor: str) -> Geometry:
    """Return what a person has who chose this beamline and its detector, and typed what the motors read."""
    angles = list(geometry.sample_angles_deg)
    if name in READS_90:
        angles[MOTORS[name].split().index("chi")] += 90
    conventions = beamlines()[name].conventions(detector, motor)
    return replace(geometry, sample_angles_deg=tuple(angles), **conventions)


def voxels(geometry: Geometry) -> np.ndarray:
    """Return where the voxels of the object lie in the laboratory."""
    steps, _ = frame(geometry, PEAK, SHAPE)
    return np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"), -1) @ steps.T


def likeness(seen: Seen, geometry: Geometry) -> float:
    """Return the correlation of the amplitude with the crystal, the voxels lying where `geometry` says."""
    steps, _ = frame(geometry, PEAK, SHAPE)
    # the mean over each voxel is what can be seen of the crystal; corners of a tetrahedron stand for it
    corners = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / 4
    parts = [inside(voxels(geometry) + steps @ at, seen.half_nm) for at in corners]
    return float(np.corrcoef(np.mean(parts, 0).ravel(), np.abs(seen.object).ravel())[0, 1])


def test_every_beamline_is_looked_at():
    assert set(LABORATORY) == {(b.name, d.name) for b in beamlines().values() for d in b.detectors}
    assert {(n, m) for n, _, m in SCANS} == {(b.name, m) for b in beamlines().values() for m in b.rocking}


@pytest.mark.parametrize(("name", "detector", "motor"), SCANS)
def test_the_crystal_has_its_shape_and_its_hand(name, detector, motor):
    seen = see(laboratory(name, detector, motor))
    assert likeness(seen, as_preset(seen.geometry, name, detector, motor)) > 0.95
    row, column = seen.geometry.pixel_directions
    for wrong in ((opposite(row), column), (row, opposite(column))):
        assert likeness(seen, replace(seen.geometry, pixel_directions=wrong)) < 0.9


@pytest.mark.parametrize(("name", "detector", "motor"), SCANS)
def test_the_spacing_is_golds(name, detector, motor):
    seen = see(laboratory(name, detector, motor))
    _, q = frame(as_preset(seen.geometry, name, detector, motor), PEAK, SHAPE)
    assert 2 * np.pi / np.linalg.norm(q) == pytest.approx(GOLD_111_NM, rel=1e-9)
    assert q == pytest.approx(seen.q, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("name", "detector", "motor"), SCANS)
def test_displacement_and_strain_are_those_of_the_cells(name, detector, motor):
    seen = see(laboratory(name, detector, motor))
    geometry = as_preset(seen.geometry, name, detector, motor)
    steps, q = frame(geometry, PEAK, SHAPE)
    place = voxels(geometry)
    u, expected = displaced(place, seen.q, seen.half_nm, PHASE)
    core = inside(place / 0.75, seen.half_nm)
    phase = np.angle(seen.object * np.exp(1j * np.linalg.norm(q) * u))[core]
    assert np.abs(phase - phase.mean()).max() < 0.25
    found = strain(seen.object, inside(place, seen.half_nm), steps, q)
    core &= np.isfinite(found)  # a voxel without neighbours has none
    assert np.corrcoef(expected[core], found[core])[0, 1] > 0.95
    slope, offset = np.polyfit(expected[core], found[core], 1)
    assert slope == pytest.approx(1, abs=0.03)
    assert offset == pytest.approx(0, abs=0.03 * expected[core].std())


@pytest.mark.parametrize(("name", "detector", "motor"), SCANS)
def test_the_voxels_are_those_of_a_plane_through_all_of_reciprocal_space(name, detector, motor):
    """A least-squares fit of q = B·(frame, row, column) over the whole scan, each pixel's q turned back with its frame."""
    seen = see(laboratory(name, detector, motor))
    true, (frames, rows, columns) = seen.geometry, np.indices(SHAPE)
    outgoing = (towards(true, rows, columns) - [0, 0, 1]) * 2 * np.pi / true.wavelength_nm
    stood = turned(true.sample_circles, true.sample_angles_deg)
    for index in range(SHAPE[0]):
        angles = list(true.sample_angles_deg)
        angles[true.rocking_circle] += (index - PEAK[0]) * true.rocking_step_deg
        back = turned(true.sample_circles, angles) * stood.inv()
        outgoing[index] = back.inv().apply(outgoing[index].reshape(-1, 3)).reshape(outgoing[index].shape)
    index = np.stack([np.ones(SHAPE), frames, rows, columns], -1).reshape(-1, 4)
    fitted = np.linalg.lstsq(index, outgoing.reshape(-1, 3), rcond=None)[0][1:].T
    steps, _ = frame(as_preset(true, name, detector, motor), PEAK, SHAPE)
    found = 2 * np.pi * np.linalg.inv(steps.T) / SHAPE
    assert np.abs(found - fitted).max() < 2e-3 * np.linalg.norm(fitted, axis=0).min()
