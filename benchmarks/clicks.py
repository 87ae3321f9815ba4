"""For how long the window does not answer after each click of a session with ten results.

A timer that should fire every 5 ms says when it did: the longest gap after a click is how long nothing else was heard.  Beside it
stands the processor time that the window's own thread took, which other work on the machine does not lengthen, and what of it was
not drawing: without a graphics card the canvas is drawn by the processor.  Each click is made several times; the first includes
whatever is used for the first time.  Needs a screen::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/clicks.py
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import napari
import numpy as np
from common import machine, run, save
from qtpy.QtCore import QEventLoop, Qt, QThreadPool, QTimer
from vispy.scene import SceneCanvas

from napari_autophase import Recipe
from napari_autophase.simulation import simulate
from napari_autophase.viewer.model.crystal.landmarks import KINDS
from napari_autophase.viewer.model.result import saving
from napari_autophase.viewer.model.session import Session
from napari_autophase.viewer.sessions import session_of
from napari_autophase.viewer.warmup import engine

TICK_MS = 5
QUIET_MS, HELD_UP_MS, AT_MOST_S = 500, 60, 8.0
"""A click's work is over when nothing has held up the window by so much for so long, or after this time."""
LIMIT_MS = 100.0
"""What blocks for longer is marked."""


@dataclass(frozen=True)
class Gap:
    """The longest time after a click in which the window heard nothing.

    Parameters
    ----------
    wall_ms, own_ms, rest_ms
        By the clock, of the processor by the window's thread, and the latter without drawing the canvas: the most of each.
    whole_ms
        From the click until the window was last held up.
    """

    wall_ms: float
    own_ms: float
    rest_ms: float
    whole_ms: float


class Drawn:
    """Adds up the processor time in which canvases are drawn."""

    def __init__(self) -> None:
        self.seconds, draw = 0.0, SceneCanvas.on_draw

        def on_draw(canvas: SceneCanvas, event: object) -> None:
            begin = time.thread_time()
            draw(canvas, event)
            self.seconds += time.thread_time() - begin

        SceneCanvas.on_draw = on_draw


DRAWN = Drawn()


