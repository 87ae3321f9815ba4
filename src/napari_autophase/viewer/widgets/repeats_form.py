"""Which other scans repeat the current one, to be summed with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFileDialog, QListWidget, QListWidgetItem, QPushButton

from ..model.scan.request import FILES
from ..model.words import gists
from .layout import Buttons, caption, form
from .section import Section

_HEIGHT = 110
"""Pixels of the list."""
_LEAST = 0.99
"""As `preparation.repeats` has it."""
_SOURCE = Qt.ItemDataRole.UserRole


class RepeatsForm(Section):
    """Scans with a tick each: those of the same file, and those of files that were added; `wanted` asks for the sum."""

    wanted = Signal()

    def __init__(self) -> None:
        super().__init__("Sum of repeated scans", page="guide/series.md#Repeats of one scan")
        self.list = QListWidget()
        self.list.setFixedHeight(_HEIGHT)
        self.list.setToolTip(
            "Tick the scans that repeat the one above: they are aligned by correlation and added."
        )
        self.add = QPushButton("Add files…")
        self.add.setToolTip("Add scans that lie in files of their own.")
        self.least = QDoubleSpinBox()
        self.least.setRange(0.01, 1.0)
        self.least.setDecimals(3)
        self.least.setSingleStep(0.01)
        self.least.setValue(_LEAST)
        self.least.setToolTip(
            "Correlation of the moduli that a scan needs; those below it are left out, and named."
        )
        self.sum = QPushButton("Sum")
        self.sum.setToolTip("Read all that are ticked, and add them to the scan above.")
        rows = form(self.body)
        rows.addRow(self.list)
        rows.addRow(Buttons(self.add, self.sum))
        rows.addRow(caption("Correlation ≥", self.least.toolTip()), self.least)
        self.add.clicked.connect(self._ask)
        self.sum.clicked.connect(self.wanted)
        self.list.itemChanged.connect(lambda _: self._count())
        self._summed = 0
        self._count()

    @property
    def ticked(self) -> tuple[str, ...]:
        """The scans that are ticked, as ``FILE::DATASET``."""
        return tuple(item.data(_SOURCE) for item in self._items if item.checkState() == Qt.CheckState.Checked)

    @property
    def _items(self) -> list[QListWidgetItem]:
        found = [self.list.item(index) for index in range(self.list.count())]
        return [item for item in found if item is not None]

    def show_scans(self, current: str, offered: Sequence[tuple[str, str]], summed: Sequence[str]) -> None:
        """Offer scans beside the `current` one.

        Parameters
        ----------
        current
            Its ``FILE::DATASET``.
        offered
            What the others of its file are called, and their sources; the current one may be among them.
        summed
            Those that are ticked, in any file.
        """
        self.list.clear()
        known = [(text, source) for text, source in offered if not _is_same(source, current)]
        for text, source in known:
            self._append(text, source, any(_is_same(source, each) for each in summed))
        for each in summed:
            if not any(_is_same(source, each) for _, source in known):
                self._append(_called(each), each, True)
        self._summed = len(self.ticked)
        self._count()

    def add_files(self, paths: Sequence[str]) -> None:
        """Offer files that are not offered yet, ticked."""
        there = {item.data(_SOURCE) for item in self._items}
        for path in paths:
            if path not in there:
                self._append(_called(path), path, True)
        self._count()

    def _append(self, text: str, source: str, ticked: bool) -> None:
        item = QListWidgetItem(text)
        item.setData(_SOURCE, source)
        item.setToolTip(source)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        self.list.addItem(item)

    def _count(self) -> None:
        count = len(self.ticked)
        self.sum.setEnabled(count > 0)
        self.sum.setText(f"Sum the {count + 1} scans" if count else "Sum")
        self.sum_up(gists.summed(self._summed, count))

    def _ask(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Add scans that repeat this one", "", FILES)
        self.add_files(paths)


def _is_same(source: str, other: str) -> bool:
    """Whether two sources are one scan: a dataset may be named by the scan in which it stands."""
    (file, _, inside), (other_file, _, other_inside) = source.partition("::"), other.partition("::")
    if Path(file).absolute() != Path(other_file).absolute():
        return False
    one, two = inside.strip("/"), other_inside.strip("/")
    return not one or not two or f"{two}/".startswith(f"{one}/") or f"{one}/".startswith(f"{two}/")


def _called(source: str) -> str:
    file, _, inside = source.partition("::")
    return f"{Path(file).name} {inside}".strip()
