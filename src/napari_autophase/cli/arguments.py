"""What one argument says: the file of a dataset, and numbers."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from ..faults import InputError


def file_of(scan: str) -> Path:
    """Return the file of ``FILE::DATASET``."""
    return Path(scan.partition("::")[0])


def numbers(text: str, what: str, count: int | None = None) -> tuple[float, ...]:
    """Return the numbers in ``12.5,30``, as many as `count` where that is given.

    Raises
    ------
    InputError
        If they are not.
    """
    try:
        found = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        found = ()
    if not found or not all(map(isfinite, found)) or count not in (None, len(found)):
        many = "numbers" if count is None else f"{count} numbers"
        raise InputError(f"{what} '{text}': write {many} with commas between, such as 12.5,30.")
    return found
