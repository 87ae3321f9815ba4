"""How a scan was read, so that it can be read again: see `scan.Origin`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry import Beamline
from ..scan import Origin, fingerprint
from .common import Box, Dataset
from .paths import damage, split_path


def origin_of(path: Path, dataset: Dataset, options: Mapping[str, Any], box: Box | None) -> Origin:
    """Return what to write down of a scan.

    Parameters
    ----------
    path, dataset
        Where it stands.
    options
        What else `read_scan` was told.
    box
        The part that was read, or None.
    """
    plain: dict[str, Any] = {}
    sha256: dict[str, str] = {}
    for name, given in options.items():
        if isinstance(given, np.ndarray):
            sha256[name] = fingerprint(given)
        elif isinstance(given, Beamline):
            plain[name] = given.name
        elif name in ("mask", "dark", "white", "spec") and given is not None:
            file, inside = split_path(given)
            plain[name] = _absolute(file, inside)
            sha256[name] = sha256_of(file)
        elif name == "beamline" and given is not None and Path(given).is_file():
            plain[name] = os.path.abspath(given)
        elif given is not None:
            plain[name] = list(given) if isinstance(given, tuple) else given
    frames, rows, columns = dataset.frames
    return Origin(
        _absolute(path, dataset.path),
        plain,
        sha256,
        (frames, rows, columns),
        box and tuple((part.start, part.stop) for part in box),  # type: ignore[arg-type]
    )


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file (of ``FILE::DATASET`` the whole file's).

    Raises
    ------
    InputError
        If it cannot be read, or is a folder.
    """
    file, _ = split_path(path)
    import hashlib

    digest = hashlib.sha256()
    with damage(file), file.open("rb") as stream:
        while part := stream.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _absolute(file: Path, inside: str | None) -> str:
    path = os.path.abspath(file)
    return f"{path}::{inside}" if inside else path
