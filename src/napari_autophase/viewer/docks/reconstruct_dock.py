"""The Reconstruct dock: one button, what it will do, and how it goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
)

from ... import files
from ...recipe import PRESETS, Recipe
from ...recipe.settings import settings, value_of
from ...scan import InputError, Scan
from ..model.run.costs import costs
from ..model.scan.command import command
from ..model.words import gists
from ..model.words.run_words import DEVICES, EXPLANATIONS
from ..sessions import session_of
from ..widgets.buttons import SampleButton
from ..widgets.help import HelpButton
from ..widgets.iterations import Iterations
from ..widgets.layout import Buttons, caption, form, row
from ..widgets.listening import listen
from ..widgets.narrow import Combo, Tick
from ..widgets.notes import Note
from ..widgets.page import Page
from ..widgets.preset_choice import PresetChoice
from ..widgets.recipe_form import RecipeForm, changed, in_words
from ..widgets.section import Section
from ..widgets.setting import Setting, make_setting
from .device_and_memory import DeviceAndMemory, offer_devices
from .finetune_section import FineTuneSection
from .going_on import GoingOn
from .run_footer import RunFooter
from .run_report import RunReport

if TYPE_CHECKING:
    from napari.components import ViewerModel

_log = logging.getLogger(__name__)
_PRESET_S = ("guess.", "refine.")
"""Parts of a recipe that are a preset's; what was said of the others is kept when one is chosen."""


