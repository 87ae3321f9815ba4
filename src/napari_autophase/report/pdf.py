"""A report as a PDF of A4 pages."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from functools import lru_cache
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
_SMALL, _GAP = 7.5, 0.1
"""Letters of tables in points, and inches between their columns."""
_NARROW, _WIDE = 1.35, 2.4
"""Inches for the labels of a table of two columns: where they are short, and else."""
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

    def holds(self, lines: float) -> bool:
        """Whether so many lines have room on the page."""
        return self.at + (lines - 1) * _LINE <= HEIGHT - _TOP

    @property
    def begins(self) -> bool:
        """Whether nothing stands on the page yet."""
        return self.at >= HEIGHT or self.at <= _TOP

    def turn(self) -> None:
        """Go on with the next page."""
        self.at = HEIGHT

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
        tables = _Text()
        for table in report.tables:
            _rows(tables, table)
        pages = [*_words(report), *_sheets(report.pictures), *tables.pages]
        for number, each in enumerate(pages, 1):
            _foot(each, report, f"{number} / {len(pages)}")
            pdf.savefig(each)
    return memory.getvalue()


def _foot(page: Figure, report: Report, number: str) -> None:
    """Write whose page it is, and which, at its foot."""
    at, name = 0.4 / HEIGHT, textwrap.shorten(f"{report.title} · {report.subtitle}", 100, placeholder="…")
    page.text(_LEFT / WIDTH, at, name, fontsize=_SMALL, color=_SOFT)
    page.text(1 - _LEFT / WIDTH, at, number, fontsize=_SMALL, color=_SOFT, ha="right")


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
    places, widths = _columns(table, columns)
    heads = table.rows[:1] if table.head else []
    rows = [(row, "normal") for row in table.rows[len(heads) :]]
    waiting = [*((row, "bold") for row in heads), *rows]
    while waiting:
        row, weight = waiting.pop(0)
        parts = [_folded(each, width, weight) for each, width in zip(row, widths, strict=False)]
        if not text.holds(0.85 * (max(map(len, parts)) - 1) + 1) and not text.begins:
            text.turn()
            waiting[:0] = [*((each, "bold") for each in heads if weight != "bold"), (row, weight)]
            continue
        for line in range(max(map(len, parts))):
            for column, (part, place) in enumerate(zip(parts, places, strict=False)):
                if line < len(part):
                    colour = _SOFT if columns == 2 and column == 0 else INK
                    text.line(part[line], _SMALL, weight, colour, place)
            text.down(0.85)


def _columns(table: Table, columns: int) -> tuple[list[float], list[float]]:
    """Return where the columns of a table begin and how wide they are, in inches: as their words need, what is left shared."""
    room = WIDTH - 2 * _LEFT - _GAP * (columns - 1)
    if columns == 2:
        labels = _NARROW if max(_width(row[0]) for row in table.rows) <= _NARROW - _GAP else _WIDE
        widths = [labels - _GAP, room - labels + _GAP]
    else:
        widths = [0.0] * columns
        for number, row in enumerate(table.rows):
            for column, words in enumerate(row):
                heads = table.head and number == 0  # heads are folded, values only where there is no room
                width = (
                    max((_width(each, "bold") for each in words.split()), default=0)
                    if heads
                    else _width(words)
                )
                widths[column] = max(widths[column], width)
        while sum(widths) > room + 1e-6:  # the widest give way
            widest = max(widths)
            wide = [width for width in widths if width > 0.95 * widest]
            less = max(0.9 * widest, widest - (sum(widths) - room) / len(wide))
            widths = [min(width, less) for width in widths]
        widths = [width + (room - sum(widths)) / columns for width in widths]
    places = [_LEFT + sum(widths[:column]) + _GAP * column for column in range(columns)]
    return places, widths


def _folded(words: str, width: float, weight: str) -> list[str]:
    """Return words in lines no wider than so many inches, of which each holds one at least."""
    lines: list[str] = []
    for each in words.split():
        longer = f"{lines[-1]} {each}" if lines else each
        if lines and _width(longer, weight) <= width + 1e-6:
            lines[-1] = longer
        else:
            lines.append(each)
    return lines or [""]


@lru_cache(maxsize=4096)
def _width(words: str, weight: str = "normal") -> float:
    """Return how wide words are in a table, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=STYLE.get("font.family"), size=_SMALL, weight=weight)
    return float(text_to_path.get_text_width_height_descent(words, font, False)[0]) / 72
