"""A scan and a result as a notebook shows them: what its ``repr`` says, and a picture."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..evidence import MEANINGS
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from .drawing import STYLE, new_page, png
from .picture import draw_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def scan_card(scan: Scan) -> str:
    """Return a scan in HTML, with its frames, rows and columns summed."""
    return _card(scan, _projections(scan), scan.notes)


def result_card(result: Reconstruction) -> str:
    """Return a result in HTML, with the picture of `draw_picture`; where none can be drawn, with the reason."""
    try:
        return _card(result, draw_picture(result), result.notes, _meanings(result))
    except InputError as error:
        return _card(result, None, (*result.notes, str(error)), _meanings(result))


def _card(about: object, figure: Figure | None, notes: tuple[str, ...], meanings: str = "") -> str:
    lines = "".join(f"<div>{escape(line)}</div>" for line in repr(about).splitlines())
    said = _folded(f"{len(notes)} note{'s' * (len(notes) != 1)}", notes)
    return f"{lines}{meanings}{said}{'' if figure is None else _image(figure)}"


def _meanings(result: Reconstruction) -> str:
    told = [f"{name}: {MEANINGS[name]}" for name in result.figures if name in MEANINGS]
    return _folded("what the figures say", told)


def _folded(title: str, sentences: Sequence[str]) -> str:
    """Return a list that opens with a click; nothing where it is empty."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<details><summary>{title}</summary><ul>{items}</ul></details>" if items else ""


def _image(figure: Figure) -> str:
    coded = base64.b64encode(png(figure)).decode("ascii")
    return f'<img alt="" style="max-width: 100%" src="data:image/png;base64,{coded}">'


def _projections(scan: Scan) -> Figure:
    """Draw log10(1 + counts) summed along each axis; masked voxels are left out."""
    import matplotlib

    names = ("frame", "row", "column")
    with matplotlib.rc_context(STYLE):
        figure = new_page(9, 3.3, layout="constrained")
        for axis, place in enumerate(figure.subplots(1, 3)):
            down, across = (names[a] for a in range(3) if a != axis)
            good = True if scan.mask is None else ~scan.mask
            shown = np.sum(scan.counts, axis=axis, dtype=np.float64, where=good)
            place.imshow(
                np.log10(1 + np.maximum(shown, 0)), cmap="inferno", interpolation="nearest", aspect="auto"
            )
            place.set(xlabel=across, ylabel=down, title=f"summed along the {names[axis]}s")
    return figure
