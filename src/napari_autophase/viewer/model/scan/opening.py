"""Files that napari was asked to open, read and drawn where that does not hold up the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from ....scan import Scan
from ..crystal.drawing import Drawing
from ..run.background import Background
from .request import Request, read

if TYPE_CHECKING:
    from ..run.background import Tasks


class Opening:
    """Opens scans and results.

    Parameters
    ----------
    background
        What works behind the window, and later.
    add_scan, show_drawing
        Called with what the files hold.
    """

    def __init__(
        self,
        background: Background,
        add_scan: Callable[[Scan], object],
        show_drawing: Callable[[Drawing], object],
    ) -> None:
        self._background, self._add_scan, self._show_drawing = background, add_scan, show_drawing
        self._tasks: Tasks | None = None
        self._numbers = count()

    def start(self, paths: Sequence[str], failed: Callable[[Exception], object]) -> bool:
        """Open files soon, or tell `failed` why not; False where no event loop runs: then the caller must read them."""
        return self._background.soon(partial(self._begin, tuple(paths), failed))

    def _begin(self, paths: Sequence[str], failed: Callable[[Exception], object]) -> None:
        self._tasks = self._tasks or self._background.tasks()
        self._tasks.start(f"open {next(self._numbers)}", _read_all, paths, done=self._arrive, failed=failed)

    def _arrive(self, found: Sequence[Scan | Drawing]) -> None:
        for each in found:
            if isinstance(each, Scan):
                self._add_scan(each)
            else:
                self._show_drawing(each)


def _read_all(paths: Sequence[str]) -> list[Scan | Drawing]:
    return [read(Request(path)) for path in paths]
