"""A dock's page is written in napari's letters, and is as wide as what it holds."""

from __future__ import annotations

import pytest
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_autophase.viewer.widgets.page import Page
from napari_autophase.viewer.widgets.section import Section


@pytest.fixture
def letters(qapp):
    """Makes napari's letters as large as this, as its settings do: labels by its style, lines not."""
    appearance, before = get_settings().appearance, get_settings().appearance.font_size
    style = qapp.styleSheet()

    def write(points):
        appearance.font_size = points
        qapp.setStyleSheet(f"QWidget {{ padding: 1px; }} QLabel {{ font-size: {points}pt; }}")

    yield write
    appearance.font_size = before
    qapp.setStyleSheet(style)


@pytest.fixture
def page(qtbot):
    page = Page()
    page.label, page.line, page.section = QLabel("Seed"), QLineEdit("0"), Section("Advanced")
    QVBoxLayout(page.section.body).addWidget(
        QPushButton("a button that is wider than all that stands above it")
    )
    for each in (page.label, page.line, page.section):
        page.column.addWidget(each)
    qtbot.addWidget(page)
    page.show()
    return page


@pytest.mark.parametrize("points", [9, 18])
def test_lines_and_headlines_are_written_as_large_as_labels(letters, page, points):
    letters(points)
    QApplication.processEvents()
    sizes = {each.fontInfo().pointSize() for each in (page.label, page.line, page.section.head)}
    assert sizes == {points}


def test_a_page_whose_section_is_opened_asks_for_the_width_that_it_needs(qtbot, page):
    outside = page.outside = QWidget()  # as a dock: it heeds what its page asks for
    qtbot.addWidget(outside)
    QVBoxLayout(outside).addWidget(page)
    outside.resize(100, 300)
    outside.show()
    qtbot.waitUntil(lambda: page.isVisible())
    page.section.head.click()
    qtbot.waitUntil(lambda: page.scroller.horizontalScrollBar().maximum() == 0)
    button = page.section.body.findChild(QPushButton)
    assert button.width() >= button.sizeHint().width()
    assert page.width() >= page.minimumSizeHint().width()
