"""The Display dock: which result, how it is bounded, coloured and cut open; it knows no physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QPushButton,
    QVBoxLayout,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import qthrottled

from ...scan import InputError
from ..model import compat, layers, saving
from ..model.mesh import Cut
from ..model.quantity import label
from ..sessions import session_of
from ..widgets.layout import form, row
from ..widgets.notes import Note
from ..widgets.page import Page
from .export_section import ExportSection
from .result_geometry import ResultGeometry

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
        self._side = 1.0

        self.empty = Note()
        self.empty.say("Nothing to show yet: load a scan and press Reconstruct, or open a saved result.")
        self.result = QComboBox()
        self.result.setToolTip("The result that is shown; the others are hidden.")
        self.facts = Note()

        self.threshold = _slider(0.02, 0.95, 0.01, 2)
        self.threshold.setToolTip(
            "The crystal is where the amplitude exceeds this fraction of its maximum:\n"
            "support, isosurface, the masks of phase and strain, and the strain's colours follow."
        )
        self.colour = QComboBox()
        self.colour.setToolTip(
            "What colours the crystal; in 2-D, what its slices show.\n"
            "Spacing and tilt need the geometry, the strain's error several runs."
        )
        self.strain_limit = _slider(0.0, 1.0, 0.01, 2)
        self.strain_limit.setToolTip("The strain's colours reach from minus to plus this.")
        self.automatic = QCheckBox("auto")
        self.automatic.setToolTip("Take the 99th percentile of the strain inside the crystal.")
        self.relief = QCheckBox("Relief")
        self.relief.setToolTip(
            "Darken the facets that are turned away from the light, so that the shape is seen.\n"
            "Off: the bare colours of the colour bar. The face of a cut is always shown bare."
        )

        self.look = QGroupBox("Crystal")
        rows = form(self.look)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow("Threshold", self.threshold)
        rows.addRow("Colour by", self.colour)
        rows.addRow("Strain ±", row(self.strain_limit, self.automatic))
        rows.addRow("", self.relief)

        self.cut = QGroupBox("Cut open")
        self.cut.setCheckable(True)
        self.cut.setChecked(False)
        self.cut.setToolTip("Take away what lies in front of a plane: the cut face shows the inside.")
        self.axis = QComboBox()
        self.axis.setToolTip("The axis across which the crystal is cut.")
        self.flip = QPushButton("Flip")
        self.flip.setToolTip("Take the other half away.")
        self.position = _slider(-1.0, 1.0, 0.1, 1)
        self.position.setToolTip(
            "Distance of the cut from the crystal's centre (nm, or voxels without geometry)."
        )
        rows = form(self.cut)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow("Across", row(self.axis, self.flip))
        rows.addRow("Position", self.position)

        self.flat = _button("2-D / 3-D", "Change between slices and the crystal in space.", self._turn)
        self.home = _button("Frame crystal", "Turn the camera back to the crystal.", self._frame)
        self.diffraction = _button("Show diffraction", "", self._toggle_diffraction)
        self.diffraction.setToolTip(
            "Change between the measured scan, in pixels, and the result:\n"
            "each comes back as it was, with its camera, its slices and its selected layers."
        )
        self.save = _button(
            "Save…", "Write the result with everything needed to repeat it (.cxi).", self._save
        )
        self.not_saved = Note()
        self.placing = ResultGeometry(self._session, lambda: self.current)
        self.exports = ExportSection(self._session, lambda: self.current)

        choice = form()
        choice.addRow("Result", self.result)
        self.column.addLayout(choice)
        self.column.addWidget(self.empty)
        self.column.addWidget(self.facts)
        self.column.addWidget(self.look)
        self.column.addWidget(self.cut)
        page = QVBoxLayout()
        page.setSpacing(4)
        for pair in ((self.flat, self.home), (self.diffraction, self.save)):
            line = row(*pair)
            line.setStretch(1, 1)
            page.addLayout(line)
        self.column.addLayout(page)
        self.column.addWidget(self.not_saved)
        self.column.addWidget(self.placing)
        self.column.addWidget(self.exports)
        self.column.addStretch(1)

        self._redraw = qthrottled(self._draw, timeout=UPDATE_MS, parent=self)
        self.threshold.valueChanged.connect(self._redraw)
        self.strain_limit.valueChanged.connect(self._redraw)
        self.position.valueChanged.connect(self._redraw)
        self.automatic.toggled.connect(self._redraw)
        self.relief.toggled.connect(self._redraw)
        self.colour.activated.connect(lambda _: self._colour())
        self.cut.toggled.connect(self._face_camera)
        self.axis.currentIndexChanged.connect(self._face_camera)
        self.flip.clicked.connect(self._turn_cut)
        self.result.activated.connect(self._choose)

        session = self._session
        links: list[tuple[Any, Callable[..., object]]] = [
            (napari_viewer.dims.events.ndisplay, self._on_ndisplay),
            (session.choices_changed, self._on_side),
            (session.results_changed, self._refresh),
            (session.result_updated, self._on_updated),
            (session.side_changed, self._on_side),
        ]
        for signal, slot in links:
            signal.connect(slot)
        self.destroyed.connect(partial(_disconnect, links))
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
        with QSignalBlocker(self.result):
            self.result.clear()
            self.result.addItems([result.title for result in self._results])
            if new:
                self.result.setCurrentIndex(self._results.index(new[-1]))
            elif before in self._results:
                self.result.setCurrentIndex(self._results.index(before))
            else:
                self.result.setCurrentIndex(len(self._results) - 1)
        self._on_side()
        if self._chosen is not before or before is None:
            self._load()
            if self._chosen is not None and not new and not self._session.diffraction_shown:
                self._session.show_result(self._chosen)  # the one before was deleted

    def _on_updated(self) -> None:
        for index, result in enumerate(self._results):
            self.result.setItemText(index, result.title)
        self._load()

    def _choose(self) -> None:
        if self.current is not None:
            self._session.show_result(self.current)
        self._load()

    def _load(self) -> None:
        """Set every control to what the chosen result shows."""
        result = self.current
        for widget in (self.look, self.cut, self.home, self.save, self.result):
            widget.setEnabled(result is not None)
        self.empty.setVisible(result is None)
        self.facts.setVisible(result is not None)
        self._on_ndisplay()
        self.exports.follow()
        self.placing.follow()
        if result is None:
            return
        self.facts.say(_facts(result))
        controls = (
            self.threshold,
            self.automatic,
            self.relief,
            self.cut,
            self.axis,
            self.position,
            self.colour,
        )
        blocked = [QSignalBlocker(control) for control in controls]
        self.threshold.setValue(result.threshold)
        self.automatic.setChecked(result.strain_limit is None)
        self.relief.setChecked(result.relief)
        self.colour.clear()
        for quantity in result.offered:
            self.colour.addItem(label(quantity, result.quantities), quantity)
        self.colour.setCurrentIndex(self.colour.findData(result.colour_by))
        self.axis.clear()
        self.axis.addItems(result.axis_names)
        self.cut.setChecked(result.cut is not None)
        if result.cut is not None:
            axis = max(range(3), key=lambda k: abs(result.cut.normal[k]))  # type: ignore[union-attr]
            self._side = 1.0 if result.cut.normal[axis] > 0 else -1.0
            self.axis.setCurrentIndex(axis)
            self._span_cut(result)
            self.position.setValue(self._side * result.cut.position)
        else:
            self._span_cut(result)
            self.position.setValue(0.0)
        del blocked
        self._span_strain(result)

    # -- controls ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Bring the result to what the controls say; only what differs is computed."""
        result = self.current
        if result is None:
            return
        cut = None
        if self.cut.isChecked():
            normal = [0.0, 0.0, 0.0]
            normal[self.axis.currentIndex()] = self._side
            cut = Cut((normal[0], normal[1], normal[2]), self._side * self.position.value())
        limit = None if self.automatic.isChecked() else self.strain_limit.value()
        if limit != result.strain_limit:
            result.set_limits(limit)
        if self.relief.isChecked() != result.relief:
            result.set_relief(self.relief.isChecked())
        if cut != result.cut:
            result.set_clipping(cut)
        if not math.isclose(self.threshold.value(), result.threshold, abs_tol=1e-4):
            result.set_threshold(self.threshold.value())
        self._span_strain(result)

    def _span_strain(self, result: layers.ResultLayers) -> None:
        """Let the slider of the strain's limit follow what is shown."""
        automatic = result.quantities.strain_limit
        limit = automatic if result.strain_limit is None else result.strain_limit
        with QSignalBlocker(self.strain_limit):
            self.strain_limit.setDecimals(max(2 - math.floor(math.log10(automatic)), 0))
            self.strain_limit.setRange(automatic / 20, 3 * automatic)
            self.strain_limit.setSingleStep(automatic / 20)  # type: ignore[arg-type]
            self.strain_limit.setValue(limit)
        self.strain_limit.setEnabled(not self.automatic.isChecked())

    def _span_cut(self, result: layers.ResultLayers) -> None:
        low, high = result.extent(max(self.axis.currentIndex(), 0))
        with QSignalBlocker(self.position):
            self.position.setRange(low, high)

    def _colour(self) -> None:
        if self.current is not None:
            self.current.set_colour_by(self.colour.currentData())
            layers.bring_back(self.current)

    def _face_camera(self) -> None:
        """Cut through the middle, and take away the half that hides the cut from the camera."""
        result = self.current
        if result is None:
            return
        self._span_cut(result)
        looking = compat.looking(self._session.viewer)[0][self.axis.currentIndex()]
        self._side = -1.0 if looking > 0 else 1.0
        with QSignalBlocker(self.position):
            self.position.setValue(0.0)
        self._redraw()

    def _turn_cut(self) -> None:
        self._side = -self._side
        self._redraw()

    # -- the view ------------------------------------------------------------------------------------------------------

    def _on_ndisplay(self) -> None:
        spatial = self._session.viewer.dims.ndisplay == 3
        self.flat.setText("Slices (2-D)" if spatial else "Crystal (3-D)")
        self.cut.setEnabled(spatial and self.current is not None)

    def _turn(self) -> None:
        dims = self._session.viewer.dims
        dims.ndisplay = 5 - dims.ndisplay
        self._frame()

    def _frame(self) -> None:
        if self.current is not None:
            layers.bring_back(self.current)
            self.current.frame()
        else:
            self._session.viewer.reset_view()

    def _on_side(self) -> None:
        shown = self._session.diffraction_shown
        self.diffraction.setText("Show result" if shown else "Show diffraction")
        self.placing.follow()
        self.diffraction.setEnabled(bool(self._session.scans) and bool(self._results or not shown))
        self.exports.follow()

    def _toggle_diffraction(self) -> None:
        if self._session.diffraction_shown:
            self._session.show_result(self.current)
        else:
            self._session.show_diffraction()

    def _save(self) -> None:
        result = self.current
        if result is None:
            return
        name = saving.suggested_name(result.reconstruction, result.group)
        path, _ = QFileDialog.getSaveFileName(self, "Save the reconstruction", name, "CXI (*.cxi)")
        if not path:
            return
        try:
            saved = saving.save(result.reconstruction, path, result.look)
        except InputError as error:
            self.not_saved.say(str(error), error=True)  # napari's own message shows one line of it
            show_error(str(error))
            return
        self.not_saved.say("")
        show_info(f"Saved {saved}")


def _facts(result: layers.ResultLayers) -> str:
    reconstruction, quantities = result.reconstruction, result.quantities
    figures = {
        "χ²": reconstruction.figures.get("chi2", math.nan),
        "held-out likelihood": reconstruction.figures.get("free_llk", math.nan),
    }
    known = "   ".join(f"{name} {value:.3g}" for name, value in figures.items() if math.isfinite(value))
    size = " × ".join(f"{step:.3g}" for step in quantities.voxel_size)
    lengths = "no geometry: lengths in voxels, strain relative" if quantities.relative else f"voxel {size} nm"
    return f"{known}\n{lengths}" if known else lengths


def _slider(low: float, high: float, step: float, decimals: int) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setSingleStep(step)  # type: ignore[arg-type]
    slider.setDecimals(decimals)
    return slider


def _button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda: clicked())
    return button


def _disconnect(connections: list[tuple[Any, Callable[..., object]]], _: object = None) -> None:
    for event, slot in connections:
        event.disconnect(slot)
