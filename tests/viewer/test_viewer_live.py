"""The crystal that takes shape while it is refined: what a sketch shows, what it costs, and what happens to its layer."""

from __future__ import annotations

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import analysis
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer import threads
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.sketch import sketch
from napari_autophase.viewer.model.run.watch import Allowance, Seen, Watch

STEPS = np.array([[0.0, 0.0, 7.0], [0.0, 6.0, 0.0], [5.0, 0.0, 0.0]])
"""Array axes 0, 1, 2 run along z, y, x, in steps of 5, 6 and 7 nm."""


class Start:
    """A start that is a box of 8 × 6 × 4 voxels with a phase of half a radian, off the middle of its grid."""

    def __init__(self, n=32, voxel_size=(1.0, 1.0, 1.0), llk=1.5):
        self.inside = np.zeros((n, n, n), bool)
        self.inside[3:11, 20:26, 14:18] = True
        self.voxel_size, self.llk, self.asked = voxel_size, llk, 0

    def object(self):
        self.asked += 1
        return np.where(self.inside, np.complex64(3 * np.exp(0.5j)), np.complex64(0))

    def support(self):
        return self.inside

    def held_out(self):
        return self.llk


def spans(found):
    vertices = found.mesh.data[0]
    return vertices.max(0) - vertices.min(0), (vertices.max(0) + vertices.min(0)) / 2


def test_a_sketch_has_the_size_of_the_crystal_and_stands_in_the_middle():
    found = sketch(Start(), None, 0.5)
    size, middle = spans(found)
    assert found.unit == "voxel"
    np.testing.assert_allclose(
        size, (8, 6, 4), atol=0.01
    )  # the half-way surface of a box of N voxels is N across
    np.testing.assert_allclose(middle, 0, atol=0.6)  # the centre of an even box lies between two voxels
    np.testing.assert_allclose(found.mesh.data[2], 0, atol=1e-4)  # the mean phase is free


def test_a_sketch_stands_in_the_laboratory_where_its_geometry_is_known():
    found = sketch(Start(), STEPS, 0.5)
    assert found.unit == "nm"
    np.testing.assert_allclose(spans(found)[0], (8 * 5, 6 * 6, 4 * 7), rtol=0.01)


def test_a_sketch_lies_where_its_result_will_be():
    """An asymmetric crystal on a grid that is neither orthogonal nor aligned: mesh of the start against mesh of the result."""
    from dataclasses import replace

    from napari_autophase.viewer.model.crystal.drawing import draw

    n = 48
    z, y, x = np.ogrid[:n, :n, :n]
    inside = (z >= 14) & (y >= 16) & (x >= 18) & (z + y + 2 * x < 100)
    steps = np.array([[1.0, 0.5, 7.0], [0.3, 6.0, -1.0], [5.0, -0.8, 0.4]])

    class Twin(Start):
        def __init__(self):
            super().__init__()
            self.inside = np.roll(analysis.twin(inside), (4, -3, 2), (0, 1, 2))

    object, support = analysis.normalise(np.where(inside, np.complex64(1), np.complex64(0)), inside)
    result = replace(
        make_reconstruction(size=n),
        object=object,
        support=support,
        voxel_steps_nm=steps,
    )
    vertices = draw(result).mesh.data[0]
    size = draw(result).quantities.voxel_size
    centre = [m // 2 * s for m, s in zip(draw(result).quantities.amplitude.shape, size, strict=True)]
    there = vertices - centre
    here = sketch(Twin(), steps, 0.3).mesh.data[0]
    for ends in (np.min, np.max, np.mean):
        np.testing.assert_allclose(ends(here, 0), ends(there, 0), atol=1.5 * max(size))


def test_coarse_voxels_are_as_large_as_they_are():
    np.testing.assert_allclose(
        spans(sketch(Start(voxel_size=(2, 2, 3)), None, 0.5))[0], (16, 12, 12), rtol=0.01
    )


def test_a_large_crystal_is_drawn_with_fewer_samples():
    one = Start(n=200)
    one.inside[:] = False
    one.inside[20:180, 60:140, 90:110] = True
    found = sketch(one, None, 0.5)
    np.testing.assert_allclose(spans(found)[0], (160, 80, 20), atol=4)
    assert len(found.mesh.data[0]) < 12_000


def test_nothing_is_drawn_of_nothing():
    one = Start()
    one.inside[:] = False
    assert sketch(one, None, 0.5) is None


# what it costs


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.5])
def test_no_more_than_its_share_is_spent_and_no_oftener_than_said(cost):
    clock = Clock()
    allowed, spent, times = Allowance(0.03, 0.1, 0.1, clock), 0.0, []
    while clock.now < 160:
        clock.now += 0.01
        if allowed.allows:
            times.append(clock.now)
            clock.now += cost
            spent += cost
            allowed.took(cost)
            # the first is thought to take a tenth of a second, whatever it takes
            assert spent <= 0.03 * (clock.now - 100) + max(0, cost - 0.1)
    assert len(times) >= 2
    assert np.diff(times).min() >= 0.1 - 1e-9
    assert spent > 0.5 * min(0.03 * 60, 60 / 0.1 * cost), "nor much less"


