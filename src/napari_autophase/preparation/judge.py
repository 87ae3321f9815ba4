"""Which voxels of a scan can be believed, and why the others cannot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..recipe import Preparation
from ..scan import SATURATES_AT, InputError, Scan
from .pixels import find_dead_pixels, find_flagged, find_holes, find_hot_pixels, find_saturated

WHY = ("", "came masked", "painted", "saturated", "flagged", "hot", "dead")
"""Why voxels are masked before phasing; the first, not at all."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was found of a scan's voxels, to be used again.

    Parameters
    ----------
    why
        See `why_masked`.
    notes
        What to say of it.
    """

    why: np.ndarray
    notes: tuple[str, ...]


def judge(scan: Scan, preparation: Preparation) -> Judgement:
    """Return what is found of a scan's voxels.

    Raises
    ------
    InputError
        If nothing is left.
    """
    _, why, notes = judged(scan, preparation)
    return Judgement(why, tuple(notes))


def counts_of(scan: Scan, found: Judgement) -> np.ndarray:
    """Return the counts that can be believed, float32, of saturated voxels the least that they can be; 0 elsewhere."""
    counts = np.where(found.why == 0, scan.counts, 0).astype(np.float32)
    saturated = found.why == WHY.index("saturated")
    if saturated.any():
        counts[saturated] = scan.counts[saturated].min()
    return counts


def why_masked(scan: Scan, preparation: Preparation | None = None) -> np.ndarray:
    """Return why each voxel of a scan will be masked before phasing: uint8, indices into `WHY`, shape of the scan.

    Raises
    ------
    InputError
        If nothing is left.
    """
    return judged(scan, preparation or Preparation())[1]


def judged(scan: Scan, choice: Preparation) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the counts, or the least that they can be, why some cannot be believed (see `why_masked`), and what to say of it."""
    good = np.ones(scan.shape, bool) if scan.mask is None else ~scan.mask
    why = np.zeros(scan.shape, np.uint8)
    why[~good] = WHY.index("came masked")
    notes = []
    if scan.painted is not None:
        why[scan.painted] = WHY.index("painted")
    if (why == WHY.index("came masked")).any():
        came = voxels(why == WHY.index("came masked"))
        notes.append(
            f"In all, {came} came masked with the scan: its masks, lost frames, NaN and negative counts."
        )
    if scan.painted is not None:
        notes.append(f"Masked {voxels(scan.painted)} that a person painted.")
    seen = np.where(good, scan.counts, scan.counts.dtype.type(0))
    flagged = find_flagged(seen, _most(scan) if choice.saturation is None else choice.saturation) & good
    saturated, limit = np.zeros(scan.shape, bool), 0.0
    if flagged.any():
        good &= ~flagged
        why[flagged] = WHY.index("flagged")
        saturated = find_saturated(seen, flagged)
        if saturated.any():
            why[saturated] = WHY.index("saturated")
            limit = float(scan.counts[saturated].min())
            notes.append(
                f"Saturated at {limit:,.0f} counts, and taken as at least that bright: {voxels(saturated)}."
            )
        if (flagged & ~saturated).any():
            notes.append(f"Masked {voxels(flagged & ~saturated)}, flagged by the detector.")
    if not good.any():
        raise InputError(f"Every voxel of {scan.name} is masked; check the mask and the saturation.")
    counts = np.where(good, scan.counts, 0).astype(np.float32)
    if choice.hot_pixels:
        hot = find_hot_pixels(counts, good)
        if hot.any():
            good &= ~hot
            why[hot] = WHY.index("hot")
            notes.append(f"Masked {voxels(hot, 'hot ')}.")
    dead = find_dead_pixels(counts, good)
    if dead.any():
        good &= ~dead
        why[dead] = WHY.index("dead")
        notes.append(f"Masked {voxels(dead)} of dead pixels, detector gaps or lost frames.")
    holes = find_holes(counts, good)
    if holes.any():
        good &= ~holes
        why[holes] = WHY.index("dead")
        notes.append(
            f"Masked {voxels(holes)} amid the light without a count, as where bad or saturated ones were set to 0."
        )
    if good.mean() < 0.5:
        notes.append(f"{1 - good.mean():.0%} of the scan is masked; expect a poor reconstruction.")
    counts[~good] = 0
    counts[saturated] = limit
    return counts, why, notes


def _most(scan: Scan) -> float | None:
    """Return the counts from which on a pixel is saturated by the scan's own file, of whole counts as they were measured."""
    most = scan.metadata.get(SATURATES_AT)
    is_usable = isinstance(most, int | float) and scan.counts.dtype.kind in "iu"
    return float(most) if is_usable and most is not None else None


def voxels(found: np.ndarray, kind: str = "") -> str:
    """Say how many voxels of a kind were found."""
    number = np.count_nonzero(found)
    return f"{number:,} {kind}voxel{'' if number == 1 else 's'}"
