"""Frames that those beside them deny: measured with more or less light, moved on the detector, or exchanged.

The intensity of a crystal that is oversampled along the rocking curve is limited in its band: a frame follows from two before and
two after it, as well as a scan allows, which each scan tells by itself.  A frame is named where one change (another scale,
another place, another order) makes most of that come true which did not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

_REACH = 2
"""So many frames before and after a frame tell of it."""
_WIDTH = 2 * _REACH + 1  # places of a window
_EQUAL = np.full(_WIDTH, 1 / _WIDTH)
_BANDS = (2.0, 2.6, 3.6, 6.0)
"""Oversamplings along the rocking curve, of which the one is taken that tells most of the frames best."""
_FEWEST, _PIXELS, _LOOKED_AT = 13, 40, 160
"""A scan of so many frames is looked at, in so many pixels at least."""
_GAIN = 0.8
"""So many times as much as is left of it a change must take away of what is amiss."""
_FACTOR = 1.35
"""Frames whose light differs by less are not named."""
_WINDOWS = 3
"""In so many runs of five frames a change must show."""
_LONGEST = 12
"""So many frames in a row are looked at that have light of their own; more are a step up and a step down."""
_SUSPECT = 2.0
"""Frames around which so much more is amiss than photons and the scan's usual frames let expect may have moved."""
_FAR, _SUSPECTS, _APART = 4, 3, 3
"""So many pixels, in so many frames, and so far apart frames that were exchanged."""
_TRIED, _EACH = 16, 3
"""So many changes are tried, of each length so many."""
_WAYS = [
    (row, column)
    for row in range(-_FAR, _FAR + 1)
    for column in range(-_FAR, _FAR + 1)
    if max(abs(row), abs(column)) > 1
]
_MOST = 4
"""So many changes are named."""
_WHY = (
    ": another attenuator or exposure does so, or a lost beam; give such frames a --mask, or bring their counts to those of the "
    "others."
)
_LONE = 8.0
"""A pixel that is in one frame so many times brighter than in those beside it is a hot one."""


@dataclass(frozen=True)
class Change:
    """What would make frames follow from those beside them.

    Parameters
    ----------
    frames
        The frames, from the first to the last that it is about; of an exchange the two.
    factor
        By which their counts are too high; 1 for another change.
    moved
        Rows and columns by which the frame lies elsewhere.
    is_exchange
        Whether the two frames changed places.
    """

    frames: tuple[int, int]
    factor: float = 1.0
    moved: tuple[int, int] = (0, 0)
    is_exchange: bool = False

    def said(self, frames: int) -> str:
        """Say it, of a scan of so many frames."""
        (first, last), others = self.frames, "those beside them"
        if self.is_exchange:
            return (
                f"Frames {first} and {last} would follow from those beside them if they changed places: put them in the order of "
                "the motor, or give them a --mask."
            )
        if any(self.moved):
            way = " and ".join(
                f"{abs(by)} {what}{'' if abs(by) == 1 else 's'} {where[by > 0]}"
                for by, what, where in zip(
                    self.moved, ("row", "column"), (("up", "down"), ("left", "right")), strict=True
                )
                if by
            )
            return (
                f"Frame {first} lies {way} of where those beside it have it: the detector or the sample jumped; put it right, or "
                "give it a --mask."
            )
        if first == last:
            which, has, others = f"Frame {first}", "has", "those beside it"
            if self.factor > 1:
                return f"{which} is {self.factor:.2g} times brighter than {others}, in all pixels{_WHY}"
        elif last == frames - 1:
            which, has, others = f"From frame {first} on, frames", "have", "those before"
        else:
            which, has = f"Frames {first} to {last}", "have"
        return f"{which} {has} {self.factor:.2g} times the light that {others} let expect{_WHY}"


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
    units = np.ones(len(some), np.float32)
    while len(few) >= _PIXELS and len(found) < _MOST:
        seen = _Seen.of(some, units, lost)
        changes = sorted(_changes(seen, counts, few, some), key=lambda each: -each[0])[:_TRIED]
        if not changes:
            break
        tried = [(each, *_undone(each, counts, few, some, units)) for _, each in changes]
        left = [_Seen.of(other, unit, lost, seen).own.sum() for _, other, unit in tried]
        change, once, unit = tried[int(np.argmin(left))]
        if change.factor != 1:
            change = _refined(change, seen, some, units, lost)
            once, unit = _undone(change, counts, few, some, units)
        some, units = once, unit
        found.append(change)
    return found


