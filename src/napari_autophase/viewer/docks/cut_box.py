"""Where the crystal is cut open: across one of its axes, or across the view, which is any plane."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QPushButton

from ..model.canvas import compat
from ..model.crystal.mesh import Cut
from ..model.result.results import ResultLayers
from ..widgets.box import Box
from ..widgets.layout import caption, form, row
from ..widgets.narrow import Combo
from ..widgets.sliders import slider

Normal = tuple[float, float, float]
_VIEW = "the view"


class CutBox(Box):
    """Controls of the cut; `changed` tells that `cut` is another."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Cut open", "tutorial/window.md#Look at it")
        self.setCheckable(True)
        self.setChecked(False)
        self.setToolTip("Take away what lies in front of a plane: the cut face shows the inside.")
        self._result: ResultLayers | None = None
        self._side = 1.0
        self._across: Normal = (1.0, 0.0, 0.0)
        self.axis = Combo()
        self.axis.setToolTip(
            "The axis across which the crystal is cut.\n"
            f"Across {_VIEW}: turn the crystal until you look straight at the plane that you want, then choose this (again)."
        )
        self.flip = QPushButton("Flip")
        self.flip.setToolTip("Take the other half away.")
        self.position = slider(-1.0, 1.0, 0.1, 1)
        self.position.setToolTip(
            "Distance of the cut from the crystal's centre (nm, or voxels without geometry)."
        )
        rows = form(self)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow(caption("Across", self.axis.toolTip()), row(self.axis, self.flip))
        rows.addRow(caption("Position", self.position.toolTip()), self.position)
        self.toggled.connect(lambda _: self._face_camera())
        self.axis.currentIndexChanged.connect(lambda _: self._face_camera())
        self.axis.activated.connect(lambda _: self._face_camera() if self._is_oblique else None)
        self.flip.clicked.connect(self._turn)
        self.position.valueChanged.connect(lambda _: self.changed.emit())

    @property
    def cut(self) -> Cut | None:
        """What the controls say."""
        if not self.isChecked():
            return None
        z, y, x = (self._side * each for each in self._across)
        return Cut((z, y, x), self._side * self.position.value())

    def show_result(self, result: ResultLayers | None) -> None:
        """Show where a result is cut."""
        self._result = result
        if result is None:
            return
        blocked = [QSignalBlocker(control) for control in (self, self.axis, self.position)]
        self.axis.clear()
        self.axis.addItems([*result.axis_names, _VIEW])
        cut = result.cut
        self.setChecked(cut is not None)
        at = 0.0
        if cut is None:
            self._across = (1.0, 0.0, 0.0)
        else:
            normal = np.asarray(cut.normal, float) / np.linalg.norm(cut.normal)
            along = int(np.abs(normal).argmax())
            straight = abs(normal[along]) > 1 - 1e-9
            self.axis.setCurrentIndex(along if straight else 3)
            self._side = float(np.sign(normal[along])) if straight else 1.0
            z, y, x = (self._side * normal).tolist()
            self._across, at = (z, y, x), self._side * cut.position
        self._span(result)
        self.position.setValue(at)
        del blocked

    @property
    def _is_oblique(self) -> bool:
        return self.axis.currentIndex() == 3

    def _face_camera(self) -> None:
        """Cut through the middle, and take away the half that hides the cut from the camera."""
        result = self._result
        viewer = None if result is None else result.viewer
        if result is None or viewer is None:
            return
        looking = compat.looking(viewer)[0]
        if self._is_oblique:
            z, y, x = (-looking / np.linalg.norm(looking)).tolist()
            self._across, self._side = (z, y, x), 1.0
        else:
            along = max(self.axis.currentIndex(), 0)
            self._across = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))[along]
            self._side = -1.0 if looking[along] > 0 else 1.0
        self._span(result)
        with QSignalBlocker(self.position):
            self.position.setValue(0.0)
        self.changed.emit()

    def _turn(self) -> None:
        self._side = -self._side
        self.changed.emit()

    def _span(self, result: ResultLayers) -> None:
        """Let the slider reach from where the crystal begins along the normal to where it ends."""
        ends = np.array([result.extent(axis) for axis in range(3)]) * np.array(self._across)[:, None]
        with QSignalBlocker(self.position):
            self.position.setRange(float(ends.min(1).sum()), float(ends.max(1).sum()))
