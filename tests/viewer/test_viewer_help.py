"""“?” leads to a page that is there, at a heading that is in it, without what only Sphinx understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from qtpy.QtCore import QUrl
from qtpy.QtWidgets import QWidget

from napari_autophase.viewer.docks.cut_box import CutBox
from napari_autophase.viewer.docks.workspace import Workspace
from napari_autophase.viewer.model.words import pages
from napari_autophase.viewer.widgets.help import HelpButton, HelpWindow

DOCS = Path(__file__).parents[2] / "docs"


def test_every_question_mark_leads_to_its_heading(qtbot, viewer, session):
    panels = Workspace(viewer)
    qtbot.addWidget(panels)
    buttons = [each for name in panels._PANELS for each in getattr(panels, name).findChildren(HelpButton)]
    assert len({button.page for button in buttons}) > 8
    for button in buttons:
        name, _, heading = button.page.partition("#")
        text = (DOCS / name).read_text(encoding="utf-8")
        assert not heading or re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE), button.page


@pytest.mark.parametrize(
    "page",
    sorted(str(path.relative_to(DOCS)) for each in pages.FOLDERS for path in (DOCS / each).glob("*.md")),
)
def test_pages_are_plain(page):
    text = pages.text_of(page)
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for foreign in ("{term}", ":::", "```{", "\\mathbf", "\\varphi", "\\frac", "!["):
        assert foreign not in text
    assert not re.search(r"\$[^$\n]+\$", prose)


def test_formulas_are_read_as_they_are_meant():
    assert pages.plain(r"$u = -\varphi/|\mathbf Q|$") == "u = -φ/|Q|"
    assert pages.plain(r"$2\times10^{-4}$") == "2×10⁻⁴"
    assert pages.plain("{term}`masked <mask>` and {term}`HIO`") == "masked and HIO"


def test_the_window_goes_to_the_heading_and_follows_links(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    window = HelpWindow.of(parent)
    window.open_page("guide/strain.md#Facets")
    assert window.windowTitle() == "Strain"
    assert window.text.textCursor().block().text() == "Facets"
    assert HelpWindow.of(parent) is window
    window._follow(QUrl("../how/trust.md"))
    assert window._page == "how/trust.md"
    window.open_page("guide/nothing.md")
    assert "not installed" in window.text.toPlainText()


def test_a_box_that_is_turned_off_can_be_asked_about(qtbot):
    box = CutBox()
    qtbot.addWidget(box)
    assert not box.isChecked()
    assert (box.axis.isEnabled(), box.explained.isEnabled()) == (False, True)
    box.setEnabled(False)
    assert not box.explained.isEnabled()
    box.setEnabled(True)
    assert (box.axis.isEnabled(), box.explained.isEnabled()) == (False, True)
    for on in (True, False):
        box.setChecked(on)
        assert (box.axis.isEnabled(), box.explained.isEnabled()) == (on, True)
