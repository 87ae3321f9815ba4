"""Results to choose from: one line when it is closed, a table when it is open."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QHeaderView, QPushButton, QTreeView

from ..model.result.remarks import COLUMNS, STARS, Line
from .narrow import Combo

_WIDEST = 260
"""Pixels of a column, at most: a remark may be long."""
_AROUND = 18
"""Pixels between columns."""
_NUMBERS = (2, 3, 4)
"""Columns whose digits stand below each other."""
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
"""How they stand, and what is above them."""


class ResultChoice(Combo):
    """A result of several; the list tells them apart by name, preset, figures, time and remark."""

    def __init__(self) -> None:
        super().__init__()
        self.setMaxVisibleItems(25)
        self.setStyleSheet("combobox-popup: 0;")
        self._rows = QStandardItemModel(0, len(COLUMNS), self)
        self._rows.setHorizontalHeaderLabels(COLUMNS)
        for column in _NUMBERS:
            if (head := self._rows.horizontalHeaderItem(column)) is not None:
                head.setTextAlignment(_RIGHT)
        self.table = QTreeView()
        self.table.setStyleSheet("QTreeView::item, QHeaderView::section { padding: 3px 6px; }")
        self.table.setRootIsDecorated(False)
        self.table.setItemsExpandable(False)
        self.table.setAllColumnsShowFocus(True)
        self.table.setUniformRowHeights(True)
        self.table.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setModel(self._rows)
        self.setView(self.table)
        self.setModelColumn(0)
        self.currentIndexChanged.connect(self._say)

    def show_lines(self, lines: Sequence[Line], chosen: int) -> None:
        """Offer these, one of them chosen; nobody is told."""
        blocked = self.blockSignals(True)
        self._rows.setRowCount(0)
        for each in lines:
            items = [QStandardItem(text) for text in each.cells]
            for item in items:
                item.setToolTip(each.words)
                item.setEditable(False)
            for column in _NUMBERS:
                items[column].setTextAlignment(_RIGHT)
            self._rows.appendRow(items)
        self.setCurrentIndex(chosen)
        self.blockSignals(blocked)
        self._say()

    def showPopup(self) -> None:
        """Open the table, as wide as what it says."""
        header = self.table.header()
        if header is not None:
            header.setStretchLastSection(True)
            header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
            total = 0
            for column in range(len(COLUMNS)):
                asked = max(self.table.sizeHintForColumn(column), header.sectionSizeHint(column))
                header.resizeSection(column, min(asked + _AROUND, _WIDEST))
                total += header.sectionSize(column)
            self.table.setMinimumWidth(total + 2 * self.table.frameWidth() + _AROUND)
        super().showPopup()

    def _say(self) -> None:
        """Tell in the tooltip what there is no room for."""
        item = self._rows.item(self.currentIndex(), 0)
        what = "The result that is shown; the others are hidden.  The list tells them apart."
        self.setToolTip(what if item is None else f"{item.toolTip()}\n{what}")


class Star(QPushButton):
    """A star that is set and taken back."""

    starred = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setToolTip(
            "Star this result: it is kept when the next one replaces the last.  Star and remark are saved with it."
        )
        self.toggled.connect(lambda on: self.setText(STARS[on]))
        self.clicked.connect(self.starred)
        self.setText(STARS[0])
        self.setStyleSheet("QPushButton { padding: 2px 6px; }")
        self.setAccessibleName("Star")