def test_what_takes_longer_now_and_then_takes_no_more_of_all():
    clock = Clock()
    allowed, spent, costs = Allowance(0.02, 0.05, 0.002, clock), 0.0, [0.3, 0.002, 0.002]
    while clock.now < 300:
        clock.now += 0.01
        if allowed.allows:
            cost = costs[0]
            costs.append(costs.pop(0))
            clock.now += cost
            spent += cost
            allowed.took(cost)
    assert spent <= 0.022 * (clock.now - 100)


def watched(clock, wanted=True):
    return Watch(0.5, lambda: wanted, clock)


def test_a_run_is_looked_at_when_there_is_time_and_the_window_has_drawn_the_last():
    clock, start = Clock(), Start()
    watch = watched(clock)
    watch.look(Progress("prepare", 1, 1, voxel_steps_nm=STEPS))

    def step(after):
        clock.now += after
        return watch.look(Progress("refine", 1, 9, 0.5, (0.5, 0.7), start))

    assert step(0.2) is None, "a sketch may take a tenth of a second, and that is more than its share yet"
    found = step(10)
    assert found.unit == "nm"
    asked = start.asked
    assert step(10) is None, "the last is not drawn"
    watch.drew(0.2)
    assert step(0.01) is None
    assert step(10) is not None
    assert start.asked == asked + 1
    seen = watch.told(found)
    assert seen.sketch is found
    assert seen.starts == ((0.5, 0.7),) * 5
    assert {likelihood for _, likelihood in seen.held_out} == {1.5}
    assert watch.told(None) == Seen() or watch.told(None).starts == ()


def test_who_does_not_want_it_pays_nothing():
    clock, start = Clock(), Start()
    watch = watched(clock, wanted=False)
    clock.now += 100
    assert watch.look(Progress("refine", 1, 9, 0.5, (0.5,), start)) is None
    assert start.asked == 0


def test_a_thread_sends_sketches_and_what_was_seen_of_the_starts(monkeypatch, qapp):
    clock, updates = Clock(), []
    monkeypatch.setattr(threads.Pause, "clock", lambda _: clock())

    def engine(scan, recipe):
        yield Progress("prepare", 1, 1, voxel_steps_nm=STEPS)
        for step in range(1, 41):
            clock.now += 1.0
            yield Progress("refine", step, 40, 0.5, (0.5, 0.7), Start())
        return "found"

    work = threads.ReconstructionWorker(make_scan(), Recipe(), engine, lambda: True)

    def draw(update):
        clock.now += 0.1
        updates.append(update)
        work.rest(0.1)

    work.yielded.connect(draw)
    assert work.work() == "found"
    sketches = [seen.sketch for *_, seen in updates if seen.sketch is not None]
    assert 4 <= len(sketches) <= 0.03 * 50 / 0.1
    assert {each.unit for each in sketches} == {"nm"}
    assert sum(len(seen.starts) for *_, seen in updates) == 40
    assert [at for *_, seen in updates for at, _ in seen.held_out][-1] >= 39
    assert all(progress.best is None for progress, *_ in updates), (
        "the window must not ask a start that goes on"
    )


# its layer


def live_layers(viewer):
    return [layer for layer in viewer.layers if layer.name.endswith("live")]


