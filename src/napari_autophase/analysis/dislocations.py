"""Dislocations: lines about which the phase winds.

The steps of the phase around an elementary square of voxels add up to a whole number of 2π, the winding number, which is not zero
where a line passes through the square; no unwrapping is needed and nothing is fitted.  The number of lines that enter a cube of
voxels is the number that leave it, so that squares join into lines that are closed or end where the crystal does.

With the phase −Q·u, a turn of the phase by −2πn by the right-hand rule along the line is Q·b = 2πn, b being what the
displacement gains in one round.  Which b that is, and so whether the line is of edge or of screw character, one reflection
alone does not tell; a line with Q·b = 0 is not seen at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy  # whose parts are loaded where they are first used
from scipy import ndimage

_SHORTEST = 6
"""Steps of a line that is believed: noise makes small loops of four."""
_PIPE = 2
"""Voxels: in the core of a dislocation the amplitude dips, so that a pipe through the crystal of this radius belongs to it."""


@dataclass(frozen=True, eq=False)
class Dislocation:
    """One line.

    Parameters
    ----------
    points
        (N, 3) x, y, z along it, in the unit of the voxel steps, from the middle of the array.
    closed
        Whether it is a loop; else it ends at the surface.
    winding_number
        Q·b/2π by the right-hand rule along the points: 1 or −1; lines of more are several.
    length
        In the unit of the points.
    direction
        Unit vector from end to end; of a loop, the normal of the plane that it lies in.
    angle_to_q_deg
        Between direction and Q, 0 to 90; None: unknown.
    amplitude
        Mean amplitude along it over that of the crystal: a core is a dip.
    """

    points: np.ndarray
    closed: bool
    winding_number: int
    length: float
    direction: np.ndarray
    angle_to_q_deg: float | None
    amplitude: float


def find_dislocations(
    steps: Sequence[np.ndarray],
    support: np.ndarray,
    amplitude: np.ndarray,
    voxel_steps: np.ndarray,
    q: np.ndarray | None = None,
    shortest: int = _SHORTEST,
) -> list[Dislocation]:
    """Return the dislocations of a crystal, the longest first.

    Parameters
    ----------
    steps
        Phase steps along the axes, as `strain.phase_steps` gives them.
    support, amplitude
        The crystal's voxels (bool), which may leave out the cores, and its amplitude; the array's middle is ``shape // 2``.
    voxel_steps
        3 × 3, columns = steps along the array's axes as x, y, z, sheared or not.
    q
        Q (x, y, z), to measure angles from; None: unknown.
    shortest
        Lines of fewer steps from voxel to voxel are left out.
    """
    hand = 1 if np.linalg.det(voxel_steps) > 0 else -1
    bulk = float(np.median(amplitude[support])) if support.any() else 1.0
    found = []
    for cubes, closed in _lines(_edges(steps, _with_cores(support), hand)):
        if len(cubes) - 1 < shortest:
            continue
        at = np.array(cubes, float)  # the middles of cubes of voxels
        places = _rounded(at, closed) - np.array(support.shape) // 2
        points = places @ np.asarray(voxel_steps, float).T
        pieces = np.linalg.norm(np.diff(points, axis=0), axis=1)
        direction = _direction(points, closed)
        angle = None
        if q is not None:
            cosine = abs(direction @ q) / np.linalg.norm(q)
            angle = float(np.degrees(np.arccos(min(cosine, 1.0))))
        along = ndimage.map_coordinates(amplitude, at.T, order=1, mode="nearest")
        found.append(
            Dislocation(
                points, closed, 1, float(pieces.sum()), direction, angle, float(along.mean()) / (bulk or 1.0)
            )
        )
    return sorted(found, key=lambda each: -each.length)


def _with_cores(support: np.ndarray) -> np.ndarray:
    """Return a support whose pipes are filled."""
    ball = np.linalg.norm(np.indices((2 * _PIPE + 1,) * 3) - _PIPE, axis=0) <= _PIPE
    filled = ndimage.binary_closing(np.pad(support, _PIPE), ball)
    return filled[(slice(_PIPE, -_PIPE),) * 3]


def windings(steps: Sequence[np.ndarray], support: np.ndarray, axis: int) -> np.ndarray:
    """Return the winding number of the phase around each elementary square normal to an axis, int8; 0 where a corner is outside.

    Element (i, j, k) stands for the square whose lowest corner is voxel (i, j, k); the array is one shorter along the two other
    axes.  Positive: from the first of the cyclic order (axis + 1, axis + 2) to the second.
    """
    one, other = (axis + 1) % 3, (axis + 2) % 3
    first, second = steps[one], steps[other]
    inside = _corner(_corner(support, one), other)

    def low(array: np.ndarray, along: int) -> np.ndarray:
        return np.delete(array, -1, axis=along) if array.shape[along] == support.shape[along] else array

    def high(array: np.ndarray, along: int) -> np.ndarray:
        return np.delete(array, 0, axis=along)

    total = low(first, other) + high(second, one) - high(first, other) - low(second, one)
    return np.where(inside, np.rint(total / (2 * np.pi)), 0).astype(np.int8)


def _corner(inside: np.ndarray, axis: int) -> np.ndarray:
    along = np.moveaxis(inside, axis, 0)
    return np.moveaxis(along[1:] & along[:-1], 0, axis)


def _edges(
    steps: Sequence[np.ndarray], support: np.ndarray, hand: int
) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Yield the pieces of lines, each from the middle of a cube of voxels to that of the next, with Q·b = 2π along it."""
    for axis in range(3):
        turned = windings(steps, support, axis)
        for at in np.argwhere(turned):
            middle = at + 0.5
            middle[axis] -= 0.5
            step = np.zeros(3)
            step[axis] = 0.5
            # the phase is −Q·u: it turns against the displacement
            sign = -hand * int(turned[tuple(at)])
            ends = tuple(middle - step), tuple(middle + step)
            for _ in range(abs(sign)):
                yield ends if sign > 0 else ends[::-1]


