"""Displacement and strain along the Bragg vector.

With the sign of `reconstruction` the phase of the object is -Q·u, hence u = -phase/|Q| along Q̂, and the strain is
ε = (∇u)·Q̂ = ∂u/∂Q̂: dimensionless, positive where the lattice is stretched, so that d = (2π/|Q|)(1 + ε).
A voxel (i, j, k) of the grid lies at r = S·(i, j, k) with the columns of S the voxel steps, orthogonal or not; by the chain
rule (∇u)·Q̂ = (∂u/∂i, ∂u/∂j, ∂u/∂k)·S⁻¹Q̂.

Phase differences are taken between neighbours of the complex object, angle(ρ(i+1) ρ*(i)): they are exact while the phase
changes by less than π per voxel, and no unwrapping can go wrong.  Each voxel takes the mean of its forward and backward
difference, or the one that stays inside the mask, so that the surface keeps a value.

Without geometry the direction of Q is unknown.  What is given then is the relative strain -∂phase/∂(row), in radians per
voxel: when the scattering plane is vertical and the crystal is rocked in it, Q is perpendicular to the reciprocal steps
of rocking angle and column, which makes the row axis of the object parallel to Q whatever the angles are.
"""

from __future__ import annotations

import numpy as np

RELATIVE_WEIGHTS = np.array([0.0, -1.0, 0.0])
"""Weights of the phase derivatives along the array's axes when the geometry is unknown (see the module)."""


def displacement(phase: np.ndarray, q_bragg_per_nm: np.ndarray) -> np.ndarray:
    """Return the displacement along Q̂ in nm, u = -phase/|Q|, of an unwrapped `phase` in radians (NaN stays NaN)."""
    return -phase / np.float32(np.linalg.norm(q_bragg_per_nm))


def strain_weights(voxel_steps_nm: np.ndarray | None, q_bragg_per_nm: np.ndarray | None) -> np.ndarray:
    """Return the weights w such that the strain is Σ w[a] ∂phase/∂(axis a), w = -S⁻¹Q̂/|Q|.

    Parameters
    ----------
    voxel_steps_nm
        3 × 3, columns = steps in nm along the array's axes; None: unknown.
    q_bragg_per_nm
        Bragg vector in the same frame in 1/nm; None: unknown.

    Returns
    -------
    np.ndarray
        Three numbers, per radian; `RELATIVE_WEIGHTS` without geometry.
    """
    if voxel_steps_nm is None or q_bragg_per_nm is None:
        return RELATIVE_WEIGHTS
    q = np.asarray(q_bragg_per_nm, dtype=float)
    return -np.linalg.solve(np.asarray(voxel_steps_nm, dtype=float), q) / (q @ q)


def phase_steps(object: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return angle(ρ(i+1) ρ*(i)) along each axis, float32, one shorter than `object` along that axis."""
    steps = []
    for axis in range(object.ndim):
        along = np.moveaxis(object, axis, 0)
        steps.append(np.moveaxis(np.angle(along[1:] * np.conj(along[:-1])).astype(np.float32), 0, axis))
    return tuple(steps)


def gradient(steps: tuple[np.ndarray, ...], mask: np.ndarray, voxel_steps_nm: np.ndarray) -> np.ndarray:
    """Return the gradient of the phase along the axes that the voxel steps are given in.

    Parameters
    ----------
    steps, mask
        As for `directional`.
    voxel_steps_nm
        3 × 3, columns = steps in nm along the array's axes, orthogonal or not.

    Returns
    -------
    np.ndarray
        float32, (3, *shape), rad/nm along x, y, z; NaN outside the mask and where an axis has no neighbour inside.
    """
    along = np.stack([directional(steps, mask, np.eye(mask.ndim)[axis]) for axis in range(mask.ndim)])
    return np.tensordot(np.linalg.inv(np.asarray(voxel_steps_nm, float)).T, along, 1).astype(np.float32)


def directional(steps: tuple[np.ndarray, ...], mask: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Σ weights[a] × (mean phase step along axis a inside the mask).

    Parameters
    ----------
    steps
        As `phase_steps` gives them.
    mask
        bool, shape of the object.
    weights
        One per axis; axes whose weight is nothing against the largest are left out.

    Returns
    -------
    np.ndarray
        float32, shape of the mask; NaN outside it and where an axis has no neighbour inside.
    """
    result = np.zeros(mask.shape, np.float32)
    for axis, weight in enumerate(weights):
        if abs(weight) <= 1e-9 * np.abs(weights).max():
            continue
        inside = np.moveaxis(mask, axis, 0)
        both = inside[1:] & inside[:-1]
        step = np.where(both, np.moveaxis(steps[axis], axis, 0), 0)
        total = np.zeros(inside.shape, np.float32)
        total[:-1] += step
        total[1:] += step
        neighbours = np.zeros(inside.shape, np.float32)
        neighbours[:-1] += both
        neighbours[1:] += both
        with np.errstate(invalid="ignore"):
            result += np.moveaxis(np.float32(weight) * (total / neighbours), 0, axis)
    result[~mask] = np.nan
    return result


def strain(
    object: np.ndarray,
    mask: np.ndarray,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
) -> np.ndarray:
    """Return the strain ∂u/∂Q̂ inside `mask`.

    Parameters
    ----------
    object
        Complex object (a phase alone goes in as ``exp(1j * phase)``, wrapped or not), 3-D, sheared grid or not.
    mask
        bool, same shape.
    voxel_steps_nm, q_bragg_per_nm
        As in `Reconstruction`; None for either: relative strain in radians per voxel (see the module).

    Returns
    -------
    np.ndarray
        float32, dimensionless, NaN outside.
    """
    return directional(phase_steps(object), mask, strain_weights(voxel_steps_nm, q_bragg_per_nm))
