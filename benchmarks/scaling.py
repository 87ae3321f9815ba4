"""How time and memory of phasing grow with the size of the scan, each size in a process of its own.

    python benchmarks/scaling.py [--sizes 32 48 64 …] [--device cpu]

Writes `results/scaling.json`, the plot `docs/scaling.png` and the table `docs/scaling.md`.  Per size: milliseconds of an
iteration of ER (of a body of a third of each side) and of HIO, the best plan of threads being found as in any run; seconds of
620 classical iterations and of `fast` on a simulated crystal; and the peak of the resident memory over what it was before, the
scan being loaded.  Exponents are those of the straight line through the logarithms of time and number of voxels: 1 is as many
times slower as there are more voxels.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import common
import iteration
import numpy as np
import torch
from common import run

from napari_autophase import Recipe, phasing, simulation
from napari_autophase.phasing import Starts
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import rule
from napari_autophase.recipe import Refinement

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
SIZES = (32, 48, 64, 96, 128, 160, 192)
CURVES = {
    "er_ms": "ER, an iteration (ms)",
    "hio_ms": "HIO, an iteration (ms)",
    "iterative_s": "620 iterations (s)",
    "fast_s": "`fast` (s)",
    "hio_mib": "memory of HIO (MiB)",
    "fast_mib": "memory of `fast` (MiB)",
}


def timed(side: int, device: str) -> dict[str, Any]:
    """Time one size in this process."""
    crystal = _warm(side, device)
    found: dict[str, Any] = {"side": side}
    for name in ("ER", "HIO"):
        with _batch(side, device) as batch:
            seconds: list[float] = []
            for _ in range(8):
                batch.iterate(rule(name, Refinement()))
            end = time.perf_counter() + 2
            while len(seconds) < 5 or time.perf_counter() < end:
                begin = time.perf_counter()
                batch.iterate(rule(name, Refinement()))
                if device == "cuda":
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - begin)
        found[f"{name.lower()}_ms"] = 1e3 * median(seconds)
    for preset, repeats in (("fast", 3), ("iterative", 1)):
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            run(crystal.scan, Recipe.from_preset(preset).with_settings({"device": device}))
            times.append(time.perf_counter() - begin)
        found[f"{preset}_s"] = median(times)
    return found


def weighed(side: int, device: str) -> dict[str, Any]:
    """Return the peaks of the memory in this process, which must return freed memory to the system at once."""
    crystal = _warm(side, device)
    with _Peak() as hio, _batch(side, device) as batch:
        for _ in range(8):
            batch.iterate(rule("HIO", Refinement()))
    del batch
    with _Peak() as fast:
        run(crystal.scan, Recipe.from_preset("fast").with_settings({"device": device}))
    return {"hio_mib": hio.mib, "fast_mib": fast.mib}


def _warm(side: int, device: str) -> simulation.Simulated:
    """Do what is done the first time only, and return the crystal."""
    run(
        simulation.simulate(seed=1, size=32).scan,
        Recipe.from_preset("fast").with_settings({"device": device}),
    )
    return simulation.simulate(seed=9_700_000 + side, size=side, phase_range=1.0, peak=1e6)


def _batch(side: int, device: str) -> Batch:
    counts = np.random.default_rng(0).poisson(5.0, (side,) * 3).astype(np.float32)
    data = phasing.Diffraction(counts, None, 0.02, device=phasing.pick_device(device)[0])
    inside = iteration.body(counts.shape, iteration.THIRD)[None]
    return Batch(data, Starts(inside.astype(np.complex64), inside))


class _Peak:
    """The peak of the resident memory within the block, over what it was before, in MiB; NaN where the system does not tell."""

    mib = float("nan")

    def __enter__(self) -> _Peak:
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._before = self._resident("VmRSS")
        except OSError:
            self._before = float("nan")
        return self

    def __exit__(self, *_: object) -> None:
        if self._before == self._before:
            self.mib = self._resident("VmHWM") - self._before

    @staticmethod
    def _resident(which: str) -> float:
        found = re.search(which + r":\s+(\d+)", Path("/proc/self/status").read_text())
        return int(found.group(1)) / 1024 if found else float("nan")


ONE = {"timed": timed, "weighed": weighed}


def exponent(rows: list[dict[str, Any]], name: str, smallest: int = 64) -> float:
    """Return the slope of log(figure) over log(voxels), from `smallest` upwards (below, constant costs rule)."""
    points = [(r["side"] ** 3, r[name]) for r in rows if r["side"] >= smallest and r.get(name, 0) > 0]
    if len(points) < 2:
        return float("nan")
    voxels, values = np.log(np.array(points)).T
    return float(np.polyfit(voxels, values, 1)[0])


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Draw time and memory over the number of voxels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for axes, names, unit, factor in (
        (left, ("er_ms", "hio_ms", "iterative_s", "fast_s"), "seconds", {"er_ms": 1e-3, "hio_ms": 1e-3}),
        (right, ("hio_mib", "fast_mib"), "MiB over the scan in memory", {}),
    ):
        for name in names:
            points = [(r["side"] ** 3, r[name] * factor.get(name, 1)) for r in rows if r.get(name, 0) > 0]
            label = re.sub(r" \((ms|s|MiB)\)|`", "", CURVES[name])
            axes.loglog(
                *zip(*points, strict=True), "o-", label=f"{label}: exponent {exponent(rows, name):.2f}"
            )
        axes.set_xlabel("voxels")
        axes.set_ylabel(unit)
        axes.set_xticks([r["side"] ** 3 for r in rows], [f"{r['side']}³" for r in rows])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda", "mps"])
    parser.add_argument("--one", choices=list(ONE), help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.one:
        print(json.dumps(ONE[choice.one](choice.sizes[0], choice.device)))
        return
    rows = []
    for side in choice.sizes:
        rows.append({})
        for what in ONE:
            command = [
                sys.executable,
                __file__,
                "--one",
                what,
                "--sizes",
                str(side),
                "--device",
                choice.device,
            ]
            # glibc keeps what is freed of small arrays, unless told not to
            memory = {"MALLOC_MMAP_THRESHOLD_": "100000"} if what == "weighed" else {}
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, **memory}
            )
            rows[-1] |= json.loads(done.stdout.splitlines()[-1])
        print(", ".join(f"{k} {v:.3g}" for k, v in rows[-1].items()), flush=True)
    machine = f"{common.machine()}; {phasing.device_lines()[0]}; device {choice.device}"
    fits = {name: exponent(rows, name) for name in CURVES}
    document = {"machine": machine, "rows": rows, "exponents_from_64": fits}
    common.save(common.RESULTS / "scaling.json", document)
    plot(rows, DOCS / "scaling.png")
    heading = ["size", *CURVES.values()]
    body = [[f"{r['side']}³", *(f"{r[n]:.3g}" if n in r else "–" for n in CURVES)] for r in rows]
    body.append(["exponent from 64³", *(f"{fits[name]:.2f}" for name in CURVES)])
    text = f"# How cost grows\n\n{machine}\n\n{common.table(heading, body)}\n\n![time and memory over size](scaling.png)\n"
    (DOCS / "scaling.md").write_text(
        text + "\nMade by `python benchmarks/scaling.py`, which says what was measured.\n"
    )


if __name__ == "__main__":
    main()
