"""Clicks in any order: scans, results, runs, other people's layers, landmarks and docks come and go, and nothing raises."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from functools import cache, partial
from inspect import isfunction
from unittest import mock
from warnings import catch_warnings, simplefilter

import napari
import numpy as np
import pytest
from app_model.types import KeyBinding
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from napari.components import ViewerModel, _viewer_key_bindings
from napari.layers import Image, Labels, Layer, _layer_actions
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QFileDialog
from viewer_doubles import GEOMETRY, FakeLaunch, make_reconstruction, make_scan

from napari_autophase.reconstruction import Progress
from napari_autophase.viewer import palette, sessions
from napari_autophase.viewer.docks import (
    display_dock,
    load_dock,
    mask_row,
    reconstruct_dock,
    scan_pictures,
)
from napari_autophase.viewer.model import commands
from napari_autophase.viewer.model.crystal.drawing import draw
from napari_autophase.viewer.model.crystal.landmarks import KINDS
from napari_autophase.viewer.model.crystal.mesh import mesh
from napari_autophase.viewer.model.crystal.result_data import OVER_RESULT
from napari_autophase.viewer.model.crystal.sketch import Sketch
from napari_autophase.viewer.model.run.watch import Seen
from napari_autophase.viewer.model.session import Session
from napari_autophase.viewer.model.stage import layers

pytestmark = pytest.mark.usefixtures("qapp")
SIZE = 16
DOCKS = {
    "Load": lambda viewer: load_dock.LoadDock(viewer),
    "Reconstruct": lambda viewer: reconstruct_dock.ReconstructDock(viewer),
    "Display": lambda viewer: display_dock.DisplayDock(viewer),
}
some = st.integers(0, 9)
MANY = 24
"""Layers after which none is doubled any more."""
LAYER_ACTIONS = {
    "duplicate": (_layer_actions._duplicate_layer, None),
    "to labels": (partial(_layer_actions._convert, type_="labels"), Image),
    "to image": (partial(_layer_actions._convert, type_="image"), Labels),
    "project": (_layer_actions._project, Image),
    "link": (_layer_actions._link_selected_layers, None),
    "unlink": (_layer_actions._unlink_selected_layers, None),
    "hide selected": (_layer_actions._hide_selected, None),
    "show selected": (_layer_actions._show_selected, None),
    "hide others": (_layer_actions._hide_unselected, None),
    "show others": (_layer_actions._show_unselected, None),
    "turn visibility": (_layer_actions._toggle_visibility, None),
}
"""What napari offers on a click with the right button, and for which layers."""
_KEYS = (
    *("extend_selection_to_layer_above", "extend_selection_to_layer_below", "toggle_ndisplay", "reset_view"),
    *("delete_selected_layers", "roll_axes"),
    *("transpose_axes", "toggle_grid", "toggle_selected_visibility", "toggle_unselected_visibility"),
    *("select_layer_above", "select_layer_below", "show_only_layer_above", "show_only_layer_below"),
)
VIEWER_ACTIONS = {name: found for name in _KEYS if (found := getattr(_viewer_key_bindings, name, None))}
"""What napari's own keys do, but for steps through slices: in a list that has lost dimensions napari itself raises there."""
PALETTE = [
    name for name, each in vars(palette).items() if isfunction(each) and each.__module__ == palette.__name__
]
PALETTE = [name for name in PALETTE if not name.startswith("_")]


@cache
def scan(nm):
    return make_scan(size=SIZE, geometry=GEOMETRY if nm else None)


@cache
def drawing(nm):
    return draw(make_reconstruction(size=SIZE, nm=nm))


@cache
def sketch(nm):
    return Sketch(mesh(drawing(nm).quantities, "phase", None), "nm" if nm else "voxel")


