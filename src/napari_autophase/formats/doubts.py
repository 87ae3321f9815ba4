"""What frames look like that are not what they should be: sentences for a person, who knows."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from .beside import denied
from .combs import combed
from .slips import slips
from .stray import brighter, lying_otherwise

_USUAL = 16
"""Frames that a rocking curve has at least, as a rule."""
_PIXELS = 500
"""So many pixels, those that change most, tell how alike frames are."""
_LIT, _PHOTONS, _FEWEST = 0.05, 200, 6
"""Frames are compared that have this part of the brightest one's light and so many photons, if there are so many of them."""
_AROUND, _PAIR, _PAIRS = 32, (3, 20), 500
"""So far around the brightest voxel neighbours are looked at that have so many counts together, if there are so many pairs."""
_STEADIER = 0.7
"""Photons scatter more than this part of what they do in the mean."""
_TEXT, _SMOOTHER, _FAINT = 16, 0.75, 100.0
"""Text is sorted otherwise than so many numbers are; so much smoother must the light run, of which so many photons are little."""
_BYTE, _LONE = 255, 3
"""What 8 bits hold at most, and in so few voxels where nothing was clipped."""
_TWOS, _BY_TWOS = 100, 0.9
"""So many pairs of voxels that have 2 together differ less than this part of what photons would (in squares).

Of eight simulated crystals photons had 1.07 to 1.2, and those that were stretched from 1,000 to 200,000 at the peak 0.08 to 0.72.
"""
_OFTEN = 20
"""Values are looked at that so many voxels have."""
_BETTER, _PART = 0.05, 0.4
"""So much more alike than its neighbours another frame must be, for this part of the frames."""
_ORDERLY = 0.1
"""Where a larger part of the frames is not whole, nothing tells their order."""
_BY_CHANCE = 2.0
"""Over the root of its photons, by so much the best of many frames may be more alike by chance."""
_SAME, _EVEN = 8, 0.8
"""So many frames or more are one and the same, where the darkest has this part of the brightest one's light."""
_PEAKED, _PEAK, _NOISE = 20, 0.05, 6.0
"""So many pixels tell a peak on a background; in a series their part of the light is the same to this part of it, and so many
times its noise."""
_BACKGROUND = 500
"""So many pixels, evenly spread, tell what most of them read."""
_AS_ALIKE, _AS_BRIGHT, _OFF_MIDDLE = 0.01, 0.1, 0.1
"""Frames of a way back are less alike than neighbours by so little at most, and their light differs by this part in the middle of
all; the peak is this part of all frames off their middle."""


def seen_of(counts: np.ndarray, bad: np.ndarray | None) -> np.ndarray:
    """Return counts with 0 for what is no number, or infinite, a division by 0 left it, and in frames that are bad as a whole."""
    lost = [] if bad is None else [at for at, frame in enumerate(bad) if frame.all() and counts[at].any()]
    if lost:
        counts = counts.copy()
        counts[lost] = 0
    if counts.dtype.kind != "f" or (np.isfinite(counts.min()) and np.isfinite(counts.max())):
        return counts
    return np.where(np.isfinite(counts), counts, counts.dtype.type(0))


def which_rocks(shape: tuple[int, ...]) -> list[str]:
    """Say so if frames look as if they lay along the last axis."""
    if len(shape) != 3 or not shape[0] == shape[1] != shape[2]:
        return []
    return [
        f"The frames have {shape[1]} × {shape[2]} pixels, and there are {shape[0]} of them: if it is the last axis that "
        "rocks, say so with --axes 2,0,1."
    ]


def few_frames(shape: tuple[int, ...]) -> list[str]:
    """Say so if there are so few frames that little is known of the crystal along the rocking curve."""
    if len(shape) != 3 or shape[0] >= _USUAL:
        return []
    return [
        f"{shape[0]} frames tell little of the crystal along the rocking curve: it has about {max(shape[0] // 3, 1)} voxels "
        "there. More of them, of the same step on both sides until the light has faded, or of a smaller one, would help."
    ]


