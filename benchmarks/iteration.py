"""Time of one iteration of every algorithm against its two Fourier transforms alone, in one run.

    python benchmarks/iteration.py [--sizes 64 96 128 100x128x81] [--device cpu] [--seconds 6] [--json OUT.json]

Every repeat does each of the contestants once, one after the other, so that a busy neighbour troubles all of them alike; the
table gives medians, and the ratio of an iteration to the transforms is the median of the ratios within the repeats.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from napari_autophase import phasing
from napari_autophase.phasing.algorithm import NAMES, rule
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.crew import Plan, cores, threads
from napari_autophase.recipe import Refinement

AXES = (-3, -2, -1)


def measure(
    shape: tuple[int, int, int], device: torch.device, count: int, starts: int, seconds: float
) -> dict[str, object]:
    """Return medians in ms, per start, of the pair of transforms and of each algorithm's iteration."""
    rng = np.random.default_rng(0)
    data = phasing.Diffraction(rng.poisson(5.0, shape), rng.random(shape) < 0.98, 0.02, device=device)
    objects = torch.randn(
        (1 if device.type == "cpu" else starts, *shape), dtype=torch.complex64, device=device
    )
    times: dict[str, list[float]] = {name: [] for name in ("pair", *NAMES)}
    begin = phasing.random_starts(data, starts, 0.1, 0)
    with threads(count), Batch(data, begin, [Plan(1, count)]) as batch:

        def pair() -> None:
            for _ in range(starts // len(objects)):
                torch.fft.ifftn(torch.fft.fftn(objects, dim=AXES), dim=AXES, norm="forward")

        jobs: dict[str, Callable[[], object]] = {"pair": pair}
        jobs.update({name: (lambda name=name: batch.iterate(rule(name, Refinement()))) for name in NAMES})
        end = time.perf_counter() + seconds
        while len(times["pair"]) < 5 or time.perf_counter() < end:
            for name, job in jobs.items():
                times[name].append(_time(job, device) * 1e3 / starts)
    repeats = len(times["pair"])
    ratios = {
        name: median(one / pair for one, pair in zip(times[name], times["pair"], strict=True))
        for name in NAMES
    }
    return {
        "shape": list(shape),
        "dtype": "complex64",
        "device": str(device),
        "threads": count,
        "starts": starts,
        "repeats": repeats,
        "pair_ms": median(times["pair"]),
        **{f"{name}_ms": median(times[name]) for name in NAMES},
        **{f"{name}_ratio": ratio for name, ratio in ratios.items()},
    }


def _time(job: Callable[[], object], device: torch.device) -> float:
    begin = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _shape(text: str) -> tuple[int, int, int]:
    sides = [int(side) for side in text.split("x")]
    if len(sides) not in (1, 3):
        raise argparse.ArgumentTypeError(f"'{text}' is neither N nor NxNxN")
    return tuple(sides * 3 if len(sides) == 1 else sides)  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", type=_shape, default=[_shape(size) for size in ("64", "96", "100x96x81", "128")]
    )
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--starts", type=int, default=1, help="starts in one batch; times are per start")
    parser.add_argument("--seconds", type=float, default=6.0, help="time for each row of the table")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    choice = parser.parse_args()
    device, notes = phasing.pick_device(choice.device)
    print(*notes, sep="\n", end="\n" if notes else "")
    print(f"{platform.machine()}, {cores()} cores, torch {torch.__version__}; {phasing.device_lines()[0]}\n")
    print(
        "| shape | threads | FFT pair ms | "
        + " | ".join(f"{name} ms (ratio)" for name in NAMES)
        + " | repeats |"
    )
    print("|---" * (len(NAMES) + 4) + "|")
    rows = []
    for shape in choice.sizes:
        for count in sorted({1, cores()}) if device.type == "cpu" else (1,):
            row = measure(shape, device, count, choice.starts, choice.seconds)
            rows.append(row)
            cells = [f"{row[f'{name}_ms']:.2f} ({row[f'{name}_ratio']:.2f})" for name in NAMES]
            label = " × ".join(map(str, shape))
            print(
                f"| {label} | {count} | {row['pair_ms']:.2f} | {' | '.join(cells)} | {row['repeats']} |",
                flush=True,
            )
    if choice.json:
        choice.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