def _undone(
    change: Change, counts: np.ndarray, few: np.ndarray, some: np.ndarray, units: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts as they would be without a change, and what a photon makes of them then, by frame."""
    some, units, (first, last) = some.copy(), units.copy(), change.frames
    if change.is_exchange:
        some[[first, last]] = some[[last, first]]
        units[[first, last]] = units[[last, first]]
    elif any(change.moved):
        some[first] = _elsewhere(counts[first], few, *change.moved)
    else:
        some[first : last + 1] /= change.factor
        units[first : last + 1] /= change.factor
    return some, units


@cache
def _follows(oversampling: float) -> np.ndarray:
    """Return what to multiply a run of five frames by, so that the sum is 0 if the middle one follows from the others."""
    lags = np.linspace(0, 1 / oversampling, 201)
    weights = (1 - lags * oversampling) ** 2

    def alike(apart: int) -> float:
        return float(np.sum(weights * np.cos(2 * np.pi * lags * apart)) / np.sum(weights))

    others = [step for step in range(-_REACH, _REACH + 1) if step]
    matrix = np.array([[alike(one - other) for other in others] for one in others]) + 1e-4 * np.eye(
        len(others)
    )
    solved = -np.linalg.solve(matrix, [alike(step) for step in others])
    return np.insert(solved, _REACH, 1.0)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Runs of five frames, each with what the middle one lacks of what the others say of it.

    Parameters
    ----------
    follows
        As `_follows` returns it.
    usual
        How much is amiss of the scan's frames usually: a variance, as a part of their square.
    weights
        (runs, pixels): one over the variance that photons and the scan's usual frames let expect.
    products
        (runs, 5, 5): what the five frames contribute to the misfit of a run, by twos, per pixel.
    """

    follows: np.ndarray
    usual: float
    weights: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, some: np.ndarray, units: np.ndarray, lost: np.ndarray, like: _Seen | None = None) -> _Seen:
        """Look at (frames, pixels) in which a photon makes so much, by frame; as another time where that is given."""
        whole = _along(np.ones(_WIDTH), lost) == 0
        mean = _along(_EQUAL, some)
        variances = (some + 0.1) * units[:, None]
        if like is None:
            usual, follows = _usual(some, variances, mean, whole)
        else:  # a frame that is too bright must not make what is amiss beside it seem small
            usual, follows = like.usual, like.follows
            mean = np.maximum(np.exp(_along(_EQUAL, np.log(some + 0.5))), 0.05 * mean)
        weights = whole[:, None] / (_along(follows**2, variances) + 2 * max(usual, 1e-4) * np.square(mean))
        products = np.empty((len(mean), _WIDTH, _WIDTH))
        for run, each in enumerate(weights):  # one by one: they overlap in memory
            part = some[run : run + _WIDTH] * follows[:, None]
            products[run] = (part * each) @ part.T / some.shape[1]
        return cls(follows, usual, weights, products)

    @property
    def own(self) -> np.ndarray:
        """How much is amiss in each run."""
        return np.asarray(self.products.sum((1, 2)))

    def misfit(self, some: np.ndarray, runs: np.ndarray) -> float:
        """Return how much is amiss in some runs of other counts, per run."""
        at = runs[:, None] + np.arange(_WIDTH)
        sums = np.einsum("j,rjp->rp", self.follows, some[at])
        return float(np.mean(np.square(sums) * self.weights[runs], dtype=np.float64) * len(runs))


def _changes(
    seen: _Seen, counts: np.ndarray, few: np.ndarray, some: np.ndarray
) -> Iterator[tuple[float, Change]]:
    """Yield the changes that would put most right, each with how much it takes away."""
    own = seen.own
    if np.convolve(own, np.ones(_WINDOWS) / _WINDOWS, "valid").max() < 0.75 * _GAIN:
        return  # nothing is amiss that could be put right
    yield from _scales(seen, len(some))
    amiss = np.convolve(own, np.ones(_WIDTH) / _WIDTH)  # of the runs in which a frame is
    usual = max(1.0, float(np.median(own)))
    suspects = [int(at) for at in np.argsort(-amiss)[: 2 * _SUSPECTS] if amiss[at] > _SUSPECT * usual]
    yield from _exchanges(seen, some, own, suspects)
    yield from _moves(seen, counts, few, some, own, suspects[:_SUSPECTS])


def _scales(seen: _Seen, frames: int) -> Iterator[tuple[float, Change]]:
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
            (
                (one > 0) & (gain > _GAIN)
            )  # frames without light have no scale: `lost.without_light` names them
            & (np.abs(np.log(np.maximum(factor, 1e-12))) > np.log(_FACTOR))
            & (number >= _WINDOWS)
        )
        taken = np.where(good, now - then, 0)
        for best in np.argsort(-taken)[:_EACH]:
            if taken[best] > 0:
                last = min(int(first[best]) + length, frames) - 1
                yield float(taken[best]), Change((int(first[best]), last), float(factor[best]))


