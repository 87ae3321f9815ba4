"""The plot of the live error curve; importing this loads pyqtgraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme

if TYPE_CHECKING:
    from napari.components import ViewerModel


class LogAxis(pg.AxisItem):
    """A logarithmic axis that marks a few round numbers, however narrow the range."""

    def tickValues(self, low: float, high: float, *_: float) -> list[tuple[float, np.ndarray]]:
        """Return the ticks, as decimal logarithms, between `low` and `high`."""
        decades = np.arange(np.floor(low), np.ceil(high) + 1)
        marks = np.zeros(0)
        steps = (np.arange(1, 10, step) for step in (0.5, 0.1, 0.02))
        for digits in map(np.asarray, ([1], [1, 3], [1, 2, 5], range(1, 10), *steps)):
            marks = (decades[:, None] + np.log10(digits)).ravel()
            marks = marks[(marks >= low) & (marks <= high)]
            if len(marks) >= 3:
                break
        return [(1.0, marks[:: 1 + len(marks) // 7])]

    def tickStrings(self, values: list[float], *_: float) -> list[str]:
        """Return the numbers themselves."""
        return [f"{10.0**value:.3g}" for value in values]


class ErrorPlot(pg.PlotWidget):
    """Errors over the iterations, on a logarithmic scale, in the viewer's colours."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(axisItems={"left": LogAxis("left")})
        self._viewer = viewer
        item = self.getPlotItem()
        item.setLogMode(y=True)
        item.setMenuEnabled(False)
        item.hideButtons()
        # set once: the axis does not centre a longer one anew, and it would be cut off
        item.setLabel("bottom", "χ² over the iterations; shaded: expected to rise")
        item.getAxis("left").enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(46)
        item.getAxis("bottom").setHeight(48)  # by itself it cuts the label's descenders off
        self.setMouseEnabled(False, False)
        self._shades: list[pg.LinearRegionItem] = []
        self._shaded: tuple[list[tuple[int, int]], int] = ([], 0)
        self._line = item.plot()
        viewer.events.theme.connect(self._paint)
        self._paint()

    def shade(self, spans: list[tuple[int, int]], total: int) -> None:
        """Shade iterations, from the first to the last of each span, of `total` that there will be; 0: as many as are drawn."""
        if (spans, total) == self._shaded:
            return
        self._shaded = spans, total
        for shade in self._shades:
            self.removeItem(shade)
        self._shades = [
            pg.LinearRegionItem((first - 0.5, last + 0.5), movable=False, pen=pg.mkPen(None))
            for first, last in spans
        ]
        for shade in self._shades:
            shade.setZValue(-10)
            self.addItem(shade, ignoreBounds=True)
        item = self.getPlotItem()
        if total:
            item.setXRange(1, total, padding=0.02)
        else:
            item.enableAutoRange("x")
        self._paint()

    def draw(self, errors: list[float]) -> None:
        """Draw these errors."""
        self._line.setData(np.arange(1, len(errors) + 1), np.asarray(errors))

    def _paint(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.setBackground(theme.background.as_hex())
        for name in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(name)
            axis.setPen(theme.secondary.as_hex())
            axis.setTextPen(theme.text.as_hex())
        colour = theme.current.as_hex() if theme.type == "light" else "#7f9cff"
        self._line.setPen(pg.mkPen(colour, width=2))
        faint = pg.mkColor(theme.secondary.as_hex())
        faint.setAlpha(90)
        for shade in self._shades:
            shade.setBrush(faint)
