"""Frames that hold the same numbers: photons never come twice in the same way."""

from __future__ import annotations

import numpy as np

_PIXELS = 20
"""Frames in which fewer pixels have counts may be the same by chance."""
_LIKELIER = 2.5
"""Frames belong elsewhere that are so many times less like those beside them than those whose numbers they hold."""


def copies(counts: np.ndarray, bad: np.ndarray | None) -> tuple[np.ndarray | None, list[int], list[str]]:
    """Return what is bad together with frames that hold what was measured elsewhere, all that are copies, and what to say.

    Parameters
    ----------
    counts
        (frames, rows, columns), finite.
    bad
        What is masked, same shape; None: nothing.
    """
    if counts.ndim != 3:
        return bad, [], []
    lost = np.zeros(len(counts), bool) if bad is None else np.asarray(bad.all((1, 2)))
    by_light: dict[float, list[list[int]]] = {}
    for index, frame in enumerate(counts):
        if lost[index] or np.count_nonzero(frame) < _PIXELS:
            continue
        groups = by_light.setdefault(float(frame.sum(dtype=np.float64)), [])
        group = next((each for each in groups if np.array_equal(counts[each[0]], frame)), None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    same = sorted(group for groups in by_light.values() for group in groups if len(group) > 1)
    if not same:
        return bad, [], []
    beside = [group for group in same if group[-1] - group[0] == len(group) - 1]
    apart = [group for group in same if group not in beside]
    runs = [] if _are_mirrored(apart, len(counts)) else _runs(apart)
    said, wrong, twice = list[str](), list[int](), [index for group in beside for index in group[1:]]
    if beside:
        named = ", ".join(_named(group) for group in beside[:4])
        more = f", and {len(beside) - 4} more such" if len(beside) > 4 else ""
        said.append(
            f"Frames {named}{more} are the same, photon by photon: one of them was written twice, and another may be lost."
        )
    words = []
    for places in runs:
        others = _elsewhere(counts, places, lost)
        wrong += [index for place in others for index in place]
        twice += [index for place in others or places for index in place]
        words.append(" and ".join(_place(place) for place in places))
        if others:
            words[-1] += f" (masked is {' and '.join(map(_place, others))}, unlike what is beside)"
    if words:
        named = ", ".join(words[:4]) + (f", and {len(words) - 4} more such" if len(words) > 4 else "")
        advice = (
            "" if len(wrong) == sum(map(len, [p for r in runs for p in r[1:]])) else "; give those a --mask"
        )
        said.append(
            f"Frames {named} are the same, photon by photon, and do not follow each other: only one of them was measured so, and "
            f"what was seen where the others are is lost{advice}."
        )
    if wrong:
        false = np.zeros(len(counts), bool)
        false[wrong] = True
        bad = np.broadcast_to(false[:, None, None], counts.shape) | (False if bad is None else bad)
    return bad, sorted(twice), said


def _are_mirrored(groups: list[list[int]], frames: int) -> bool:
    """Tell whether frames are the same on both sides of a middle, as those of a symmetric crystal computed without noise are."""
    return len(groups) > 2 and len({sum(group) % frames if len(group) == 2 else -1 for group in groups}) == 1


def _runs(groups: list[list[int]]) -> list[list[list[int]]]:
    """Return groups of frames that are the same as places: runs of frames, each the same as the others."""
    runs: list[list[list[int]]] = []
    for group in groups:
        for places in runs:
            if [place[-1] + 1 for place in places] == group and places[0][-1] + 1 < places[1][0]:
                for place, index in zip(places, group, strict=True):
                    place.append(index)
                break
        else:
            runs.append([[index] for index in group])
    return runs


def _place(run: list[int]) -> str:
    return f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}"


def _named(group: list[int]) -> str:
    return f"{group[0]} {'to' if len(group) > 2 else 'and'} {group[-1]}"


def _elsewhere(counts: np.ndarray, places: list[list[int]], lost: np.ndarray) -> list[list[int]]:
    """Return the places where frames are that do not belong there; none: nothing tells."""
    beside = [
        [at for at in (place[0] - 1, place[-1] + 1) if 0 <= at < len(counts) and not lost[at]]
        for place in places
    ]
    if not all(beside):
        return []
    is_amid = len(places[0]) == 1 and all(len(each) == 2 for each in beside)
    away = [_away(counts, place, near, is_amid) for place, near in zip(places, beside, strict=True)]
    here = int(np.argmin(away))
    least = min(each for index, each in enumerate(away) if index != here)
    others = [place for index, place in enumerate(places) if index != here]
    return others if least > _LIKELIER * away[here] else []


def _away(counts: np.ndarray, place: list[int], beside: list[int], is_amid: bool) -> float:
    """Return how far amplitudes are from those beside them, squared: from their mean, or from each, in the mean."""
    near = [_amplitude(counts[at]) for at in beside]
    if is_amid:
        return float(np.square(_amplitude(counts[place[0]]) - (near[0] + near[1]) / 2).sum())
    ends = [_amplitude(counts[place[0] if at < place[0] else place[-1]]) for at in beside]
    return float(np.mean([np.square(one - other).sum() for one, other in zip(ends, near, strict=True)]))


def _amplitude(frame: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(frame, 0, dtype=np.float64))
