"""Everything that is to be known of a GPU, in order of worth, in the minutes that there are.

    python benchmarks/gpu.py --minutes 30 -o OUT [--device cuda] [--train-minutes 60]

For a machine that is lent for a while: beside this package (``PYTHONPATH=src``) it needs torch, numpy, scipy, h5py and numba,
and wheels that are carried along: pydantic, pydantic-core, annotated-types, typing-inspection, typing-extensions, safetensors,
psutil, hdf5plugin and scikit-image.  What is measured stands in ``OUT/rows.jsonl`` and as tables in ``OUT/report.md`` at once.
What fails says so in its row, and the next job begins.  The minutes count from the start of the process; what would not end in
its part's share of them is left out, and named, and training has a share of its own (`budget`).

The parts: whether every algorithm and the network compute what the CPU does (relative error at most 1e-4); start-iterations a
second, and over cuFFT's pair of transforms; predictions in float32 and bfloat16, as they are, compiled, and as a CUDA graph;
`fast` and `best` from scan to result; memory said and used; and for the minutes that are left, training: ``OUT/training`` holds
its checkpoint in pieces of at most 15 MB, from which the same command goes on, and ``OUT/weights.safetensors`` is to take home.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import torch
from budget import Job, Row
from gpu_parts import Bench, algorithms, iterations, memory, prediction, predictions, presets, training

from napari_autophase import phasing
from napari_autophase.phasing.backend import try_out
from napari_autophase.reconstruct import versions

TARGETS = (
    "Targets on an H100-class GPU: 90,000 start-iterations/s at 64³ in a batch and 50,000 alone; 1.3 of cuFFT's pair from 128³ "
    "on; a prediction in 2 ms; `fast` in 20 ms at 64³ and 1 s at 256³; 1,000 crystals/s in training."
)
PARTS: dict[str, Callable[[Bench], Iterator[Job]]] = {
    "algorithms": algorithms,
    "prediction": prediction,
    "iterations": iterations,
    "predictions": predictions,
    "presets": presets,
    "memory": memory,
    "training": training,
}
SHARES = {
    "algorithms": 0.5,
    "prediction": 0.5,
    "iterations": 0.5,
    "predictions": 0.4,
    "presets": 0.7,
    "memory": 1.0,
}
"""Of the time that is left when a part begins, so that those after it have some too; whether numbers are right comes first."""


def measure(bench: Bench, name: str) -> None:
    """Write the rows of a part, as many as there is time for."""

    def write(row: Row) -> None:
        bench.write({"part": name, **row})

    if name == "training":
        bench.until = bench.end
    with bench.part(SHARES.get(name, 1.0)):
        bench.go_through(PARTS[name](bench), write, failed)


def failed(error: Exception) -> Row:
    """Return the row of a job that failed."""
    told = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return {"error": told, "where": "".join(traceback.format_exception(error, limit=-2))[-600:]}


def report(bench: Bench, machine: str) -> None:
    """Write the tables."""
    text = [f"# {bench.device}: what was measured\n", machine, "", TARGETS]
    for name in PARTS:
        rows = [{k: v for k, v in row.items() if k != "part"} for row in bench.rows if row["part"] == name]
        if not rows:
            continue
        doc = (PARTS[name].__doc__ or "").strip()
        heading = list(dict.fromkeys(key for row in rows for key in row if key != "where"))
        text += ["", f"## {name}", "", doc, ""]
        text += ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
        text += ["| " + " | ".join(_cell(row.get(key, "")) for key in heading) + " |" for row in rows]
    (bench.folder / "report.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).replace("|", "/")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, required=True, help="in all")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder; the same one goes on training"
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument(
        "--train-minutes", type=float, default=60.0, help="length of the training over all slices"
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="only some of them")
    options = parser.parse_args(arguments)
    chosen = options.parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    device, notes = phasing.pick_device(options.device)
    print(*notes, sep="\n", end="\n" if notes else "")
    if device.type != options.device.partition(":")[0]:
        sys.exit(1)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    spent = max(0.0, time.time() - psutil.Process().create_time())
    bench = Bench(device, options.minutes, options.output, options.train_minutes, spent)
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores; {'; '.join(phasing.device_lines())}; {packages}"
    bench.report = partial(report, bench, machine)
    bench.write({"part": "machine", "machine": machine, "minutes": options.minutes})
    if bench.gpu:
        found = try_out(device)
        by = getattr(found.backend, "variant", found.backend.name)
        bench.write({"part": "variants", "used": by, "notes": found.notes})
    for name in PARTS:
        if name in chosen:
            measure(bench, name)


if __name__ == "__main__":
    main()
