"""Rows, forms and labels that align across the docks."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import QEvent, QRect, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QVBoxLayout,
    QWidget,
)

LABEL_WIDTH = 110
"""Of the labels of fields, in pixels: the longest of them fit, unless letters are large."""
_GAP = 4
"""Pixels between buttons."""
_WIDEST_LABEL = 0.6
"""Part of a form's width that labels have beside their fields, at most."""
_SPIN_PX = 60
"""What stands beside the text in a box for numbers."""
_LABEL, _FIELD = QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole


class _Form(QFormLayout):
    """A form whose fields stand below their labels, all of them, where there is too little room beside."""

    def setGeometry(self, place: QRect) -> None:
        """Take this place."""
        policies = QFormLayout.RowWrapPolicy
        needed = max((each.minimumSize().width() for each in self._items(_LABEL)), default=0)
        fields = list(self._items(_FIELD))
        wraps = bool(needed and fields) and (
            needed > _WIDEST_LABEL * place.width()
            or needed + self.horizontalSpacing() + max(map(_least, fields)) > place.width()
        )
        self.setRowWrapPolicy(policies.WrapAllRows if wraps else policies.WrapLongRows)
        super().setGeometry(place)

    def _items(self, role: QFormLayout.ItemRole) -> Iterator[QLayoutItem]:
        for index in range(self.rowCount()):
            item, label = self.itemAt(index, role), self.itemAt(index, _LABEL)
            if item is not None and label is not None and not label.isEmpty():
                yield item


def _least(item: QLayoutItem) -> int:
    """Return the width that a field needs: napari's style lets boxes for numbers be narrower than what they say."""
    box, least = item.widget(), item.minimumSize().width()
    if not isinstance(box, QAbstractSpinBox):
        return least
    return max(least, box.fontMetrics().horizontalAdvance(box.text()) + _SPIN_PX)


def form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form whose fields grow and whose labels align."""
    layout = _Form(parent) if parent is not None else _Form()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


class Rows(QWidget):
    """Lines below each other in the place of one field, without a margin of their own: they align with other fields."""

    def __init__(self) -> None:
        super().__init__()
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)


def narrow(spin: QAbstractSpinBox, width_px: int) -> None:
    """Let a box be as narrow as this: napari's style makes it wider than a dock has room for."""
    spin.setStyleSheet(f"QAbstractSpinBox {{ min-width: {width_px}px; }}")


def row(*widgets: QWidget, stretch: int = 0) -> QHBoxLayout:
    """Return widgets side by side; the one at `stretch` takes the room."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == stretch else 0)
    return layout


def keep_place(*widgets: QWidget) -> None:
    """Let widgets take their room while they are hidden too, so that nothing moves when they appear."""
    for widget in widgets:
        policy = widget.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        widget.setSizePolicy(policy)


class Caption(QLabel):
    """The label of a field; all have one width, so that the fields of a dock align, or that of a text in large letters."""

    def minimumSizeHint(self) -> QSize:
        """Return the common width, or that of the text: a minimum that is set would let the text be cut off."""
        return super().minimumSizeHint().expandedTo(QSize(LABEL_WIDTH, 0))

    def sizeHint(self) -> QSize:
        """Return the same."""
        return super().sizeHint().expandedTo(QSize(LABEL_WIDTH, 0))


def caption(text: str, tip: str = "") -> QLabel:
    """Return the label of a field."""
    label = Caption(text)
    label.setToolTip(tip)
    return label


class Buttons(QWidget):
    """Buttons side by side over the whole width; where large letters leave no room for that, in several lines.

    Parameters
    ----------
    buttons
        From left to right.
    """

    def __init__(self, *buttons: QAbstractButton) -> None:
        super().__init__()
        self._buttons, self._columns = buttons, 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_GAP)
        self._grid.setSizeConstraint(
            QLayout.SizeConstraint.SetNoConstraint
        )  # else it could not be made narrower
        self._stand(len(buttons))

    def minimumSizeHint(self) -> QSize:
        """Return the width of the widest button, and the height of the lines that there are."""
        return QSize(
            max(button.minimumSizeHint().width() for button in self._buttons),
            self._grid.minimumSize().height(),
        )

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Stand in as many lines as the width asks for."""
        super().resizeEvent(event)
        self._fit()

    def event(self, event: QEvent | None) -> bool:
        """Do so too where the buttons are called otherwise, or letters become larger."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().event(event)

    def _fit(self) -> None:
        widths, count = [button.sizeHint().width() for button in self._buttons], len(self._buttons)
        for lines in range(1, count + 1):
            columns = -(-count // lines)
            if sum(max(widths[at::columns]) + _GAP for at in range(columns)) - _GAP <= self.width():
                break
        self._stand(columns)

    def _stand(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for index, button in enumerate(self._buttons):
            self._grid.addWidget(button, index // columns, index % columns)
        for column in range(len(self._buttons)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self.updateGeometry()
