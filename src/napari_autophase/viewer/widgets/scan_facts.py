"""What was understood of a scan: facts, what is off, and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...scan import Scan
from ..model.words import gists
from .layout import caption, form
from .notes import Note, Notes, Wrapped
from .section import MARKS, Section

if TYPE_CHECKING:
    from ...summary import ScanSummary

_TIPS = {
    "Shape": "",
    "Counts": "Photons in all, and in the brightest voxel.",
    "Peak": "Frame, row and column of the Bragg peak.",
    "Masked": "Voxels that are masked before phasing: gaps, dead and hot pixels.",
    "Oversampling": "Grid size over the crystal's extent, per axis; below 2 phasing is not unique.",
    "Voxel size": "Edges of the reconstruction's voxels along frames, rows and columns.",
    "Lattice": "Spacing of the lattice planes, 2π/|Q|: a check of the geometry.",
}


class ScanFacts(Section):
    """A line a fact; what is off is marked."""

    def __init__(self) -> None:
        super().__init__("What was understood", is_open=True, page="tutorial/window.md#Open the sample")
        self.body.setToolTip(
            "As phasing sees the scan, with the preparation that the Reconstruct panel says: cropping and binning change it."
        )
        self.facts = {name: _value(tip) for name, tip in _TIPS.items()}
        self.off = Note()
        self.notes = Notes()
        lines = form(self.body)
        for name, value in self.facts.items():
            lines.addRow(caption(name, value.toolTip()), value)
        lines.addRow(self.off)
        lines.addRow(self.notes)

    def show_scan(self, scan: Scan) -> None:
        """Say what is known at once; the rest follows."""
        for label in self.facts.values():
            label.setText("…")
        self.off.say("")
        self.sum_up(gists.Gist())
        self.facts["Shape"].setText(" × ".join(map(str, scan.shape)) + f", {scan.counts.dtype}")

    def give_up(self) -> None:
        """Say that nothing more is known."""
        for label in self.facts.values():
            if label.text() == "…":
                label.setText("unknown")

    def show_summary(self, found: ScanSummary, binning: tuple[int, int, int] = (1, 1, 1)) -> None:
        """Say all of it, as it is after this binning."""
        seen = found.seen
        arm = None if seen is None else seen.arm_spacing_nm
        texts = {
            "Counts": f"{found.counts:.3g} in all, max. {found.maximum:.4g}",
            "Peak": ", ".join(str(round(index)) for index in found.peak),
            "Masked": f"{found.masked:,} voxels" if found.masked else "none",
            "Oversampling": " × ".join(_ratio(ratio) for ratio in found.oversampling) + _binned(binning),
            "Voxel size": "unknown without geometry"
            if found.voxel_size_nm is None
            else " × ".join(f"{size:.2f}" for size in found.voxel_size_nm) + " nm",
            "Lattice": "unknown without geometry"
            if found.spacing_nm is None
            else f"d = {found.spacing_nm:.5f} nm" + (f", {arm:.5f} nm at the arm" if arm else ""),
        }
        for name, text in texts.items():
            self.facts[name].setText(text)
        self.sum_up(gists.understood(found))
        self.off.say("" if seen is None else "\n".join(seen.off), error=True)
        self.notes.say((*found.notes, *(seen.notes if seen is not None else ())))


def _ratio(ratio: float) -> str:
    """Return an oversampling, coloured where it is low: below 2 phasing is not unique, below 3 it is hard."""
    mark = "off" if ratio < gists.LOST else "doubt" if ratio < gists.HARD else ""
    return f'<span style="color:{MARKS[mark][1]}"><b>{ratio:.1f}</b></span>' if mark else f"{ratio:.1f}"


def _binned(binning: tuple[int, int, int]) -> str:
    return "" if binning == (1, 1, 1) else f", binned {' × '.join(map(str, binning))}"


def _value(tip: str) -> Wrapped:
    label = Wrapped("…")
    label.setToolTip(tip)
    return label
