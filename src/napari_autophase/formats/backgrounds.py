"""The background that a recipe speaks of, read from its file and brought to the voxels of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..scan import InputError, Origin, Scan
from .axes import Axes
from .common import AmbiguousDataset
from .given import image
from .paths import check_file, damage, split_path
from .registry import Format, format_of

if TYPE_CHECKING:
    from ..preparation import Background  # takes longer to import than to list a file's scans

_TEXTS = (".txt", ".dat", ".csv")
"""How the names of files end that hold numbers as text."""
_NAME = "background"


def background(told: str | float | tuple[float, ...], scan: Scan) -> Background:
    """Return the background that ``model.background`` of a recipe means for a scan.

    Parameters
    ----------
    told
        ``off``, ``estimate``, a number, one per frame, or the name of a file.  A volume in a file is turned as the scan was
        (``axes``), and one of the whole scan, or a number for each of its frames, is cut as the scan was (``crop``).
    scan
        What it belongs to.

    Raises
    ------
    InputError
        If the file cannot be read, or holds several arrays that may be meant.
    """
    if isinstance(told, float | int):
        return float(told)
    if told == "off":
        return "off"
    if told == "estimate":
        return "estimate"
    values = _in_file(told) if isinstance(told, str) else np.array(told, np.float32)
    return values if scan.origin is None else _as_read(values, scan.origin)


def _as_read(values: np.ndarray, origin: Origin) -> np.ndarray:
    """Return a background turned and cut as the counts were when they were read."""
    if values.ndim > 1:
        order = origin.options.get("axes")
        values = Axes(None if order is None else tuple(order)).volume(values)
    if origin.box is None or origin.whole is None:
        return values
    frames, rows, columns = (slice(*ends) for ends in origin.box)
    parts = {
        origin.whole: (frames, rows, columns),
        origin.whole[1:]: (rows, columns),
        origin.whole[:1]: (frames,),
    }
    return values[parts.get(values.shape, ())]


def _in_file(name: str) -> np.ndarray:
    try:
        return np.asarray(_stored(name), np.float32)
    except InputError as error:
        raise InputError(f"The background cannot be read: {error}") from None


def _stored(name: str) -> np.ndarray:
    """Return what stands in a file: a volume, an image, or a vector with a number for each frame."""
    file, inside = split_path(name)
    check_file(file)
    if file.suffix.lower() in _TEXTS and file.is_file():
        return _numbers(file)
    kind = format_of(file)
    vector = _vector(file, kind, inside)
    return image(name, _NAME) if vector is None else vector


def _numbers(file: Path) -> np.ndarray:
    """Return the numbers of a text: one on each line, or all on one; lines that begin with # are left out."""
    with damage(file):
        text = file.read_text(encoding="utf-8-sig")
    rows = [line.partition("#")[0].replace(",", " ").split() for line in text.splitlines()]
    rows = [row for row in rows if row]
    if not rows or (len(rows) > 1 and max(map(len, rows)) > 1):
        columns = max(map(len, rows), default=0)
        raise InputError(
            f"{file} has {columns} columns of numbers; give one number per frame, one on a line."
        )
    try:
        return np.array([float(word) for row in rows for word in row])
    except ValueError as error:
        raise InputError(
            f"{file} holds more than numbers ({error}); give one number per frame, one on a line."
        ) from None


def _vector(file: Path, kind: Format, inside: str | None) -> np.ndarray | None:
    """Return the vector that is meant; None: it is a volume or an image."""
    vectors = kind.vectors(file)
    if inside is not None:
        vectors = [each for each in vectors if each.path.strip("/") == inside.strip("/")]
    elif any(not each.lost for each in kind.lists(file)):
        return None
    called_so = [each for each in vectors if _NAME in each.path.rpartition("/")[2].lower()]
    vectors = called_so or vectors
    if len(vectors) > 1:
        raise AmbiguousDataset(file, vectors)
    return kind.reads(file, vectors[0]) if vectors else None
