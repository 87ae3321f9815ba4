"""The published training crystals: complex 32³ ``.npy`` files, to train on and to be scored on.

Each file holds the centred far field of one crystal, relaxed atom by atom, on 32³ points (Yao et al., npj Comput. Mater. 8, 124
(2022), whose list of files is public).  The object is ``ifftn(ifftshift(data))``, its origin in the middle of the array, and
zero where its amplitude is below 0.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..network.physics import OBJECT
from ..scan import InputError
from .crystals import PURPOSES, Batch, stream
from .detector import centre_peak, measure
from .population import Population

THRESHOLD = 0.1
"""Amplitude below which the published objects are taken to be empty."""
PERFECT = Population(off_centre=0, sub_voxel=0, partially_coherent=0, background=0, hot_pixels=0, gaps=0)
"""A detector that adds nothing but Poisson noise."""


class PublishedCrystals:
    """A folder of published files, split by crystal into training, validation and test.

    The files are named ``<crystal>_<configuration>_<variant>_32.npy``: many are strained or cut variants of one crystal, and
    variants must not be on both sides of a split.  What `crystal` matches at the start of a file's name is taken to be its
    crystal (by default all before the first underscore); a hash of it decides where the crystal belongs, so that a file keeps its
    place whatever other files lie beside it.

    Parameters
    ----------
    folder
        Where the ``.npy`` files are; those in folders below are found too.
    crystal
        Regular expression that matches, from its beginning, as much of a file's name as names the crystal.
    validation, test
        Shares of the crystals that are kept from training.

    Raises
    ------
    InputError
        If there is no such folder, no file in it, or the expression or the shares are not usable.
    """

    def __init__(
        self, folder: str | Path, crystal: str = r"[^_.]+", validation: float = 0.1, test: float = 0.1
    ) -> None:
        if not (validation >= 0 and test >= 0 and validation + test <= 1):
            raise InputError(
                "The shares of validation and test must not be negative, nor add up to more than 1."
            )
        try:
            pattern = re.compile(crystal)
        except re.error as error:
            raise InputError(f"'{crystal}' is no regular expression: {error}.") from None
        self._bounds = {
            "test": (0.0, test),
            "validation": (test, test + validation),
            "train": (test + validation, 1.0),
        }
        self._files: dict[str, list[Path]] = {purpose: [] for purpose in PURPOSES}
        found = sorted(Path(folder).rglob("*.npy"))
        if not found:
            raise InputError(
                f"There are no .npy files in the folder {folder}; give the one that holds the crystals."
            )
        for file in found:
            match = pattern.match(file.name)
            if not match or not match.group():
                raise InputError(
                    f"'{crystal}' names no crystal in the file name {file.name}; give an expression that does."
                )
            place = _place(match.group())
            for purpose, (low, high) in self._bounds.items():
                if low <= place < high:
                    self._files[purpose].append(file)

    def files(self, purpose: str) -> tuple[Path, ...]:
        """Return the files of ``train``, ``validation`` or ``test``.

        Raises
        ------
        InputError
            If there is no such part, or no crystal has fallen into it.
        """
        if purpose not in self._files:
            raise InputError(f"There is no part '{purpose}'; choose one of {', '.join(PURPOSES)}.")
        if not self._files[purpose]:
            raise InputError(
                f"None of the folder's crystals belongs to '{purpose}': the folder holds too few, or the expression that names "
                "the crystal takes all files for variants of one."
            )
        return tuple(self._files[purpose])

    def batches(
        self,
        purpose: str,
        seed: int,
        batch: int,
        population: Population | None = PERFECT,
        epochs: int | None = 1,
        device: torch.device | str = "cpu",
    ) -> Iterator[Batch]:
        """Yield the crystals of a part in an order of the seed, measured once each.

        Parameters
        ----------
        purpose
            ``train``, ``validation`` or ``test``.
        seed
            Of the order, which is another one in each epoch, and of the measurements.
        batch
            Number of crystals a batch; the last of an epoch can be smaller.
        population
            How to measure (its shapes and fields are not used); None: the intensity itself, neither scaled nor noisy.
        epochs
            Number of passes; None: without end.
        device
            Where the batches are made.

        Raises
        ------
        InputError
            If the part is empty or a file is not what it should be.
        """
        files = self.files(purpose)
        epoch = step = 0
        while epochs is None or epoch < epochs:
            order = iter(np.random.default_rng((PURPOSES[purpose], seed, epoch)).permutation(len(files)))
            while chosen := list(islice(order, batch)):
                objects = torch.stack([read_crystal(files[i]) for i in chosen]).to(device)
                yield scatter(objects, stream(purpose, seed, step, device), population)
                step += 1
            epoch += 1


def read_crystal(path: str | Path) -> Tensor:
    """Return the object complex64 (32, 32, 32) of a published file, its bounding box centred at index 16.

    Raises
    ------
    InputError
        If the file cannot be read, or does not hold the far field of a crystal on 32³ points.
    """
    try:
        data = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"The crystal {path} cannot be read as a .npy file: {error}.") from None
    if not isinstance(data, np.ndarray) or data.shape != (OBJECT,) * 3 or not np.iscomplexobj(data):
        what = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "several arrays"
        raise InputError(f"The crystal {path} holds {what}; it has to be complex and of shape (32, 32, 32).")
    if not np.isfinite(data).all():
        raise InputError(f"The crystal {path} holds values that are not finite; leave the file out.")
    found = np.fft.ifftn(np.fft.ifftshift(data)).astype(np.complex64)
    inside = np.abs(found) >= THRESHOLD
    if not inside.any():
        raise InputError(
            f"The crystal {path} is empty: its amplitude is nowhere above {THRESHOLD}; the far field has to be unnormalised."
        )
    found[~inside] = 0
    return torch.from_numpy(np.roll(found, [_to_middle(inside, axis) for axis in range(3)], (0, 1, 2)))


def scatter(objects: Tensor, generator: torch.Generator, population: Population | None = PERFECT) -> Batch:
    """Measure objects complex64 (B, 32, 32, 32) in the window of 64³.

    A batch's phase range is that of the phases between −π and π about their mean: it tells no more than 2π.

    Parameters
    ----------
    objects
        complex64 (B, 32, 32, 32).
    generator
        Of the noise, and of whatever else the population leaves to chance.
    population
        How to measure; None: the intensity itself, its peak centred, neither scaled nor noisy.
    """
    inside = objects.abs() > 0.5 * objects.abs().amax((1, 2, 3), keepdim=True)
    phase = (objects * objects.sum((1, 2, 3), keepdim=True).conj()).angle()
    low = torch.where(inside, phase, torch.inf).amin((1, 2, 3))
    high = torch.where(inside, phase, -torch.inf).amax((1, 2, 3))
    if population is None:
        objects, counts = centre_peak(objects, generator, PERFECT)
    else:
        counts, objects = measure(objects, generator, population)
    return Batch(counts, objects, high - low)


def _place(crystal: str) -> float:
    """Return a number in 0..1 that depends on nothing but the crystal's name."""
    return int.from_bytes(hashlib.sha256(crystal.encode()).digest()[:6], "big") / 2**48


def _to_middle(inside: np.ndarray, axis: int) -> int:
    """Return the roll that brings the bounding box's middle within half a voxel of index 16, also across the array's border."""
    lit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
    empty = np.diff(np.append(lit, lit[0] + OBJECT)) - 1
    first = lit[(int(empty.argmax()) + 1) % len(lit)]  # the crystal begins after the widest empty stretch
    width = OBJECT - int(empty.max())
    off = int(first + width // 2 - OBJECT // 2)
    # of an even number of planes, either of the two in the middle may be at index 16
    return 0 if width % 2 == 0 and off == 1 else -off
