"""Frames that those beside them deny: measured with more or less light, moved on the detector, or exchanged.

The intensity of a crystal that is oversampled along the rocking curve is limited in its band: a frame follows from two before and
two after it, as well as a scan allows, which each scan tells by itself.  A frame is named where one change (another scale,
another place, another order) makes most of that come true which did not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .changes import Change
from .follows import GAIN, WIDTH, WINDOWS, Seen, runs_of
from .moves import elsewhere, moves

_FEWEST, _PIXELS, _LOOKED_AT = 13, 40, 160
"""A scan of so many frames is looked at, in so many pixels at least."""
_FACTOR = 1.35
"""Frames whose light differs by less are not named."""
_LONGEST = 12
"""So many frames in a row are looked at that have light of their own; more are a step up and a step down."""
_SUSPECT = 2.0
"""Frames around which so much more is amiss than photons and the scan's usual frames let expect may have moved."""
_SUSPECTS, _APART = 3, 3
"""So many frames may have moved, and so far apart frames are that were exchanged."""
_TRIED, _EACH = 16, 3
"""So many changes are tried, of each length so many."""
_MOST = 4
"""So many changes are named."""
_AS_WELL = 1.2
"""What leaves no more than so many times as much amiss explains frames nearly as well."""
_WORST = 1.1
"""So many times as much as anywhere else must be amiss of frames that are named: on a steep flank others tell less of a frame."""
_LONE = 8.0
"""A pixel that is in one frame so many times brighter than in those beside it is a hot one."""


