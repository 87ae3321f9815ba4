"""Simulated rocking curves of strained faceted crystals, with their truth: for tests, benchmarks and samples.

Written independently of the training room's simulator and never used by it, so that a network is judged on crystals that
another hand drew.  The crystal is a polyhedron in laboratory nanometres: the orthogonalised object has flat facets although
the grid of a rocking curve is sheared.  Conventions are those of `reconstruction`: the detector sees
``|fftshift(fftn(ifftshift(object)))|²``, and the phase is −Q·u.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..geometry import scattering_vector, voxel_steps
from ..scan import Geometry, InputError, Scan
from .crystal import KINDS, Kind, amplitude_of, bumps, displacement_of, polyhedron, positions, sampled
from .measurement import blurred, centred, spoil, wandered

_DOMAIN = 0x5EED_51B1
"""Enters every seed, so that no stream of random numbers is shared with another simulator."""
_LEAST = 3
"""Voxels across a crystal, at least."""
_COUNTS, _HOT = 1e9, 0.1
"""The most counts of a voxel, which 32 bits hold with a false pixel's added, and the most false voxels, as a part of all."""

PLATINUM_111 = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.01,
    detector_angles_deg=(0.5, 35.4),
    sample_circles=("x-", "y-"),
    sample_angles_deg=(17.5, 0.0),
    rocking_circle=0,
    detector_circles=("y-", "x-"),
    pixel_directions=("y-", "x-"),
    reflection=(1, 1, 1),
)
"""A platinum (111) reflection as ID01 rocks it, by eta, on a detector whose columns run inboard."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """A scan and the truth behind it.

    Parameters
    ----------
    scan
        What the detector saw.
    object
        complex64, on the scan's own grid, such that its transform's intensity peaks within `off_centre` voxels of the
        centre voxel ``shape // 2``.
    support
        bool, where the amplitude is above one half.
    displacement_nm
        float32, displacement along Q in nm without its mean linear part (which only moves the Bragg peak), 0 outside.
    strain
        float32, its derivative along Q in closed form, 0 outside.
    voxel_steps_nm, q_bragg_per_nm
        As `geometry.frame` returns them, at the centre voxel.
    """

    scan: Scan
    object: np.ndarray
    support: np.ndarray
    displacement_nm: np.ndarray
    strain: np.ndarray
    voxel_steps_nm: np.ndarray
    q_bragg_per_nm: np.ndarray


def simulate(
    seed: int = 0,
    size: int | tuple[int, int, int] = 64,
    *,
    phase_range: float = 2.0,
    peak: float = 1e6,
    oversampling: tuple[float, float, float] | None = None,
    kind: Kind | None = None,
    dislocation: bool = False,
    texture: float = 0.05,
    off_centre: float = 0.3,
    gaps: bool = False,
    hot_pixels: int = 0,
    background: float | np.ndarray = 0.0,
    saturation: float | None = None,
    coherence: float | tuple[float, float, float] = 0.0,
    drift: float = 0.0,
    geometry: Geometry | None = PLATINUM_111,
) -> Simulated:
    """Simulate the rocking curve of one crystal.

    Parameters
    ----------
    seed
        Same seed and arguments, same scan.
    size
        Side of the cube, or the shape ``(rocking, row, column)``.
    phase_range
        Peak-to-peak phase in rad inside the crystal, after the best linear ramp has been taken out.
    peak
        Expected counts of the brightest voxel; photon noise is Poisson's, on the intensity.
    oversampling
        Voxels of the array over those of the crystal's full width, per axis; None: random, 2 to 4 each.
    kind
        Shape of the crystal (see `KINDS`); None: random.
    dislocation
        Add a screw-like line around which the phase turns by 2π (it comes on top of `phase_range`).
    texture
        Relative size of smooth variations of the amplitude.
    off_centre
        The peak lies up to this many voxels off the centre voxel, per axis.
    gaps
        Mask two strips of the detector (never through the peak), as chip gaps do; the scan's mask says where.
    hot_pixels
        Number of false voxels, of random height up to the peak; every third is a pixel lit in all frames. Not in the mask.
    background
        Mean counts per voxel added before the noise: one number, or what can be added to the scan, such as one per frame.
    saturation
        Counts are clipped here.
    coherence
        Standard deviation in pixels of the Gaussian by which partly coherent light blurs the intensity, of all axes or per axis.
    drift
        The peak wanders over rows and columns from frame to frame, by steps of this standard deviation in pixels.
    geometry
        Its angles, energy and distance are kept; pixel sizes and rocking step are scaled so that the crystal (150 to 400 nm
        across) is oversampled as asked. None: the scan carries no geometry.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    shape = (size,) * 3 if isinstance(size, int) else tuple(size)
    if len(shape) != 3 or min(shape) < 16:
        raise InputError(f"A scan of shape {shape} was asked for; give three sides of at least 16 voxels.")
    numbers = [
        seed,
        phase_range,
        np.min(background),
        np.max(background),
        hot_pixels,
        *np.ravel(coherence),
        *(drift, texture, off_centre, 0.0 if saturation is None else saturation),
    ]
    if not (np.isfinite(numbers).all() and min(numbers) >= 0 and peak > 0):
        raise InputError(
            "Seed, phase range, texture, background, hot pixels, coherence, drift, saturation and how far the peak is off the "
            "centre must be finite and not negative, the peak positive."
        )
    if peak + np.max(background) > _COUNTS or hot_pixels > _HOT * np.prod(shape):
        raise InputError(
            f"At most {_COUNTS:.0e} counts a voxel, and one false voxel in {1 / _HOT:.0f}, can be simulated; ask for less."
        )
    if kind is not None and kind not in KINDS:
        raise InputError(f"There is no crystal of kind '{kind}'; choose one of {', '.join(KINDS)}.")
    if oversampling is not None and not min(oversampling) >= 1.2:
        raise InputError(
            f"An oversampling of {oversampling} was asked for; at least 1.2 fits a crystal into the array."
        )
    if oversampling is not None and not all(
        n >= _LEAST * ratio for n, ratio in zip(shape, oversampling, strict=True)
    ):
        raise InputError(
            f"An oversampling of {oversampling} leaves the crystal fewer than {_LEAST} of {shape} voxels; ask for "
            "less, or a larger scan."
        )
    if off_centre >= min(shape) / 2:
        raise InputError(f"A peak {off_centre:g} voxels off the centre lies outside a scan of shape {shape}.")

    rng = np.random.Generator(np.random.PCG64([seed, _DOMAIN]))
    sampling = np.array(oversampling if oversampling is not None else rng.uniform(2.0, 4.0, 3))
    template = replace(
        geometry or PLATINUM_111, direct_beam_pixel=(float(shape[1] // 2), float(shape[2] // 2))
    )
    centre = (shape[0] // 2, shape[1] // 2, shape[2] // 2)
    q = scattering_vector(template, centre[1:], shape)

    normals, distances, corners = polyhedron(rng, kind or KINDS[rng.integers(len(KINDS))], q)
    radius = rng.uniform(75.0, 200.0) / np.abs(corners).max()
    distances, corners = distances * radius, corners * radius
    template = sampled(template, centre, shape, corners, sampling)
    steps = voxel_steps(template, centre, shape)
    box = corners @ np.linalg.inv(steps).T  # in voxels: the crystal stands in the middle of the array
    middle = steps @ (box.min(0) + box.max(0)) / 2
    distances, corners = distances - normals @ middle, corners - middle

    amplitude = amplitude_of(shape, steps, normals, distances)
    support = amplitude > 0.5
    u, strain = displacement_of(rng, shape, steps, q, support, phase_range, dislocation)
    amplitude *= 1 + texture * bumps(rng, positions(shape, steps) / np.abs(corners).max(), 4)[0]
    found = amplitude * np.exp(-1j * np.linalg.norm(q) * u)
    found, intensity = centred(found, rng.uniform(-off_centre, off_centre, 3))

    intensity = blurred(intensity, np.broadcast_to(coherence, 3))
    if drift:
        # of its own, so that nothing else of the crystal depends on it
        wandering = np.random.Generator(np.random.PCG64([seed, _DOMAIN, 1]))
        intensity = wandered(intensity, wandering.normal(0, drift, (shape[0], 2)).cumsum(0))
    scale = peak / intensity.max()
    counts = rng.poisson(intensity * scale + background).astype(np.int32)
    mask = spoil(rng, counts, gaps, hot_pixels, peak)
    if saturation is not None:
        np.minimum(counts, int(saturation), out=counts)
    scan = Scan(
        counts,
        mask=mask if gaps else None,
        geometry=None if geometry is None else template,
        name=f"simulated_{seed}",
        metadata={"seed": seed, "phase_range_rad": phase_range, "peak_counts": peak},
    )
    return Simulated(
        scan=scan,
        object=found.astype(np.complex64),
        support=support,
        displacement_nm=np.where(support, u, 0).astype(np.float32),
        strain=np.where(support, strain, 0).astype(np.float32),
        voxel_steps_nm=steps,
        q_bragg_per_nm=q,
    )


def suite(name: Literal["small", "full"] = "small") -> list[dict[str, Any]]:
    """Return the arguments of `simulate` for every crystal of a named suite; the same list every time.

    ``small``: twelve of 64³, phase ranges 0 to 5π, one in two with gaps and hot pixels, peaks of 1e4 to 1e6 counts, the last
    two with a dislocation.  ``full``: the same twelve at 64³, 96³ and 128³, other crystals at each size.

    Raises
    ------
    InputError
        If there is no such suite.
    """
    if name not in ("small", "full"):
        raise InputError(f"There is no suite '{name}'; choose small or full.")
    return [
        {
            "seed": 1000 * size + index,
            "size": size,
            "phase_range": round(index * 5 * np.pi / 11, 3),
            "peak": (1e4, 1e5, 1e6)[index % 3],
            "kind": KINDS[index % len(KINDS)],
            "gaps": index % 2 == 1,
            "hot_pixels": 6 * (index % 2),
            "dislocation": index >= 10,
        }
        for size in ((64,) if name == "small" else (64, 96, 128))
        for index in range(12)
    ]
