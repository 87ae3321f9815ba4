"""Rows, forms and labels that align across the docks."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

LABEL_WIDTH = 110
"""Of the labels of fields, in pixels: the longest of them fit."""


def form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form whose fields grow and whose labels align."""
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
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


def caption(text: str, tip: str = "") -> QLabel:
    """Return the label of a field; all have one width, so that the fields of a dock align."""
    label = QLabel(text)
    label.setToolTip(tip)
    label.setMinimumWidth(LABEL_WIDTH)
    return label
