"""What one argument says: the file of a dataset, numbers, and settings."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from ..faults import InputError


def file_of(scan: str) -> Path:
    """Return the file of ``FILE::DATASET``."""
    return Path(scan.partition("::")[0])


def told_apart(one: str, other: str) -> tuple[str, str]:
    """Return the names of two files or datasets: as much of the end of their paths as they differ in."""
    parts = []
    for each in (one, other):
        file, mark, inside = each.partition("::")
        within = inside.strip("/").split("/") if inside.strip("/") else []
        parts.append([*Path(file).resolve().parts, *([mark] if within else []), *within])
    shared = next((k for k, (a, b) in enumerate(zip(*parts, strict=False)) if a != b), min(map(len, parts)))
    files = [own.index("::") - 1 if "::" in own else len(own) - 1 for own in parts]
    if parts[0][files[0] :] == parts[1][files[1] :]:
        files = [min(shared, file) for file in files]
    first, second = ("/".join(own[k:]).replace("/::/", "::/") for own, k in zip(parts, files, strict=True))
    return first, second


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


def key_and_value(setting: str, example: str) -> tuple[str, str]:
    """Return the key and the value of a setting ``KEY=VALUE``."""
    key, equals, value = setting.partition("=")
    if not equals:
        raise InputError(f"--set '{setting}' has no '='; write it as '{example}'.")
    return key.strip(), value.strip()


def plain(value: str) -> Any:
    """Return a setting's value: JSON where it is, otherwise a list where it has commas, otherwise the text."""
    try:
        return json.loads(value)
    except ValueError:
        parts = [part.strip() for part in value.split(",")]
        return value if len(parts) == 1 else [plain(part) for part in parts]
