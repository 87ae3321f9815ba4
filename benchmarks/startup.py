"""How soon the plugin is there: imports, commands, docks, the engine behind them, and the first reconstruction on a computer.

Every figure comes from fresh interpreters; medians of several.  Beside the wall-clock time stands the processor time of the
same thread, which neighbours change less; of a command that of the whole process.  Docks and the engine need a screen::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

MODULES = (
    "napari_autophase",
    "napari_autophase.recipe",
    "napari_autophase.reconstruct",
    "napari_autophase.cli",
)
DOCKS = ("Load scan", "Reconstruct", "Display", "Workspace")
COMMANDS = ("--help", "info --help", "info MANY")
"""MANY is a file of `SCANS` scans, as BLISS writes them."""
SCANS = 240
TICK_MS = 5
RESULTS = Path(__file__).parent / "results" / "startup.json"


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Return the time of `work` in ms: wall clock, and processor time of this thread."""
    wall, processor = time.perf_counter(), time.thread_time()
    work()
    return {"ms": 1e3 * (time.perf_counter() - wall), "cpu_ms": 1e3 * (time.thread_time() - processor)}


def measure_import(name: str) -> dict[str, float]:
    """Import a module."""
    return timed(lambda: __import__(name))


def measure_command(line: str) -> dict[str, float]:
    """Type a command."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        many = write_scans(Path(folder) / "many.h5") if "MANY" in line else ""
        words = [many if word == "MANY" else word for word in line.split()]
        command = [sys.executable, "-m", "napari_autophase", *words]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return {"ms": 1e3 * wall, "cpu_ms": 1e3 * spent}


def write_scans(path: Path) -> str:
    """Write a file of many scans with the groups and links of a BLISS tree; its frames are nowhere."""
    import h5py
    import numpy as np

    with h5py.File(path, "w") as file:
        for number in range(1, SCANS + 1):
            scan = file.create_group(f"{number}.1")
            scan["title"] = "ascan eta 17.4 17.6 60 1.0"
            scan["start_time"], scan["end_time"] = "2026-02-01T10:00:00+01:00", "2026-02-01T10:01:00+01:00"
            for counter in ("eta", "imon", "roi1_max"):
                scan[f"instrument/{counter}/data"] = np.linspace(17.4, 17.6, 61)
                scan[f"measurement/{counter}"] = h5py.SoftLink(f"/{number}.1/instrument/{counter}/data")
            frames = f"scan{number:04d}/mpx1x4_0000.h5"
            scan["instrument/mpx1x4/data"] = h5py.ExternalLink(frames, "/entry_0000/measurement/data")
            scan["measurement/mpx1x4"] = h5py.SoftLink(f"/{number}.1/instrument/mpx1x4/data")
    return str(path)


def measure_dock(name: str) -> dict[str, float]:
    """Open a dock in a napari that stands idle, until it is drawn."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    live(1000)

    def work() -> None:
        viewer.window.add_plugin_dock_widget("napari-autophase", name)
        QApplication.processEvents()

    return timed(work)


def measure_engine(_: str) -> dict[str, float]:
    """Let the engine load behind an open dock: its time, and that for which the window does not answer."""
    import napari
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    viewer = napari.Viewer(show=True)
    live(1000)
    ticks: list[float] = []
    timer, loop = QTimer(), QEventLoop()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    viewer.window.add_plugin_dock_widget("napari-autophase", "Reconstruct")
    live(100)
    from napari_autophase.viewer.warmup import engine

    begin = time.perf_counter()
    said: list[float] = []
    engine.ready.connect(lambda: said.append(time.perf_counter()))
    over = QTimer()
    over.timeout.connect(lambda: loop.quit() if said and not warming_up() else None)
    over.start(50)
    timer.start(TICK_MS)
    loop.exec()
    gaps = sorted((1e3 * (b - a) for a, b in pairwise(ticks)), reverse=True)
    return {
        "ready_ms": 1e3 * (said[0] - begin),
        "rehearsed_ms": 1e3 * (time.perf_counter() - begin),
        "gap_ms": gaps[0],
        "second_gap_ms": gaps[1],
        "over_100_ms": sum(gap > 100 for gap in gaps),
    }


def warming_up() -> bool:
    """Say whether the engine is being loaded or rehearses."""
    from napari_autophase.viewer.warmup import WARM_UP

    return any(thread.name == WARM_UP for thread in threading.enumerate())


def measure_first(_: str) -> dict[str, float]:
    """Reconstruct a crystal at once after the start of the program, and once more, with passes compiled before or not."""
    from napari_autophase import Recipe, run
    from napari_autophase.simulation import simulate

    scan, recipe = simulate(seed=1, size=64).scan, Recipe.from_preset("fast")
    return {
        f"{which}_ms": timed(lambda: run(scan, recipe, report=lambda _: None))["ms"]
        for which in ("first", "second")
    }


def live(milliseconds: int) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


KINDS = {
    "import": measure_import,
    "command": measure_command,
    "dock": measure_dock,
    "engine": measure_engine,
    "first": measure_first,
}


def fresh(kind: str, what: str) -> dict[str, float]:
    """Measure in a fresh interpreter; a cold start has an empty cache of compiled passes."""
    with tempfile.TemporaryDirectory() as empty:
        cold = {"NUMBA_CACHE_DIR": empty} if what == "cold" else {}
        command = [sys.executable, __file__, "--one", kind, what]
        done = subprocess.run(
            command, env={**os.environ, **cold}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print one line a figure, and keep all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--one", nargs=argparse.REMAINDER, metavar="KIND WHAT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, what = options.one
        print(json.dumps(KINDS[kind](what)), flush=True)
        os._exit(0)  # neither the window nor threads that wait for work are what is measured

    jobs = [
        *(("import", name) for name in MODULES),
        *(("command", line) for line in COMMANDS),
        *(("dock", name) for name in DOCKS),
        ("engine", "warm"),
        ("engine", "cold"),
        ("first", "warm"),
        ("first", "cold"),
    ]
    jobs = [job for job in jobs if job[0] in options.kinds]
    if "first" in options.kinds:
        fresh("first", "warm")  # brings the files from the disk into memory
    runs: dict[tuple[str, str], list[dict[str, float]]] = {job: [] for job in jobs}
    for _ in range(options.repeats):  # in turns, so that a busy neighbour meets all of them
        for job in jobs:
            runs[job].append(fresh(*job))
    rows = []
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; median (lowest–highest) of {options.repeats}"
    )
    for (kind, what), found in runs.items():
        figures = {}
        for name in found[0]:
            values = [one[name] for one in found]
            figures[name] = {"median": median(values), "lowest": min(values), "highest": max(values)}
        rows.append({"kind": kind, "what": what, **figures})
        text = ", ".join(
            f"{name} {value['median']:.0f} ({value['lowest']:.0f}–{value['highest']:.0f})"
            for name, value in figures.items()
        )
        print(f"{kind:>7} {what:<30} {text}")
    if set(options.kinds) != set(KINDS):  # what the documentation shows was measured at one time
        return
    document = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "repeats": options.repeats, "rows": rows}
    import common  # which brings torch: nothing that is measured here may have it

    common.save(RESULTS, document)


if __name__ == "__main__":
    main()