class ReconstructDock(Page):
    """Reconstructs the current scan in the background.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self._session = session_of(napari_viewer)
        self._controller = self._session.controller
        self._devices: set[str] = set()
        self._make_choices()
        self._make_panel(napari_viewer)
        self._lay_out()

        session, report = self._session, self.report
        listen(
            self,
            (session.choices_changed, self._list_scans),
            (session.scan_changed, self._list_scans),
            (session.recipe_given, self.show_recipe),
            (session.scan_updated, self._tell_costs),
            (self._controller.finished, self._tell_costs),
            close=report.close,
        )
        if session.choices_made:
            self._recall(session.choices_made)
        else:
            self.show_recipe(Recipe.from_preset("fast"))
        self._list_scans()
        self.replace.toggled.connect(lambda _: self._remember())
        for setting in self._settings:
            setting.on_change(self.device_and_memory.on_choice)
            setting.on_change(self._explain)

    # -- the widgets ---------------------------------------------------------------------------------------------------

    def _make_choices(self) -> None:
        descriptions = dict(settings(Recipe))
        self.scan = Combo()
        self.scan.setToolTip("What to reconstruct: a scan, or any 3-D image of the viewer as counts.")
        self.scan.activated.connect(lambda index: self._session.choose(self.scan.itemData(index)))
        self.preset = PresetChoice()
        self.preset.activated.connect(lambda _: self._use_preset())
        self.explanation = Note()
        self.basic: dict[str, Setting] = {
            key: make_setting(key, descriptions[key])
            for key in ("refine.shrink_wrap.threshold", "device", "seed")
        }
        device = self.basic["device"].widget
        assert isinstance(device, QComboBox)
        offer_devices(device, set(DEVICES))  # until it is known what there is
        device.setToolTip("Where to compute.")
        self.basic["refine.shrink_wrap.threshold"].widget.setToolTip(
            "The support is where the blurred amplitude exceeds this fraction of its maximum.\n"
            "As the preset has it, the last update outlines the crystal instead; a threshold of your own rules that one too."
        )
        self.basic["refine.shrink_wrap.threshold"].on_change(self._on_threshold)
        self.basic["seed"].widget.setToolTip("The same seed gives the same result.")
        self.replace = Tick("Replace the last result")
        self.replace.setToolTip(
            "Put the result in the place of the last one of this scan instead of into a new numbered group;\n"
            "one that is starred in the Display panel stays."
        )
        self.live = Tick("Show the crystal while it is refined")
        self.live.setChecked(self._session.live.enabled)
        self.live.setToolTip(
            "Show the surface of the best start so far, coloured by its phase, now and then: it takes about 3 % of a run's time."
        )
        self.live.toggled.connect(lambda on: setattr(self._session.live, "enabled", on))
        self.advanced = Section("Advanced", page="guide/recipes.md#Change a setting")
        self.form = RecipeForm(elsewhere=("version", "preset", *self.basic))
        self.algorithm = self.form.settings["refine.algorithm"].widget
        assert isinstance(self.algorithm, QLineEdit)
        self.iterations = Iterations(self.algorithm)
        self.device_and_memory = DeviceAndMemory(self._session, self.recipe)
        self.device_and_memory.devices_known.connect(partial(offer_devices, device))
        self.device_and_memory.devices_known.connect(self._on_devices)
        self.finetune = FineTuneSection(self._session, self.settled_recipe, self.use_weights)
        self.finetune.busy_changed.connect(lambda _: self._allow())
        self.save = QPushButton("Save recipe…")
        self.save.setToolTip("Write all choices to a JSON file.")
        self.save.clicked.connect(self._ask_where_to_save)
        self.open = QPushButton("Load recipe…")
        self.open.setToolTip("Take all choices from a JSON file.")
        self.open.clicked.connect(self._ask_what_to_load)
        self.copy = QPushButton("Copy command")
        self.copy.setToolTip(
            "Copy the command line that reconstructs this scan in the same way, to be pasted into a shell."
        )
        self.copy.clicked.connect(lambda: self._try(self._copy_command))
        self.copied = Note()

    def _make_panel(self, viewer: ViewerModel) -> None:
        self.hint = Note()
        self.lengths = Note()
        self.sample = SampleButton(viewer)
        self.report = RunReport(self._session, viewer)
        self.going_on = GoingOn(self._session, self.report.refuse, self.replace.isChecked)
        self.curve, self.summary, self.notes = self.report.curve, self.report.summary, self.report.notes
        self.footer = RunFooter(self._controller, viewer, self.report)
        self.button, self.pause, self.cancel = self.footer.button, self.footer.pause, self.footer.cancel
        self.stage, self.bar = self.report.stage, self.report.bar
        self.button.clicked.connect(self.start)

    def _lay_out(self) -> None:
        top = form()
        top.addRow(caption("Scan"), row(self.scan, HelpButton("tutorial/window.md#Reconstruct")))
        top.addRow(caption("Preset"), self.preset)
        choices = form()
        choices.addRow(caption("Iterations"), self.iterations)
        choices.addRow(caption("Support threshold"), self.basic["refine.shrink_wrap.threshold"].widget)
        choices.addRow(caption("Seed"), self.basic["seed"].widget)
        choices.addRow(caption("Device"), self.basic["device"].widget)
        inside = QVBoxLayout(self.advanced.body)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.form)

        column = self.column
        column.addLayout(top)
        column.addWidget(self.explanation)
        # what a run makes appear stands below what a person may be reaching for
        for above in (self.hint, self.sample, self.lengths):
            column.addWidget(above)
        column.addLayout(choices)
        for below in (
            *(self.live, self.replace, self.curve, self.summary, self.notes),
            *(self.going_on, self.device_and_memory),
        ):
            column.addWidget(below)
        column.addWidget(Buttons(self.save, self.open, self.copy))
        column.addWidget(self.copied)
        column.addWidget(self.advanced)
        column.addWidget(self.finetune)
        column.addStretch(1)
        self.stand_on(self.footer)
        reached = (self.preset, self.sample, self.button, self.pause, self.cancel, self.iterations)
        for before, after in pairwise(reached):
            self.setTabOrder(before, after)

    # -- the recipe ----------------------------------------------------------------------------------------------------

    def recipe(self) -> Recipe:
        """Return the recipe that the panel shows.

        Raises
        ------
        InputError
            If a setting is out of range.
        """
        basic = {key: setting.value for key, setting in self.basic.items()}
        return Recipe.from_preset(self.preset.currentData()).with_settings({**basic, **self.form.values()})

    def settled_recipe(self) -> Recipe:
        """Return the recipe likewise, for a job that is to begin now."""
        for setting in self._settings:
            setting.settle()
        return self.recipe()

    @property
    def _settings(self) -> tuple[Setting, ...]:
        return (*self.basic.values(), *self.form.settings.values())

    def _recall(self, said: dict[str, Any]) -> None:
        """Say what a panel that was closed said."""
        self.preset.setCurrentIndex(PRESETS.index(said["preset"]))
        self.replace.setChecked(said["replace"])
        for setting in self._settings:
            setting.value = said[setting.key]
        self._explain()

    def _remember(self) -> None:
        values = {setting.key: setting.value for setting in self._settings}
        choices = {"preset": self.preset.currentData(), "replace": self.replace.isChecked(), **values}
        self._session.choices_made = choices
        self._session.choices_said.emit()

    def show_recipe(self, recipe: Recipe) -> None:
        """Show every setting of `recipe`."""
        if recipe.preset in PRESETS:
            self.preset.setCurrentIndex(PRESETS.index(recipe.preset))
        for key, setting in self.basic.items():
            setting.value = value_of(recipe, key)
        self.form.show_recipe(recipe)
        self._explain()

    def _explain(self) -> None:
        """Say what will be done: what the preset is, or in what it was changed."""
        self._remember()
        preset = self.preset.currentData()
        try:
            recipe = self.recipe()
            others = changed(recipe, self._settings)
        except InputError:  # which is said under the setting, and when the button is pressed
            changes, inside = [], []
            self.form.mark(None, [])
        else:
            changes = [in_words(recipe, each) for each in others]
            inside = [
                text for each, text in zip(others, changes, strict=True) if each.key in self.form.settings
            ]
            self.form.mark(recipe, others)
        self.advanced.sum_up(gists.settings(preset, inside))
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        said = (
            f"As {preset}, but with {', '.join(changes[:3])}{more}; choose {preset} again for its own."
            if changes
            else EXPLANATIONS[preset]
        )
        weights = self.form.settings["guess.weights"].value  # which no preset changes
        if weights and self.form.settings["guess.start"].value != "random":
            said += f" Network weights: {Path(weights).name}."
        self.explanation.say(said)
        for index, name in enumerate(PRESETS):
            self.preset.setItemText(index, f"{name}*" if changes and name == preset else name)
        self._tell_costs()

    def _on_devices(self, names: set[str]) -> None:
        self._devices = names
        self._tell_costs()

    def _tell_costs(self, _: object = None) -> None:
        """Say how long each preset would take on this scan, with what is kept when it is chosen."""
        device, current = self.basic["device"].value, self._session.current
        known = self._controller.rates(device)
        usual = device == "cpu" or (device == "auto" and self._devices == {"cpu"})
        self.preset.show_costs(
            costs(current, self._as, known if known or (usual and self._devices) else None)
        )

    def _as(self, preset: str) -> Recipe:
        """Return the recipe that the panel would show if this preset were chosen, or shows."""
        if preset == self.preset.currentData():
            return self.recipe()
        kept = {key: value for key, value in self.form.values().items() if not key.startswith(_PRESET_S)}
        return Recipe.from_preset(preset).with_settings(kept)

    def _on_threshold(self, *_: object) -> None:
        """Let a threshold that a person has moved rule the last update of the support too, unless the outline was moved."""
        usual = Recipe.from_preset(self.preset.currentData()).refine.shrink_wrap
        outline = self.form.settings["refine.shrink_wrap.outline"]
        if outline.value in (0.0, usual.outline):
            moved = self.basic["refine.shrink_wrap.threshold"].value != usual.threshold
            outline.value = 0.0 if moved else usual.outline

    def use_weights(self, path: str) -> None:
        """Take the network's weights from this file from now on."""
        self.form.settings["guess.weights"].value = path

    def _use_preset(self) -> None:
        # the person's device, seed, weights, preparation and analysis stay
        recipe = Recipe.from_preset(self.preset.currentData())
        weights = self.form.settings["guess.weights"].value
        self.basic["refine.shrink_wrap.threshold"].value = recipe.refine.shrink_wrap.threshold
        self.form.show_recipe(recipe, _PRESET_S)
        self.use_weights(weights)
        self._explain()

    def save_recipe(self, path: str | Path) -> None:
        """Write the recipe to a JSON file.

        Raises
        ------
        InputError
            If a setting is out of range, or the file cannot be written.
        """
        files.write(Path(path), self.recipe().model_dump_json(indent=2) + "\n")

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the recipe", "recipe.json", "Recipes (*.json)")
        if path:
            self._try(lambda: self.save_recipe(path))

    def _ask_what_to_load(self) -> None:
        from ...repeat import recipe_of  # brings the libraries of every format

        kinds = "Recipes, reports and results (*.json *.cxi *.h5)"
        path, _ = QFileDialog.getOpenFileName(self, "Load a recipe", "", kinds)
        if path:
            self._try(lambda: self.show_recipe(recipe_of(path)))

    def _copy_command(self) -> None:
        scan, clipboard = self._session.settled_scan(), QApplication.clipboard()
        if scan is not None and clipboard is not None:
            line = command(scan, self.settled_recipe(), self._session.was_placed(scan))
            clipboard.setText(line)
            self.copied.say(f"Copied: {shorten(line, 160, placeholder=' …')}")

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except InputError as error:
            self.report.refuse(error)

    # -- scans ---------------------------------------------------------------------------------------------------------

    def _list_scans(self) -> None:
        choices = self._session.choices
        self.scan.clear()
        for index, (name, choice) in enumerate(choices):
            self.scan.addItem(name if isinstance(choice, Scan) else f"{name} (image)", choice)
            if choice is self._session.current:
                self.scan.setCurrentIndex(index)
        self.scan.setEnabled(bool(choices))
        self.scan.setPlaceholderText("none loaded")
        self._tell_costs()
        self.hint.say(
            ""
            if choices
            else "Load a scan first: drop it on the viewer, use File > Open or the Load panel. Or begin with the sample."
        )
        self.sample.setVisible(not choices)
        scan = self._session.current
        self.lengths.say(
            ""
            if scan is None or (isinstance(scan, Scan) and scan.geometry is not None)
            else "Geometry unknown: lengths will be in voxels, and the strain relative."
            + " The Load panel takes the geometry, afterwards too."
        )
        self._allow()

    def _allow(self) -> None:
        self.footer.allow(self._session.current is not None and not self.finetune.busy)
        self.copy.setEnabled(self._session.current is not None)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Cancel the run on Esc."""
        if not self.footer.cancels(event):
            super().keyPressEvent(event)

    # -- the run -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Reconstruct the current scan."""
        try:
            self._session.reconstruct(self.settled_recipe(), replace_last=self.replace.isChecked())
        except InputError as error:
            self.report.refuse(error)
