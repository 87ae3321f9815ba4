"""What the crystal is and which reflection was measured, to hold the measured lattice spacing against the known one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from ...geometry import MATERIALS, Verdict, find_material, indices, said
from ...scan import InputError
from .fields import Words
from .layout import caption, form, row
from .notes import Note

if TYPE_CHECKING:
    from ...geometry import GeometrySummary


class Material(QComboBox):
    """A material of the table, chosen or typed; `chosen` tells its formula, or nothing."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMinimumContentsLength(6)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.addItem("", "")
        for formula, material in MATERIALS.items():
            self.addItem(f"{formula}, {material.name}", formula)
        self._told = ""
        line = self.lineEdit()
        assert line is not None
        line.setPlaceholderText("material")
        line.editingFinished.connect(self.settle)
        self.activated.connect(lambda _: self.settle())

    @property
    def path(self) -> str:
        """What it says."""
        return self.currentText().partition(",")[0].strip()

    def show_path(self, formula: str) -> None:
        """Put a formula in, of which all know."""
        self._told = formula
        index = self.findData(formula)
        if index >= 0:
            self.setCurrentIndex(index)
        else:
            self.setEditText(formula)

    def settle(self) -> None:
        """Tell what it says, if that was not told yet."""
        if self.path != self._told:
            self._told = self.path
            self.chosen.emit(self.path)


class CrystalForm(QWidget):
    """Material and reflection in a line, and below it what follows for the spacing and the detector's mount."""

    material_chosen = Signal(str)
    reflection_chosen = Signal(object)
    mounting_chosen = Signal(object)
    """The person wants the mount that the test found: its `Verdict`."""

    def __init__(self) -> None:
        super().__init__()
        self.material = Material()
        self.material.setToolTip(
            "What the crystal is: its lattice spacing is compared with the measured one."
        )
        self.hkl = Words("h k l")
        self.hkl.setToolTip("Which reflection was measured, such as 1 1 1.")
        self.answer = Note()
        self.test = Note()
        self.test.setToolTip(
            "The spacing is worked out for all four ways in which the detector may be mounted: a wrong one mirrors the crystal.\n"
            "That tells them apart where the peak lies away from the direct beam's pixel."
        )
        self.mount = QPushButton("Mount it so")
        self.mount.setToolTip("Let rows and columns run as the test found.")
        self.mount.clicked.connect(lambda: self.mounting_chosen.emit(self._verdict))
        self._verdict: Verdict | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        lines = form()
        lines.addRow(caption("Crystal, hkl", self.material.toolTip()), row(self.material, self.hkl))
        column.addLayout(lines)
        for widget in (self.answer, self.test, self.mount):
            column.addWidget(widget)
        self.material.chosen.connect(self._on_material)
        self.hkl.chosen.connect(self._on_hkl)
        self.show_crystal("", None)

    def settle(self) -> None:
        """Tell what was typed and not told yet."""
        self.material.settle()
        self.hkl.settle()

    def show_crystal(self, material: str, reflection: tuple[int, int, int] | None) -> None:
        """Show what was said of the crystal; what follows from it comes with the summary."""
        self.material.show_path(material)
        self.hkl.show_path("" if reflection is None else " ".join(map(str, reflection)))
        self.show_summary(None)

    def show_summary(self, seen: GeometrySummary | None) -> None:
        """Say what follows; None: nothing yet."""
        self._verdict = None if seen is None else seen.mounting
        lines = [] if seen is None else spacing_lines(seen)
        self.answer.say("\n".join(lines), error=seen is not None and bool(lines) and bool(seen.off))
        verdict = self._verdict
        self.test.say("" if verdict is None else f"The lattice test says: {verdict.sentence}")
        self.mount.setVisible(differs(verdict))

    def _on_material(self, text: str) -> None:
        try:
            formula = find_material(text)[0] if text else ""
        except InputError as error:
            self.answer.say(str(error), error=True)
            return
        self.material_chosen.emit(formula)

    def _on_hkl(self, text: str) -> None:
        try:
            reflection = indices(text) if text else None
        except InputError as error:
            self.answer.say(str(error), error=True)
            return
        self.reflection_chosen.emit(reflection)


def spacing_lines(seen: GeometrySummary) -> list[str]:
    """Return measured and known spacing and the mean strain, each with where it comes from; none without a known one."""
    if seen.expected_nm is None or seen.mismatch_percent is None:
        return []
    strain = seen.mismatch_percent / 100
    return [
        f"d measured: {seen.spacing_nm:.5f} nm, by the peak's pixel and the geometry above",
        f"d expected: {seen.expected_nm:.5f} nm, {seen.expected}",
        f"{seen.mismatch_percent:+.2f} %: a mean strain of {strain:+.4f}, if the geometry is right".replace(
            "-", "−"
        ),
    ]


def differs(verdict: Verdict | None) -> bool:
    """Whether a test is certain of another mount than the stated one."""
    return (
        verdict is not None
        and verdict.decisive
        and (verdict.rows, verdict.columns) != verdict.mountings[0].pixel_directions
    )


def mounting_lines(verdict: Verdict) -> list[str]:
    """Return how well each of the four mountings fits in the arm test, a line each."""
    return [
        f"rows {said(each.pixel_directions[0])}, columns {said(each.pixel_directions[1])}: {each.misfit:.2f} pixels off"
        for each in verdict.mountings
    ]
