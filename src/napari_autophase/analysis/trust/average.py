"""Several runs of one scan brought onto one another, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..align import align, correlation
from ..symmetries import twin


@dataclass(frozen=True, eq=False)
class Aligned:
    """Runs in the frame of one of them.

    Parameters
    ----------
    objects
        complex64 (R, N0, N1, N2): shift, global phase, scale, ramp and twin are those of the reference.
    agreements
        Correlation of each with the reference, 0 to 1.
    twins
        Whether it was the twin of the reference.
    """

    objects: np.ndarray
    agreements: tuple[float, ...]
    twins: tuple[bool, ...]


def aligned(objects: Sequence[np.ndarray], reference: np.ndarray) -> Aligned:
    """Bring complex objects onto `reference`: twin, sub-voxel shift, ramp, phase and scale.

    Parameters
    ----------
    objects, reference
        Complex (N0, N1, N2), centred.
    """
    found, agreements, twins = [], [], []
    for each in objects:
        upright = align(each, reference, ramp=True, twins=False)
        turned = align(twin(each), reference, ramp=True, twins=False)
        best = max((upright, turned), key=lambda pair: abs(pair[1]))
        found.append(best[0])
        agreements.append(abs(best[1]))
        twins.append(best is turned)
    return Aligned(np.stack(found), tuple(agreements), tuple(twins))


def agreement(objects: np.ndarray) -> float:
    """Return the median correlation of all pairs of aligned objects (R, N0, N1, N2); NaN if there is one only."""
    pairs = [abs(correlation(one, other)) for number, one in enumerate(objects) for other in objects[:number]]
    return float(np.median(pairs)) if pairs else float("nan")


def modes(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the modes of aligned objects, the strongest first: what they have in common, and how they differ.

    They are the singular vectors of the objects as rows, of norm 1 each.

    Parameters
    ----------
    objects
        Complex (R, N0, N1, N2).

    Returns
    -------
    weights, modes
        float64 (R,), σ² / Σσ²: the first is 1 where all are the same, each 1/R where they have nothing in common; and complex64
        of the objects' shape, of which the first is in phase with the mean and all are as large as the objects in the mean.
    """
    rows = objects.reshape(len(objects), -1)
    norms = np.maximum(np.linalg.norm(rows, axis=1), 1e-30)
    gram = ((rows @ rows.conj().T) / np.outer(norms, norms)).astype(np.complex128)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    # each row is Σ √value · vector · mode
    found = (vectors.conj().T / norms) @ rows / np.sqrt(np.maximum(values, 1e-12))[:, None]
    overlap = np.vdot(found[0], rows.sum(0))
    found[0] *= overlap / max(abs(overlap), 1e-30)
    found *= norms.mean()
    return values / max(values.sum(), 1e-30), found.reshape(objects.shape).astype(np.complex64)


def first_mode(objects: np.ndarray) -> float:
    """Return the weight of the first of `modes`; NaN if there is one object only."""
    return float(modes(objects)[0][0]) if len(objects) > 1 else float("nan")
