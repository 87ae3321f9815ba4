"""Results as files, with how they are shown, and which of them are kept in one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from psygnal import Signal

from ....reconstruction import Reconstruction
from ..crystal.drawing import Look
from ..words import gists


@dataclass(frozen=True)
class _Kept:
    """The file of a result, what it holds of what can be changed, and when it was written; empty: it was read."""

    path: str
    holds: tuple[object, ...]
    when: str = ""


def _changeable(found: Reconstruction) -> tuple[object, ...]:
    return found.starred, found.remark, found.called, found.geometry


class Saved:
    """Which results are kept in a file."""

    changed = Signal()
    """One was saved."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Reconstruction, _Kept] = WeakKeyDictionary()

    def note(self, found: Reconstruction, path: str, when: str) -> None:
        """Note that a result was written, and at what time."""
        self._kept[found] = _Kept(path, _changeable(found), when)
        self.changed.emit()

    def change(self, before: Reconstruction, now: Reconstruction) -> None:
        """Note that a result was changed: its file, if it has one, holds what it held."""
        if (known := self._of(before)) is not None:
            self._kept[now] = known

    def gist(self, found: Reconstruction) -> gists.Gist:
        """Return where a result is kept."""
        known = self._of(found)
        if known is None:
            return gists.kept(None, "", False)
        return gists.kept(known.path, known.when, known.holds != _changeable(found))

    def _of(self, found: Reconstruction) -> _Kept | None:
        known = self._kept.get(found)
        return known if known is not None or not found.path else _Kept(found.path, _changeable(found))


SAVED = Saved()
"""Of all viewers."""


def save(reconstruction: Reconstruction, path: str | Path, look: Look | None = None) -> str:
    """Write `reconstruction` to `path`, with how it is shown, and return the path.

    Raises
    ------
    InputError
        If the suffix is not one that results are written in, or the file cannot be written.
    """
    from .... import export  # brings the libraries of every format: a dock opens without

    target = Path(path)
    if not target.suffix:
        target = target.with_suffix(".cxi")
    export.write(reconstruction if look is None else replace(reconstruction, shown=look.document()), target)
    SAVED.note(reconstruction, str(target), f"{datetime.now():%H:%M}")
    return str(target)
