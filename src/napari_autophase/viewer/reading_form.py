"""What a person can say of a scan's file: masks, fields, their place, what its numbers are, and which axis rocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit

from .parts import FileRow, Section, caption, form

_GOOD = {"": "told by what it covers", "0": "0 is good", "1": "1 is good"}
_VALUES = {
    "": "recognised",
    "counts": "photon counts",
    "amplitudes": "amplitudes (roots of counts)",
    "scaled": "counts times a factor",
}
_AXES = {
    "": "frames, rows, columns",
    "0,2,1": "frames, columns, rows",
    "1,0,2": "rows, frames, columns",
    "2,0,1": "rows, columns, frames",
    "1,2,0": "columns, frames, rows",
    "2,1,0": "columns, rows, frames",
}
"""What the file's axes are, by where the frames, the rows and the columns stand among them."""


@dataclass(frozen=True)
class Request:
    """What is to be read."""

    path: str
    dataset: str | None = None
    mask: str | None = None
    dark: str | None = None
    white: str | None = None
    mask_good: str | None = None
    roi: str | None = None
    values: str | None = None
    axes: str | None = None

    def said(self) -> dict[str, Any]:
        """Return what is said of the file, as `formats.read_scan` takes it; what is not said is left out.

        Raises
        ------
        InputError
            If numbers cannot be read.
        """
        from .. import formats

        words = {"mask": self.mask, "dark": self.dark, "white": self.white, "values": self.values}
        good = {"mask_good": int(self.mask_good) if self.mask_good else None}
        found = words | good | formats.numbers_in(roi=self.roi, axes=self.axes)
        return {key: value for key, value in found.items() if value is not None}

    @property
    def file(self) -> str:
        """The file, without the dataset that may be named behind it."""
        return file_of(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file).name


def file_of(source: str) -> str:
    """Return the file of ``FILE::DATASET``."""
    path = source.partition("::")[0]
    return str(Path(path)) if path else ""


class Choice(QComboBox):
    """One of several words; `chosen` tells which."""

    chosen = Signal(str)

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__()
        for word, text in words.items():
            self.addItem(text, word)
        self.activated.connect(lambda _: self.chosen.emit(self.path))

    @property
    def path(self) -> str:
        """The word, or an empty string."""
        return str(self.currentData() or "")

    def choose(self, word: str) -> None:
        """Put a word in and tell."""
        self.show_path(word)
        self.chosen.emit(word)

    def show_path(self, word: str) -> None:
        """Put a word in, of which all know."""
        self.setCurrentIndex(max(self.findData(word), 0))

    def settle(self) -> None:
        """Do nothing: what is chosen was told."""


class Words(QLineEdit):
    """A line of text; `chosen` tells it on Enter and when the line is left."""

    chosen = Signal(str)

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self.setPlaceholderText(placeholder)
        self.setClearButtonEnabled(True)
        self._told = ""
        self.editingFinished.connect(self.settle)

    @property
    def path(self) -> str:
        """The text."""
        return self.text().strip()

    def choose(self, text: str) -> None:
        """Put a text in and tell."""
        self.show_path(text)
        self.chosen.emit(text)

    def show_path(self, text: str) -> None:
        """Put a text in, of which all know."""
        self._told = text
        self.setText(text)

    def settle(self) -> None:
        """Tell what the line says, if that was not told yet."""
        if self.path != self._told:
            self.choose(self.path)


class ReadingForm(Section):
    """The fields; `changed` tells that one of them says something else."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Mask, fields and how to read")
        self.mask_file = FileRow("none")
        self.mask_file.setToolTip(
            "Where the detector saw nothing usable; a volume, one frame, or the whole detector.\n"
            "It adds to the mask that the scan's own file holds."
        )
        self.mask_good = Choice(_GOOD)
        self.mask_good.setToolTip(
            "What good pixels are in the mask: in the scan's own, where no other is given."
        )
        self.dark_file = FileRow("none")
        self.dark_file.setToolTip("Dark frame, subtracted from every frame.")
        self.white_file = FileRow("none")
        self.white_file.setToolTip("White field: every frame is divided by it, relative to its mean.")
        self.roi = Words("first row, end row, first column, end column")
        self.roi.setToolTip(
            "Where the frames lie on the detector, such as 100,356,0,256:\n"
            "masks and fields of the whole detector are cut to that."
        )
        self.values = Choice(_VALUES)
        self.values.setToolTip(
            "What the file's numbers are.  Amplitudes and scaled counts are brought back to counts."
        )
        self.axes = Choice(_AXES)
        self.axes.setToolTip("What the three axes of the file's array are, from the first to the last.")
        self.fields: dict[str, FileRow | Choice | Words] = {
            "mask": self.mask_file,
            "mask_good": self.mask_good,
            "dark": self.dark_file,
            "white": self.white_file,
            "roi": self.roi,
            "values": self.values,
            "axes": self.axes,
        }
        labels = ("Mask", "In the mask", "Dark field", "White field", "Region", "Numbers", "Axes")
        rows = form(self.body)
        for label, field in zip(labels, self.fields.values(), strict=True):
            rows.addRow(caption(label, field.toolTip()), field)
            field.chosen.connect(lambda _: self.changed.emit())

    def words(self) -> dict[str, str | None]:
        """Return what the fields say; None where they say nothing."""
        return {name: field.path or None for name, field in self.fields.items()}

    def show_words(self, words: Mapping[str, str], masked: int) -> None:
        """Show what was said of the current scan, and how many voxels came masked with it."""
        for name, field in self.fields.items():
            field.show_path(words.get(name, ""))
        self.mask_file.line.setPlaceholderText(f"{masked:,} voxels masked already" if masked else "none")

    def settle(self) -> None:
        """Tell what was typed and not yet told."""
        for field in self.fields.values():
            field.settle()
