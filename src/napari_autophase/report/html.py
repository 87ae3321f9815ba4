"""A report as one page of HTML with all of its figures inside."""

from __future__ import annotations

import base64
from html import escape

from ..analysis.drawing import png
from .content import Picture, Report
from .tables import Table

_STYLE = """
:root { --ink: #20242b; --soft: #59606b; --line: #e2e5ea; --pale: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: #eceef1; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 48px 64px; background: white; }
h1 { margin: 0; font-size: 30px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 40px 0 8px; font-size: 19px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
.when { color: var(--soft); margin: 4px 0 24px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; padding: 16px 20px; background: var(--pale);
  border-radius: 8px; }
dt { color: var(--soft); }
dd { margin: 0; }
figure { margin: 0; }
figure img { width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 4px; max-width: 80ch; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: 3px 16px 3px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; }
th { font-weight: 600; }
.pairs td { overflow-wrap: anywhere; }
.pairs td:first-child { color: var(--soft); width: 32%; }
ul { padding-left: 20px; }
@media print { body { background: white; } main { padding: 0; max-width: none; } figure, table { break-inside: avoid; } }
"""


def page(report: Report, dpi: int = 110) -> str:
    """Return the page: it refers to nothing outside of itself."""
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(words)}</dd>" for label, words in report.facts)
    pictures = "".join(_picture(each, dpi) for each in report.pictures)
    tables = "".join(map(_table, report.tables))
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(report.title)}</h1>\n<p class="when">{escape(report.subtitle)}</p>\n<dl>{facts}</dl>\n'
        + (f"<h2>Notes</h2>\n<ul>{notes}</ul>\n" if notes else "")
        + f"{pictures}{tables}</main>\n</body>\n</html>\n"
    )


def _picture(picture: Picture, dpi: int) -> str:
    data = base64.b64encode(png(picture.figure, dpi)).decode("ascii")
    title, caption = escape(picture.title), escape(picture.caption)
    return (
        f'<h2>{title}</h2>\n<figure><img alt="{title}: {caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def _table(table: Table) -> str:
    rows = []
    for number, row in enumerate(table.rows):
        cell = "th" if table.head and number == 0 else "td"
        rows.append("<tr>" + "".join(f"<{cell}>{escape(each)}</{cell}>" for each in row) + "</tr>")
    kind = "" if table.head else ' class="pairs"'
    return f"<h2>{escape(table.title)}</h2>\n<table{kind}>{''.join(rows)}</table>\n"
