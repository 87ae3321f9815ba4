"""How the documentation is built: ``make docs``. Warnings are errors; the notebooks among the pages run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "src")]
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["PYTHONPATH"] = str(DOCS.parent / "src")

import generate  # noqa: E402

from napari_autophase.version import VERSION  # noqa: E402

project = "napari-autophase"
author = "The napari-autophase developers"
copyright = f"2026, {author}"
version = release = VERSION

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "generated/*.md"]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_title = f"napari-autophase {VERSION}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "formats": []},  # whose tables are wide
}
html_sidebars = {page: [] for page in ("index", "install", "benchmarks", "developers")}
html_math_renderer = "mathml"


def _without_links_to_tests(app: object, docname: str, source: list[str]) -> None:
    """Leave only the words of links to tests, which are no part of these pages."""
    if docname == "formats":
        text = re.sub(r"^\[\w+\]: \.\./tests/\S+\n", "", source[0], flags=re.MULTILINE)
        source[0] = re.sub(r"\[([^\]]+)\]\[\w+\]", r"\1", text)


def _bars_are_moduli(
    app: object, what: str, name: str, about: object, options: object, lines: list[str]
) -> None:
    """Escape the bars of |F| in docstrings, which reStructuredText would take for a substitution."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`[^`]*`)", line)
        lines[number] = "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)


def _colons_are_colons(
    app: object, what: str, name: str, about: object, options: object, lines: list[str]
) -> None:
    """Put a sentence with a colon together again, of which napoleon takes the first half for the type of a property."""
    if lines and (found := re.fullmatch(r":type: (?!bool|int|float|complex)(.+)", lines[-1])):
        lines[-2:] = []
        lines[0] = f"{found.group(1)}: {lines[0]}"


def _mathml(self: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers draw by themselves: no script is fetched from anywhere."""
    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    self.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def setup(app: object) -> None:
    """Write the generated pages, and hook in."""
    app.add_html_math_renderer("mathml", (_mathml, None), (_mathml, None))  # type: ignore[attr-defined]
    generate.everything(DOCS / "generated")
    app.connect("source-read", _without_links_to_tests)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _colons_are_colons, priority=600)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", _bars_are_moduli, priority=900)  # type: ignore[attr-defined]