@pytest.fixture
def run(session, launch, scan):
    """A run of a scan that is loaded, with `show` to send sketches."""

    class Now:
        def start(self):
            session.reconstruct(Recipe())

        def show(self, n=32, steps=STEPS):
            found = sketch(Start(n), steps, 0.5)
            launch.job.run.on_progress(Progress("refine", 3, 50, 0.5), (0.5,), Seen(sketch=found))
            return found

        def done(self, **kinds):
            launch.job.done(make_reconstruction(**kinds))
            launch.job.run.on_stopped()

        def cancel(self):
            session.controller.cancel()
            launch.job.run.on_stopped()

    session.add_scan(scan)
    now = Now()
    now.start()
    return now


def test_the_caption_of_a_run_breaks_where_the_canvas_is_narrow(run, viewer, monkeypatch):
    monkeypatch.setattr(compat, "canvas_size", lambda viewer: (400, 300))
    run.show()
    assert compat.text(viewer).text == "crystal · live\nphase (rad)"


def test_the_crystal_is_seen_while_it_is_refined_and_becomes_the_result(run, viewer, session):
    scan_layer = session.scan_layer
    assert scan_layer.visible
    first = run.show()
    (layer,) = live_layers(viewer)
    assert (layer.visible, scan_layer.visible, viewer.dims.ndisplay) == (True, False, 3)
    assert layer.name == "crystal · live"
    assert str(layer.units[0]) == str(scan_layer.units[0]) == "nanometer"
    np.testing.assert_array_equal(layer.vertices, first.mesh.data[0])
    second = run.show(40)
    np.testing.assert_array_equal(layer.vertices, second.mesh.data[0])
    before, names_said = list(viewer.layers), []
    viewer.cursor.events.position.connect(lambda: names_said.append(layer.name))
    run.done()
    assert list(viewer.layers) == before, "nothing comes, nothing goes"
    assert names_said[-1] == layer.name == "crystal · 1 isosurface", (
        "the status bar calls it as it is called now"
    )
    (result,) = session.results
    assert result.layer("isosurface") is layer
    assert (layer.visible, layer.name) == (True, "crystal · 1 isosurface")
    expected = session.results[0].drawing.mesh.data[0]
    np.testing.assert_array_equal(layer.vertices, expected)
    assert len(layer.texcoords) == len(layer.vertices)
    result.set_threshold(0.5)
    assert live_layers(viewer) == []


def test_the_panels_hear_of_a_result_that_the_live_crystal_became(run, session, qtbot):
    dock = DisplayDock(session.viewer)
    qtbot.addWidget(dock)
    run.show()
    assert dock.current is None
    run.done()
    assert dock.current is session.results[-1]
    assert dock.threshold.isEnabled()


def test_of_a_scan_without_geometry_too(run, viewer):
    run.show(steps=None)
    (layer,) = live_layers(viewer)
    assert str(layer.units[0]) == "voxel"
    run.done(nm=False)
    assert layer.name == "crystal · 1 isosurface"
    assert str(layer.units[0]) == "voxel"


def test_after_cancelling_what_was_seen_is_seen_again(run, viewer, session):
    scan_layer = session.scan_layer
    run.show()
    run.cancel()
    assert list(viewer.layers) == [scan_layer], "nothing of the run is left in the list"
    assert (scan_layer.visible, viewer.dims.ndisplay) == (True, 2)
    assert session.diffraction_shown
    run.start()
    run.show()
    (layer,) = live_layers(viewer)
    assert layer.visible
    run.done()
    assert session.results[0].layer("isosurface") is layer


def test_after_cancelling_the_result_that_was_seen_is_seen_again(run, viewer, session):
    run.show()
    run.done()
    (result,) = session.results
    run.start()
    run.show()
    assert not result.shown
    run.cancel()
    assert result.shown
    assert result.seen_layer.visible
    assert live_layers(viewer) == []


def test_a_run_that_is_cancelled_while_its_crystal_is_on_its_way_leaves_nothing(run, viewer, session):
    waiting = []
    session._queue._soon = lambda call: (
        waiting.append(call) or True
    )  # as in a window: a turn of its own for each piece
    run.show()
    assert waiting, "it is on its way"
    run.cancel()
    while waiting:
        waiting.pop(0)()
    assert list(viewer.layers) == [session.scan_layer]
    assert session.scan_layer.visible


def test_several_runs_one_after_the_other(run, viewer, session):
    for number in (1, 2, 3):
        if number > 1:
            run.start()
        run.show()
        run.done()
        assert [result.group for result in session.results] == list(range(1, number + 1))
        assert [result.shown for result in session.results] == [False] * (number - 1) + [True]
    assert live_layers(viewer) == []


