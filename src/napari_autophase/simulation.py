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
from scipy import fft
from scipy.spatial import HalfspaceIntersection

from .geometry import reciprocal_steps, scattering_vector, voxel_steps
from .scan import Geometry, InputError, Scan

Kind = Literal["wulff", "winterbottom", "cut", "rod", "platelet", "scattered"]
KINDS: tuple[Kind, ...] = ("wulff", "winterbottom", "cut", "rod", "platelet", "scattered")

_DOMAIN = 0x5EED_51B1
"""Enters every seed, so that no stream of random numbers is shared with another simulator."""

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
    if min(seed, phase_range, np.min(background), hot_pixels, np.min(coherence), drift) < 0 or not peak > 0:
        raise InputError(
            "Seed, phase range, background, hot pixels, coherence and drift must not be negative, and the peak positive."
        )
    if kind is not None and kind not in KINDS:
        raise InputError(f"There is no crystal of kind '{kind}'; choose one of {', '.join(KINDS)}.")
    if oversampling is not None and min(oversampling) < 1.2:
        raise InputError(
            f"An oversampling of {oversampling} was asked for; at least 1.2 fits a crystal into the array."
        )

    rng = np.random.Generator(np.random.PCG64([seed, _DOMAIN]))
    sampling = np.array(oversampling if oversampling is not None else rng.uniform(2.0, 4.0, 3))
    template = replace(
        geometry or PLATINUM_111, direct_beam_pixel=(float(shape[1] // 2), float(shape[2] // 2))
    )
    centre = (shape[0] // 2, shape[1] // 2, shape[2] // 2)
    q = scattering_vector(template, centre[1:], shape)

    normals, distances, corners = _polyhedron(rng, kind or KINDS[rng.integers(len(KINDS))], q)
    radius = rng.uniform(75.0, 200.0) / np.abs(corners).max()
    distances, corners = distances * radius, corners * radius
    template = _sampled(template, centre, shape, corners, sampling)
    steps = voxel_steps(template, centre, shape)
    box = corners @ np.linalg.inv(steps).T  # in voxels: the crystal stands in the middle of the array
    middle = steps @ (box.min(0) + box.max(0)) / 2
    distances, corners = distances - normals @ middle, corners - middle

    amplitude = _amplitude(shape, steps, normals, distances)
    support = amplitude > 0.5
    u, strain = _displacement(rng, shape, steps, q, support, phase_range, dislocation)
    amplitude *= 1 + texture * _bumps(rng, _positions(shape, steps) / np.abs(corners).max(), 4)[0]
    found = amplitude * np.exp(-1j * np.linalg.norm(q) * u)
    found, intensity = _centred(found, rng.uniform(-off_centre, off_centre, 3))

    intensity = _blurred(intensity, np.broadcast_to(coherence, 3))
    if drift:
        # of its own, so that nothing else of the crystal depends on it
        wandering = np.random.Generator(np.random.PCG64([seed, _DOMAIN, 1]))
        intensity = _wandered(intensity, wandering.normal(0, drift, (shape[0], 2)).cumsum(0))
    scale = peak / intensity.max()
    counts = rng.poisson(intensity * scale + background).astype(np.int32)
    mask = _spoil(rng, counts, gaps, hot_pixels, peak)
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


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _polyhedron(
    rng: np.random.Generator, kind: Kind, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit normals (P, 3) and distances (P,) of facets, and the corners (V, 3), of unit order."""
    signs = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3), -1).reshape(-1, 3)
    order = np.abs(signs).sum(1)
    if kind in ("wulff", "winterbottom", "cut"):
        family = {1.0: rng.uniform(0.85, 1.1), 2.0: rng.uniform(0.95, 1.3), 3.0: rng.uniform(0.75, 0.95)}
        normals = _unit(signs[order > 0])
        distances = np.array([family[i] for i in order[order > 0]]) * rng.uniform(0.85, 1.1, len(normals))
        extra = {"wulff": 0, "winterbottom": 1, "cut": 3}[kind]
        # a substrate is a {111} plane near the middle; cuts point anywhere
        planes = _unit(np.ones((1, 3))) if kind == "winterbottom" else _unit(rng.normal(size=(extra, 3)))
        normals = np.concatenate([normals, -planes[:extra]])
        distances = np.concatenate([distances, rng.uniform(0.2, 0.6, extra)])
    elif kind == "scattered":
        normals = _unit(np.concatenate([rng.normal(size=(12, 3)), np.eye(3), -np.eye(3)]))
        distances = rng.uniform(0.6, 1.1, len(normals))
    else:
        angle = np.arange(6) * np.pi / 3
        sides = np.stack([np.cos(angle), np.sin(angle), np.zeros(6)], -1)
        normals = np.concatenate([sides, [[0, 0, 1.0], [0, 0, -1.0]]])
        length = rng.uniform(1.2, 1.8) if kind == "rod" else rng.uniform(0.35, 0.6)
        distances = np.concatenate([rng.uniform(0.8, 1.0, 6), [length, length]])

    # [111] of a cubic crystal, or the axis of a prism, stands along Q or lies anywhere, by chance; the twist is random
    own = _unit(np.array([0.0, 0, 1]) if kind in ("rod", "platelet") else np.ones(3))
    along = _unit(q) if kind in ("wulff", "winterbottom", "cut") else _unit(rng.normal(size=3))
    normals = normals @ (_basis(along, rng) @ _basis(own, rng).T).T
    corners = HalfspaceIntersection(np.column_stack([normals, -distances]), np.zeros(3)).intersections
    return normals, distances, corners


def _basis(axis: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a rotation whose third column is `axis`, at a random twist."""
    first = rng.normal(size=3)
    first = _unit(first - (first @ axis) * axis)
    return np.stack([first, np.cross(axis, first), axis], axis=1)


def _sampled(
    template: Geometry,
    centre: tuple[int, ...],
    shape: tuple[int, ...],
    corners: np.ndarray,
    wanted: np.ndarray,
) -> Geometry:
    """Scale rocking step and pixel sizes so that the crystal's width along each axis is 1/`wanted` of the array."""
    for _ in range(3):  # q is not quite linear in the pixel
        extent = np.ptp(corners @ reciprocal_steps(template, centre, shape), axis=0) / (2 * np.pi)
        factor = (1 / (wanted * extent)).tolist()
        template = replace(
            template,
            rocking_step_deg=template.rocking_step_deg * factor[0],
            pixel_size_um=(template.pixel_size_um[0] * factor[1], template.pixel_size_um[1] * factor[2]),
        )
    return template


def _indices(shape: tuple[int, ...]) -> list[np.ndarray]:
    return list(
        np.meshgrid(*[np.arange(n, dtype=np.float32) - n // 2 for n in shape], indexing="ij", sparse=True)
    )


def _along(vector: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the linear function ``vector · index`` (index 0 at the centre) on the whole grid, float32."""
    i, j, k = _indices(shape)
    a, b, c = (np.float32(x) for x in vector)
    return a * i + (b * j + c * k)


def _positions(shape: tuple[int, ...], steps: np.ndarray) -> np.ndarray:
    """Return laboratory positions in nm, float32 (3, *shape)."""
    return np.stack([_along(row, shape) for row in steps])


def _amplitude(
    shape: tuple[int, ...], steps: np.ndarray, normals: np.ndarray, distances: np.ndarray
) -> np.ndarray:
    """Return 1 inside and 0 outside, falling linearly over one voxel across each facet."""
    amplitude = np.ones(shape, np.float32)
    for normal, distance in zip(normals @ steps, distances, strict=True):
        voxel = np.linalg.norm(normal)  # nm from one voxel to the next across this facet
        depth = _along(-normal / voxel, shape) + np.float32(distance / voxel + 0.5)
        np.minimum(amplitude, np.clip(depth, 0, 1, out=depth), out=amplitude)
    return amplitude


def _bumps(rng: np.random.Generator, r: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a sum of Gaussians of random place, width and height at r (3, ...), and its gradient (3, ...)."""
    value, gradient = np.zeros_like(r[0]), np.zeros_like(r)
    for _ in range(number):
        away = r - rng.uniform(-0.7, 0.7, 3).astype(np.float32)[:, None, None, None]
        width = np.float32(rng.uniform(0.3, 0.7))
        bump = np.float32(rng.normal()) * np.exp(-(away**2).sum(0) / (2 * width**2))
        value += bump
        gradient -= away / width**2 * bump
    return value, gradient


def _displacement(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    steps: np.ndarray,
    q: np.ndarray,
    support: np.ndarray,
    phase_range: float,
    dislocation: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the displacement along Q in nm, and its derivative along Q."""
    length, along = float(np.linalg.norm(q)), _unit(q).astype(np.float32)
    position = _positions(shape, steps)
    radius = np.float32(np.abs(position[:, support]).max())
    r = position / radius
    bend = rng.normal(size=(3, 3)).astype(np.float32)
    bend += bend.T
    twist = rng.normal(size=3).astype(np.float32)
    bumps, slope = _bumps(rng, r, 3)
    bent, cubed = np.tensordot(bend, r, 1), np.tensordot(twist, r, 1)
    u = 0.5 * (r * bent).sum(0) + cubed**3 + 1.5 * bumps
    gradient = bent + 3 * cubed**2 * twist[:, None, None, None] + 1.5 * slope

    inside = np.column_stack([r[:, support].T, np.ones(int(support.sum()))])
    linear = np.linalg.lstsq(inside, u[support], rcond=None)[0].astype(np.float32)
    u -= np.tensordot(linear[:3], r, 1) + linear[3]
    gradient -= linear[:3, None, None, None]
    scale = phase_range / (length * max(float(np.ptp(u[support])), 1e-9))
    u, strain = u * scale, np.tensordot(along, gradient, 1) * (scale / radius)

    if dislocation:
        frame_ = _basis(_unit(rng.normal(size=3)), rng).astype(np.float32)
        origin = rng.uniform(-0.3, 0.3, 2).astype(np.float32)
        x, y = (np.tensordot(frame_[:, n], r, 1) - origin[n] for n in (0, 1))
        u += np.arctan2(y, x) / length
        turn = x * (frame_[:, 1] @ along) - y * (frame_[:, 0] @ along)
        strain += turn / np.maximum(x**2 + y**2, 1e-6) / (length * radius)
    return u, strain


def _centred(found: np.ndarray, miss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring the intensity's maximum to the centre voxel plus `miss`, by a phase ramp; return object and intensity."""
    shape = found.shape
    intensity = np.abs(fft.fftshift(fft.fftn(fft.ifftshift(found)))) ** 2
    brightest = np.unravel_index(int(intensity.argmax()), shape)
    move = (np.array(shape) // 2 - brightest + miss) * 2 * np.pi / np.array(shape)
    found = found * np.exp(1j * _along(move, shape))
    return found, np.abs(fft.fftshift(fft.fftn(fft.ifftshift(found)))) ** 2


def _blurred(intensity: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Blur an intensity, which is periodic in the array, with a Gaussian of so many pixels along each axis."""
    for axis, (n, width) in enumerate(zip(intensity.shape, widths, strict=True)):
        if width:
            weights = np.exp(-2 * (np.pi * width * fft.rfftfreq(n)) ** 2)
            spectrum = np.moveaxis(fft.rfft(intensity, axis=axis), axis, -1) * weights
            intensity = np.moveaxis(fft.irfft(spectrum, n), -1, axis)
    return np.maximum(intensity, 0)


def _wandered(intensity: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Move every frame by its own part of a voxel, (frames, 2), such that the middle frame stays where it is."""
    way = way - way[len(way) // 2]
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(way[:, k], fft.fftfreq(intensity.shape[k + 1]))) for k in (0, 1)
    )
    spectrum = fft.fft2(intensity) * rows[:, :, None] * columns[:, None, :]
    return np.maximum(fft.ifft2(spectrum).real, 0)


def _spoil(
    rng: np.random.Generator, counts: np.ndarray, gaps: bool, hot_pixels: int, peak: float
) -> np.ndarray:
    """Write gaps and hot pixels into `counts`; return the mask of the gaps."""
    mask = np.zeros(counts.shape, bool)
    if gaps:
        for axis in (1, 2):
            side = counts.shape[axis]
            width = int(rng.integers(1, max(2, side // 24) + 1))
            away = int(rng.integers(side // 8, side // 2 - width))
            start = side // 2 + (away if rng.random() < 0.5 else -away - width)
            mask[(slice(None),) * axis + (slice(start, start + width),)] = True
        counts[mask] = 0
    for index in range(hot_pixels):
        frame_, row, column = (int(rng.integers(side)) for side in counts.shape)
        height = peak * 10 ** rng.uniform(-2, 0)
        counts[slice(None) if index % 3 == 2 else frame_, row, column] += rng.poisson(height)
    return mask