class Turns:
    """A background in which nothing is done before its turn of the event loop has come; the test says when."""

    def __init__(self, launch, waiting):
        self.waiting, self.launch = waiting, launch

    def reconstruct(self, scan, recipe, run, look, begin):
        return self.launch(scan, recipe, run)

    def tasks(self, *_):
        return Waiting(self)

    def soon(self, go_on):
        self.waiting.append(go_on)
        return True

    def turn(self):
        if self.waiting:
            self.waiting.popleft()()

    def all(self):
        for _ in range(1000):
            if not self.waiting:
                return
            self.turn()
        raise AssertionError("it never comes to rest")


class Waiting:
    """Work that is done, and told, in turns of its own; of each named task only the newest delivers its result."""

    def __init__(self, turns):
        self.turns, self.newest = turns, {}

    def start(self, task, work, *arguments, done, failed):
        mark = self.newest[task] = object()

        def go():
            if self.newest.get(task) is not mark:
                return
            del self.newest[task]
            try:
                value = work(*arguments)
            except Exception as error:
                failed(error)
            else:
                done(value)

        self.turns.waiting.append(go)

    def at_work(self, task):
        return task in self.newest

    def forget(self, task):
        self.newest.pop(task, None)

    def close(self):
        self.newest.clear()


class Window:
    """A window without a window: its viewer, its session, its docks, and what is at work for it."""

    def __init__(self, waiting):
        self.launch, self.docks, self.viewer = FakeLaunch(), {}, ViewerModel()
        self.turns = Turns(self.launch, waiting)
        self.session = Session(self.viewer, self.turns)
        sessions.keep(self.session)
        commands.bind(self.session, bool)


