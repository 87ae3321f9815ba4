"""Which of a file's arrays is meant."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from ..scan import InputError, check_shape
from .common import AmbiguousDataset, Dataset
from .listing import scans
from .masks import MASKS
from .registry import Format

_BESIDE = (*MASKS, "support", "free_pixel_mask", "free_pixels")
"""Names of arrays that accompany the data in the same shape."""
_FRAMES = ("/data", "/data_*", "/frames")
"""How the paths of a detector's frames end: where they are lost, another array of the file is not taken for them."""
_CLEARLY = 4
"""One dataset is clearly the largest when it has this many times the voxels of the next."""


def choose(path: Path, kind: Format, name: str | None, fits: Callable[[Dataset], bool]) -> Dataset:
    """Return the dataset to read: the one called `name`, else the file's own choice, the only one, or clearly the largest.

    Raises
    ------
    AmbiguousDataset
        If several are equally plausible.
    InputError
        If none of the datasets `fits`, or there is none called `name`.
    """
    if name is not None:
        named = kind.find(path, name)
        if named is None:
            held = [each.path for each in scans(path)]
            offered = ", ".join(held[:8] or [str(each) for each in kind.lists(path)[:8] if not each.lost])
            offered += f" and {len(held) - 8} more scans" if len(held) > 8 else ""
            raise InputError(f"{path} has no dataset '{name}'; it holds {offered or 'no arrays'}.")
        return named
    arrays = kind.lists(path)
    if not arrays and (why := kind.why_none(path)):
        raise InputError(f"{path}: {why}.")
    return pick(path, arrays, kind.preferred(path, [each for each in arrays if not each.lost]), fits)


def pick(
    path: Path, everything: list[Dataset], declared: Dataset | None, fits: Callable[[Dataset], bool]
) -> Dataset:
    """Return the one array that is meant: what is `declared`, the only one that `fits`, or clearly the largest of them.

    Raises
    ------
    AmbiguousDataset
        If several are equally plausible.
    InputError
        If none fits, or the frames of a detector are lost.
    """
    if declared is not None and fits(declared):
        return declared
    arrays = [each for each in everything if not each.lost]
    lost = sorted(
        (each for each in everything if each.lost), key=lambda each: not each.path.endswith(_FRAMES)
    )
    fitting = [each for each in arrays if fits(each)]
    candidates = [each for each in fitting if each.path.rpartition("/")[2] not in _BESIDE] or fitting
    if lost and (not candidates or (len(candidates) == 1 and lost[0].path.endswith(_FRAMES))):
        raise InputError(lost[0].lost)
    if not candidates:
        raise _nothing_fits(path, arrays)
    candidates.sort(key=lambda each: -prod(each.shape))
    if len(candidates) > 1 and prod(candidates[0].shape) < _CLEARLY * prod(candidates[1].shape):
        raise AmbiguousDataset(path, candidates)
    return candidates[0]


def _nothing_fits(path: Path, arrays: list[Dataset]) -> InputError:
    """Say why the most likely array of the file cannot be used."""
    beside = [each for each in arrays if each.path.rpartition("/")[2] in _BESIDE]
    if len(beside) == len(arrays):
        what = f"no frames but {beside[0]}" if beside else "no numeric array"
        return InputError(
            f"{path} holds {what}; open the file that has the rocking curve, a 3-D volume (frames, rows, columns)."
        )
    arrays = [each for each in arrays if each not in beside]
    largest = max(arrays, key=lambda each: prod(each.shape))
    what = f"{path}::{largest.path}" if largest.path else str(path)
    if largest.dtype.kind == "b":
        return InputError(
            f"{what} holds true and false, as masks do, and no counts; give the scan, and this file with --mask."
        )
    if largest.dtype.kind == "c":
        return InputError(
            f"{what} holds complex numbers of shape {largest.shape}; a crystal is a complex volume of three axes (or several of "
            "one shape, modes): give the file that has the whole object."
        )
    if len(largest.shape) == 4:
        return InputError(
            f"{what} is 4-dimensional, {largest.shape}; save one of its {largest.shape[0]} volumes as a file of its own."
        )
    try:
        # an array of that shape and dtype that takes no memory
        check_shape(np.broadcast_to(np.zeros((), largest.dtype), largest.shape), what)
    except InputError as error:
        return error
    return InputError(
        f"{what} holds {largest.dtype} values of shape {largest.shape}, which is not what is wanted here."
    )
