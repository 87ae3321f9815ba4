"""What napari's status bar says of the voxel under the cursor: the quantity itself, in its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Layer

_ROUNDING = 3e-6
"""Of 1 + counts, relative: logarithms are kept in single precision, to about a millionth."""


def say_values(layer: Layer, words: Callable[[float], str]) -> None:
    """Let the status bar say the value of a layer in these words; of a surface napari says a vertex's number too."""

    def get_status(position: Any = None, **options: Any) -> dict[str, str]:
        status = type(layer).get_status(layer, position, **options)
        where = {key: options[key] for key in ("view_direction", "dims_displayed", "world") if key in options}
        value = None if position is None else layer.get_value(position, **where)
        number = value[0] if isinstance(value, tuple) else value
        if number is None or not np.isfinite(number):
            return {**status, "value": ""}
        return {**status, "value": words(float(number))}

    layer.get_status = get_status


def counts(value: float) -> str:
    """Return the counts of a voxel of which log10(1 + counts) is shown."""
    number = 10.0**value - 1
    if abs(number - round(number)) <= _ROUNDING * (1 + number):
        number = round(number)
    return f"{number:.6g} counts" if number < 1e6 else f"{number:.4g} counts"
