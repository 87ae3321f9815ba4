"""The live error curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

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
        self.plot: ErrorPlot | None = None
        self.setFixedHeight(150)
        self.setToolTip(
            "χ² = Σ(|F| − √I)² / ΣI over the measured pixels, of the best start, in this stage of the run.\n"
            "It rises while hybrid input-output (HIO) explores, and falls in the error reduction (ER) that follows."
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

    def extend(self, errors: tuple[float, ...], stage: str = "") -> None:
        """Go on with the errors of further iterations; another stage begins a curve of its own."""
        if stage != self._stage:
            self._stage, self._errors = stage, []
        self._errors += [error for error in errors if error > 0]
        if not self._errors:
            return
        if self.plot is None:
            from .plot import ErrorPlot

            self.plot = ErrorPlot(self._viewer)
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self.plot)
        self.plot.draw(self._errors)