def live(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def gap_after(click: Callable[[], object], until: Callable[[], bool] = lambda: True) -> Gap:
    """Click, wait until all is done and drawn, and return the longest gap."""
    ticks: list[tuple[float, float, float]] = []
    loop, timer = QEventLoop(), QTimer()

    def tick() -> None:
        nonlocal busy_until
        now = time.perf_counter()
        if now - ticks[-1][0] > HELD_UP_MS / 1e3:
            busy_until = now
        ticks.append((now, time.thread_time(), DRAWN.seconds))
        if (now - busy_until > QUIET_MS / 1e3 and until()) or now - begin > AT_MOST_S:
            loop.quit()

    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    begin = busy_until = time.perf_counter()
    ticks.append((begin, time.thread_time(), DRAWN.seconds))
    timer.start(TICK_MS)
    QTimer.singleShot(0, click)
    loop.exec()
    timer.stop()
    wall, own, drawn = 1e3 * np.diff(np.array(ticks), axis=0).T
    return Gap(float(wall.max()), float(own.max()), float((own - drawn).max()), 1e3 * (busy_until - begin))


class Clicks:
    """A window with a scan and results, and what is clicked in it.

    Parameters
    ----------
    size, results
        Side of the scan in voxels, and how many results there are.
    table
        Where all that was timed is written after each click, as Markdown: what is not in it was not reached; None: nowhere.
    """

    def __init__(self, size: int, results: int, table: Path | None = None) -> None:
        self.table, self.made = table, machine()
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1600, 1000)
        _, self.workspace = self.viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
        while not engine.loaded:
            live(100)
        live(1000)
        self.session: Session = session_of(self.viewer)
        self.scan = simulate(seed=1, size=size).scan
        self.found = run(self.scan, Recipe.from_preset("network"))
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "result.cxi"
        saving.save(self.found, self.file)
        self.number = results
        self.rows: dict[str, list[Gap]] = {}
        self._said: set[str] = set()

    def time(self, name: str, *clicks: Callable[[], object], times: int = 3) -> None:
        """Make clicks one after the other, several times; the first of them is the one that is timed."""
        self.say()
        for _ in range(times):
            self.rows.setdefault(name, []).append(gap_after(clicks[0], self.is_idle))
            for other in clicks[1:]:
                gap_after(other, self.is_idle)

    def say(self) -> None:
        """Print what was timed since the last time."""
        for name in [name for name in self.rows if name not in self._said]:
            self._said.add(name)
            gaps = self.rows[name]
            later = gaps[1:] or gaps
            wall, own, rest, whole = (
                float(np.median([getattr(gap, of) for gap in later]))
                for of in ("wall_ms", "own_ms", "rest_ms", "whole_ms")
            )
            mark = "  <-" if rest > LIMIT_MS else ""
            one = gaps[0]
            first = f"{one.wall_ms:6.0f} {one.own_ms:5.0f} {one.rest_ms:5.0f}"
            print(f"{name:34} {first} | {wall:6.0f} {own:5.0f} {rest:5.0f} {whole:6.0f}{mark}", flush=True)
            if self.table is not None:
                self.table.write_text(self.in_markdown(), encoding="utf-8")

    def in_markdown(self) -> str:
        """Return all that was timed as a table."""
        lines = [
            f"`python benchmarks/clicks.py --table FILE`, {self.made}; {self.scan.shape[0]}³, {self.number} results, software "
            "OpenGL; ms of the processor by the window's thread in the longest gap after a click: without drawing the canvas, "
            "and (in brackets) with it. Bold: more than 100 without drawing.",
            "",
            "| click | first | then (median) |",
            "| --- | --- | --- |",
        ]
        for name, (first, *later) in self.rows.items():
            cells = []
            for gaps in ([first], later):
                rest, own = (
                    float(np.median([getattr(g, of) for g in gaps] or [np.nan]))
                    for of in ("rest_ms", "own_ms")
                )
                mark = "**" if rest > LIMIT_MS else ""
                cells.append(f"{mark}{rest:.0f}{mark} ({own:.0f})" if gaps else "")
            lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
        return "\n".join(lines) + "\n"

    def is_idle(self) -> bool:
        """Whether nothing is at work behind the window or waits to be shown."""
        pool = QThreadPool.globalInstance()
        at_work = pool is not None and pool.activeThreadCount() > 0
        return not (at_work or self.session._queue._works or self.session.controller.busy)

    def both_ways(
        self, name: str, there: Callable[[], object], back: Callable[[], object], times: int = 3
    ) -> None:
        """Time a click and the one that takes it back."""
        self.say()
        for _ in range(times):
            self.rows.setdefault(name, []).append(gap_after(there, self.is_idle))
            self.rows.setdefault(f"{name}, back", []).append(gap_after(back, self.is_idle))

    def take(self) -> None:
        """Click through a session."""
        session, viewer, display = self.session, self.viewer, self.workspace.display
        load = self.workspace.load
        self.time("a scan is shown", lambda: session.add_scan(self.scan), lambda: viewer.layers.clear())
        gap_after(lambda: session.add_scan(self.scan))
        self.workspace.tabs.setCurrentIndex(2)
        self.time(
            "a first result is shown", lambda: viewer.open(self.file, plugin="napari-autophase"), times=1
        )
        self.time(
            "a further result is opened",
            lambda: viewer.open(self.file, plugin="napari-autophase"),
            times=self.number - 1,
        )
        assert len(session.results) == self.number
        self.both_ways(
            "diffraction, with all results", display.diffraction.click, display.diffraction.click, 5
        )
        first, last = session.results[0], session.results[-1]
        self.both_ways(
            "another result", lambda: session.show_result(first), lambda: session.show_result(last)
        )
        box = display.colour

        def colour(name: str) -> Callable[[], None]:
            def choose() -> None:
                box.setCurrentIndex(box.findData(name))
                box.activated.emit(box.currentIndex())

            return choose

        for name in ("strain", "displacement", "amplitude", "phase"):
            self.time(f"colour by {name}", colour(name), colour("phase" if name != "phase" else "amplitude"))
        values = iter(np.linspace(0.2, 0.6, 200))
        self.time("threshold", lambda: display.threshold.setValue(next(values)), times=8)
        gap_after(lambda: display.threshold.setValue(0.3))
        self.both_ways("2-D", display.flat.click, display.flat.click)
        gap_after(display.flat.click)
        self.time("colour by strain, in slices", colour("strain"), colour("phase"))
        self.time("threshold, in slices", lambda: display.threshold.setValue(next(values)), times=5)
        middle = viewer.dims.point[0]
        steps = iter(range(1, 50))
        self.time("a step through slices", lambda: viewer.dims.set_point(0, middle + next(steps)), times=5)
        gap_after(display.flat.click)
        self.both_ways("cut", lambda: display.cut.setChecked(True), lambda: display.cut.setChecked(False))
        self.time("frame crystal", display.home.click)
        for kind in KINDS:
            tick = display.beside.ticks[kind]
            self.both_ways(kind, tick.click, tick.click)
        beside = session.extras.side_by_side
        self.both_ways("compare", lambda: beside.compare(first), lambda: beside.compare(None))
        self.both_ways(
            "a result is deleted",
            lambda: [viewer.layers.remove(layer) for layer in session.results[-1].layers],
            session.deleted.bring_back,
        )
        gap_after(display.diffraction.click)
        self.workspace.tabs.setCurrentIndex(0)
        masks = load.corrections.painted
        gap_after(lambda: load.corrections.head.setChecked(True))
        self.both_ways("show what is masked", masks.view.click, masks.view.click)
        self.both_ways("draw the crop", load.corrections.crop.draw.click, load.corrections.crop.draw.click)
        sides = load.corrections.binning.sides
        self.both_ways("binning", lambda: sides[1].setValue(2), lambda: sides[1].setValue(1))
        self.time("paint a mask", masks.paint.click, times=1)
        self.time("a step through frames", lambda: viewer.dims.set_point(0, next(steps)), times=5)
        self.both_ways(
            "a scan is deleted",
            lambda: viewer.layers.remove(session.scan_layer),
            session.deleted.bring_back,
            2,
        )
        for index, name in enumerate(("Load", "Reconstruct", "Display")):
            self.time(f"the panel {name}", lambda at=index: self.workspace.tabs.setCurrentIndex(at), times=2)

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()
        self.folder.cleanup()


def main() -> None:
    """Print one line a click."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--results", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--table", type=Path, help="write them here as Markdown, after each click")
    options = parser.parse_args()
    clicks = Clicks(options.size, options.results, options.table)
    load = os.getloadavg()[0]
    print(
        f"{options.size}³, {options.results} results, {os.cpu_count()} cores, load {load:.1f}, {platform.machine()}"
    )
    print(
        "longest gap in ms (of it processor time of the window's thread): first, then the median; until all is drawn"
    )
    clicks.take()
    clicks.say()
    if options.json:
        rows = {name: [vars(gap) for gap in gaps] for name, gaps in clicks.rows.items()}
        save(options.json, {"load": load, "size": options.size, "results": options.results, "clicks": rows})
    clicks.close()


if __name__ == "__main__":
    main()
