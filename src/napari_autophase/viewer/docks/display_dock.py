"""The Display dock: which result, how it is bounded, coloured and cut open; it knows no physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QFileDialog,
    QPushButton,
    QVBoxLayout,
)
from superqt.utils import qthrottled

from ...scan import InputError
from ..model.canvas import compat
from ..model.crystal.quantity import label, span
from ..model.result import naming, saving
from ..model.result.remarks import lines
from ..model.stage import layers
from ..model.words.run_words import meanings, quality
from ..sessions import session_of
from ..widgets.box import Box
from ..widgets.fields import Words
from ..widgets.help import HelpButton
from ..widgets.histogram import HistogramStrip
from ..widgets.layout import Buttons, caption, form, row
from ..widgets.listening import listen
from ..widgets.narrow import Combo, Tick
from ..widgets.notes import Note
from ..widgets.page import Page
from ..widgets.range_row import RangeRow
from ..widgets.result_choice import ResultChoice, Star
from ..widgets.sliders import slider
from ..widgets.words import in_window
from .beside_box import BesideBox
from .cut_box import CutBox
from .export_section import ExportSection
from .result_geometry import ResultGeometry
from .undo_row import UndoButton

if TYPE_CHECKING:
    from napari.components import ViewerModel

UPDATE_MS = 40
"""Sliders redraw at most this often; of what happened in between, the newest value wins."""


class DisplayDock(Page):
    """Chooses a result, and moves its threshold, colours and cut.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._results: list[layers.ResultLayers] = []

        self.empty = Note()
        self.empty.say("Nothing to show yet: load a scan and press Reconstruct, or open a saved result.")
        self.result = ResultChoice()
        self.star = Star()
        self.remark = Words("best so far, twin, tip is missing, …")
        self.remark.setToolTip(
            "What you want to remember of this result, in a line: it is saved with it, and goes into reports."
        )
        self._remarked: layers.ResultLayers | None = None
        self._crystal: object | None = None
        self.facts = Note()
        self.facts.setToolTip(meanings())

        self.threshold = slider(0.02, 0.95, 0.01, 2)
        self.threshold.setToolTip(
            "The crystal is where the amplitude exceeds this fraction of its maximum:\n"
            "support, isosurface, the masks of phase and strain, and the strain's colours follow."
        )
        self.histogram = HistogramStrip()
        self.histogram.setToolTip(
            "How many voxels have which amplitude, on a logarithmic scale; press or drag to choose the threshold.\n"
            "Dashed: half of the amplitude that most of the crystal's inside has, where a blurred edge really lies."
        )
        self.suggest = QPushButton()
        self.suggest.setToolTip("Take the dashed value as the threshold.")
        self.colour = Combo()
        self.colour.setToolTip(
            "What colours the crystal; in 2-D, what its slices show.\n"
            "Spacing and tilt need the geometry; the averaged strain, at the resolution at which\n"
            "it reproduces, and its error need several runs, or starts of best that agree."
        )
        self.range = RangeRow()
        self.range.setToolTip("From where to where the colours of this quantity reach.")
        self.relief = Tick("Relief")
        self.relief.setToolTip(
            "Darken the facets that are turned away from the light, so that the shape is seen.\n"
            "Off: the bare colours of the colour bar. The face of a cut is always shown bare."
        )

        self.look = Box("Crystal", "guide/strain.md#The threshold")
        rows = form(self.look)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow(caption("Threshold", self.threshold.toolTip()), self.threshold)
        rows.addRow("", row(self.histogram, self.suggest))
        rows.addRow(caption("Colour by", self.colour.toolTip()), self.colour)
        rows.addRow(caption("Colour range", self.range.toolTip()), self.range)
        rows.addRow("", self.relief)

        self.cut = CutBox()
        self.beside = BesideBox(self._session)

        self.flat = _button("2-D / 3-D", "Change between slices and the crystal in space.", self._turn)
        self.slices = _button(
            "Three slices",
            "Open a panel below with a slice across each axis, which meet where you press;\n"
            "it says what stands there, and how sharp the edges are.",
            self._show_slices,
        )
        self.home = _button(
            "Frame crystal",
            "Turn the camera back to the crystal, or to the diffraction where that is seen.",
            self._frame,
        )
        self.diffraction = _button("Show diffraction", "", self._toggle_diffraction)
        self.diffraction.setToolTip(
            "Change between the scan that this result was found in, in pixels, and the result:\n"
            "each comes back as it was, with its camera, its slices and its selected layers."
        )
        self.save = _button(
            "Save…", "Write the result with everything needed to repeat it (.cxi).", self._save
        )
        self.not_saved = Note()
        self.placing = ResultGeometry(self._session, lambda: self.current)
        self.exports = ExportSection(self._session, lambda: self.current)

        choice = form()
        explained = HelpButton("tutorial/window.md#Look at it")
        choice.addRow(caption("Result", self.result.toolTip()), row(self.result, self.star, explained))
        choice.addRow(caption("Remark", self.remark.toolTip()), self.remark)
        self.column.addLayout(choice)
        self.column.addWidget(UndoButton(self._session))
        self.column.addWidget(self.empty)
        self.column.addWidget(self.facts)
        self.column.addWidget(self.look)
        self.column.addWidget(self.cut)
        self.column.addWidget(self.beside)
        page = QVBoxLayout()
        page.setSpacing(4)
        for buttons in ((self.flat, self.slices, self.home), (self.diffraction, self.save)):
            page.addWidget(Buttons(*buttons))
        self.column.addLayout(page)
        self.column.addWidget(self.not_saved)
        self.column.addWidget(self.placing)
        self.column.addWidget(self.exports)
        self.column.addStretch(1)

        self._redraw = qthrottled(self._draw, timeout=UPDATE_MS, parent=self)
        self.threshold.valueChanged.connect(self._redraw)
        self.histogram.chosen.connect(self.threshold.setValue)
        self.threshold.valueChanged.connect(self.histogram.show_threshold)
        self.suggest.clicked.connect(lambda: self.threshold.setValue(self.histogram.proposed or 0.0))
        self.range.changed.connect(self._redraw)
        self.relief.toggled.connect(self._redraw)
        self.colour.activated.connect(lambda _: self._colour())
        self.cut.changed.connect(self._redraw)
        self.result.activated.connect(self._choose)
        self.star.starred.connect(lambda _: self._mark())
        self.remark.chosen.connect(lambda _: self._mark())

        session = self._session
        listen(
            self,
            (napari_viewer.dims.events.ndisplay, self._on_ndisplay),
            (napari_viewer.layers.events.removing, self._on_removing),
            (session.choices_changed, self._on_side),
            (session.results_changed, self._refresh),
            (session.result_updated, self._on_updated),
            (session.side_changed, self._on_side),
            (session.controller.state_changed, lambda _: self._on_side()),
            (session.extras.shown.changed, self._on_seen),
        )
        self._result_seen = session.extras.shown.result
        self._refresh()

    @property
    def current(self) -> layers.ResultLayers | None:
        """The result that is chosen, while it is alive."""
        result = self._chosen
        return result if result is not None and result.alive else None

    @property
    def _chosen(self) -> layers.ResultLayers | None:
        index = self.result.currentIndex()
        return self._results[index] if 0 <= index < len(self._results) else None

    # -- results come and go -------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        before, known = self._chosen, self._results
        self._results = self._session.results
        new = [result for result in self._results if result not in known]
        chosen = new[-1] if new else before
        at = self._results.index(chosen) if chosen in self._results else len(self._results) - 1
        self.result.show_lines(lines(self._results), at)
        self._on_side()
        if self._chosen is not before or before is None:
            self._load()

    def _on_updated(self) -> None:
        self.result.show_lines(lines(self._results), self.result.currentIndex())
        self._load()

    def _choose(self) -> None:
        if self.current is not None:
            self._session.show_result(self.current)
        self._load()

    def _load(self) -> None:
        """Set every control to what the chosen result shows."""
        result = self.current
        said = (self.result, self.star, self.remark)
        for widget in (*said, self.look, self.cut, self.slices, self.save):
            widget.setEnabled(result is not None)
        self._show_marks(result)
        self.empty.setVisible(result is None)
        self.facts.setVisible(result is not None)
        self._on_ndisplay()
        self.exports.follow()
        self.placing.follow()
        if result is None:
            self.cut.show_result(None)
            return
        self.facts.say(_facts(result))
        controls = (self.threshold, self.relief, self.colour)
        blocked = [QSignalBlocker(control) for control in controls]
        self.threshold.setValue(result.threshold)
        self.histogram.show_histogram(*result.histogram)
        self.histogram.show_threshold(result.threshold)
        self.suggest.setVisible(self.histogram.proposed is not None)
        self.suggest.setText(f"Use {self.histogram.proposed or 0:.2f}")
        self.relief.setChecked(result.relief)
        self.colour.clear()
        for quantity in result.offered:
            self.colour.addItem(label(quantity, result.quantities), quantity)
        self.colour.setCurrentIndex(self.colour.findData(result.colour_by))
        del blocked
        self.cut.show_result(result)
        self._show_range(result)

    def _show_marks(self, result: layers.ResultLayers | None) -> None:
        """Show star and remark of a result; what was being typed is of the one before."""
        found = None if result is None else result.reconstruction
        if result is not self._remarked:
            self.remark.settle()
        elif found is not None and found.object is not self._crystal:
            self.remark.show_path(found.remark)  # another crystal has taken its place
        self._remarked, self._crystal = result, None if found is None else found.object
        self.star.setChecked(found is not None and found.starred)
        if not self.remark.is_typed:
            self.remark.show_path("" if found is None else found.remark)

    def _on_removing(self, event: Any) -> None:
        """Tell what is typed of a result before that goes: it may be brought back."""
        going = self._session.viewer.layers[event.index].metadata.get(layers.RESULT)
        if going is not None and going is self._remarked:
            self.remark.settle()

    def _mark(self) -> None:
        if (result := self._remarked) is not None and result.alive:
            self._session.mark_result(result, self.star.isChecked(), self.remark.path)

    def _on_seen(self) -> None:
        """Follow what is seen: another result, or another range, of napari's own controls or since a threshold has moved."""
        seen, before = self._session.extras.shown.result, self._result_seen
        self._result_seen = seen
        if (
            seen is not before and seen in self._results and seen is not self._chosen
        ):  # by a key, or by its eye
            self.result.setCurrentIndex(self._results.index(seen))
            self._load()
        if (result := self.current) is not None and result is self._session.extras.shown.result:
            self._show_range(result)

    # -- controls ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Bring the result to what the controls say; only what differs is computed."""
        result = self.current
        if result is None:
            return
        cut = self.cut.cut
        if self.range.ends != result.ranges.get(result.colour_by):
            result.set_range(self.range.ends)
        if self.relief.isChecked() != result.relief:
            result.set_relief(self.relief.isChecked())
        if cut != result.cut:
            result.set_clipping(cut)
        if not math.isclose(self.threshold.value(), result.threshold, abs_tol=1e-4):
            result.set_threshold(self.threshold.value())
        self._show_range(result)

    def _show_range(self, result: layers.ResultLayers) -> None:
        """Let the range be that of the quantity that is shown: a threshold moves what is usual, napari's controls the rest."""
        usual, chosen = result.usual_limits, result.ranges.get(result.colour_by)
        self.range.show_range(chosen or usual, usual, span(result.colour_by, usual), chosen is None)

    def _colour(self) -> None:
        if self.current is not None:
            self._redraw.flush()  # what was moved is of the quantity before
            self.current.set_colour_by(self.colour.currentData())
            self._show_range(self.current)
            layers.bring_back(self.current)

    # -- the view ------------------------------------------------------------------------------------------------------

    def _on_ndisplay(self) -> None:
        spatial = self._session.viewer.dims.ndisplay == 3
        what = "Diffraction" if self._session.diffraction_shown else "Crystal"
        self.flat.setText("Slices (2-D)" if spatial else f"{what} (3-D)")
        self.home.setText(f"Frame {what.lower()}")
        something = bool(self._session.viewer.layers)
        for button in (self.flat, self.home):
            button.setEnabled(something)
        self.cut.setEnabled(spatial and self.current is not None)

    def _turn(self) -> None:
        self._session.change_dimensions(self._frame)

    def _frame(self) -> None:
        """Turn the camera to what is seen: the diffraction, or else the result."""
        scan = self._session.scan_layer
        if self._session.diffraction_shown and scan is not None:
            compat.fit_to_view(self._session.viewer, [scan])
        elif self.current is not None:
            layers.bring_back(self.current)
            self.current.frame()
        else:
            self._session.viewer.reset_view()

    def _show_slices(self) -> None:
        """Open the panel with three slices, if it is not open."""
        from .slices_dock import open_slices

        open_slices(self._session.viewer)

    def _on_side(self) -> None:
        shown, live = self._session.diffraction_shown, self._session.live.layer_of_run
        self.diffraction.setText("Show result" if shown else "Show diffraction")
        self.placing.follow()
        other = self._results or live is not None if shown else self._session.scans
        self.diffraction.setEnabled(bool(other))
        self._on_ndisplay()
        self.exports.follow()

    def _toggle_diffraction(self) -> None:
        if self._session.diffraction_shown:
            running = self._session.live.layer_of_run is not None
            self._session.show_result(None if running else self.current)
        else:
            shown = self._session.extras.shown.result  # none where a run in progress is seen
            self._session.show_diffraction_of(shown)

    def _save(self) -> None:
        self.remark.settle()
        result = self.current
        if result is None:
            return
        name = naming.suggested_name(result)
        path, _ = QFileDialog.getSaveFileName(self, "Save the reconstruction", name, "CXI (*.cxi)")
        if not path:
            return
        try:
            saved = saving.save(result.reconstruction, path, result.look)
        except InputError as error:
            self.not_saved.say(str(error), error=True)  # napari's own message shows one line of it
            show_error(in_window(str(error)))
            return
        self.not_saved.say("")
        show_info(f"Saved {saved}")


def _facts(result: layers.ResultLayers) -> str:
    reconstruction, quantities = result.reconstruction, result.quantities
    known = "   ".join(quality(reconstruction.figures))
    size = " × ".join(f"{step:.3g}" for step in quantities.voxel_size)
    lengths = "no geometry: lengths in voxels, strain relative" if quantities.relative else f"voxel {size} nm"
    return f"{known}\n{lengths}" if known else lengths


def _button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda: clicked())
    return button
