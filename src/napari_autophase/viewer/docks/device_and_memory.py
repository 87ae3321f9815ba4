"""What the computer has, and what memory the chosen job will take of it: two quiet lines, said once the engine is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from napari.layers import Layer
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from ...recipe import Recipe
from ...scan import InputError
from ..model.session import Session
from ..model.words.run_words import DEVICES
from ..threads import Tasks
from ..warmup import engine
from ..widgets.listening import listen
from ..widgets.notes import Note

CHOOSING_MS = 200
"""Choices that follow each other faster are answered once."""


class DeviceAndMemory(QWidget):
    """The devices, and the memory that the current scan takes by a recipe.

    Parameters
    ----------
    session
        Of the viewer.
    recipe
        Returns the recipe that is chosen, or raises an `InputError`.
    """

    devices_known = Signal(set)
    """The names of the devices there are, such as ``cuda:0``."""

    def __init__(self, session: Session, recipe: Callable[[], Recipe]) -> None:
        super().__init__()
        self._session, self._recipe = session, recipe
        self._tasks = Tasks()
        self.devices = Note()
        self.devices.say("looking for devices…")
        self.memory = Note()
        self.memory.setToolTip("Memory that phasing takes at its peak with these choices, and what is free.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.devices)
        column.addWidget(self.memory)
        self._chosen = QTimer(self)
        self._chosen.setSingleShot(True)
        self._chosen.setInterval(CHOOSING_MS)
        self._chosen.timeout.connect(self._ask)

        listen(
            self,
            (session.scan_changed, self.on_choice),
            (session.scan_updated, self.on_choice),
            close=self._tasks.close,
        )
        engine.ready.connect(self._on_engine)
        engine.failed.connect(self._on_failed)
        if engine.loaded:
            self._on_engine()

    def on_choice(self) -> None:
        """Something else was chosen: say again what it takes, soon."""
        self._tasks.forget("memory")
        self._chosen.start()

    def _on_engine(self) -> None:
        self._tasks.start("devices", _device_lines, done=self._show, failed=self._on_failed)
        self._ask()

    def _show(self, lines: list[str]) -> None:
        self.devices.say("\n".join(lines))
        self.devices_known.emit({line.partition(": ")[0] for line in lines})

    def _on_failed(self, error: Exception) -> None:
        self.devices.say(f"PyTorch cannot be used: {error}")

    def _ask(self) -> None:
        try:
            recipe, current = self._recipe(), self._session.current
            shape = current.data.shape if isinstance(current, Layer) else current and current.shape
        except InputError:  # which is said when the button is pressed
            shape = None
        if shape is None or not engine.loaded:
            self.memory.say("")
        else:
            self._tasks.start(
                "memory", _memory_line, shape, recipe, done=self.memory.say, failed=self._refuse
            )

    def _refuse(self, error: Exception) -> None:
        self.memory.say(str(error), error=True)


def offer_devices(box: QComboBox, names: set[str]) -> None:
    """Let those devices be chosen that there are, each of several by its number, and say of the others that there are none."""
    model = box.model()
    assert isinstance(model, QStandardItemModel)
    kinds = Counter(name.partition(":")[0] for name in names)
    for name in sorted(names):
        kind, _, number = name.partition(":")
        if number and kinds[kind] > 1 and box.findData(name) < 0:
            box.addItem(name, name)
    for index in range(box.count()):
        kind, _, number = box.itemData(index).partition(":")
        there = kind == "auto" or (box.itemData(index) in names if number else kind in kinds)
        name = f"{DEVICES[kind]} {number}".strip()
        box.setItemText(index, name if there else f"{name}: none here")
        item = model.item(index)
        assert item is not None
        item.setEnabled(there)


# a GPU is asked in a thread: the first answer takes it a while
def _device_lines() -> list[str]:
    from ...phasing import device_lines

    return device_lines()


def _memory_line(shape: tuple[int, ...], recipe: Recipe) -> str:
    from ...phasing import memory_line

    return memory_line(shape, recipe)
