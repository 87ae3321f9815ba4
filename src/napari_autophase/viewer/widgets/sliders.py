"""Sliders of numbers that show the number beside them."""

from __future__ import annotations

from qtpy.QtCore import Qt
from superqt import QLabeledDoubleSlider


def slider(low: float, high: float, step: float, decimals: int) -> QLabeledDoubleSlider:
    """Return a slider from `low` to `high`."""
    made = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    made.setRange(low, high)
    made.setSingleStep(step)  # type: ignore[arg-type]
    made.setDecimals(decimals)
    return made
