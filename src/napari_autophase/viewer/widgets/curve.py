"""The live error curve: the best start and all others, held-out pixels beside it, and where it is expected to rise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...recipe.algorithm import DOWNHILL
from ..model.run.controller import Log

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from .plot import ErrorPlot


class ErrorCurve(QWidget):
    """What a log holds of the present stage; the plot is made when there is something to draw: its library takes long to load."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._log: Log | None = None
        self.plot: ErrorPlot | None = None
        self.setFixedHeight(210)
        self.setToolTip(
            "χ² = Σ(|F| − √I)² / ΣI over the measured pixels, of the best start and, faint, of all others, in this stage.\n"
            "Held-out likelihood: how well the best start foretells pixels that it was not fitted to (0 is perfect, about ½\n"
            "is what the noise leaves). It should fall with χ²: where χ² falls alone, the noise is being fitted.\n"
            "Where it is shaded χ² is expected to rise: there HIO or RAAR explore, and the error reduction (ER) that follows\n"
            "brings it down."
        )
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)

    @property
    def errors(self) -> list[float]:
        """chi² of the best start, as it is drawn."""
        return [] if self._log is None else list(self._log.errors)

    @property
    def explored(self) -> list[tuple[int, int]]:
        """First and last of the iterations that are shaded, counted from 1."""
        return [] if self._log is None else list(_explored(self._log.steps))

    def clear_errors(self) -> None:
        """Start anew."""
        self._log = None
        if self.plot is not None:
            self.plot.draw((), (), ())

    def draw(self, log: Log) -> None:
        """Draw what a run has told so far."""
        self._log = log
        if not log.errors:
            return
        if self.plot is None:
            from .plot import ErrorPlot

            self.plot = ErrorPlot(self._viewer)
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self.plot)
        self.plot.shade(self.explored, len(log.steps))
        self.plot.draw(log.errors, log.starts, log.held_out)


def _explored(steps: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    first = 1
    for downhill, span in groupby(steps, lambda name: name in DOWNHILL):
        last = first + len(list(span)) - 1
        if not downhill:
            yield first, last
        first = last + 1
