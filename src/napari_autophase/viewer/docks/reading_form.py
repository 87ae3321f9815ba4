"""What a person can say of a scan's file: masks, fields, crop, what its numbers are, and which axis rocks."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal

from ..model.run.choices import preparation_of
from ..model.session import Session
from ..model.words import gists
from ..widgets.fields import Choice, Words
from ..widgets.file_row import FileRow
from ..widgets.layout import caption, form
from ..widgets.section import Section
from ..widgets.words import READING
from .binning_row import BinningRow
from .crop_row import CropRow
from .mask_row import MaskRow

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
_LOGS = "Logs of a beamline (*.spec *.fio *.dat *.gz);;All files (*)"


class ReadingForm(Section):
    """The fields; `changed` tells that one of them says something else."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__("Prepare", page="guide/files.md#In")
        self._session = session
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
        self.spec_file = FileRow("looked for beside the frames", files=_LOGS)
        self.spec_file.setToolTip(
            "The SPEC or fio file with the scan's motors, if it is not in the folders around the frames."
        )
        self.painted = MaskRow(session)
        self.crop = CropRow(session)
        self.binning = BinningRow(session)
        self.fields: dict[str, FileRow | Choice | Words | CropRow] = {
            "mask": self.mask_file,
            "mask_good": self.mask_good,
            "crop": self.crop,
            "dark": self.dark_file,
            "white": self.white_file,
            "roi": self.roi,
            "values": self.values,
            "axes": self.axes,
            "spec": self.spec_file,
        }
        rows = form(self.body)
        for name, field in self.fields.items():
            rows.addRow(caption(READING[name], field.toolTip()), field)
            field.chosen.connect(lambda _: self.changed.emit())
            if field is self.crop:
                rows.addRow(caption("Binning", self.binning.toolTip()), self.binning)
            if field is self.mask_good:
                rows.addRow(caption("Painted", self.painted.toolTip()), self.painted)

    def words(self) -> dict[str, str | None]:
        """Return what the fields say, as a `Request` has it; None where they say nothing."""
        return {name: field.path or None for name, field in self.fields.items()}

    def show_words(self, words: Mapping[str, str], masked: int) -> None:
        """Show what was said of the current scan, and how many voxels came masked with it."""
        for name, field in self.fields.items():
            field.show_path(words.get(name, ""))
        self.mask_file.line.setPlaceholderText(f"{masked:,} voxels masked already" if masked else "none")

    def show_masked(self, masked: int | None) -> None:
        """Say how many voxels are masked as it is phased; None: that is being worked out."""
        preparation = preparation_of(self._session.choices_made)
        binning = (1, 1, 1) if preparation is None else preparation.binning
        said = {name: text for name, text in self.words().items() if text}
        self.sum_up(gists.prepared(said, masked, binning))

    def allow_reading(self, allowed: bool) -> None:
        """Let the fields be changed that have the scan's file read anew, if there is one."""
        for field in self.fields.values():
            field.setEnabled(allowed)

    def settle(self) -> None:
        """Tell what was typed and not yet told."""
        for field in self.fields.values():
            field.settle()
