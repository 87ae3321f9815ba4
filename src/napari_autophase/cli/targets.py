"""Files the command line writes: refused before anything is computed, and each written whatever becomes of the others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import files
from ..faults import InputError
from .arguments import file_of

_CREATOR = "napari-autophase"
"""What files of this program say wrote them."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
"""How such files begin."""


def check_targets(targets: list[tuple[Path | None, str]], inputs: Iterable[str | Path | None]) -> None:
    """Raise `InputError` before anything is computed if a file could not be written in the end, or would take another's place.

    Parameters
    ----------
    targets
        Files with how their names must end; those that are None are not asked for.
    inputs
        Files that are read, as ``FILE`` or ``FILE::DATASET``: none of them is written to, by whatever name or link.
    """
    read = [file_of(str(each)) for each in inputs if each is not None]
    places: set[Path] = set()
    for path, suffix in targets:
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise InputError(f"{path} must end in {suffix}.")
        files.check(path)
        if path.resolve() in places:
            raise InputError(f"{path} is named twice, so one file would replace the other; give each a name.")
        places.add(path.resolve())
        source = next((each for each in read if _are_one(path, each)), None)
        if source is not None:
            known = "" if source == path else f", by another name: {source}"
            raise InputError(f"{path} is read here itself{known}; choose another name for what is written.")
        if path.is_file() and not _may_be_replaced(path):
            raise InputError(
                f"{path} is there already, and {_CREATOR} did not write it: it may hold measured data. Choose another name, "
                "or delete it."
            )


def _are_one(target: Path, source: Path) -> bool:
    with suppress(OSError):
        return target.samefile(source)
    return target.resolve() == source.resolve()


def _may_be_replaced(path: Path) -> bool:
    """Say whether a file is one of this program's, or of no kind that measurements are kept in; links are followed."""
    with path.open("rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            return True
    import h5py

    with suppress(OSError), h5py.File(path, "r", locking=False) as tree:
        creator = tree.attrs.get("creator", "")
        return str(creator.decode(errors="replace") if isinstance(creator, bytes) else creator) == _CREATOR
    return True  # damaged


def as_json(document: dict[str, Any]) -> str:
    """Return standard JSON: NumPy's values as plain ones, and null for what is not a finite number."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value if isinstance(value, str | int | float | None) else str(value)

    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write JSON whole or not at all."""
    files.write(path, as_json(document) + "\n")


def write_each(
    writers: Sequence[tuple[Path | None, Callable[[Path], object]]], *, quiet: bool = False
) -> None:
    """Write every file that can be written, and print the names.

    Parameters
    ----------
    writers
        Files with what writes them; those that are None were not asked for.
    quiet
        Print nothing.

    Raises
    ------
    InputError
        At the end, with a sentence for each that could not be written.
    """
    failed = []
    for path, write in writers:
        if path is None:
            continue
        try:
            write(path)
        except InputError as error:
            failed.append(str(error))
        else:
            if not quiet:
                print(f"wrote {path}")
    if failed:
        raise InputError(" ".join(failed))
