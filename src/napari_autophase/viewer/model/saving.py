"""Results as files, with how they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...reconstruction import Reconstruction
from .drawing import Look


def save(reconstruction: Reconstruction, path: str | Path, look: Look | None = None) -> str:
    """Write `reconstruction` to `path`, with how it is shown, and return the path.

    Raises
    ------
    InputError
        If the suffix is not one that results are written in, or the file cannot be written.
    """
    from ... import export  # brings the libraries of every format: a dock opens without

    target = Path(path)
    if not target.suffix:
        target = target.with_suffix(".cxi")
    export.write(reconstruction if look is None else replace(reconstruction, shown=look.document()), target)
    return str(target)


def suggested_name(reconstruction: Reconstruction, group: int, suffix: str = ".cxi") -> str:
    """Return a file name for a result, such as ``S0054_result1.cxi``."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in reconstruction.name)
    return f"{stem}_result{group}{suffix}"
