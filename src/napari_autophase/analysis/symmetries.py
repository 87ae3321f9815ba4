"""The free choices of phase retrieval, made the same way every time.

The moduli at the detector do not change when the object is multiplied by a global phase, rolled by whole voxels, or replaced
by its twin (complex conjugate, inverted through the centre).  `normalise` fixes exactly these three, without interpolation,
so that the moduli stay as they are to the last bit but rounding.  A linear phase ramp is *not* free: it moves the Bragg peak
on the detector.  It is removed only from what is displayed (`phase.remove_ramp`).

Two rules deserve a word.  The shift is by whole voxels, because a sub-voxel shift would smear the sharp support over its
neighbours.  The twin is told by the vector of third moments of the amplitude inside the support, m = Σ |ρ| r |r|² about the
centre of mass, with r in units of the standard deviation along each axis: it changes sign under inversion and is indifferent
to shift, global phase and scale.  The twin with m·n > 0 is kept, for a fixed direction n.  A half-space has the shortest
boundary that a rule with opposite answers for opposite m can have, so that noise seldom changes the answer, and n is no
axis and no diagonal, so that no symmetric habit lies on the boundary.
"""

from __future__ import annotations

import numpy as np

TWIN_DIRECTION = 1 / np.sqrt([1.0, 2.0, 3.0])
"""Direction, in the array's axes, along which the third moment of a normalised object is positive."""


def twin(array: np.ndarray) -> np.ndarray:
    """Return the twin: complex conjugate, inverted through the voxel ``shape // 2`` (index i becomes -i modulo N).

    Parameters
    ----------
    array
        Object (complex) or support (bool, float), any shape, centred.

    Returns
    -------
    np.ndarray
        Same shape and dtype; its field at the detector is the complex conjugate of the original's.
    """
    axes = tuple(range(array.ndim))
    inverted = np.roll(np.flip(array), [1 - n % 2 for n in array.shape], axes)
    # NumPy's conjugate of a bool is an integer
    return np.conj(inverted) if np.iscomplexobj(array) else inverted


def centring_roll(support: np.ndarray) -> tuple[int, ...]:
    """Return the roll that brings the centre of mass of `support` within half a voxel of ``shape // 2``.

    The support may cross the edges of the array: it is put together in the roll in which it spreads least.  All sums are of
    integers, so that two supports that differ by a roll are brought to exactly the same place.
    """
    total = int(support.sum())
    roll = []
    for axis, size in enumerate(support.shape):
        profile = support.sum(axis=tuple(a for a in range(support.ndim) if a != axis), dtype=np.int64)
        index = np.arange(size)
        rolled = profile[(index - index[:, None]) % size]
        offsets = index - size // 2
        first, second = rolled @ offsets, rolled @ offsets**2
        best = int(np.argmin(total * second - first**2))
        excess = (2 * int(first[best]) + total) // (2 * total) if total else 0
        roll.append((best - excess + size // 2) % size - size // 2)
    return tuple(roll)


def asymmetry(object: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return the vector of third moments Σ |ρ| r |r|² / Σ |ρ| inside the support, r in standard deviations per axis.

    Parameters
    ----------
    object, support
        Complex object and its support, same shape, not crossing the edges of the array.

    Returns
    -------
    np.ndarray
        One number per axis, float64; zero for an object that is its own inversion.
    """
    where = np.nonzero(support)
    weight = np.abs(object[where]).astype(np.float64)
    if weight.sum() == 0:
        return np.zeros(object.ndim)
    weight /= weight.sum()
    r = np.stack(where).astype(np.float64)
    r -= (r @ weight)[:, None]
    spread = np.sqrt((r**2) @ weight)
    r /= np.where(spread > 0, spread, 1)[:, None]
    return r @ (weight * (r**2).sum(axis=0))


def normalise(object: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fix global phase, shift and twin, leaving the moduli at the detector as they are.

    Parameters
    ----------
    object
        Complex object on the measured grid, shape ``(rocking, row, column)``.
    support
        bool, same shape.

    Returns
    -------
    object, support
        complex64 and bool: centre of mass of the support at ``shape // 2`` to half a voxel, the twin whose third moment is
        positive (see the module), and a real, positive sum of the object inside the support (mean phase 0).
    """
    support = np.asarray(support, dtype=bool)
    axes = tuple(range(object.ndim))

    def centred(volume: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        roll = centring_roll(inside)
        return np.roll(volume, roll, axes), np.roll(inside, roll, axes)

    object, support = centred(object, support)
    if asymmetry(object, support) @ TWIN_DIRECTION < 0:
        object, support = centred(twin(object), twin(support))
    mean = object[support].sum(dtype=np.complex128)
    if mean != 0:
        object = object * np.complex64(np.exp(-1j * np.angle(mean)))
    return object.astype(np.complex64), support
