"""The longest time for which the window does not answer while a scan is reconstructed in it.

A timer that should fire every 5 ms says when it did.  The first run includes whatever is used for the first time (torch,
compiled passes, weights); the next ones are what a person sees afterwards.  Needs a screen::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/window.py
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.simulation import simulate
from napari_autophase.viewer.session import Session

TICK_MS = 5


def measure(viewer: napari.Viewer, recipe: Recipe) -> dict[str, object]:
    """Reconstruct the session's scan; return the gaps of the event loop, per stage, in ms."""
    session = Session.of(viewer)
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

    loop = QEventLoop()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    controller.advanced.connect(on_update)
    controller.state_changed.connect(before_result)
    controller.finished.connect(
        lambda _: QTimer.singleShot(1000, loop.quit)
    )  # the first drawing belongs to it
    controller.failed.connect(lambda _: loop.quit())
    timer.start(TICK_MS)
    QTimer.singleShot(200, lambda: session.reconstruct(recipe))
    loop.exec()
    timer.stop()
    controller.advanced.disconnect(on_update)
    controller.state_changed.disconnect(before_result)
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


def main() -> None:
    """Print one line a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
    Session.of(viewer).add_scan(simulate(seed=1, size=options.size).scan)
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
    if options.json:
        options.json.write_text(
            json.dumps({"load": os.getloadavg()[0], "runs": rows}, indent=2), encoding="utf-8"
        )
    viewer.close()


if __name__ == "__main__":
    main()
