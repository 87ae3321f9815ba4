"""HDF5 files are opened for reading while another program may write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from ..faults import InputError

_WAYS: tuple[dict[str, Any], ...] = (
    {"locking": False},
    {"locking": False, "swmr": True},
    {},
    {"locking": True},
)
_REFUSALS = ("lock file", "file locking", "open for")
"""What HDF5 says of a file that is whole, but opened for writing: elsewhere, or otherwise in this process."""


def open_file(path: Path) -> h5py.File:
    """Open for reading without a lock, else as one that is being written, at last as this very process writes it.

    Raises
    ------
    InputError
        If another program writes it in a way that nobody may read.
    OSError
        If it is damaged.
    """
    refused = None
    for how in _WAYS:
        try:
            return h5py.File(path, "r", **how)
        except OSError as error:
            if not any(words in str(error) for words in _REFUSALS):
                raise
            refused = error
    raise InputError(
        f"{path} is still open for writing in another program; try again when that is done "
        "(if it has crashed, `h5clear -s` frees the file)."
    ) from refused