def denied(counts: np.ndarray, few: np.ndarray, lost: np.ndarray) -> list[Change]:
    """Return what is amiss of frames, one change after the other.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    few
        Pixels to look at, as indices of a flattened frame.
    lost
        Which frames are masked as a whole.
    """
    if len(counts) < _FEWEST or len(few) < _PIXELS:
        return []
    frames = counts.reshape(len(counts), -1)
    few = few[:: max(1, len(few) // _LOOKED_AT)]
    some = np.maximum(frames[:, few].astype(np.float32), 0)
    before = np.maximum(some[:-2], some[2:])
    lone = (some[1:-1] > _LONE * before + 30).any(0)
    if np.mean(lone) < 0.3:
        few, some = few[~lone], some[:, ~lone]
    found: list[Change] = []
    amiss: list[np.ndarray] = []  # in all runs, before each was undone
    units = np.ones(len(some), np.float32)
    while len(few) >= _PIXELS and len(found) < _MOST:
        seen = Seen.of(some, units, lost)
        changes = sorted(_changes(seen, counts, few, some), key=lambda each: -each[0])[:_TRIED]
        if not changes:
            break
        tried = [(each, *_undone(each, counts, few, some, units)) for _, each in changes]
        left = [Seen.of(other, unit, lost, seen).own.sum() for _, other, unit in tried]
        change, once, unit = tried[int(np.argmin(left))]
        if change.factor != 1:
            change = _refined(change, seen, some, units, lost)
            change = _or_onward(change, seen, some, units, lost)
            once, unit = _undone(change, counts, few, some, units)
        amiss.append(seen.own)
        some, units = once, unit
        found.append(change)
    return found if len(found) == _MOST else _worst(found, amiss)


def _worst(found: list[Change], amiss: list[np.ndarray]) -> list[Change]:
    """Return the changes around which more is amiss than where nothing was changed."""
    if not found:
        return []
    runs = [slice(max(each.frames[0] - WIDTH + 1, 0), each.frames[1] + 1) for each in found]
    others = np.full(len(amiss[0]), True)
    for each in runs:
        others[each] = False
    return [
        change
        for change, own, its in zip(found, amiss, runs, strict=True)
        if own[its].max(initial=0) > _WORST * own.max(where=others, initial=0)
    ]


def _undone(
    change: Change, counts: np.ndarray, few: np.ndarray, some: np.ndarray, units: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts as they would be without a change, and what a photon makes of them then, by frame."""
    some, units, (first, last) = some.copy(), units.copy(), change.frames
    if change.is_exchange:
        some[[first, last]] = some[[last, first]]
        units[[first, last]] = units[[last, first]]
    elif any(change.moved):
        some[first] = elsewhere(counts[first], few, *change.moved) * units[first]
    else:
        some[first : last + 1] /= change.factor
        units[first : last + 1] /= change.factor
    return some, units


def _changes(
    seen: Seen, counts: np.ndarray, few: np.ndarray, some: np.ndarray
) -> Iterator[tuple[float, Change]]:
    """Yield the changes that would put most right, each with how much it takes away."""
    own = seen.own
    if np.convolve(own, np.ones(WINDOWS) / WINDOWS, "valid").max() < 0.75 * GAIN:
        return  # nothing is amiss that could be put right
    yield from _scales(seen, len(some))
    amiss = np.convolve(own, np.ones(WIDTH) / WIDTH)  # of the runs in which a frame is
    usual = max(1.0, float(np.median(own)))
    suspects = [int(at) for at in np.argsort(-amiss)[: 2 * _SUSPECTS] if amiss[at] > _SUSPECT * usual]
    yield from _exchanges(seen, some, own, suspects)
    yield from moves(seen, counts, few, some, own, suspects[:_SUSPECTS])


def _scales(seen: Seen, frames: int) -> Iterator[tuple[float, Change]]:
    """Yield other scales of frames in a row, or of all from one on."""
    parts = _parts(seen.products)
    for length in (*range(1, min(_LONGEST, frames // 3) + 1), frames):
        first = np.arange(1, frames - (length if length < frames else 1))
        one, both, other, number = _sums(parts, first, length)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.sqrt(one / np.maximum(other, 1e-12))
            now = one + 2 * both + other
            then = 2 * (both + np.sqrt(one * other))
            gain = (now - then) / np.maximum(then, number)
        good = (
            ((one > 0) & (gain > GAIN))  # frames without light have no scale: `lost.without_light` names them
            & (np.abs(np.log(np.maximum(factor, 1e-12))) > np.log(_FACTOR))
            & (number >= WINDOWS)
        )
        taken = np.where(good, now - then, 0)
        for best in np.argsort(-taken)[:_EACH]:
            if taken[best] > 0:
                last = min(int(first[best]) + length, frames) - 1
                yield float(taken[best]), Change((int(first[best]), last), float(factor[best]))


_Parts = dict[tuple[int, int], np.ndarray]


def _sums(parts: _Parts, first: np.ndarray, length: int) -> np.ndarray:
    """Return what so many frames contribute to the misfit of the runs that they share with others, and their number.

    Among themselves, with the others, the others: (4, firsts).
    """
    found = np.zeros((4, len(first)))
    runs = parts[0, 1].shape[1] - 1
    for offset in range(1 - WIDTH, length if length <= _LONGEST else 0):
        start, end = max(-offset, 0), min(length - offset, WIDTH)
        if end - start < WIDTH:
            at = first + offset
            found += parts[start, end][:, np.where((at >= 0) & (at < runs), at, runs)]
    return found


def _refined(change: Change, seen: Seen, some: np.ndarray, units: np.ndarray, lost: np.ndarray) -> Change:
    """Return another scale with the factor to which it comes once it is taken out."""
    first, last = change.frames
    length = last - first + 1 if last < len(some) - 1 else len(some)
    for _ in range(3):
        part, unit = some.copy(), units.copy()
        part[first : last + 1] /= change.factor
        unit[first : last + 1] /= change.factor
        parts = _parts(Seen.of(part, unit, lost, seen).products)
        one, _, other, _ = _sums(parts, np.array([first]), length)[:, 0]
        if one > 0 and other > 0:
            change = replace(change, factor=change.factor * float(np.sqrt(one / other)))
    return change


def _or_onward(change: Change, seen: Seen, some: np.ndarray, units: np.ndarray, lost: np.ndarray) -> Change:
    """Return another scale of some frames with that of all from their first or last on, where it is hardly a worse explanation.

    On the flank of a peak little tells the two apart: a step is felt by the few frames beside it alone.
    """
    first, last = change.frames
    end = len(some) - 1
    if last == end:
        return change

    def left(one: Change) -> float:
        part, unit = some.copy(), units.copy()
        part[one.frames[0] : one.frames[1] + 1] /= one.factor
        unit[one.frames[0] : one.frames[1] + 1] /= one.factor
        return float(Seen.of(part, unit, lost, seen).own.sum())

    steps = [
        _refined(Change((at, end), factor), seen, some, units, lost)
        for at, factor in ((first, change.factor), (last + 1, 1 / change.factor))
        if 1 < at < end and (last > first or (at == first and change.factor < 1))
    ]
    best = min(steps, key=left, default=None)
    if best is None or left(best) > _AS_WELL * left(change) or abs(np.log(best.factor)) < np.log(_FACTOR):
        return change
    return replace(change, onward=(best.frames[0], best.factor))


def _parts(products: np.ndarray) -> _Parts:
    """Return by i and j what frames i to j of each run contribute among themselves, with the others, the others, and 1.

    One run more has nothing of all.
    """
    padded = np.concatenate([products, np.zeros((1, WIDTH, WIDTH))])
    rows, total = padded.sum(2), padded.sum((1, 2))
    found: _Parts = {}
    known = padded.any((1, 2)).astype(float)  # a run with a frame that is masked tells nothing
    for start in range(WIDTH):
        for end in range(start + 1, WIDTH + 1):
            within = padded[:, start:end, start:end].sum((1, 2))
            across = rows[:, start:end].sum(1) - within
            found[start, end] = np.stack([within, across, total - 2 * across - within, known])
    return found


def _exchanges(
    seen: Seen, some: np.ndarray, own: np.ndarray, suspects: list[int]
) -> Iterator[tuple[float, Change]]:
    """Yield frames that may have changed places."""
    pairs = {
        (min(one, other), max(one, other))
        for one in suspects
        for other in range(one - _APART, one + _APART + 1)
        if other != one and 0 <= other < len(some)
    }
    for one, other in sorted(pairs):
        changed = some.copy()
        changed[[one, other]] = some[[other, one]]
        runs = runs_of(own, one, other)
        yield from _judged(seen, changed, own, runs, Change((one, other), is_exchange=True))


def _judged(
    seen: Seen, changed: np.ndarray, own: np.ndarray, runs: np.ndarray, change: Change
) -> Iterator[tuple[float, Change]]:
    if len(runs) < WINDOWS:
        return
    now, then = float(own[runs].sum()), seen.misfit(changed, runs)
    if now - then > GAIN * max(then, len(runs)):
        yield now - then, change
