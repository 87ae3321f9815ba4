"""Clicks in any order: scans, results, runs, other people's layers, landmarks and docks come and go, and nothing raises."""

from __future__ import annotations

from collections import deque
from functools import cache
from unittest import mock

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication
from viewer_doubles import GEOMETRY, FakeLaunch, make_reconstruction, make_scan

from napari_autophase.reconstruction import Progress
from napari_autophase.viewer import sessions
from napari_autophase.viewer.docks import (
    display_dock,
    load_dock,
    mask_row,
    reconstruct_dock,
    scan_pictures,
)
from napari_autophase.viewer.model import commands, layers
from napari_autophase.viewer.model.drawing import draw
from napari_autophase.viewer.model.landmarks import KINDS
from napari_autophase.viewer.model.mesh import mesh
from napari_autophase.viewer.model.result_data import OVER_RESULT
from napari_autophase.viewer.model.session import Session
from napari_autophase.viewer.model.sketch import Sketch
from napari_autophase.viewer.model.watch import Seen

pytestmark = pytest.mark.usefixtures("qapp")
SIZE = 16
DOCKS = {
    "Load": lambda viewer: load_dock.LoadDock(viewer),
    "Reconstruct": lambda viewer: reconstruct_dock.ReconstructDock(viewer),
    "Display": lambda viewer: display_dock.DisplayDock(viewer),
}
some = st.integers(0, 9)


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
TestAnyOrder.settings = settings(max_examples=12, stateful_step_count=40, phases=(Phase.generate,))
