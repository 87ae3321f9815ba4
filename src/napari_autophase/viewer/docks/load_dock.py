"""The Load dock: which file, what was understood of it, and what the file did not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QComboBox

from ...recipe import Preparation, Recipe
from ...scan import InputError, Scan
from ..drops import dropped
from ..model.crystal.drawing import Drawing
from ..model.run.choices import preparation_of
from ..model.scan.judgements import judgement
from ..model.scan.request import Request, read
from ..model.scan.scan_entry import with_geometry_of
from ..sessions import session_of
from ..threads import Tasks
from ..widgets.buttons import SampleButton
from ..widgets.file_row import FileRow
from ..widgets.layout import caption, form
from ..widgets.listening import listen
from ..widgets.narrow import Combo
from ..widgets.notes import ActivityBar, Note
from ..widgets.page import Page
from ..widgets.repeats_form import RepeatsForm
from ..widgets.scan_facts import ScanFacts
from ..widgets.words import in_window
from .geometry_box import GeometryBox
from .image_section import ImageSection
from .reading_form import ReadingForm
from .scan_pictures import ScanPictures
from .undo_row import UndoButton

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...summary import ScanSummary


def summarise(scan: Scan, material: str | None, preparation: Preparation) -> ScanSummary:
    """Look at a scan; what that needs is imported only now: a dock opens without."""
    from ... import summary

    recipe, judged = Recipe(prepare=preparation), judgement(scan, preparation)
    return summary.summarise(scan, material, recipe=recipe, judgement=judged)


class LoadDock(Page):
    """Reads scans, says what it understood, and takes the geometry that the file lacks.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._tasks = Tasks(lambda busy: self.activity.work() if busy else self.activity.rest())

        self._asked = self._reading = Request("")
        self._refused: Request | None = None
        self._offers_scans = False
        self._unseen = ""
        self._preparation = preparation_of(self._session.choices_made) or Preparation()
        self._offered: list[tuple[str, str]] = []
        self.setAcceptDrops(True)

        self.file = FileRow("drop a scan here", folders=True)
        self.file.setToolTip("NumPy, TIFF (a stack, or a folder of frames), HDF5/NeXus, or CXI.")
        self.dataset = Combo(12)  # a scan's line is long: it must not widen the dock
        self.dataset.setToolTip("The file holds several volumes or scans: which one is the rocking curve?")
        self.dataset.setMaxVisibleItems(25)
        self.dataset.setStyleSheet("combobox-popup: 0;")  # else some styles show all of hundreds
        self.dataset_label = caption("Dataset")
        self.corrections = ReadingForm(self._session)
        self.corrections.changed.connect(self._correct)
        self.repeats = RepeatsForm()
        self.repeats.wanted.connect(self._sum)

        self.activity = ActivityBar()
        self.status = Note()

        self.welcome = Note()
        self.welcome.say(
            "NumPy arrays, TIFF stacks, folders of frames, HDF5/NeXus and CXI are read. "
            "What the file says of the experiment can be corrected and completed here."
        )
        self.sample = SampleButton(napari_viewer)
        self.scan_facts = ScanFacts()
        self.facts, self.off, self.notes = self.scan_facts.facts, self.scan_facts.off, self.scan_facts.notes
        self.pictures = ScanPictures(self._session)
        self.geometry_box = GeometryBox(self._session)
        self.image = ImageSection(self._session)

        choice = form()
        choice.addRow(caption("Scan"), self.file)
        choice.addRow(self.dataset_label, self.dataset)
        self.column.addLayout(choice)
        self.column.addWidget(UndoButton(self._session))
        self.column.addWidget(self.corrections)
        self.column.addWidget(self.repeats)
        self.column.addWidget(self.activity)
        self.column.addWidget(self.status)
        self.column.addWidget(self.welcome)
        self.column.addWidget(self.sample)
        self.column.addWidget(self.image)
        self.column.addWidget(self.pictures)
        self.column.addWidget(self.scan_facts)
        self.column.addWidget(self.geometry_box)
        self.column.addStretch(1)

        self.file.chosen.connect(self.load)
        self.file.others.connect(self._open_others)
        self.dataset.activated.connect(lambda _: self._choose_dataset())
        self._offer_datasets([])
        session = self._session
        session.unsettled.append(self.settle)
        listen(
            self,
            (session.scan_changed, self._show_scan),
            (session.scan_updated, self._on_updated),
            (session.choices_said, self._on_choices),
            close=self._close,
        )
        self._show_scan()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files anywhere on the dock."""
        if event is not None and dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Read what was dropped: the first file is this panel's, others open beside it."""
        if event is not None:
            self.file.dropEvent(event)

    def _open_others(self, paths: list[str]) -> None:
        def done(found: Scan | Drawing) -> None:
            show = self._session.show_drawing if isinstance(found, Drawing) else self._session.add_scan
            show(found)  # type: ignore[arg-type]

        for path in paths:
            self._tasks.start(
                path, read, Request(path), done=done, failed=lambda error: show_error(in_window(str(error)))
            )

    def _close(self) -> None:
        self._tasks.close()
        self._session.unsettled.remove(self.settle)

    def load(self, path: str, dataset: str | None = None) -> None:
        """Read `path` in the background and show what it holds; without a path, show what is current again."""
        if path:
            self._offer_datasets([])
            self.file.show_path(path)
            self._read(Request(path, dataset), self._session.add_scan)
        else:
            self._tasks.forget("read")
            self.status.say("")
            self._show_source()

    def settle(self) -> None:
        """Let the current scan be what this panel shows.

        Raises
        ------
        InputError
            If that takes more than a moment, or cannot be: it says what is missing.
        """
        self.file.settle()
        self.corrections.settle()
        if self._tasks.at_work("read"):
            raise InputError(f"The Load panel is reading {self._reading.name}; start again when it is there.")
        if self.dataset.count() and self.dataset.currentIndex() < 0:
            raise InputError(
                f"{self._asked.name} holds several volumes; choose one in the Load panel, or clear its name there."
            )

    def _choose_dataset(self) -> None:
        def arrive(found: Scan, old: Scan | None) -> None:
            if old is None or self._offers_scans:
                self._session.add_scan(found)
            else:  # another volume of one experiment: the geometry that the person gave stays
                placed = self._session.was_placed(old)
                self._session.add_scan(with_geometry_of(old, found) if placed else found, old)

        self._read(replace(self._asked, dataset=self.dataset.currentData(), repeats=()), arrive)

    def _correct(self) -> None:
        """Read the current scan with other corrections; the geometry that the person gave stays."""
        scan, words = self._session.current, self.corrections.words()
        if not isinstance(scan, Scan):
            if self._refused is not None:
                self._read(self._refused.saying(words), self._session.add_scan)
            return

        def arrive(found: Scan, old: Scan | None) -> None:
            if old is None:  # it was deleted in the meantime
                return
            self._session.correct_scan(old, found)

        self._read(Request.of(scan).saying(words), arrive)

    def _sum(self) -> None:
        """Read the current scan with all that are said to repeat it, and show the sum beside it."""
        scan = self._session.current
        if not isinstance(scan, Scan):
            return
        request = Request.of(scan)

        def arrive(found: Scan, old: Scan | None) -> None:
            again = old if request.repeats else None  # another sum takes the place of the one before
            found = found if found.geometry is not None or old is None else with_geometry_of(old, found)
            self._session.add_scan(found, again)

        self._read(replace(request, repeats=self.repeats.ticked, least=self.repeats.least.value()), arrive)

    def _read(self, request: Request, arrive: Callable[[Scan, Scan | None], object]) -> None:
        """Read; `arrive` is called with the scan, and with what the same file gave before, if that was current."""
        self._asked = self._reading = request
        self._refused = None
        self.status.say(f"Reading {request.name}…")
        shown = self._session.current
        same = Request.of(shown).file == request.file
        self._dim(not same)

        def done(found: Scan | Drawing) -> None:
            self.status.say("")
            if isinstance(found, Drawing):
                self._session.show_drawing(found)
                self._show_source()
                self.status.say(f"{found.reconstruction.title} is a reconstruction: its crystal is shown.")
            else:
                scans = self._session.scans if same else []
                arrive(found, next((scan for scan in scans if scan is shown), None))

        self._tasks.start("read", read, request, done=done, failed=partial(self._refuse, request))

    def _refuse(self, request: Request, error: Exception) -> None:
        from ...formats import AmbiguousDataset, AmbiguousScan

        if isinstance(error, AmbiguousDataset) and str(error.path) == request.file:
            self._asked = request
            self.file.show_path(request.path)
            self._dim(True)
            self._offer_datasets(error.candidates)
            self._offers_scans = isinstance(error, AmbiguousScan)
            what = "scans" if self._offers_scans else "volumes"
            self.status.say(f"The file holds {len(error.candidates)} {what}: choose the rocking curve above.")
            return
        if isinstance(self._session.current, Scan):
            self._show_source()  # the name of what failed must not stand over another's facts
        else:
            self._refused = request
            self.corrections.setVisible(True)
            self.corrections.setEnabled(True)  # what was missing can be said there
            self.corrections.allow_reading(True)
        self._report(error, request.name)

    def _offer_datasets(self, candidates: list[Any]) -> None:
        self.dataset.clear()
        for each in candidates:
            self.dataset.addItem(str(each), each.path)
        if (lines := self.dataset.view()) is not None:  # which may be wider than the dock
            lines.setMinimumWidth(lines.sizeHintForColumn(0) + 30)
        self._offered = [(str(each), each.path) for each in candidates]
        self.dataset.setCurrentIndex(-1)
        self.dataset.setPlaceholderText("choose one of these")
        self.dataset.setVisible(bool(candidates))
        self.dataset_label.setVisible(bool(candidates))

    def _show_scan(self) -> None:
        scan = self._session.current
        known = isinstance(scan, Scan)
        self.welcome.setVisible(scan is None)
        self.sample.setVisible(scan is None)
        self.scan_facts.setVisible(known)
        self.geometry_box.setVisible(known)
        self.corrections.setVisible(known or self._refused is not None)
        self.repeats.setVisible(known)
        self.status.say(f"Reading {self._reading.name}…" if self._tasks.at_work("read") else "")
        self._show_source()
        if isinstance(scan, Scan):
            self._show_facts()
        else:
            self._tasks.forget("look")

    def _show_source(self) -> None:
        """Show where the current scan came from, and what was done to it."""
        scan = self._session.current
        known = scan if isinstance(scan, Scan) else None
        asked = Request.of(known)
        if asked.file != self._asked.file:
            self._offer_datasets([])
        self._asked = asked
        self.file.show_path(asked.path)
        self.file.line.setToolTip("" if known is None else known.source)
        self.dataset.setCurrentIndex(_place(self.dataset, asked.dataset or ""))
        masked = 0 if known is None or known.mask is None else int(known.mask.sum())
        self.corrections.show_words({} if known is None else known.corrections, masked)
        offered = [(text, f"{asked.path}::{path}") for text, path in self._offered]
        source = f"{asked.path}::{asked.dataset}" if asked.dataset else asked.path
        self.repeats.show_scans(source, offered if self._offers_scans else [], asked.repeats)
        self._dim(False)
        self.corrections.allow_reading(bool(asked.path))
        self.repeats.setEnabled(bool(asked.path))

    def _dim(self, other: bool) -> None:
        """Show that the facts are of another scan than the one whose name stands above."""
        for widget in (self.corrections, self.repeats, self.pictures, self.scan_facts, self.geometry_box):
            widget.setEnabled(not other)

    def _on_updated(self) -> None:
        if not self._tasks.at_work("read"):  # which will change more
            self._show_source()
        self._show_facts()

    def _on_choices(self) -> None:
        """Say how the scan looks with another preparation."""
        preparation = preparation_of(self._session.choices_made)
        if preparation is not None and preparation != self._preparation:
            self._preparation = preparation
            self._show_facts(aloud=False)

    def _show_facts(self, aloud: bool = True) -> None:
        scan = self._session.current
        if not isinstance(scan, Scan):
            return
        self.scan_facts.show_scan(scan)
        self._show_gists(None)
        self._tasks.start(
            "look",
            summarise,
            *(scan, self._session.material or None, self._preparation),
            done=self._show_summary,
            failed=partial(self._refuse_to_say, aloud),
        )

    def _show_summary(self, found: ScanSummary) -> None:
        if self.status.text() == self._unseen:  # what stood in the way is mended
            self.status.say("")
        self.scan_facts.show_summary(found, self._preparation.binning)
        self._show_gists(found)

    def _show_gists(self, found: ScanSummary | None) -> None:
        self.corrections.show_masked(None if found is None else found.masked)
        self.geometry_box.show_summary(found)

    def _refuse_to_say(self, aloud: bool, error: Exception) -> None:
        self.scan_facts.give_up()
        if aloud:
            self._report(error)
        else:
            self.status.say(str(error), error=True)
        self._unseen = self.status.text()

    def _report(self, error: Exception, name: str = "") -> None:
        text = str(error) if name in str(error) else f"{name}: {error}"
        self.status.say(text, error=True)
        show_error(in_window(text))


def _place(choice: QComboBox, dataset: str) -> int:
    """Return which of the datasets or scans offered this one is, or in which scan it stands; -1: none."""
    paths = [str(choice.itemData(index)).strip("/") for index in range(choice.count())]
    name = dataset.strip("/")
    return next((index for index, path in enumerate(paths) if f"{name}/".startswith(f"{path}/")), -1)
