"""Directions of the laboratory, and the rotations that a diffractometer's circles make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..scan import Axis, InputError

_HALF_TURN = 180.0
"""Degrees."""
_AXES = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0]), "z": np.array([0, 0, 1.0])}


def direction(axis: Axis) -> np.ndarray:
    """Return the unit vector (3,) of an axis: a string such as ``"y-"``, or three numbers of any length.

    Raises
    ------
    InputError
        Unless it is x, y or z followed by + or -, or three finite numbers that are not all 0.
    """
    if isinstance(axis, str):
        if len(axis) != 2 or axis[0] not in _AXES or axis[1] not in "+-":
            raise InputError(
                f"'{axis}' names no axis; write x, y or z followed by + or -, such as 'y+', or a vector."
            )
        return _AXES[axis[0]] * (1.0 if axis[1] == "+" else -1.0)
    vector = np.asarray(axis, dtype=float)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not 0 < length < np.inf:
        raise InputError(f"{tuple(axis)} is no direction; give three numbers (x, y, z) that are not all 0.")
    return vector / length


def rotation(
    circles: Sequence[Axis], angles_deg: Sequence[float], offsets_deg: Sequence[float] | None = None
) -> np.ndarray:
    """Return the 3 × 3 rotation made by `circles`, outermost first, whose motors stand at `angles_deg`.

    Parameters
    ----------
    circles
        Axes about which positive angles turn by the right-hand rule.
    angles_deg
        Readings of their motors.
    offsets_deg
        Readings at which the circles stand at zero; None: 0.

    Raises
    ------
    InputError
        If the numbers of circles, angles and offsets differ, or an axis is none.
    """
    offsets = [0.0] * len(circles) if offsets_deg is None else offsets_deg
    for what, numbers in (("angle", angles_deg), ("offset", offsets)):
        if len(circles) != len(numbers):
            raise InputError(
                f"{len(circles)} circles {tuple(circles)} were given with {len(numbers)} {what}s; give one {what} per circle."
            )
    total = np.eye(3)
    for circle, angle in zip(circles, np.radians(np.subtract(angles_deg, offsets)), strict=True):
        x, y, z = direction(circle)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        total = total @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
    return total


def unwrapped(angles_deg: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return angles that run on where a motor's reading begins again, as from 359.99 to 0 or from 180 to -179.99.

    Whole turns are added or taken away so that neighbours lie within half a turn, and the middle one within half a turn of 0;
    angles that nowhere jump by more than that are as they are.
    """
    angles = np.asarray(angles_deg, float)
    if len(angles) < 2 or not np.isfinite(angles).all() or np.abs(np.diff(angles)).max() <= _HALF_TURN:
        return angles
    turned = np.unwrap(angles, period=2 * _HALF_TURN)
    return turned - 2 * _HALF_TURN * np.round(turned[len(turned) // 2] / (2 * _HALF_TURN))


def begins_again(motor: str, where: str, angles_deg: Sequence[float] | np.ndarray) -> str:
    """Say that a motor's reading began again amid a scan."""
    return (
        f"The reading of {motor} in {where} begins again after a whole turn: its angles are taken to run on, from "
        f"{angles_deg[0]:g} to {angles_deg[-1]:g} degrees."
    )


def rocked(
    circles: Sequence[Axis], angles_deg: np.ndarray, offsets_deg: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the one axis about which several circles together turned the sample, and by how much in each frame.

    A scan of a pseudo-motor, such as eta on a kappa diffractometer, moves several circles at once.

    Parameters
    ----------
    circles
        The sample's, outermost first.
    angles_deg
        (frames, circles), at least two frames.
    offsets_deg
        As for `rotation`.

    Returns
    -------
    axis
        Unit vector (3,) in the laboratory, turning positively from the first frame to the last.
    angles_deg
        (frames,) from the middle frame ``frames // 2``.  A `Geometry` with this axis as its only sample circle, standing at 0,
        is that of the scan.

    Raises
    ------
    InputError
        If the sample did not turn, or turned about more than one axis.
    """
    angles = np.asarray(angles_deg, float)
    rotations = np.stack([rotation(circles, row, offsets_deg) for row in angles])
    rotations = rotations @ rotations[len(rotations) // 2].T
    whole = rotations[-1] @ rotations[0].T
    axis = np.array([whole[2, 1] - whole[1, 2], whole[0, 2] - whole[2, 0], whole[1, 0] - whole[0, 1]])
    if np.linalg.norm(axis) < 1e-9:
        raise InputError("The sample did not turn during this scan: none of its circles moved.")
    axis /= np.linalg.norm(axis)
    # sine and cosine of a turn about this axis; what is left over is a turn about another
    x, y, z = axis
    sine = np.einsum("fij,ij->f", rotations, np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])) / 2
    cosine = (np.trace(rotations, axis1=1, axis2=2) - 1) / 2
    away = np.linalg.norm(rotations @ axis - axis, axis=1).max()
    if away > 0.02 * abs(np.arctan2(sine, cosine)).max():
        raise InputError(
            "The sample turned about more than one axis during this scan; reconstruct a part of it."
        )
    return axis, np.degrees(np.arctan2(sine, cosine))