class AnyOrder(RuleBasedStateMachine):
    """Two windows, of which a person turns to one or the other."""

    @initialize()
    def open(self):
        waiting = deque()  # one event loop serves both
        self.windows = [Window(waiting), Window(waiting)]
        self.turn_to_other_window()
        places = (load_dock, mask_row, scan_pictures)
        self.patches = [mock.patch.object(place, "Tasks", self.turns.tasks) for place in places]
        self.patches += [mock.patch.object(dock, "show_error") for dock in (load_dock, mask_row)]
        for each in self.patches:
            each.start()

    def teardown(self):
        if not hasattr(self, "session"):
            return
        for _ in self.windows:
            for name in list(self.docks):
                self.close_dock(name)
            self.session.controller.close()
            self.turn_to_other_window()
        for each in self.patches:
            each.stop()

    @rule()
    def turn_to_other_window(self):
        self.windows.reverse()
        window = self.windows[0]
        self.launch, self.turns, self.viewer = window.launch, window.turns, window.viewer
        self.session, self.docks = window.session, window.docks

    def layer(self, which):
        return self.viewer.layers[which % len(self.viewer.layers)]

    def result(self, which):
        return self.session.results[which % len(self.session.results)]

    has_layers = precondition(lambda self: len(self.viewer.layers) > 0)
    has_results = precondition(lambda self: bool(self.session.results))
    has_run = precondition(lambda self: self.session.controller.busy)

    # -- what comes

    @rule(nm=st.booleans())
    def open_scan(self, nm):
        self.session.add_scan(scan(nm))

    @rule(nm=st.booleans())
    def open_result(self, nm):
        ((data, options, kind),) = layers.reconstruction_layer_data(drawing(nm).reconstruction)
        self.viewer.add_layer(Layer.create(data, options, kind))

    @rule(kind=st.sampled_from(["points", "labels", "shapes", "vectors", "image", "flat image"]))
    def add_foreign(self, kind):
        viewer = self.viewer
        if kind == "points":
            viewer.add_points(np.ones((3, 3)))
        elif kind == "labels":
            viewer.add_labels(np.ones((SIZE,) * 3, int))
        elif kind == "shapes":
            viewer.add_shapes(np.array([[0, 0], [0, 9], [9, 9], [9, 0]]))
        elif kind == "vectors":
            viewer.add_vectors(np.ones((2, 2, 3)))
        elif kind == "image":
            viewer.add_image(scan(False).counts.astype(np.float32), name="image")
        else:
            viewer.add_image(np.ones((8, 9)))

    # -- a run

    @rule()
    def reconstruct(self):
        commands.reconstruct(self.session)

    @rule()
    def cancel(self):
        commands.cancel(self.session)

    @rule()
    def hold(self):
        commands.hold(self.session)

    @has_run
    @rule(what=st.sampled_from(["progress", "sketch", "done", "failed", "stopped"]), nm=st.booleans())
    def report(self, what, nm):
        run = self.launch.job.run
        if what == "progress":
            run.on_progress(Progress("refine", 3, 50), (0.5,))
        elif what == "sketch":
            run.on_progress(Progress("refine", 3, 50, 0.5), (0.5,), Seen(sketch=sketch(nm)))
        elif what == "done":
            run.on_done(drawing(nm))
        elif what == "failed":
            run.on_failed(ValueError("it failed"))
        run.on_stopped() if what in ("done", "failed", "stopped") else None

    # -- what a person does with layers

    @has_layers
    @rule(which=some)
    def delete(self, which):
        self.viewer.layers.remove(self.layer(which))

    @rule()
    def delete_all(self):
        self.viewer.layers.clear()

    @has_layers
    @rule(which=st.sets(some, max_size=3))
    def delete_selected(self, which):
        self.viewer.layers.selection = {self.layer(each) for each in which}
        self.viewer.layers.remove_selected()

    @has_layers
    @rule(which=some, name=st.sampled_from(["crystal", "a", "crystal · 1 isosurface", "", " ", "a\n<b>&"]))
    def rename(self, which, name):
        self.layer(which).name = name

    @has_layers
    @rule(which=some)
    def hide_or_show(self, which):
        layer = self.layer(which)
        layer.visible = not layer.visible

    @has_layers
    @rule(which=some, to=some)
    def move(self, which, to):
        count = len(self.viewer.layers)
        self.viewer.layers.move(which % count, to % count)

    @rule()
    def bring_back(self):
        commands.bring_back(self.session)

    # -- what menus, keys and the palette do

    @has_layers
    @rule(which=st.sets(some, min_size=1, max_size=3), name=st.sampled_from(sorted(LAYER_ACTIONS)))
    def choose_in_menu(self, which, name):
        action, kinds = LAYER_ACTIONS[name]
        chosen = {self.layer(each) for each in which}
        if kinds is not None:  # else the menu has it greyed
            chosen = {each for each in sorted(chosen, key=id) if isinstance(each, kinds)}
            chosen = {each for each in chosen if each.ndim == 3}
        self.viewer.layers.selection = chosen
        if chosen and len(self.viewer.layers) < MANY:
            with catch_warnings():  # napari's own: that fractions become whole numbers
                simplefilter("ignore", UserWarning)
                action(self.viewer.layers)

    @rule(name=st.sampled_from(sorted(VIEWER_ACTIONS)))
    def press_key_of_napari(self, name):
        VIEWER_ACTIONS[name](self.viewer)

    @rule(key=st.sampled_from(sorted(commands.KEYS)))
    def press_key(self, key):
        for bound, action in list(self.viewer.keymap.items()):
            if bound == KeyBinding.from_str(key.replace("Control", "Ctrl").replace("-", "+")):
                action(self.viewer)
                return
        raise AssertionError(f"{key} does nothing")

    @rule(name=st.sampled_from(PALETTE))
    def call_from_palette(self, name):
        with ExitStack() as patches:
            patches.enter_context(mock.patch.object(napari, "current_viewer", return_value=self.viewer))
            for each in ("getOpenFileName", "getSaveFileName"):
                patches.enter_context(mock.patch.object(QFileDialog, each, return_value=("", "")))
            for each in ("show_error", "show_info", "show_warning"):
                patches.enter_context(mock.patch.object(palette, each))
            getattr(palette, name)()

    # -- what is seen

    @rule()
    def turn_sides(self):
        commands.toggle_diffraction(self.session)

    @rule()
    def turn_dimensions(self):
        self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    @rule(how=st.sampled_from(["roll", "transpose"]))
    def turn_axes(self, how):
        getattr(self.viewer.dims, how)()

    @rule()
    def change_dimensions(self):
        self.session.change_dimensions(bool)

    @rule(by=st.sampled_from([-1, 1]))
    def step(self, by):
        commands.step(self.session, by)

    @rule(kind=st.sampled_from(KINDS))
    def tick(self, kind):
        marks = self.session.extras.landmarks
        marks.show(kind, not marks.wants(kind))

    @has_results
    @rule(which=some, compares=st.booleans())
    def compare(self, which, compares):
        self.session.extras.side_by_side.compare(self.result(which) if compares else None)

    @has_results
    @rule(which=some, threshold=st.sampled_from([0.2, 0.5]), by=st.sampled_from(["phase", "strain"]))
    def look(self, which, threshold, by):
        result = self.result(which)
        result.set_threshold(threshold)
        result.set_colour_by(by)

    @precondition(lambda self: bool(self.session.choices))
    @rule(which=some)
    def choose(self, which):
        choices = self.session.choices
        self.session.choose(choices[which % len(choices)][1])

    @rule(nm=st.booleans())
    def give_geometry(self, nm):
        current = self.session.current
        if current in self.session.scans:
            self.session.update_scan(current, scan(nm))

    # -- docks

    @rule(name=st.sampled_from(sorted(DOCKS)))
    def open_dock(self, name):
        if name not in self.docks:
            self.docks[name] = DOCKS[name](self.viewer)

    @rule(name=st.sampled_from(sorted(DOCKS)))
    def close_dock(self, name):
        if (dock := self.docks.pop(name, None)) is not None:
            dock.deleteLater()
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    # -- time

    @rule(count=st.integers(1, 4))
    def turn(self, count):
        for _ in range(count):
            self.turns.turn()

    @rule()
    def rest(self):
        self.turns.all()
        for window in self.windows:
            self.is_at_rest(window.viewer, window.session)

    def is_at_rest(self, viewer, session):
        seen = [layer for layer in viewer.layers if layer.visible]
        ours = [
            layer
            for layer in viewer.layers
            if layers.SCAN in layer.metadata or layers.RECONSTRUCTION in layer.metadata
        ]
        assert len({tuple(map(str, layer.units)) for layer in ours}) <= 1, "ours bear one unit"
        of_results = [layer for layer in viewer.layers if OVER_RESULT in layer.metadata]
        assert session.results or not of_results, "what lies over a result goes with it"
        marks = session.extras.landmarks
        assert any(map(marks.wants, KINDS)) or session.extras.side_by_side.other is not None or not of_results
        for layer in seen:
            if OVER_RESULT in layer.metadata:
                assert session.extras.shown.result is not None, f"{layer.name} is seen without a result"

    @invariant()
    def all_agree(self):
        for window in getattr(self, "windows", ()):
            self.agree(window.session, window.docks)

    def agree(self, session, docks):
        choices = session.choices
        assert session.current is None if not choices else session.current in [each for _, each in choices]
        results = session.results
        assert all(result.alive for result in results)
        assert len({result.group for result in results}) == len(results)
        assert sum(result.shown for result in results) <= 1
        other = session.extras.side_by_side.other
        assert other is None or other in results
        if (dock := docks.get("Reconstruct")) is not None:
            said = [dock.scan.itemData(index) for index in range(dock.scan.count())]
            assert [each for _, each in choices] == said
            assert dock.scan.currentData() is session.current
            assert dock.cancel.isEnabled() == (session.controller.state == "running")


TestAnyOrder = AnyOrder.TestCase
# to explain a failure is to trace every line that is run: it takes many times as long
TestAnyOrder.settings = settings(max_examples=24, stateful_step_count=40, phases=(Phase.generate,))
