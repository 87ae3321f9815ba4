"""The presets to choose from: each with what it is for, and about how long it takes on this scan."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QFontMetrics, QPainter
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ...presets import PRESETS
from ..model.run.costs import PURPOSES
from .narrow import Combo

COST = Qt.ItemDataRole.UserRole + 1
"""Where an item keeps about how long it takes."""
_PAD, _GAP = 8, 24
"""Pixels around the words of a card, and least between name and time."""
_WIDEST = 520
"""Of the list, in pixels: longer lines break."""
_FAINT = 0.7
"""Part of their colour that purposes have beside names."""
_LEFT, _RIGHT = (
    side | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
    for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight)
)
"""Where names and purposes, and where times stand."""


class PresetChoice(Combo):
    """A preset of several; closed, it says name and time, open each is a card of two lines."""

    def __init__(self) -> None:
        super().__init__()
        for name in PRESETS:
            self.addItem(name, name)
            self.setItemData(self.count() - 1, PURPOSES[name], Qt.ItemDataRole.AccessibleDescriptionRole)
        self.setToolTip("How much effort to spend; about how long that takes on this scan is said beside it.")
        self.setStyleSheet("combobox-popup: 0;")
        self.setItemDelegate(_Card(self))

    @property
    def said(self) -> str:
        """What it says while it is closed."""
        return "  ·  ".join(filter(None, (self.currentText(), self.currentData(COST))))

    def show_costs(self, costs: Mapping[str, str]) -> None:
        """Say beside each preset how long it takes; nothing for those that are not named."""
        for index, name in enumerate(PRESETS):
            cost = costs.get(name, "")
            if self.itemData(index, COST) != cost:
                self.setItemData(index, cost, COST)
                words = ", ".join(filter(None, (PURPOSES[name], cost)))
                self.setItemData(index, words, Qt.ItemDataRole.AccessibleDescriptionRole)
        self.update()

    def showPopup(self) -> None:
        """Open the cards, as wide as their lines."""
        view = self.view()
        if view is not None:
            view.setMinimumWidth(max(self.width(), min(view.sizeHintForColumn(0) + 2 * _PAD, _WIDEST)))
        super().showPopup()


class _Card(QStyledItemDelegate):
    """Draws a preset's name and time, and below them what it is for."""

    def __init__(self, box: PresetChoice) -> None:
        super().__init__(box)
        self._box = box

    def sizeHint(self, _: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return the room of both lines."""
        bold, plain = QFontMetrics(_bold(self._box.font())), QFontMetrics(self._box.font())
        name, cost, purpose = _words(index)
        top = bold.horizontalAdvance(name) + _GAP + plain.horizontalAdvance(cost)
        width = max(top, plain.horizontalAdvance(purpose) + 2)
        view = self._box.view()
        room = max(view.minimumWidth() if view is not None else 0, self._box.width()) - 4 * _PAD
        below = plain.boundingRect(QRect(0, 0, max(room, 1), 0), _LEFT, purpose).height()
        return QSize(width + 2 * _PAD, bold.height() + below + _PAD)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw them."""
        style = self._box.style()
        if painter is None or style is None:
            return
        self.initStyleOption(option, index)
        option.text = ""
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        name, cost, purpose = _words(index)
        place = option.rect.adjusted(_PAD, _PAD // 2, -_PAD, -_PAD // 2)
        colour = self._box.palette().buttonText().color()
        painter.save()
        painter.setPen(colour)
        painter.setFont(self._box.font())
        painter.drawText(place, _RIGHT, cost)
        painter.setFont(_bold(self._box.font()))
        painter.drawText(place, _LEFT, name)
        colour.setAlphaF(_FAINT * colour.alphaF())
        painter.setPen(colour)
        painter.setFont(self._box.font())
        below = place.adjusted(0, QFontMetrics(_bold(self._box.font())).height(), 0, 0)
        painter.drawText(below, _LEFT, purpose)
        painter.restore()


def _words(index: QModelIndex) -> tuple[str, str, str]:
    name = str(index.data(Qt.ItemDataRole.UserRole))
    return str(index.data()), str(index.data(COST) or ""), PURPOSES[name]


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setBold(True)
    return bold
