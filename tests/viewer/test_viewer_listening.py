"""Widgets that are gone hear no more."""

from __future__ import annotations

from napari.utils.events import EventEmitter
from qtpy.QtWidgets import QWidget

from napari_autophase.viewer.widgets.listening import listen


class Touchy:
    """As a model of napari 0.7 with pydantic 2.8: it cannot be compared with a widget that Qt has deleted."""

    def __eq__(self, other):
        return hasattr(other, "__pydantic_validator__")

    __hash__ = None

    def hear(self, event=None):
        pass


class Ear(QWidget):
    def __init__(self):
        super().__init__()
        self.heard = 0

    def hear(self, event=None):
        self.heard += 1


def test_whatever_else_listens_to_napari_a_widget_that_is_gone_hears_no_more(qtbot):
    emitter, other, ear, closed = EventEmitter(type_name="any"), Touchy(), Ear(), []
    emitter.connect(other.hear, position="last")
    listen(ear, (emitter, ear.hear), close=lambda: closed.append(True))
    emitter()
    assert ear.heard == 1
    with qtbot.waitSignal(ear.destroyed, timeout=120_000):
        ear.deleteLater()
    assert closed
    emitter()
    assert ear.heard == 1
