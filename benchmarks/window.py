"""The longest time for which the window does not answer while a scan is reconstructed in it.

A timer that should fire every 5 ms says when it did.  The first run includes whatever is used for the first time (napari's
surfaces, weights); the next ones are what a person sees afterwards.  Then the same scan is reconstructed beside a crystal that
turns all the time and beside one that stands still, in turns: what the window's own drawing costs.  Last it is reconstructed by
`iterative` with the crystal shown while it is refined, and without, in turns.  Needs a screen::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/window.py
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import napari
import numpy as np
from common import save
from qtpy.QtCore import QEventLoop, Qt, QTimer

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.simulation import simulate
from napari_autophase.viewer.sessions import session_of
from napari_autophase.viewer.warmup import engine

TICK_MS = 5
DRAW_EVERY_MS = 33


def measure(viewer: napari.Viewer, recipe: Recipe) -> dict[str, object]:
    """Reconstruct the session's scan; return the gaps of the event loop, per stage, in ms."""
    session = session_of(viewer)
    controller = session.controller
    ticks: list[float] = []
    stages: list[tuple[str, float]] = [("start", time.perf_counter())]

    def on_update(update: object) -> None:
        stage = update.progress.stage  # type: ignore[attr-defined]
        if stage != stages[-1][0]:
            stages.append((stage, time.perf_counter()))

    def before_result(state: str) -> None:
        if state == "done":
            stages.append(("show", time.perf_counter()))

    def when_shown() -> None:
        shown = session.results[-1].shown
        QTimer.singleShot(500, loop.quit if shown else when_shown)  # the drawing belongs to it

    loop = QEventLoop()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    controller.advanced.connect(on_update)
    controller.state_changed.connect(before_result)
    finished = controller.finished.connect(lambda _: QTimer.singleShot(500, when_shown))
    failed = controller.failed.connect(lambda _: loop.quit())
    timer.start(TICK_MS)
    QTimer.singleShot(200, lambda: session.reconstruct(recipe, replace_last=True))
    loop.exec()
    timer.stop()
    controller.advanced.disconnect(on_update)
    controller.state_changed.disconnect(before_result)
    controller.finished.disconnect(finished)
    controller.failed.disconnect(failed)
    if controller.state != "done":
        raise SystemExit("The reconstruction failed.")

    times = np.asarray(ticks)
    gaps = 1e3 * np.diff(times)
    names, begins = [name for name, _ in stages], np.array([begin for _, begin in stages])
    worst = dict.fromkeys(names, 0.0)
    for end, gap in zip(times[1:], gaps, strict=True):
        name = names[int(np.searchsorted(begins, end)) - 1] if end > begins[0] else names[0]
        worst[name] = max(worst[name], float(gap))
    return {
        "seconds": session.results[-1].reconstruction.seconds["total"],
        "gap_ms": worst,
        "running_max_ms": max(gap for stage, gap in worst.items() if stage != "show"),
        "p99_ms": float(np.percentile(gaps, 99)),
    }


def live(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def beside_drawing(viewer: napari.Viewer, recipe: Recipe, pairs: int) -> dict[str, object]:
    """Return the seconds of a reconstruction beside a crystal that stands still and beside one that turns, and their ratio."""
    timer = QTimer()
    camera = viewer.scene.camera

    def turn() -> None:
        first, second, third = camera.angles
        camera.angles = (first, (second + 2) % 360, third)

    timer.timeout.connect(turn)
    seconds: dict[str, list[float]] = {"still": [], "turning": []}
    for _ in range(pairs):
        for name, found in seconds.items():
            if name == "turning":
                timer.start(DRAW_EVERY_MS)
            found.append(float(measure(viewer, recipe)["seconds"]))  # type: ignore[arg-type]
            timer.stop()
    return {**seconds, "ratio": float(np.median(seconds["turning"]) / np.median(seconds["still"]))}


def live_crystal(viewer: napari.Viewer, recipe: Recipe, pairs: int) -> dict[str, object]:
    """Return the seconds of a reconstruction with and without the crystal shown, their ratio, and how often it was drawn."""
    session = session_of(viewer)
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    moments: list[float] = []

    def on_update(update: object) -> None:
        if update.seen.sketch is not None:  # type: ignore[attr-defined]
            moments.append(time.perf_counter())

    session.controller.advanced.connect(on_update)
    for _ in range(pairs):
        for name, found in seconds.items():
            session.live.enabled = name == "with"
            found.append(float(measure(viewer, recipe)["seconds"]))  # type: ignore[arg-type]
    session.controller.advanced.disconnect(on_update)
    session.live.enabled = True
    pauses = np.diff(moments)
    return {
        **seconds,
        "ratio": float(np.median(seconds["with"]) / np.median(seconds["without"])),
        "sketches": len(moments),
        "shortest_pause_s": float(pauses.min(initial=np.inf)),
    }


def main() -> None:
    """Print one line a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--pairs", type=int, default=3, help="runs beside a turning crystal, and as many beside a still one"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
    session_of(viewer).add_scan(simulate(seed=1, size=options.size).scan)
    while not engine.loaded:  # as it is long before a person has chosen anything
        live(100)
    rows = []
    print(
        f"{options.preset}, {options.size}³, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.machine()}"
    )
    print(f"{'run':>5} {'seconds':>8} {'running':>9} {'99 %':>7}   longest gap per stage (ms)")
    for run in range(options.runs):
        row = measure(viewer, Recipe.from_preset(options.preset))
        rows.append(row)
        stages = ", ".join(f"{stage} {gap:.0f}" for stage, gap in row["gap_ms"].items())  # type: ignore[attr-defined]
        label = "first" if run == 0 else str(run + 1)
        print(
            f"{label:>5} {row['seconds']:8.2f} {row['running_max_ms']:9.0f} {row['p99_ms']:7.0f}   {stages}",
            flush=True,
        )
    drawing = beside_drawing(viewer, Recipe.from_preset(options.preset), options.pairs)
    print(f"beside a turning crystal: {drawing['ratio']:.2f} times the seconds beside a still one")
    shown = live_crystal(viewer, Recipe.from_preset("iterative"), options.pairs)
    print(
        f"iterative with the crystal shown: {shown['ratio']:.3f} times the seconds without, {shown['sketches']} drawings in "
        f"{options.pairs} runs of {np.median(shown['with']):.1f} s, {shown['shortest_pause_s']:.2f} s apart or more"  # type: ignore[arg-type]
    )
    if options.json:
        document = {"load": os.getloadavg()[0], "runs": rows, "beside_drawing": drawing, "live": shown}
        save(options.json, document)
    viewer.close()


if __name__ == "__main__":
    main()
