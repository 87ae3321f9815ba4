"""Results as files, with how they are shown, and which of them are kept in one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from psygnal import Signal

from ...reconstruction import Reconstruction
from . import gists
from .drawing import Look


@dataclass(frozen=True)
class _Kept:
    """The file of a result, when it was written (empty: it was read), and whether the result was changed since."""

    path: str
    when: str = ""
    changed: bool = False


class Saved:
    """Which results are kept in a file."""

    changed = Signal()
    """One was saved."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Reconstruction, _Kept] = WeakKeyDictionary()

    def note(self, found: Reconstruction, path: str, when: str) -> None:
        """Note that a result was written, and at what time."""
        self._kept[found] = _Kept(path, when)
        self.changed.emit()

    def change(self, before: Reconstruction, now: Reconstruction) -> None:
        """Note that a result was changed: its file, if it has one, does not hold that."""
        if (known := self._of(before)) is not None:
            self._kept[now] = replace(known, changed=True)

    def gist(self, found: Reconstruction) -> gists.Gist:
        """Return where a result is kept."""
        known = self._of(found)
        return (
            gists.kept(None, "", False)
            if known is None
            else gists.kept(known.path, known.when, known.changed)
        )

    def _of(self, found: Reconstruction) -> _Kept | None:
        return self._kept.get(found) or (_Kept(found.path) if found.path else None)


SAVED = Saved()
"""Of all viewers."""


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
    SAVED.note(reconstruction, str(target), f"{datetime.now():%H:%M}")
    return str(target)


def suggested_name(reconstruction: Reconstruction, group: int, suffix: str = ".cxi") -> str:
    """Return a file name for a result, such as ``S0054_result1.cxi``."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in reconstruction.name)
    return f"{stem}_result{group}{suffix}"