def steadier_than_photons(
    counts: np.ndarray, bad: np.ndarray | None, dark: np.ndarray | None = None
) -> list[str]:
    """Say so if whole numbers scatter less than photons can: rounded amplitudes do, means of frames, and counts on an offset.

    Of two voxels in which the same light is expected, with n photons between them, the square of their difference is n in the
    mean; unequal light only adds to that.
    """
    if counts.ndim != 3:
        return []
    some, good = _about_the_brightest(counts, bad, dark)
    sums = np.zeros((3, 3))  # by axis: how many pairs, their differences squared, their counts
    for frame, (one, is_good) in enumerate(zip(some, good, strict=True)):
        if one.dtype.kind == "f" and not np.array_equal(one, np.rint(one)):
            return []
        sums[0] += _pairs(some[frame : frame + 2], good[frame : frame + 2])
        sums[1] += _pairs(np.stack([one[:-1], one[1:]]), np.stack([is_good[:-1], is_good[1:]]))
        sums[2] += _pairs(np.stack([one[:, :-1], one[:, 1:]]), np.stack([is_good[:, :-1], is_good[:, 1:]]))
    scatter = [float(squares / photons) for pairs, squares, photons in sums if pairs >= _PAIRS]
    if not scatter or min(scatter) > _STEADIER:
        return []
    return [
        f"Neighbouring voxels of few counts differ by {min(scatter):.0%} of what photons would (in squares): amplitudes that "
        "were rounded do so, means of frames, and counts on an offset that a dark frame has too (--dark FILE); if they are "
        "amplitudes, say --values amplitudes, and give unrounded ones if there are any."
    ]


def like_a_picture(counts: np.ndarray, bad: np.ndarray | None, dark: np.ndarray | None = None) -> list[str]:
    """Say so if whole numbers leave out what lies next to 0: a logarithm or a gamma does so, made for the eye."""
    if counts.ndim != 3:
        return []
    about, good = _about_the_brightest(counts, bad, dark)
    some = about[good]
    values, voxels = np.unique(some, return_counts=True)
    values, voxels = values[voxels >= _OFTEN][:4], voxels[voxels >= _OFTEN][:4]
    if (
        len(values) < 4
        or values[0]
        or (some.dtype.kind == "f" and not np.array_equal(values, np.rint(values)))
    ):
        return _of_a_byte(counts, about, good)
    first, *others = np.diff(values.astype(np.float64))
    # the more photons, the fewer voxels have them; a background under pixels that count nothing is another matter
    if first < 3 or first <= 1.4 * max(others) or not voxels[0] > voxels[1] > voxels[2] > voxels[3]:
        return _of_a_byte(counts, about, good)
    return [
        f"No voxel has a value between 0 and {values[1]:g}, and above that they lie nearer together: so do pictures made for the "
        "eye (a logarithm, a gamma), and counts of which the small ones were cut away. Export the counts themselves."
    ]


def _of_a_byte(counts: np.ndarray, about: np.ndarray, good: np.ndarray) -> list[str]:
    """Say so if light was stretched to 8 bits: their largest number is there, and hardly ever, and 1 is no photon.

    Of two voxels with two photons between them one has both as often as not, or more often.
    """
    if counts.dtype != np.uint8 or not 1 <= np.count_nonzero(counts == _BYTE) <= _LONE:
        return []
    axes = (slice(None),) * about.ndim
    scatter = []
    for axis in range(about.ndim):
        two = [(*axes[:axis], part, *axes[axis + 1 :]) for part in (slice(None, -1), slice(1, None))]
        pairs, squares, photons = _pairs(
            np.stack([about[each] for each in two]), np.stack([good[each] for each in two]), (2, 2)
        )
        if pairs >= _TWOS:
            scatter.append(squares / photons)
    if min(scatter, default=1.0) > _BY_TWOS:
        return []
    return [
        f"The brightest value is {_BYTE}, the largest of 8 bits, and hardly any voxel has it: a picture that was stretched "
        "to 8 bits has lost all light below that part of its peak.  Export the counts themselves."
    ]


