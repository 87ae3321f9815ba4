"""Scans of one crystal measured again and again: brought onto each other and summed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import fft

from ..scan import Geometry, InputError, Origin, Scan
from .pixels import find_flagged, find_hot_pixels

LEAST = 0.99
"""Correlation of the moduli that a scan needs to be summed with the others."""
_BRIGHT = 10.0
"""Moduli are compared where there are so many counts in the mean: photon noise then takes less than a hundredth."""
_SAME = {
    "energy_kev": 1e-3,
    "distance_m": 1e-3,
    "pixel_size_um": 1e-6,
    "rocking_step_deg": 0.02,
    "energy_step_kev": 0.02,
}
"""By which share fields of a geometry may differ; a step that is read from a motor wanders."""
_BOTH = 0.5
"""So much of its light each of two scans must have where both saw, once it is moved, to be compared."""
_ROUNDING = 1e-4
"""Parts of the largest value: what is below is rounding."""
_ENOUGH = 0.45
"""A voxel is good if scans with so much of all light saw it: about half."""
_ANGLES = {"detector_angles_deg": 0.02, "sample_angles_deg": 0.5}
"""By how many degrees: a sample is aligned anew before every scan."""
_MOVED = ("direct_beam_pixel", "rocking_angles_deg", "detector_steps_deg", *_SAME, *_ANGLES)


def sum_of(
    sources: Sequence[str], read: Callable[[str, tuple[int, int, int] | None], Scan], least: float = LEAST
) -> Scan:
    """Read repeated scans of one crystal and sum them.

    Parameters
    ----------
    sources
        Where they are; the first is the one that others are aligned to.
    read
        Reads one; where the first was cropped while it was read, the others are told its shape, each about its own peak.
    least
        See `sum_scans`.

    Raises
    ------
    InputError
        As `sum_scans`, or as `read`.
    """
    first = read(sources[0], None)
    cropped = first.origin is not None and first.origin.box is not None
    return sum_scans([first, *(read(each, first.shape if cropped else None) for each in sources[1:])], least)


def sum_scans(scans: Sequence[Scan], least: float = LEAST) -> Scan:
    """Sum repeated scans of one crystal.

    Each is moved by whole voxels to where the correlation of its moduli with those of the first is largest; nothing is
    interpolated, and what comes in from beyond its edges is masked.  The scan that is most like all others is the measure: those
    whose moduli correlate less with it are left out, the geometry is its own.  A voxel is good if scans with about
    half of all light saw it, and its sum is then scaled to all of it.

    Parameters
    ----------
    scans
        Two or more, of one shape.
    least
        The correlation Σ|a||b| / √(Σ|a|² Σ|b|²) that a scan needs, taken where there is light.

    Returns
    -------
    Scan
        float32 counts; its notes say which scans were summed, and which were not.

    Raises
    ------
    InputError
        If there are fewer than two scans, one stands there twice, their shapes or geometries differ, or none is like another.
    """
    if len(scans) < 2:
        raise InputError("One scan alone cannot be summed; give two or more of the same crystal.")
    if not 0 < least <= 1:
        raise InputError(f"A least correlation of {least} was asked for; give one between 0 and 1.")
    _check_apart(scans)
    named = [
        scan.source if [each.name for each in scans].count(scan.name) > 1 and scan.source else scan.name
        for scan in scans
    ]
    for index, other in enumerate(scans[1:], 1):
        _check_alike(scans[0], other, (named[0], named[index]))
    _check_copies(scans)
    shifts = _shifts(scans)
    moved = [_moved(*_judged(each), shift) for each, shift in zip(scans, shifts, strict=True)]
    likeness = _likeness(moved)
    best = int(likeness.sum(1).argmax())
    kept = [index for index in range(len(scans)) if likeness[best, index] >= least]
    if len(kept) < 2:
        nearest = max(likeness[best, index] for index in range(len(scans)) if index != best)
        raise InputError(
            f"None of these scans is like another (their moduli correlate with those of {named[best]} by {nearest:.3f} at "
            f"most, {least:g} is asked for); reconstruct them one by one, or ask for less."
        )
    reference = scans[best]
    by_all = np.logical_and.reduce([moved[index][1] for index in kept])
    lights = [float(moved[index][0][by_all].sum(dtype=np.float64)) or 1.0 for index in kept]
    total, seen = np.zeros(reference.shape, np.float64), np.zeros(reference.shape, np.float32)
    told = []
    for index, light in zip(kept, lights, strict=True):
        away = shifts[index] - shifts[best]
        counts, good = _moved(*_judged(scans[index]), away)
        total += counts
        seen += np.float32(light / sum(lights)) * good
        told.append(f"{named[index]} {tuple(int(step) for step in away)}")
    usable = seen >= _ENOUGH
    total *= np.where(usable, 1 / np.maximum(seen, _ENOUGH), 0)
    notes = [f"The sum of {len(kept)} scans, moved by whole voxels: {', '.join(told)}."]
    left = [index for index in range(len(scans)) if index not in kept]
    if left:
        out = ", ".join(f"{named[index]} ({likeness[best, index]:.3f})" for index in left)
        notes.append(
            f"Left out, because their moduli correlate with those of {named[best]} by less than {least:g}: {out}."
        )
    unseen = int(np.count_nonzero(_judged(reference)[1] & ~usable))
    if unseen:
        notes.append(
            f"Of the sum {unseen:,} voxels are masked: scans with less than about half of all light saw them, once moved."
        )
    for index in kept:
        notes += _said_of(scans[index], reference)
    return replace(
        reference,
        counts=total.astype(np.float32),
        mask=None if usable.all() else ~usable,
        source=" + ".join(each.source for each in scans),
        notes=(*reference.notes, *notes),
        origin=_origin(scans, reference, least),
    )


def _said_of(scan: Scan, reference: Scan) -> list[str]:
    """Return what is said of a scan and not, by its own name and number, of the one that is the measure."""
    known = {_nameless(note, reference) for note in reference.notes}
    return [f"{scan.name}: {note}" for note in scan.notes if _nameless(note, scan) not in known]


def _nameless(note: str, scan: Scan) -> str:
    file, _, inside = scan.source.partition("::")
    names = {scan.name, Path(file).name, Path(file).stem, inside.strip("/").partition("/")[0]} - {""}
    for name in sorted(names, key=len, reverse=True):
        note = note.replace(name, "…")
    return re.sub(r"\b([Ss]can) \d+", r"\1 …", note)


def _check_apart(scans: Sequence[Scan]) -> None:
    """Refuse a scan that stands there twice: the same object, or read from the same place."""
    for number, one in enumerate(scans):
        for other in scans[:number]:
            is_same = (
                one.origin is not None
                and other.origin is not None
                and one.origin.source == other.origin.source
            )
            if one is other or is_same:
                raise InputError(f"{one.source or one.name} is given twice; sum each scan once.")


def _check_copies(scans: Sequence[Scan]) -> None:
    """Refuse a scan that holds the counts of another: photons never come twice in the same way."""
    for number, one in enumerate(scans):
        for other in scans[:number]:
            if np.array_equal(*(np.nan_to_num(each.counts) for each in (other, one))):
                raise InputError(
                    f"{other.source or other.name} and {one.source or one.name} hold the same counts, photon by photon, as a "
                    "copy does; sum each scan once."
                )


def _origin(scans: Sequence[Scan], reference: Scan, least: float) -> Origin | None:
    known = [each.origin for each in scans if each.origin is not None]
    if reference.origin is None or len(known) < len(scans):
        return None
    return replace(reference.origin, summed=tuple(known), least=least)


def _check_alike(one: Scan, other: Scan, names: tuple[str, str]) -> None:
    if one.shape != other.shape:
        raise InputError(
            f"{names[1]} has shape {other.shape} but {names[0]} has {one.shape}; sum scans of one shape, "
            "or crop them to one with --crop FRAMES,ROWS,COLUMNS."
        )
    a, b = one.geometry, other.geometry
    if (a is None) != (b is None):
        lacking = names[0] if a is None else names[1]
        raise InputError(f"{lacking} has no geometry but the others have; give it one, or sum without.")
    if a is None or b is None:
        return
    for key in _differences(a, b):
        raise InputError(
            f"{names[1]} was not measured as {names[0]} was: {key} is {getattr(b, key)} and {getattr(a, key)}; "
            "sum scans of one geometry."
        )


def _differences(a: Geometry, b: Geometry) -> list[str]:
    """Return which fields differ by more than they may."""
    one, two = asdict(a), asdict(b)
    found = [key for key in one if key not in _MOVED and one[key] != two[key]]
    for key, share in _SAME.items():
        if not np.allclose(one[key], two[key], rtol=share, atol=0):
            found.append(key)
    for key, degrees in _ANGLES.items():
        same = len(one[key]) == len(two[key])
        if not same or not np.allclose(one[key], two[key], rtol=0, atol=degrees):
            found.append(key)
    return found


def _judged(scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts in float32, 0 where they cannot be believed, and where they can be."""
    good = np.ones(scan.shape, bool) if scan.mask is None else ~scan.mask
    good &= ~find_flagged(np.where(good, scan.counts, 0))
    counts = np.where(good, scan.counts, 0).astype(np.float32)
    hot = find_hot_pixels(counts, good)
    counts[hot] = 0
    return counts, good & ~hot