def test_a_result_in_the_place_of_the_last_leaves_no_layer_of_the_run(run, viewer, session):
    run.show()
    run.done()
    session.reconstruct(Recipe(), replace_last=True)
    run.show()
    (layer,) = live_layers(viewer)
    assert layer.visible
    run.done()
    (result,) = session.results
    assert result.seen_layer.visible
    assert live_layers(viewer) == []


def test_a_result_that_comes_while_the_diffraction_is_seen_leaves_no_layer_of_the_run(run, viewer, session):
    run.show()
    session.show_diffraction()
    run.done()
    assert live_layers(viewer) == []


def test_what_lies_over_a_result_does_not_lie_over_a_run(run, viewer, session, qtbot):
    run.done()
    session.extras.landmarks.show("facets", True)
    qtbot.waitUntil(lambda: "facets" in viewer.layers and viewer.layers["facets"].visible, timeout=120_000)
    run.start()
    run.show()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["crystal · live"]
    run.cancel()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["crystal · 1 isosurface", "facets"]


def test_who_turns_away_is_left_alone_and_can_come_back(run, viewer, session):
    run.show()
    (layer,) = live_layers(viewer)
    session.show_diffraction()
    run.show(40)
    assert session.diffraction_shown
    assert not layer.visible
    session.show_result()
    assert layer.visible
    session.show_diffraction()
    run.cancel()
    assert session.scan_layer.visible
    assert layer not in viewer.layers


def test_from_the_diffraction_the_panel_comes_back_to_it_as_long_as_it_is_refined(run, session, qtbot):
    dock = DisplayDock(session.viewer)
    qtbot.addWidget(dock)
    assert not dock.diffraction.isEnabled(), "there is no other side yet"
    run.show()
    live = session.live.layer_of_run
    assert live.visible
    dock.diffraction.click()
    assert not live.visible
    dock.diffraction.click()
    assert live.visible
    dock.diffraction.click()
    run.cancel()
    assert not dock.diffraction.isEnabled(), "it is over, and left nothing"


def test_a_scan_that_is_closed_meanwhile(run, viewer, session):
    run.show()
    viewer.layers.remove(session.scan_layer)
    run.show()
    run.done()
    assert session.results[0].seen_layer.visible


def test_a_scan_that_is_closed_before_a_run_is_cancelled(run, viewer, session):
    run.show()
    viewer.layers.remove(session.scan_layer)
    run.cancel()
    assert not any(layer.visible for layer in viewer.layers)
    session.add_scan(make_scan("next"))
    assert session.scan_layer.visible


def test_who_deletes_the_layer_does_not_get_it_back_in_that_run(run, viewer, session):
    run.show()
    viewer.layers.remove(live_layers(viewer)[0])
    run.show()
    assert live_layers(viewer) == []
    run.done()
    assert session.results[0].seen_layer.visible
    run.start()
    run.show()
    assert live_layers(viewer)[0].visible


def test_it_can_be_turned_off_and_on(run, viewer, session, launch):
    session.live.enabled = False
    assert not launch.job.run.live
    run.show()
    assert live_layers(viewer) == []
    assert session.scan_layer.visible
    session.live.enabled = True
    run.show()
    session.live.enabled = False
    assert live_layers(viewer) == []
    assert session.scan_layer.visible
    run.done()
    assert session.results[0].seen_layer.visible


def test_what_an_image_became_is_seen_again_when_its_run_is_cancelled(session, viewer, launch, scan):
    image = viewer.add_image(scan.counts.astype(np.float32), name="dropped")
    session.reconstruct(Recipe())
    found = sketch(Start(), None, 0.5)
    launch.job.run.on_progress(Progress("refine", 3, 50), (), Seen(sketch=found))
    assert not image.visible
    session.controller.cancel()
    launch.job.run.on_stopped()
    assert session.scan_layer.visible, "the scan that the image has become"
    assert live_layers(viewer) == []


def test_a_camera_that_a_person_has_turned_stays_when_the_result_comes(run, session, viewer):
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    run.show()
    camera.angles = (10, 20, 30)
    camera.zoom = 1.25
    run.done()
    assert camera.angles == (10, 20, 30)
    assert camera.zoom == 1.25
