"""The geometry of the current scan, to be seen, corrected and completed: what the box shows is what is used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout

from ...formats import check_place
from ...geometry import Geometry, Verdict
from ...scan import InputError, Scan
from ..model.session import Session
from ..model.words import gists
from ..widgets.arm_section import ArmSection
from ..widgets.crystal_form import CrystalForm
from ..widgets.geometry_form import GeometryForm, Incomplete
from ..widgets.layout import row
from ..widgets.listening import listen
from ..widgets.notes import Note
from ..widgets.section import Section

if TYPE_CHECKING:
    from ...summary import ScanSummary

ARM = "arm"
"""The part of what is typed for a scan that is of the arm's test."""


class GeometryBox(Section):
    """A geometry form that acts on the current scan as soon as a line is entered or left.

    What cannot be used yet is said below it, and no run starts before it is mended (see `Session.unsettled`).  At first it is
    open where the scan's geometry is unknown.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Geometry", page="guide/geometry.md")
        self._session = session
        self._summary: ScanSummary | None = None
        self.form = GeometryForm()
        self.form.typed.connect(self._on_typed)
        self.form.entered.connect(self._on_entered)
        self.note = Note()
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Work without geometry: lengths are in voxels.")
        self.clear.clicked.connect(self._clear)
        self.revert = QPushButton("Revert")
        self.revert.setToolTip("Take back what was typed: show what the scan has.")
        self.revert.clicked.connect(self._revert)
        self.crystal = CrystalForm()
        self.crystal.material_chosen.connect(session.name_material)
        self.crystal.reflection_chosen.connect(self._reflect)
        self.crystal.mounting_chosen.connect(self._mount)
        self.arm = ArmSection()
        self.arm.mounting_chosen.connect(self._mount)
        self.arm.typed.connect(self._keep_arm)
        box = QVBoxLayout(self.body)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.form)
        box.addWidget(self.note)
        box.addLayout(row(self.clear, self.revert, stretch=-1))
        box.addWidget(self.crystal)
        box.addWidget(self.arm)

        session.unsettled.append(self.settle)
        listen(
            self,
            (session.scan_changed, self._on_scan),
            (session.scan_updated, self._follow),
            close=lambda: session.unsettled.remove(self.settle),
        )
        self._on_scan()

    def settle(self) -> None:
        """Give the current scan what was typed.

        Raises
        ------
        InputError
            If fields are missing or are not what they should be.
        """
        if self.form.edited:
            self._use()
        self.crystal.settle()

    def show_summary(self, found: ScanSummary | None) -> None:
        """Say what follows from the geometry at the peak; None: that is being worked out."""
        self._summary = found
        self.crystal.show_summary(None if found is None else found.seen)
        self._say_gist()
        scan = self._session.current
        if isinstance(scan, Scan):
            self.arm.show_scan(scan, None if found is None else found.peak)

    def _say_gist(self) -> None:
        scan = self._session.current
        if isinstance(scan, Scan):
            self.sum_up(gists.stood(scan.geometry, self._summary, self.form.edited))

    def _use(self) -> None:
        """Use what the form says, or say why that cannot be, and raise it."""
        scan, edited = self._session.current, self.form.edited
        self.revert.setEnabled(edited)
        self._keep()
        geometry = self._read()
        self.note.say("")
        self.revert.setEnabled(False)
        if edited and isinstance(scan, Scan):
            self.form.show_geometry(geometry, {})
            self._keep()
            if geometry != scan.geometry:
                self._session.update_scan(scan, replace(scan, geometry=geometry))
        self._say_gist()

    def _read(self) -> Geometry | None:
        """Return what the form says, or say why that cannot be used, and raise it."""
        scan = self._session.current
        try:
            found = self.form.read_geometry()
            if isinstance(scan, Scan) and found is not None:
                check_place(scan, found, is_named=False)
            return found
        except InputError as error:
            self.note.say(str(error), error=not isinstance(error, Incomplete))
            self._say_gist()
            raise

    def _on_scan(self) -> None:
        """Show the geometry of another scan, and what was typed of it."""
        if isinstance(scan := self._session.current, Scan):
            self.arm.type_again(self._session.typed.lines(scan, None, ARM))
        self._show()

    def _show(self) -> None:
        scan = self._session.current
        if isinstance(scan, Scan):
            typed = self._session.typed.lines(scan, scan.geometry)
            self.propose(is_open=scan.geometry is None or bool(typed))
            self.form.show_geometry(scan.geometry, scan.metadata)
            self._show_crystal(scan)
            self._on_entered()
            if typed:
                self.form.type_again(typed)
                self._on_typed()
                with suppress(InputError):
                    self._read()

    def _show_crystal(self, scan: Scan) -> None:
        known = scan.geometry
        self.crystal.setEnabled(known is not None)
        self.arm.setEnabled(known is not None)
        self.crystal.show_crystal(self._session.material, None if known is None else known.reflection)
        self.arm.show_scan(scan)

    def _follow(self) -> None:
        """Show the scan's geometry if it was given elsewhere; otherwise what is being typed stays."""
        scan = self._session.current
        if not isinstance(scan, Scan):
            return
        if _but_reflection(scan) == _but_reflection(self.form):
            self.form.given = scan.geometry
            self._keep()
            self._show_crystal(scan)
        else:
            self._show()

    def _on_entered(self) -> None:
        with suppress(InputError):  # which is said below the form
            self._use()  # unedited too: a file may know a part of it

    def _on_typed(self) -> None:
        self._keep()
        self.note.say("Press Enter to use this.")
        self.revert.setEnabled(True)
        self._say_gist()

    def _keep(self) -> None:
        """Let what is typed be there again when this panel, or this scan, is."""
        if isinstance(scan := self._session.current, Scan):
            self._session.typed.keep(scan, scan.geometry, self.form.unused)

    def _keep_arm(self) -> None:
        """Likewise what is typed of the arm's test, whatever the geometry becomes meanwhile."""
        if isinstance(scan := self._session.current, Scan):
            self._session.typed.keep(scan, None, self.arm.said, ARM)

    def _reflect(self, reflection: tuple[int, int, int] | None) -> None:
        self._change(reflection=reflection)

    def _mount(self, verdict: Verdict) -> None:
        """Let the detector be mounted as a test found it."""
        distance = {} if verdict.distance_m is None else {"distance_m": verdict.distance_m}
        self._change(pixel_directions=(verdict.rows, verdict.columns), **distance)

    def _change(self, **fields: Any) -> None:
        """Give the current scan a geometry in which this is different."""
        scan = self._session.current
        if isinstance(scan, Scan) and scan.geometry is not None:
            self._session.update_scan(scan, replace(scan, geometry=replace(scan.geometry, **fields)))

    def _clear(self) -> None:
        self.form.clear()
        self._on_entered()

    def _revert(self) -> None:
        self.form.revert()
        self._on_entered()


def _but_reflection(which: Scan | GeometryForm) -> Geometry | None:
    """Return the geometry of a scan, or that of which a form knows, without the reflection, which has a line elsewhere."""
    known = which.geometry if isinstance(which, Scan) else which.given
    return None if known is None else replace(known, reflection=None)
