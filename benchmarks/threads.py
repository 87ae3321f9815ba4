"""What a second core brings, idle and beside a busy neighbour: all cores, as a run uses them, against one.

    python benchmarks/threads.py [--sizes 64 128] [--seconds 4]

A neighbour is a process that keeps one core busy all the time.  Each row is the median time of an HIO iteration (ms) and, in
brackets, the 90th percentile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import common
import numpy as np

from napari_autophase import phasing
from napari_autophase.phasing import Starts
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import relaxation
from napari_autophase.phasing.workers import cores


@contextmanager
def neighbours(number: int) -> Iterator[None]:
    """Keep `number` cores busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    time.sleep(0.5 * bool(busy))
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def measure(side: int, starts: int, backend: str, count: int, seconds: float) -> list[float]:
    """Return times of iterations in ms on so many cores."""
    counts = np.random.default_rng(0).poisson(5.0, (side,) * 3).astype(np.float32)
    data = phasing.Diffraction(counts, None, 0.02, backend=backend)
    begin = Starts(
        np.ones((starts, side, side, side), np.complex64), np.ones((starts, side, side, side), bool)
    )
    batch = Batch(data, begin, cores=count)
    batch.iterate(relaxation("HIO"))
    times, end = [], time.perf_counter() + seconds
    while len(times) < 12 or time.perf_counter() < end:
        start = time.perf_counter()
        done = len(batch.iterate(relaxation("HIO"), 1000))
        times.append(1e3 * (time.perf_counter() - start) / done)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each cell")
    choice = parser.parse_args()
    rows: list[dict[str, Any]] = []
    columns = [(backend, count) for backend in ("compiled", "torch") for count in sorted({1, cores()})]
    names = [f"{backend}, {count} core{'s' * (count > 1)}" for backend, count in columns]
    for side in choice.sizes:
        for starts in (1, 2):
            for busy in (0, 1):
                row: dict[str, Any] = {"side": side, "starts": starts, "busy": busy}
                with neighbours(busy):
                    for name, (backend, count) in zip(names, columns, strict=True):
                        times = measure(side, starts, backend, count, choice.seconds)
                        row[name] = [float(q) for q in np.percentile(times, [50, 90])]
                rows.append(row)
                print(row, flush=True)
    heading = ["size", "starts", "busy neighbours", *names]
    body = [
        [
            f"{row['side']}³",
            str(row["starts"]),
            str(row["busy"]),
            *(f"{row[n][0]:.2f} ({row[n][1]:.2f})" for n in names),
        ]
        for row in rows
    ]
    table = common.table(heading, body)
    print(table)
    common.save(common.RESULTS / "threads.json", {"rows": rows})
    text = f"# Cores, idle and beside a busy neighbour\n\n{common.machine()}; ms, median (90th percentile)\n\n{table}\n"
    (common.RESULTS / "threads.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