def _lines(
    edges: Iterator[tuple[tuple[float, ...], tuple[float, ...]]],
) -> Iterator[tuple[list[tuple[float, ...]], bool]]:
    """Join pieces to lines: first those that begin somewhere, then the loops; straight on where lines cross."""
    onward: dict[tuple[float, ...], list[tuple[float, ...]]] = defaultdict(list)
    arriving: dict[tuple[float, ...], int] = defaultdict(int)
    for begin, end in edges:
        onward[begin].append(end)
        arriving[end] += 1

    def follow(begin: tuple[float, ...]) -> list[tuple[float, ...]]:
        line = [begin]
        while onward[line[-1]]:
            choices = onward[line[-1]]
            if len(choices) > 1 and len(line) > 1:
                heading = np.subtract(line[-1], line[-2])
                choices.sort(key=lambda each: float(np.subtract(each, line[-1]) @ heading))
            line.append(choices.pop())
        return line

    for begin in [at for at in onward if len(onward[at]) > arriving[at]]:
        while len(onward[begin]) > arriving[begin]:
            line = follow(begin)
            if len(line) < 2:
                break
            yield line, False
    for begin in list(onward):
        while onward[begin]:
            line = follow(begin)
            yield line, line[0] == line[-1]


def _rounded(places: np.ndarray, closed: bool) -> np.ndarray:
    """Return a line without the corners of its steps: each point is the mean of its neighbourhood along the line."""
    mode = "wrap" if closed else "nearest"
    body = places[:-1] if closed else places
    smooth = ndimage.gaussian_filter1d(body, 1.5, axis=0, mode=mode)
    if closed:
        return np.concatenate([smooth, smooth[:1]])
    return smooth


def _direction(points: np.ndarray, closed: bool) -> np.ndarray:
    _, _, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    if closed:
        return axes[2]
    direction = axes[0]
    return direction if direction @ (points[-1] - points[0]) >= 0 else -direction


def near_lines(
    lines: Sequence[Dislocation], shape: tuple[int, ...], voxel_steps: np.ndarray, radius: float
) -> np.ndarray:
    """Return the voxels within `radius` (in the lines' unit) of a line, bool: there the phase has no slope to speak of."""
    found = np.zeros(shape, bool)
    if not lines:
        return found
    points = np.concatenate([_dense(each.points, radius / 2) for each in lines])
    middle = np.array(shape) // 2
    to_voxels = np.linalg.inv(np.asarray(voxel_steps, float))
    at = points @ to_voxels.T + middle
    reach = np.ceil(radius * np.linalg.norm(to_voxels, axis=1)).astype(int) + 1
    low = np.maximum(np.floor(at.min(0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(at.max(0)).astype(int) + reach + 1, shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    voxels = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1).reshape(
        -1, 3
    )
    apart, _ = scipy.spatial.cKDTree(points).query(
        (voxels - middle) @ np.asarray(voxel_steps, float).T, distance_upper_bound=radius
    )
    found[box] = np.isfinite(apart).reshape([s.stop - s.start for s in box])
    return found


def _dense(points: np.ndarray, step: float) -> np.ndarray:
    """Return points along a line, no farther apart than `step`."""
    pieces = []
    for one, other in pairwise(points):
        count = max(int(np.ceil(np.linalg.norm(other - one) / step)), 1)
        pieces.append(one + np.arange(count)[:, None] / count * (other - one))
    return np.concatenate([*pieces, points[-1:]])


def table(lines: Sequence[Dislocation], unit: str = "nm") -> str:
    """Return the lines as CSV, a row for each point."""
    rows = [
        f"line,closed,q_dot_b_over_2pi,length_{unit},angle_to_q_deg,amplitude,point,x_{unit},y_{unit},z_{unit}"
    ]
    for number, each in enumerate(lines, 1):
        angle = "" if each.angle_to_q_deg is None else f"{each.angle_to_q_deg:.4g}"
        said = f"{number},{int(each.closed)},{each.winding_number},{each.length:.6g},{angle},{each.amplitude:.4g}"
        rows += [f"{said},{n},{x:.6g},{y:.6g},{z:.6g}" for n, (x, y, z) in enumerate(each.points, 1)]
    return "\n".join(rows) + "\n"
