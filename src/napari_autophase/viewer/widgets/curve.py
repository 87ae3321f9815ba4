"""The live error curve, with the iterations shaded in which it is expected to rise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...recipe.algorithm import DOWNHILL

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from .plot import ErrorPlot


class ErrorCurve(QWidget):
    """chi² over the iterations; the plot is made when there is something to draw, since its library takes long to load."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._errors: list[float] = []
        self._stage = ""
        self._steps: tuple[str, ...] = ()
        self.plot: ErrorPlot | None = None
        self.setFixedHeight(150)
        self.setToolTip(
            "χ² = Σ(|F| − √I)² / ΣI over the measured pixels, of the best start, in this stage of the run.\n"
            "It is expected to rise where it is shaded: there HIO or RAAR explore, and the error reduction (ER) that follows\n"
            "brings it down."
        )
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)

    @property
    def errors(self) -> list[float]:
        """What is drawn."""
        return list(self._errors)

    def clear_errors(self) -> None:
        """Start anew."""
        self._errors = []
        if self.plot is not None:
            self.plot.draw([])

    @property
    def explored(self) -> list[tuple[int, int]]:
        """First and last of the iterations that are shaded, counted from 1."""
        return list(_explored(self._steps))

    def extend(self, errors: Sequence[float], stage: str = "", steps: tuple[str, ...] = ()) -> None:
        """Go on with the errors of further iterations; another stage, which does these `steps`, begins a curve of its own."""
        if stage != self._stage:
            self._stage, self._errors = stage, []
        self._steps = steps
        self._errors += [error for error in errors if error > 0]
        if not self._errors:
            return
        if self.plot is None:
            from .plot import ErrorPlot

            self.plot = ErrorPlot(self._viewer)
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self.plot)
        self.plot.shade(self.explored, len(self._steps))
        self.plot.draw(self._errors)


def _explored(steps: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    first = 1
    for downhill, span in groupby(steps, lambda name: name in DOWNHILL):
        last = first + len(list(span)) - 1
        if not downhill:
            yield first, last
        first = last + 1