def _usual(
    some: np.ndarray, variances: np.ndarray, mean: np.ndarray, whole: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return how much is amiss of the middle frame of a run usually, and what tells most of it."""
    light, squares = mean.sum(1), np.maximum(np.square(mean).sum(1), 1e-9)
    lit = whole & (light > 0.02 * light.max(initial=0, where=whole))
    best = 1.0, _follows(_BANDS[0])
    for band in _BANDS if lit.any() else ():
        follows = _follows(band)
        beyond = np.square(_along(follows, some)) - _along(follows**2, variances)
        usual = float(np.median((np.maximum(beyond, 0).sum(1) / squares)[lit]))
        if usual < best[0]:
            best = usual, follows
    return best


def _along(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted sums of five frames in a row: (runs, …)."""
    runs = len(values) - _WIDTH + 1
    found = np.zeros((runs, *values.shape[1:]), np.float32)
    for at, weight in enumerate(weights):
        found += np.float32(weight) * values[at : at + runs]
    return found


_Parts = dict[tuple[int, int], np.ndarray]


def _sums(parts: _Parts, first: np.ndarray, length: int) -> np.ndarray:
    """Return what so many frames contribute to the misfit of the runs that they share with others, and their number.

    Among themselves, with the others, the others: (4, firsts).
    """
    found = np.zeros((4, len(first)))
    runs = parts[0, 1].shape[1] - 1
    for offset in range(1 - _WIDTH, length if length <= _LONGEST else 0):
        start, end = max(-offset, 0), min(length - offset, _WIDTH)
        if end - start < _WIDTH:
            at = first + offset
            found += parts[start, end][:, np.where((at >= 0) & (at < runs), at, runs)]
    return found


def _refined(change: Change, seen: _Seen, some: np.ndarray, units: np.ndarray, lost: np.ndarray) -> Change:
    """Return another scale with the factor to which it comes once it is taken out."""
    first, last = change.frames
    length = last - first + 1 if last < len(some) - 1 else len(some)
    for _ in range(3):
        part, unit = some.copy(), units.copy()
        part[first : last + 1] /= change.factor
        unit[first : last + 1] /= change.factor
        parts = _parts(_Seen.of(part, unit, lost, seen).products)
        one, _, other, _ = _sums(parts, np.array([first]), length)[:, 0]
        if one > 0 and other > 0:
            change = replace(change, factor=change.factor * float(np.sqrt(one / other)))
    return change


def _parts(products: np.ndarray) -> _Parts:
    """Return by i and j what frames i to j of each run contribute among themselves, with the others, the others, and 1.

    One run more has nothing of all.
    """
    padded = np.concatenate([products, np.zeros((1, _WIDTH, _WIDTH))])
    rows, total = padded.sum(2), padded.sum((1, 2))
    found: _Parts = {}
    known = padded.any((1, 2)).astype(float)  # a run with a frame that is masked tells nothing
    for start in range(_WIDTH):
        for end in range(start + 1, _WIDTH + 1):
            within = padded[:, start:end, start:end].sum((1, 2))
            across = rows[:, start:end].sum(1) - within
            found[start, end] = np.stack([within, across, total - 2 * across - within, known])
    return found


def _exchanges(
    seen: _Seen, some: np.ndarray, own: np.ndarray, suspects: list[int]
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
        runs = _runs_of(own, one, other)
        yield from _judged(seen, changed, own, runs, Change((one, other), is_exchange=True))


def _moves(
    seen: _Seen, counts: np.ndarray, few: np.ndarray, some: np.ndarray, own: np.ndarray, suspects: list[int]
) -> Iterator[tuple[float, Change]]:
    """Yield frames that may lie a few pixels away from where they should."""
    for frame in suspects:
        runs = _runs_of(own, frame)
        still = some.copy()
        still[frame] = 0
        without = np.einsum("j,rjp->rp", seen.follows, still[runs[:, None] + np.arange(_WIDTH)])
        moved = np.stack([_elsewhere(counts[frame], few, *way) for way in _WAYS])
        sums = without + seen.follows[frame - runs, None] * moved[:, None]
        then = np.mean(np.square(sums) * seen.weights[runs], axis=2).sum(1)
        taken = float(own[runs].sum()) - then
        best = int(then.argmin())
        if len(runs) >= _WINDOWS and taken[best] > _GAIN * max(then[best], len(runs)):
            yield float(taken[best]), Change((frame, frame), moved=_WAYS[best])


def _runs_of(own: np.ndarray, *frames: int) -> np.ndarray:
    near = [np.arange(max(frame - _WIDTH + 1, 0), min(frame + 1, len(own))) for frame in frames]
    runs = np.unique(np.concatenate(near))
    return runs[own[runs] > 0]  # in others a frame is masked


def _judged(
    seen: _Seen, changed: np.ndarray, own: np.ndarray, runs: np.ndarray, change: Change
) -> Iterator[tuple[float, Change]]:
    if len(runs) < _WINDOWS:
        return
    now, then = float(own[runs].sum()), seen.misfit(changed, runs)
    if now - then > _GAIN * max(then, len(runs)):
        yield now - then, change


def _elsewhere(frame: np.ndarray, few: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return what pixels hold so many rows and columns on, as far as there are any."""
    rows, columns = np.unravel_index(few, frame.shape)
    rows, columns = rows + row, columns + column
    there = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    found = np.zeros(len(few))
    found[there] = frame[rows[there], columns[there]]
    return np.maximum(found, 0)
