"""Two results voxel by voxel: brought onto one grid in nanometres, aligned, and held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product

import numpy as np
from scipy import ndimage

from ..reconstruction import Reconstruction
from .align import Alignment, alignment, correlation, fitted
from .isosurface import bounding_box
from .metrics import phase_error, support_iou
from .orthogonal import regridded
from .phase import remove_ramp, unwrap
from .quantities import robust_maximum
from .strain import strain
from .trust import AGREE, ranked_in_words

_SAME = 1e-3
"""Voxel steps that differ by less than this fraction are the same: over a crystal of 200 voxels that is a fifth of a voxel."""
_TURNED_DEG = 1.0
"""Two Q that lie farther apart are those of a sample that was turned."""
_MARGIN = 4
"""Voxels left around a crystal."""
_BETTER = 0.4
"""Arrays that run otherwise are named if so much of what two crystals differ by, or less, is left then."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two results on one grid: `one` aligned with `other`.

    Parameters
    ----------
    one, other
        complex64, one shape; inside their supports, without ramp, largest amplitude about 1.
    inside, within
        bool, the supports of both.
    core
        bool, the voxels that both have and that have neighbours in both.
    strain_one, strain_other
        float32, each inside its own support, NaN outside; in radians per voxel along axis 1 where the geometry is unknown.
    steps
        3 × 3, columns are the steps of the grid's voxels: in nm, or relative ones without geometry.
    q_bragg_per_nm
        Q of `other`; None without geometry.
    alignment
        How `one` was brought onto `other`.
    figures
        Names and numbers, see `compare_results`.
    held_out
        Their held-out likelihoods in words, and which is the better, or why they cannot be ranked; empty: not known of both.
    notes
        What a person should read.
    """

    one: np.ndarray
    other: np.ndarray
    inside: np.ndarray
    within: np.ndarray
    core: np.ndarray
    strain_one: np.ndarray
    strain_other: np.ndarray
    steps: np.ndarray
    q_bragg_per_nm: np.ndarray | None
    alignment: Alignment
    figures: dict[str, float]
    held_out: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def voxel_size_nm(self) -> tuple[float, float, float] | None:
        """Edges of the grid's voxels; None without geometry."""
        if self.q_bragg_per_nm is None:
            return None
        first, second, third = (float(x) for x in np.linalg.norm(self.steps, axis=0))
        return first, second, third

    @property
    def phase_difference(self) -> np.ndarray:
        """float32 radians within (−π, π], `one` minus `other` in the core, NaN outside."""
        difference = np.angle(self.one * np.conj(self.other))
        return np.where(self.core, difference, np.nan).astype(np.float32)


def compare_results(
    one: Reconstruction, other: Reconstruction, threshold: float | None = None, *, ramp: bool = True
) -> Comparison:
    """Bring `one` onto `other` and say how far they agree.

    Both are taken to the grid of the one with the larger voxels, so that nothing is invented; the shift, the constant phase,
    the linear ramp and the twin are resolved.  Where a geometry is missing, voxels are taken to be equal, or as large as the
    phased grids' shapes say (one scan's pixels, cropped to two sizes), whichever agrees better: a note says which.

    Parameters
    ----------
    one, other
        Results of any program; their voxels may differ.
    threshold
        Amplitude, as a fraction of the largest, that bounds the crystals; None: that of `other`'s recipe.
    ramp
        Ignore a linear phase ramp between the two, which is a difference of their mean lattices.

    Returns
    -------
    Comparison
        Its figures: ``correlation`` (of the complex objects), ``amplitude_correlation`` (|a|·|b|, normalised),
        ``phase_correlation`` and ``strain_correlation`` (Pearson's, in the core), ``strain_correlation_smoothed`` (the same
        of both maps blurred by one voxel), ``phase_error`` (mean absolute difference in rad), ``strain_difference`` (its
        root mean square), ``support_iou`` and ``core_voxels``.

    Raises
    ------
    InputError
        If one of them is empty.
    """
    threshold = other.recipe.analyse.threshold if threshold is None else threshold
    objects = [_inside(each) for each in (one, other)]
    tried = []
    for pair, note in _steps(one, other):
        own, reference, steps = _on_one_grid(objects, pair)
        tried.append((alignment(own, reference, ramp=ramp), reference, steps, note))
    found, reference, steps, note = max(tried, key=lambda each: abs(each[0].correlation))
    known = one.voxel_steps_nm is not None or other.voxel_steps_nm is not None
    q = (other if other.q_bragg_per_nm is not None else one).q_bragg_per_nm if known else None
    a, b = (each / robust_maximum(np.abs(each)) for each in (found.object, reference))
    inside, within = (np.abs(each) >= threshold for each in (a, b))
    core = ndimage.binary_erosion(inside & within)
    strains = [
        strain(each, mask, steps if q is not None else None, q) for each, mask in ((a, inside), (b, within))
    ]
    notes = [*note, *_turned(one, other)]
    if abs(found.correlation) < AGREE:
        both_known = one.voxel_steps_nm is not None and other.voxel_steps_nm is not None
        grids = {
            order: [pair for pair, _ in _steps(_reordered(one, order), other)]
            for order in ([(0, 1, 2)] if both_known else permutations(range(3)))
        }
        notes += _run_otherwise(
            one.name, abs(found.correlation), objects, grids, ramp, one.voxel_steps_nm is None
        )
    if not core.any():
        notes.append("They have no voxels in common: check their voxel sizes, or take a lower threshold.")
    if found.twin:
        notes.append(f"{one.name} is the twin of {other.name}: it was conjugated and inverted.")
    return Comparison(
        one=a.astype(np.complex64),
        other=b.astype(np.complex64),
        inside=inside,
        within=within,
        core=core,
        strain_one=strains[0],
        strain_other=strains[1],
        steps=steps,
        q_bragg_per_nm=q,
        alignment=found,
        figures=_figures(a, b, inside, within, core, strains[0], strains[1]),
        held_out=ranked_in_words(one, other),
        notes=tuple(notes),
    )