def _shifts(scans: Sequence[Scan]) -> np.ndarray:
    """Return by how many voxels to move each scan onto the first: int (N, 3)."""
    shape = scans[0].shape
    half = np.array(shape) // 2
    first = _Seen(*_judged(scans[0]))
    found = []
    for each in scans:
        place = np.array(np.unravel_index(int(first.overlap(_Seen(*_judged(each))).argmax()), shape))
        found.append((place + half) % np.array(shape) - half)
    return np.array(found)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Counts, 0 where they cannot be believed, where they can be, and the Fourier transforms of what shifts are found by."""

    counts: np.ndarray
    good: np.ndarray

    def overlap(self, other: _Seen) -> np.ndarray:
        """Return how well the moduli of another scan fit on these, for every shift; what only one saw is no difference."""
        product = self._correlation(self._moduli, other._moduli)
        if self.good.all() and other.good.all():
            return product
        light = self._correlation(self._light, other._usable) * self._correlation(self._usable, other._light)
        most = light.max()
        return np.where(light > _BOTH**2 * most, product / np.sqrt(np.maximum(light, _ROUNDING * most)), 0)

    def _correlation(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.asarray(fft.irfftn(one * np.conj(other), self.counts.shape))

    @cached_property
    def _moduli(self) -> np.ndarray:
        return np.asarray(fft.rfftn(np.sqrt(self.counts)))

    @cached_property
    def _light(self) -> np.ndarray:
        return np.asarray(fft.rfftn(self.counts))

    @cached_property
    def _usable(self) -> np.ndarray:
        return np.asarray(fft.rfftn(self.good.astype(np.float32)))


def _moved(counts: np.ndarray, good: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan moved by whole voxels; what comes in is not good."""
    moved, usable = np.zeros_like(counts), np.zeros_like(good)
    to = tuple(slice(max(step, 0), n + min(step, 0)) for step, n in zip(shift, counts.shape, strict=True))
    of = tuple(slice(max(-step, 0), n - max(step, 0)) for step, n in zip(shift, counts.shape, strict=True))
    moved[to], usable[to] = counts[of], good[of]
    return moved, usable


def _likeness(scans: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the correlation of the moduli of every two scans: (N, N)."""
    found = np.eye(len(scans))
    for i, (a, seen_a) in enumerate(scans):
        for j, (b, seen_b) in enumerate(scans[:i]):
            both = seen_a & seen_b
            # a shutter that stood open for longer changes the scale only
            scale = float(a[both].sum(dtype=np.float64) / max(b[both].sum(dtype=np.float64), 1))
            both &= np.minimum(a + scale * b, b + a / max(scale, 1e-9)) >= 2 * _BRIGHT
            one, two = np.sqrt(a[both]).astype(np.float64), np.sqrt(b[both]).astype(np.float64)
            norm = float(np.linalg.norm(one) * np.linalg.norm(two))
            found[i, j] = found[j, i] = float(one @ two) / norm if norm > 0 else 0.0
    return found
