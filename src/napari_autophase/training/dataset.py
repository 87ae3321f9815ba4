"""Crystals on disk, in the layout of AutoPhaseNN's training files: written for benchmarks that want files, and trained on."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from .. import files
from ..scan import InputError
from .crystals import PURPOSES, Batch, Population, simulate, stream

if TYPE_CHECKING:
    from .published import PublishedCrystals

BATCH = 16
"""Crystals that are drawn together: their random numbers depend on it."""
LIST = "files.txt"
"""Names the files, one in a line, as benchmarks' catalogues want it; written last, so that it names none that is not there."""


def write_set(
    folder: Path,
    crystals: int,
    *,
    purpose: str = "train",
    seed: int = 0,
    population: Population | None = None,
) -> Iterator[Path]:
    """Write crystals as 32³ complex64 ``.npy`` files, and yield their paths.

    Each holds ``fftshift(fftn(object))``, without noise: `published` reads it back (Yao et al. 2022 distribute theirs so).  The
    same arguments give the same files, and no two purposes share a crystal.

    Parameters
    ----------
    folder
        Made if it is not there.
    crystals
        How many.
    purpose, seed
        Of the generator's streams: 'train', 'validation' or 'test'.
    population
        What is drawn; None: the default.

    Raises
    ------
    InputError
        If the folder already holds other .npy files, which would be mixed with these, or a file cannot be written; those
        written before stay.
    """
    files.make_folder(folder)
    names = [f"{purpose}{seed:04}c{number:06}_32.npy" for number in range(crystals)]
    strangers = {file.name for file in folder.glob("*.npy")} - set(names)
    if strangers:
        raise InputError(f"{folder} holds {min(strangers)}, of another data set; choose an empty folder.")
    for number in range(math.ceil(crystals / BATCH)):
        objects = simulate(BATCH, stream(purpose, seed, number), population).objects.numpy()
        for name, one in zip(names[number * BATCH : (number + 1) * BATCH], objects, strict=False):
            content = io.BytesIO()
            np.save(content, np.fft.fftshift(np.fft.fftn(one)).astype(np.complex64))
            files.write(folder / name, content.getbuffer())
            yield folder / name
    files.write(folder / LIST, "".join(f"{name}\n" for name in names))


def training_batch(
    crystals: PublishedCrystals,
    number: int,
    *,
    size: int,
    seed: int,
    population: Population,
    device: torch.device | str = "cpu",
) -> Batch:
    """Return one batch of the training files by its number: in each epoch every file once, in an order of the seed.

    Parameters
    ----------
    crystals
        The folder.
    number
        Any; what a resumed run needs is read and nothing else.
    size
        Crystals in it; the few that are left over in an epoch wait for the next.
    seed
        Of the order and of the measurements.
    population
        How they are measured: its detector, not its shapes.
    device
        Where it is made.
    """
    from .published import read_crystal, scatter

    files = crystals.files("train")
    epoch, index = divmod(number, max(1, len(files) // size))
    order = np.random.default_rng((PURPOSES["train"], seed, epoch)).permutation(len(files))
    chosen = order[index * size : (index + 1) * size]
    objects = torch.stack([read_crystal(files[i]) for i in chosen]).to(device)
    return scatter(objects, stream("train", seed, number, device), population)
