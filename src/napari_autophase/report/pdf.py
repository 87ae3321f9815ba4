"""A report as a PDF of A4 pages."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.drawing import INK, STYLE, new_page
from .content import Picture, Report
from .tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69
"""A4 in inches."""
_LEFT, _TOP, _LINE = 0.7, 0.75, 0.19
"""Inches: left and upper margin, and the height of a line."""
_SOFT = "#59606b"


class _Text:
    """Lines from the top of a page to its foot, and on to the next."""

    def __init__(self) -> None:
        self.pages: list[Figure] = []
        self.at = HEIGHT

    def line(
        self, words: str, size: float = 8.5, weight: str = "normal", colour: str = INK, left: float = _LEFT
    ) -> None:
        if self.at > HEIGHT - _TOP:
            self.pages.append(new_page(WIDTH, HEIGHT))
            self.at = _TOP
        self.pages[-1].text(
            left / WIDTH,
            1 - self.at / HEIGHT,
            words,
            fontsize=size,
            fontweight=weight,
            color=colour,
            va="top",
        )

    def down(self, lines: float = 1.0) -> None:
        self.at += lines * _LINE

    def head(self, words: str) -> None:
        if self.at > HEIGHT - _TOP - 5 * _LINE:
            self.at = HEIGHT
        else:
            self.down(0.8)
        self.line(words, 12, "bold")
        self.down(1.6)


def document(report: Report) -> bytes:
    """Return the PDF: facts and notes, the figures, the tables."""
    import matplotlib
    from matplotlib.backends.backend_pdf import PdfPages

    memory = io.BytesIO()
    about = {"Title": report.title, "Creator": report.subtitle}
    with matplotlib.rc_context({**STYLE, "pdf.fonttype": 42}), PdfPages(memory, metadata=about) as pdf:
        for each in _words(report):
            pdf.savefig(each)
        for each in _sheets(report.pictures):
            pdf.savefig(each)
        tables = _Text()
        for table in report.tables:
            _rows(tables, table)
        for each in tables.pages:
            pdf.savefig(each)
    return memory.getvalue()


def _words(report: Report) -> list[Figure]:
    text = _Text()
    text.line("\n".join(textwrap.wrap(report.title, 46)), 19, "bold")
    text.down(2.1 * len(textwrap.wrap(report.title, 46)))
    text.line(report.subtitle, colour=_SOFT)
    text.down(2)
    for label, words in report.facts:
        text.line(label, colour=_SOFT)
        for part in textwrap.wrap(words, 88):
            text.line(part, left=_LEFT + 1.25)
            text.down()
    if report.notes:
        text.head("Notes")
        for note in report.notes:
            for number, part in enumerate(textwrap.wrap(note, 100) or [""]):
                text.line(("·  " if number == 0 else "    ") + part)
                text.down()
    return text.pages


def _sheets(pictures: Sequence[Picture]) -> list[Figure]:
    """Return pages with figures as wide as a page, their titles above and captions below, as many on one as there is room."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    sheets: list[Figure] = []
    at, width = HEIGHT, WIDTH - 1.1
    for picture in pictures:
        picture.figure.set_dpi(200)
        canvas = FigureCanvasAgg(picture.figure)
        canvas.draw()
        image = np.asarray(canvas.buffer_rgba())
        caption = textwrap.wrap(picture.caption, 108)
        height = width * image.shape[0] / image.shape[1]
        if at + 0.45 + height + 0.3 + len(caption) * _LINE > HEIGHT - 0.5:
            sheets.append(new_page(WIDTH, HEIGHT))
            at = _TOP
        sheet = sheets[-1]
        sheet.text(_LEFT / WIDTH, 1 - at / HEIGHT, picture.title, fontsize=13, fontweight="bold", va="top")
        at += 0.4 + height
        axes = sheet.add_axes((0.55 / WIDTH, 1 - at / HEIGHT, width / WIDTH, height / HEIGHT))
        axes.imshow(image, interpolation="antialiased")
        axes.set_axis_off()
        words = "\n".join(caption)
        sheet.text(_LEFT / WIDTH, 1 - (at + 0.1) / HEIGHT, words, fontsize=8.5, color=_SOFT, va="top")
        at += 0.5 + len(caption) * _LINE
    return sheets


def _rows(text: _Text, table: Table) -> None:
    text.head(table.title)
    columns = max(map(len, table.rows))
    room = WIDTH - 2 * _LEFT
    places = [_LEFT, _LEFT + 2.4] if columns == 2 else [_LEFT + room * n / columns for n in range(columns)]
    for number, row in enumerate(table.rows):
        parts = [
            textwrap.wrap(each, 72 if columns == 2 and n else max(int(96 / columns), 14)) or [""]
            for n, each in enumerate(row)
        ]
        weight = "bold" if table.head and number == 0 else "normal"
        for line in range(max(map(len, parts))):
            for column, (part, place) in enumerate(zip(parts, places, strict=False)):
                if line < len(part):
                    text.line(part[line], 7.5, weight, _SOFT if columns == 2 and column == 0 else INK, place)
            text.down(0.85)