def _about_the_brightest(
    counts: np.ndarray, bad: np.ndarray | None, dark: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts about the brightest voxel, less those of the dark frame, and which of them are good."""
    at = np.unravel_index(int(counts.argmax()), counts.shape)
    box = tuple(slice(max(place - _AROUND, 0), place + _AROUND) for place in at)
    some = counts[box]
    good = np.broadcast_to(True, some.shape) if bad is None else ~bad[box]
    return (some if dark is None else np.maximum(some.astype(np.float64) - dark[box[1:]], 0)), good


def _pairs(two: np.ndarray, good: np.ndarray, few: tuple[int, int] = _PAIR) -> tuple[int, float, float]:
    """Return how many pairs of few counts two layers make, the sum of their squared differences, and of their counts."""
    if len(two) < 2:
        return 0, 0.0, 0.0
    photons, difference = two.sum(axis=0, dtype=np.float64), np.diff(two.astype(np.float64), axis=0)[0]
    such = good.all(axis=0) & (photons >= few[0]) & (photons <= few[1])
    return int(np.count_nonzero(such)), float(np.square(difference[such]).sum()), float(photons[such].sum())


def among_frames(
    counts: np.ndarray,
    bad: np.ndarray | None,
    copies: Collection[int] = (),
    dark: np.ndarray | None = None,
) -> list[str]:
    """Say what is odd of frames, one among the others, from the pixels that change most.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    bad
        What is masked, same shape; None: nothing.
    copies
        Frames that are others' copies, or not whole, which is said of them already.
    dark
        What a pixel reads in the dark, (rows, columns); None: nothing.
    """
    frames = counts.reshape(len(counts), -1)
    change = frames.max(0).astype(np.float64) - frames.min(0)
    few = np.sort(np.argpartition(change, -min(_PIXELS, change.size))[-_PIXELS:])
    some = np.maximum(frames[:, few].astype(np.float64), 0)
    level, noise = _level(frames, few, dark)
    above = np.asarray(some - level, np.float32)
    seen = np.where(above > _NOISE / 2 * noise, above, 0)
    light = seen.sum(1, dtype=np.float64)
    amplitude = np.sqrt(seen, out=seen)
    lit = np.flatnonzero((light >= _LIT * light.max()) & (light >= _PHOTONS))
    one = amplitude / np.sqrt(np.maximum(light, 1))[:, None]
    alike = one[lit] @ one.T
    lost = np.zeros(len(counts), bool) if bad is None else np.asarray(bad.all((1, 2)))
    lost[list(copies)] = True
    disorder = (
        _standing(alike, above, lit) or _up_and_down(alike, light, lit) or _out_of_order(alike, light, lit)
    )
    if disorder and len(copies) <= _ORDERLY * len(counts):
        return disorder
    if found := combed(light, lost) or slips(counts, np.where(lost, 0, light)):
        return [each.said(len(counts)) for each in found]  # which leaves little that could tell more
    beside = np.ones(len(counts))
    pairs = np.sum(one[1:] * one[:-1], 1)
    beside[1:-1] = np.maximum(pairs[1:], pairs[:-1])
    beside[[0, -1]] = 1.0
    beside[np.setdiff1d(np.arange(len(counts)), lit)] = 1.0
    beside[lost | (np.append(lost[1:], True) & np.append(True, lost[:-1]))] = 1.0
    turned = lying_otherwise(counts, beside)
    if bad is not None:
        rows, columns = np.unravel_index(few, counts.shape[1:])
        few = few[~bad[:, rows, columns][~lost].any(0)]
    odd = lost.copy()
    odd[list(turned)] = True
    changes = denied(counts, few, odd)
    named = lost.copy()
    for each in changes:
        named[each.frames[0] : each.frames[1] + 1] = True
    more = brighter(some, named)
    return [*(each.said(len(counts)) for each in changes), *more, *turned.values()]


def _level(frames: np.ndarray, few: np.ndarray, dark: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return what some pixels of each frame read without a peak, and how much that varies.

    They read their dark, and what most pixels read above theirs, which varies as photons do at most.
    """
    others = frames[:, :: frames.shape[1] // _BACKGROUND | 1].astype(np.float32)
    own: np.ndarray | float = 0.0
    if dark is not None:
        field = np.asarray(dark, np.float32).reshape(-1)
        own = field[few]
        others -= field[:: frames.shape[1] // _BACKGROUND | 1]
    usual = np.median(others, axis=1)[:, None]
    spread = 1.5 * np.median(np.abs(others - usual), axis=1)[:, None]
    level = own + usual
    return level, np.minimum(spread, np.sqrt(np.maximum(level, 0)))


def _out_of_order(alike: np.ndarray, light: np.ndarray, lit: np.ndarray) -> list[str]:
    """Say so if frames are unlike those beside them and like others far away, as they are where their order was lost.

    Frames on both sides of the peak may be alike, for a crystal may be symmetric.
    """
    if (first := _sorted_as_text(light)) is not None:
        return [
            f"The frames seem to be in the order of their names as text ({first + 10} before {first + 2}): in the order of their "
            "numbers the light would run far more smoothly. Stack them by number, or open their folder itself."
        ]
    if len(lit) < _FEWEST:
        return []
    apart = np.abs(lit[:, None] - np.arange(len(light)))
    mirrored = np.abs(lit[:, None] + np.arange(len(light)) - 2 * int(light.argmax())) <= 2
    beside = np.max(alike, axis=1, where=apart == 1, initial=0)
    far = np.max(alike, axis=1, where=(apart > 2) & ~mirrored, initial=0)
    if np.mean(far > beside + _BETTER + _BY_CHANCE / np.sqrt(light[lit])) <= _PART:
        return []
    return [
        "Many frames are unlike those beside them, and like others far away: their order along the rocking curve may be lost; "
        "sort them by where the motor stood."
    ]


def _standing(alike: np.ndarray, some: np.ndarray, lit: np.ndarray) -> list[str]:
    """Say so if all frames show the same: a rocking curve's differ, in their light most of all.

    Where a background or an offset has most of the light of `some` pixels, the peak is seen in the few that change most: they
    change with the whole, but for noise.
    """
    light = some.sum(1)
    if len(light) < _SAME or len(lit) < len(light) or light.min() < _EVEN * light.max():
        return []
    half = len(light) // 2
    far, beside = np.diagonal(alike, half), np.diagonal(alike, 1)
    if np.median(far) < np.median(beside) - _AS_ALIKE:
        return []
    few = np.sort(np.ptp(some, axis=0).argsort()[-_PEAKED:])
    part = some[:, few].sum(1) / light
    noise = np.sqrt(np.square(np.diff(part, 2)).mean() / 6)  # a rocking curve is smooth
    if np.ptp(part) > _PEAK * part.mean() + _NOISE * noise:
        return []
    return [
        "All frames show the same light: they are a series at one angle, or the motor did not move, and no rocking curve, so "
        "what is phased of them is no crystal; open the scan in which an angle was turned."
    ]


def _up_and_down(alike: np.ndarray, light: np.ndarray, lit: np.ndarray) -> list[str]:
    """Say so if the second half of the frames is the first one backwards, as where a motor went up and down again.

    `alike` says how much each of the `lit` frames is like every frame.  Frames on both sides of a symmetric crystal's peak are
    alike too, but that peak is in the middle of them.
    """
    last = len(light) - 1
    is_short = len(light) < _USUAL or len(lit) < _FEWEST
    if is_short or abs(2 * int(light.argmax()) - last) < 2 * _OFF_MIDDLE * len(light):
        return []
    row = np.arange(len(lit))
    back, beside = alike[row, last - lit], alike[row, np.where(lit < last, lit + 1, lit - 1)]
    differ = np.abs(light[lit] - light[last - lit]) / (light[lit] + light[last - lit])
    if np.median(back) < np.median(beside) - _AS_ALIKE or np.median(differ) > _AS_BRIGHT / 2:
        return []
    half = len(light) // 2
    return [
        f"Frames {half} to {last} are frames 0 to {last - half} backwards: a motor that went up and down again. Phase one way "
        "alone, as a scan of its own, or give both ways as two scans to be summed."
    ]


def _sorted_as_text(light: np.ndarray) -> int | None:
    """Return the number of the first frame if the light of frames runs smoothly once text is sorted as numbers are, or None."""
    if len(light) < _TEXT:
        return None
    stored = _roughness(light)
    for first in (0, 1):
        numbers = np.array(sorted(range(first, first + len(light)), key=str)) - first
        if _roughness(light[np.argsort(numbers)]) < _SMOOTHER * stored:
            return first
    return None


def _roughness(light: np.ndarray) -> float:
    """Return how much the logarithm of light changes from frame to frame."""
    return float(np.abs(np.diff(np.log(light + _FAINT))).sum())


BY_NUMBERS = (steadier_than_photons, like_a_picture)
"""What is doubted of the numbers themselves, less those of the dark frame, unless a person says what they are."""
