"""The plot of the live error curve; importing this loads pyqtgraph."""

from __future__ import annotations

from collections.abc import Sequence
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
        for digits in map(np.asarray, ([1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], range(1, 10), *steps)):
            marks = (decades[:, None] + np.log10(digits)).ravel()
            marks = marks[(marks >= low) & (marks <= high)]
            if len(marks) >= 3:
                break
        return [(1.0, marks[:: 1 + len(marks) // 7])]

    def tickStrings(self, values: list[float], *_: float) -> list[str]:
        """Return the numbers themselves."""
        return [f"{10.0**value:.3g}" for value in values]


MOST = 400
"""Points of a faint line, at most."""


class ErrorPlot(pg.PlotWidget):
    """Errors over the iterations, on a logarithmic scale, in the viewer's colours; held-out pixels have a scale of their own."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(axisItems={"left": LogAxis("left"), "right": LogAxis("right")})
        self._viewer = viewer
        item = self.getPlotItem()
        item.setLogMode(y=True)
        item.setMenuEnabled(False)
        item.hideButtons()
        self._name_iterations(shaded=False)
        item.getAxis("left").enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(46)
        right = item.getAxis("right")
        right.setLogMode(False, True)
        right.setWidth(46)
        self._beside = pg.ViewBox(enableMouse=False, enableMenu=False)
        item.scene().addItem(self._beside)
        self._beside.setZValue(5)  # above the shades
        right.linkToView(self._beside)
        self._beside.setXLink(item.getViewBox())
        item.getViewBox().sigResized.connect(self._fit)
        item.hideAxis("right")
        item.getAxis("bottom").setHeight(38)
        item.layout.setContentsMargins(1, 1, 1, 8)  # the label reaches beyond its axis
        self.setMouseEnabled(False, False)
        self._shades: list[pg.LinearRegionItem] = []
        self._shaded: tuple[list[tuple[int, int]], int] = ([], 0)
        self._all = item.plot(connect="finite")
        self._line = item.plot()
        # the other scale is no plot, and takes logarithms
        self._held_out = pg.PlotCurveItem()
        self._points = pg.ScatterPlotItem(size=4, pen=None)
        for each in (self._held_out, self._points):
            self._beside.addItem(each)
        self._lines = (False, False)
        viewer.events.theme.connect(self._paint)
        self._paint()

    def shade(self, spans: list[tuple[int, int]], total: int) -> None:
        """Shade iterations, from the first to the last of each span, of `total` that there will be; 0: as many as are drawn."""
        if (spans, total) == self._shaded:
            return
        self._shaded = spans, total
        self._name_iterations(shaded=bool(spans))
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

    def _name_iterations(self, *, shaded: bool) -> None:
        """Write below the axis what it counts, and what shades mean where there are some."""
        axis = self.getPlotItem().getAxis("bottom")
        axis.setLabel("iterations; shaded: χ² is expected to rise" if shaded else "iterations")
        axis.resizeEvent()  # else a longer one is not centred anew, and is cut off

    def draw(
        self,
        errors: Sequence[float],
        starts: Sequence[tuple[float, ...]] = (),
        held_out: Sequence[tuple[int, float]] = (),
    ) -> None:
        """Draw the errors of the best start, those of all, and what was said of held-out pixels after some iterations."""
        self._line.setData(np.arange(1, len(errors) + 1), np.asarray(errors))
        self._all.setData(*side_by_side(starts))
        steps, likelihoods = np.array([row for row in held_out if row[1] > 0]).reshape(-1, 2).T
        self._held_out.setData(steps, np.log10(likelihoods))
        self._points.setData(steps, np.log10(likelihoods))
        lines = any(len(row) > 1 for row in starts), len(steps) > 0
        if lines != self._lines:
            self._lines = lines
            self.getPlotItem().showAxis("right", lines[1])
            self._fit()
            self._paint()

    def _fit(self) -> None:
        self._beside.setGeometry(self.getPlotItem().getViewBox().sceneBoundingRect())

    def _paint(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.setBackground(theme.background.as_hex())
        for name in ("left", "bottom", "right"):
            axis = self.getPlotItem().getAxis(name)
            axis.setPen(theme.secondary.as_hex())
            axis.setTextPen(theme.text.as_hex())
        colour, other = ("#2f5bd8", "#b8560f") if theme.type == "light" else ("#7f9cff", "#ffb259")
        self._line.setPen(pg.mkPen(colour, width=2))
        pale = pg.mkColor(colour)
        pale.setAlpha(80)
        self._all.setPen(pg.mkPen(pale, width=1))
        self._held_out.setPen(pg.mkPen(other, width=1))
        self._points.setBrush(pg.mkBrush(other))
        for name, shade in (("left", colour), ("right", other)):
            self.getPlotItem().getAxis(name).setTextPen(shade)
        several, judged = self._lines
        words = [f'<span style="color:{colour}"><b>χ²</b> best</span>']
        if several:
            words.append(f'<span style="color:{_blend(colour, theme.background.as_hex())}">all</span>')
        if judged:  # no longer: the title would make the plot wider than a narrow panel
            words.append(f'<span style="color:{other}">held-out likelihood</span>')
        self.getPlotItem().setTitle(" · ".join(words), size="9pt")
        faint = pg.mkColor(theme.secondary.as_hex())
        faint.setAlpha(90)
        for shade in self._shades:
            shade.setBrush(faint)


def side_by_side(starts: Sequence[tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lines of all starts as one, with gaps between them and wherever their number changes."""
    most = max(map(len, starts), default=0)
    if most < 2:
        return np.zeros(0), np.zeros(0)
    table = np.full((len(starts) + 1, most), np.nan)
    for row, errors in enumerate(starts):
        if row == 0 or len(errors) == len(starts[row - 1]):
            table[row, : len(errors)] = errors
    step = -(-len(table) // MOST)
    iterations = np.arange(1, len(table) + 1)[::step]
    table = table[::step]
    table[-1] = np.nan
    table[table <= 0] = np.nan
    return np.tile(iterations, most).astype(float), table.T.ravel()


def _blend(colour: str, other: str) -> str:
    one, two = pg.mkColor(colour), pg.mkColor(other)
    mixed = [round((a + b) / 2) for a, b in zip(one.getRgb()[:3], two.getRgb()[:3], strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