def _inside(result: Reconstruction) -> np.ndarray:
    """Return the object inside its support, without ramp, cropped about the centre to what it fills."""
    result.check_filled("to compare")
    box = bounding_box(result.support)
    half = [
        max(abs(s.start - n // 2), abs(s.stop - 1 - n // 2)) + _MARGIN
        for s, n in zip(box, result.shape, strict=True)
    ]
    shape = tuple(2 * h + 1 for h in half)
    return remove_ramp(np.where(fitted(result.support, shape), fitted(result.object, shape), 0))


def _steps(
    one: Reconstruction, other: Reconstruction
) -> list[tuple[tuple[np.ndarray, np.ndarray], list[str]]]:
    """Return the voxel steps that the two may have, and what to say about each choice."""
    first, second = one.voxel_steps_nm, other.voxel_steps_nm
    if first is not None and second is not None:
        return [((first, second), [])]
    shapes = [np.array(each.phased_shape or each.shape, float) for each in (one, other)]
    unknown = [each.name for each in (one, other) if each.voxel_steps_nm is None]
    who = f"{unknown[0]} has no geometry" if len(unknown) == 1 else "Neither has a geometry"
    given = first if first is not None else second if second is not None else np.eye(3)
    ratio = shapes[1] / shapes[0]  # a voxel is as large as its array is small

    def both(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (given, given @ np.diag(1 / scale)) if first is not None else (given @ np.diag(scale), given)

    choices = [(both(np.ones(3)), [f"{who}: their voxels are taken to be equal; give --geometry."])]
    if not np.array_equal(shapes[0], shapes[1]):
        grids = " and ".join(" × ".join(f"{n:g}" for n in shape) for shape in shapes)
        note = f"{who}: their voxels are taken to be as the grids say that they were phased on ({grids}); give --geometry."
        choices.append((both(ratio), [note]))
    return choices


def _reordered(one: Reconstruction, order: tuple[int, ...]) -> Reconstruction:
    """Return a result with its axes in another order, its voxel steps as they are."""
    whole = one.phased_shape
    return replace(
        one,
        object=one.object.transpose(order),
        phased_shape=None if whole is None else (whole[order[0]], whole[order[1]], whole[order[2]]),
    )


def _on_one_grid(
    objects: list[np.ndarray], steps: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both objects on the coarser of their grids, and that grid's steps."""
    first, second = steps
    coarse, fine = (0, 1) if abs(np.linalg.det(first)) > abs(np.linalg.det(second)) else (1, 0)
    if np.linalg.norm(first - second) < _SAME * np.linalg.norm(second):
        coarse, fine = 1, 0
        moved = objects[0]
    else:
        corners = np.stack(np.meshgrid(*[(-1, 1)] * 3), -1).reshape(-1, 3) * np.array(objects[fine].shape) / 2
        to_coarse = np.linalg.solve(steps[coarse], steps[fine])
        reach = np.ceil(np.abs(corners @ to_coarse.T).max(0)).astype(int)
        shape = tuple(int(n) for n in 2 * reach + 1)
        moved = regridded(objects[fine], steps[fine], steps[coarse], shape, order=3)
    # what is shifted must not come in again at the other side
    shape = tuple(max(n, m) + 2 * _MARGIN for n, m in zip(moved.shape, objects[coarse].shape, strict=True))
    pair = [fitted(moved, shape), fitted(objects[coarse], shape)]
    own, reference = pair if fine == 0 else pair[::-1]
    return own, reference, steps[coarse]


def _run_otherwise(
    name: str,
    agreement: float,
    objects: list[np.ndarray],
    grids: Mapping[tuple[int, ...], Sequence[tuple[np.ndarray, np.ndarray]]],
    ramp: bool,
    unplaced: bool,
) -> list[str]:
    """Say how the array of the first may run otherwise than that of the second: mirrored, its axes in another order, or its phase
    of the other sign; nothing where that explains little of what they differ by.

    Parameters
    ----------
    name, agreement
        Of the first, and how well it agrees as it is.
    objects
        Both, each on its own grid.
    grids
        The orders that the first one's axes may be in, and which voxel steps the two may have then.
    unplaced
        Whether the first has no geometry.
    """
    found = []
    for order, steps in ((order, pair) for order, pairs in grids.items() for pair in pairs):
        for flips in product((False, True), repeat=3):
            mirrored = tuple(axis for axis in range(3) if flips[axis])
            other = np.flip(objects[0].transpose(order), mirrored)
            own, reference, _ = _on_one_grid([other, objects[1]], steps)
            found.append((_agrees_about(own, reference), -len(mirrored), order, mirrored, own, reference))
    _, _, order, mirrored, own, reference = max(found, key=lambda each: each[:2])
    then = abs(alignment(own, reference, ramp=ramp).correlation)
    if then < 1 - _BETTER * (1 - agreement) or (order == (0, 1, 2) and not mirrored):
        return []
    # inverted through its middle, an object is the twin of its conjugate
    conjugate = len(mirrored) == 3
    if order == (0, 1, 2) and conjugate:
        said = f"With a phase of the other sign {name} agrees to {then:.3f}: conjugate it if its phase is +Q·u (--conjugate)."
        return [said]
    how = []
    if mirrored and not conjugate:
        how.append(f"mirrored along axis {' and '.join(map(str, mirrored))}")
    if order != (0, 1, 2):
        how.append(f"with its axes in the order {', '.join(map(str, order))}")
    if conjugate:
        how.append("a phase of the other sign")
    todo = "check the order of axes, and which way the detector's rows and columns and the rocking angle were counted"
    if unplaced and (conjugate or not mirrored):
        said = f"--axes {','.join(map(str, order))}{' --conjugate' if conjugate else ''}"
        todo = f"if its file keeps them so, say {said}"
    return [
        f"{name} agrees to {then:.3f} {' and '.join(how)}: the arrays of the two do not run alike; {todo}."
    ]


def _agrees_about(own: np.ndarray, reference: np.ndarray) -> float:
    """Return how well an object, or its twin, agrees with another one when it is moved by whole voxels."""
    norm = float(np.linalg.norm(own.ravel()) * np.linalg.norm(reference.ravel()))
    moved, goal = (np.fft.fftn(each.astype(np.complex64)) for each in (own, reference))
    peaks = (float(np.abs(np.fft.ifftn(each * np.conj(goal))).max()) for each in (moved, np.conj(moved)))
    return max(peaks) / max(norm, 1e-30)


def _turned(one: Reconstruction, other: Reconstruction) -> list[str]:
    a, b = one.q_bragg_per_nm, other.q_bragg_per_nm
    if a is None or b is None:
        return []
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    if angle < _TURNED_DEG:
        return []
    return [
        f"Q of the two lie {angle:.1f} degrees apart: the crystals are compared as they stood, not turned onto each other."
    ]


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (a, b))
    return float(correlation(a, b).real)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Return a map blurred by one voxel among the voxels that have a value."""
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter(known.astype(np.float64), 1)
    return ndimage.gaussian_filter(np.where(known, values, 0).astype(np.float64), 1) / np.maximum(
        weight, 1e-9
    )


def _figures(
    a: np.ndarray,
    b: np.ndarray,
    inside: np.ndarray,
    within: np.ndarray,
    core: np.ndarray,
    strain_a: np.ndarray,
    strain_b: np.ndarray,
) -> dict[str, float]:
    found = {
        "correlation": abs(correlation(a, b)),
        "amplitude_correlation": float(correlation(np.abs(a), np.abs(b)).real),
        "support_iou": support_iou(inside, within),
        "core_voxels": int(core.sum()),
    }
    usable = core & np.isfinite(strain_a) & np.isfinite(strain_b)
    if usable.sum() < 2:
        return found | dict.fromkeys(("phase_correlation", "phase_error", "strain_correlation"), float("nan"))
    phase_b = unwrap(b, core)
    phase_a = phase_b + np.angle(a * np.conj(b))
    return found | {
        "phase_correlation": _pearson(phase_a[core], phase_b[core]),
        "phase_error": phase_error(a, b, core),
        "strain_correlation": _pearson(strain_a[usable], strain_b[usable]),
        "strain_correlation_smoothed": _pearson(_smoothed(strain_a)[usable], _smoothed(strain_b)[usable]),
        "strain_difference": float(np.sqrt(np.mean((strain_a[usable] - strain_b[usable]) ** 2))),
    }
