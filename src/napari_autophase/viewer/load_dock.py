"""The Load dock: which file, what was understood of it, and what the file did not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QComboBox, QGroupBox, QLabel, QPushButton, QVBoxLayout

from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from .drawing import Drawing, draw
from .geometry_form import GeometryForm
from .parts import ActivityBar, FileRow, Note, Page, SampleButton, Section, caption, dropped, form
from .session import Session
from .worker import Tasks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ..summary import ScanSummary


@dataclass(frozen=True)
class Request:
    """What is to be read."""

    path: str
    dataset: str | None = None
    mask: str | None = None
    dark: str | None = None
    white: str | None = None


def read(request: Request) -> Scan | Drawing:
    """Read what was asked for: a scan, or the drawing of a result."""
    from .. import formats

    if request.mask or request.dark or request.white:
        return formats.read_scan(
            request.path, dataset=request.dataset, mask=request.mask, dark=request.dark, white=request.white
        )
    found = formats.read(request.path, dataset=request.dataset)
    return draw(found) if isinstance(found, Reconstruction) else found


def summarise(scan: Scan) -> ScanSummary:
    """Look at a scan; what that needs is imported only now: a dock opens without."""
    from .. import summary

    return summary.summarise(scan)


class LoadDock(Page):
    """Reads scans, says what it understood, and takes the geometry that the file lacks.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._session = Session.of(napari_viewer)
        self._tasks = Tasks(lambda busy: self.activity.work() if busy else self.activity.rest())

        self._dataset: str | None = None
        self.setAcceptDrops(True)

        self.file = FileRow("Drop a scan here, or choose one", folders=True)
        self.file.setToolTip("NumPy, TIFF (a stack, or a folder of frames), HDF5/NeXus, or CXI.")
        self.dataset = QComboBox()
        self.dataset.setToolTip("The file holds several volumes: which one is the rocking curve?")
        self.dataset_label = caption("Dataset")
        self.corrections = Section("Mask and field corrections")
        self.mask_file = FileRow("none")
        self.mask_file.setToolTip(
            "Not zero where the detector saw nothing usable; a volume, or one detector frame."
        )
        self.dark_file = FileRow("none")
        self.dark_file.setToolTip("Dark frame, subtracted from every frame.")
        self.white_file = FileRow("none")
        self.white_file.setToolTip("White field: every frame is divided by it, relative to its mean.")
        rows = form(self.corrections.body)
        for label, field in (
            ("Mask", self.mask_file),
            ("Dark field", self.dark_file),
            ("White field", self.white_file),
        ):
            rows.addRow(caption(label), field)
            field.chosen.connect(self._reload)

        self.activity = ActivityBar()
        self.status = Note()

        self.welcome = Note()
        self.welcome.say(
            "NumPy arrays, TIFF stacks, folders of frames, HDF5/NeXus and CXI are read. "
            "What the file says of the experiment can be corrected and completed here."
        )
        self.sample = SampleButton(napari_viewer)
        self.understood = QGroupBox("What was understood")
        self.facts = {
            name: _value()
            for name in ("Shape", "Counts", "Peak", "Masked", "Oversampling", "Voxel size", "Lattice")
        }
        self.facts["Counts"].setToolTip("Photons in all, and in the brightest voxel.")
        self.facts["Peak"].setToolTip("Frame, row and column of the Bragg peak.")
        self.facts["Masked"].setToolTip("Voxels that are masked before phasing: gaps, dead and hot pixels.")
        self.facts["Oversampling"].setToolTip(
            "Grid size over the crystal's extent, per axis; below 2 phasing is not unique."
        )
        self.facts["Voxel size"].setToolTip(
            "Edges of the reconstruction's voxels along frames, rows and columns."
        )
        self.facts["Lattice"].setToolTip("Spacing of the lattice planes, 2π/|Q|: a check of the geometry.")
        lines = form(self.understood)
        lines.setContentsMargins(8, 10, 8, 6)
        for name, value in self.facts.items():
            lines.addRow(caption(name, value.toolTip()), value)
        self.notes = Note()
        lines.addRow(self.notes)

        self.geometry_box = QGroupBox("Geometry")
        self.geometry_form = GeometryForm()
        self.apply = QPushButton("Apply")
        self.apply.setToolTip("Use this geometry for the scan.")
        self.apply.clicked.connect(self._apply)
        self.geometry_form.edited.connect(lambda: self.apply.setEnabled(True))
        box = QVBoxLayout(self.geometry_box)
        box.setContentsMargins(8, 10, 8, 8)
        box.addWidget(self.geometry_form)
        box.addWidget(self.apply)

        choice = form()
        choice.addRow(caption("Scan"), self.file)
        choice.addRow(self.dataset_label, self.dataset)
        self.column.addLayout(choice)
        self.column.addWidget(self.corrections)
        self.column.addWidget(self.activity)
        self.column.addWidget(self.status)
        self.column.addWidget(self.welcome)
        self.column.addWidget(self.sample)
        self.column.addWidget(self.understood)
        self.column.addWidget(self.geometry_box)
        self.column.addStretch(1)

        self.file.chosen.connect(self.load)
        self.dataset.activated.connect(lambda _: self._choose_dataset())
        self._offer_datasets([])
        self._session.scan_changed.connect(self._show_scan)
        self.destroyed.connect(partial(_close, self._tasks, self._session, self._show_scan))
        self._show_scan()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files anywhere on the dock."""
        if event is not None and dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Read the first file that was dropped."""
        if event is not None and (paths := dropped(event)):
            self.file.choose(paths[0])

    def load(self, path: str, dataset: str | None = None) -> None:
        """Read `path` in the background and show what it holds."""
        if path:
            for field in (self.mask_file, self.dark_file, self.white_file):
                field.line.clear()
            self._offer_datasets([])
            self._dataset = dataset
            self._read(Request(path, dataset))

    def _choose_dataset(self) -> None:
        self._dataset = self.dataset.currentData()
        self._reload()

    def _reload(self) -> None:
        """Read the same file with other corrections; the geometry that the person gave stays."""
        if self.file.path:
            corrections = (field.path or None for field in (self.mask_file, self.dark_file, self.white_file))
            self._read(Request(self.file.path, self._dataset, *corrections), again=True)

    def _read(self, request: Request, again: bool = False) -> None:
        self.status.say("Reading…")
        shown = self._session.current
        same = isinstance(shown, Scan) and _file(shown.source) == _file(request.path)

        def done(found: Scan | Drawing) -> None:
            self.status.say("")
            if isinstance(found, Drawing):
                self._session.show_drawing(found)
                self.status.say(f"{found.reconstruction.name} is a reconstruction: its crystal is shown.")
            elif isinstance(shown, Scan) and same:
                geometry = shown.geometry if again else found.geometry
                self._session.add_scan(replace(found, geometry=geometry), shown)
            else:
                self._session.add_scan(found)

        self._tasks.start("read", read, request, done=done, failed=self._refuse)

    def _refuse(self, error: Exception) -> None:
        candidates = getattr(error, "candidates", None)
        if candidates:
            self._offer_datasets(candidates)
            self.status.say("The file holds several volumes: choose the rocking curve above.")
        else:
            self._report(error)

    def _offer_datasets(self, candidates: list[Any]) -> None:
        self.dataset.clear()
        for each in candidates:
            self.dataset.addItem(str(each), each.path)
        self.dataset.setCurrentIndex(-1)
        self.dataset.setPlaceholderText("choose one of these")
        self.dataset.setVisible(bool(candidates))
        self.dataset_label.setVisible(bool(candidates))

    def _show_scan(self) -> None:
        scan = self._session.current
        known = isinstance(scan, Scan)
        self.welcome.setVisible(not known)
        self.sample.setVisible(not known)
        self.understood.setVisible(known)
        self.geometry_box.setVisible(known)
        for label in self.facts.values():
            label.setText("…")
        self.notes.say("")
        if not isinstance(scan, Scan):
            self._tasks.forget("look")
            return
        if _file(scan.source) != self.file.path:  # it came another way
            self.file.line.setText(_file(scan.source))
            self._offer_datasets([])
            self._dataset = scan.source.partition("::")[2] or None
            self.status.say("")
        self.file.line.setToolTip(scan.source)
        self.facts["Shape"].setText(" × ".join(map(str, scan.shape)) + f", {scan.counts.dtype}")
        self.geometry_form.show_geometry(scan.geometry, scan.metadata)
        self.apply.setEnabled(False)
        self._tasks.start("look", summarise, scan, done=self._show_summary, failed=self._report)

    def _show_summary(self, found: ScanSummary) -> None:
        texts = {
            "Counts": f"{found.counts:.3g} in all, max. {found.maximum:.4g}",
            "Peak": ", ".join(str(round(index)) for index in found.peak),
            "Masked": f"{found.masked:,} voxels" if found.masked else "none",
            "Oversampling": " × ".join(f"{ratio:.1f}" for ratio in found.oversampling),
            "Voxel size": "unknown without geometry"
            if found.voxel_size_nm is None
            else " × ".join(f"{size:.2f}" for size in found.voxel_size_nm) + " nm",
            "Lattice": "unknown without geometry"
            if found.spacing_nm is None
            else f"d = {found.spacing_nm:.5f} nm",
        }
        for name, text in texts.items():
            self.facts[name].setText(text)
        self.notes.say("\n".join(found.notes))

    def _apply(self) -> None:
        scan = self._session.current
        if not isinstance(scan, Scan):
            return
        try:
            changed = replace(scan, geometry=self.geometry_form.read_geometry())
        except InputError as error:
            self.status.say(str(error), error=True)
            return
        self.status.say("")
        self._session.add_scan(changed, scan)

    def _report(self, error: Exception) -> None:
        self.status.say(str(error), error=True)
        show_error(str(error))


def _value() -> QLabel:
    label = QLabel("…")
    label.setWordWrap(True)
    return label


def _file(source: str) -> str:
    return source.partition("::")[0]


def _close(tasks: Tasks, session: Session, slot: Callable[[], None]) -> None:
    tasks.close()
    session.scan_changed.disconnect(slot)
