"""Time of one iteration of every algorithm against the best pair of Fourier transforms to be had, in one run.

    python benchmarks/iteration.py [--sizes 64 96 128 100x128x81] [--device cpu] [--seconds 6] [--json OUT.json]

The pair is one forward and one inverse transform of a complex64 volume, nothing else, by torch (MKL; cuFFT on a GPU), SciPy,
and pyFFTW where it is installed; the best is the one with the shortest median in this run. ER goes on in the box around the
support (see `phasing.compiled.box`): a body of a third of each side, of a half, and one too wide for a box. Every repeat does a
block of each of the contestants, as long as a few hundredths of a second (as runs are long, whose iterations are begun
together), after one that is not timed; so a busy neighbour troubles all of them alike. Iterations in partly coherent light, a
given blur of half a pixel, are done in blocks of 20, each with what is renewed once in as many; their pattern is an
ellipsoid's. The table gives medians, and the median ratios within the repeats to torch's pair, of which iterations are made
where nothing is compiled, and to the best.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median

import common
import numpy as np
import scipy.fft
import torch

from napari_autophase import phasing
from napari_autophase.phasing import Starts
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import rule
from napari_autophase.phasing.workers import cores, threads
from napari_autophase.recipe import Refinement
from napari_autophase.recipe.algorithm import GRADIENTS

AXES = (-3, -2, -1)
BLOCK_S = 0.03
"""Length of a block of pairs of transforms; iterations are done as many times."""
THIRD, HALF, WIDE = 1 / 3, 1 / 2, 0.95
"""Width of the body over the side of the volume."""
BLUR, RENEWED_EVERY, PEAK = phasing.Blur((0.5, 0.5, 0.5)), 20, 1e5
"""Pixels; iterations; photons in the brightest voxel."""
BLURRED = "HIO, partly coherent"
CONTESTANTS = {
    "ER": ("ER", THIRD),
    "ER, half": ("ER", HALF),
    "ER, wide": ("ER", WIDE),
    "HIO": ("HIO", THIRD),
    BLURRED: ("HIO", THIRD),
    **{name: (name, THIRD) for name in ("RAAR", "EHIO", *GRADIENTS)},
}


def body(shape: tuple[int, ...], width: float) -> np.ndarray:
    """Return an ellipsoid of `width` of each side, bool, centred."""
    places = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    inside: np.ndarray = sum((2 * p / (width * n)) ** 2 for p, n in zip(places, shape, strict=True)) <= 1
    return inside


def pairs(
    shape: tuple[int, ...], device: torch.device, threads: int, starts: int
) -> dict[str, Callable[[int], object]]:
    """Return the pairs of transforms, by library; each is told how many to do."""
    objects = torch.randn(
        (starts if device.type != "cpu" else 1, *shape), dtype=torch.complex64, device=device
    )
    times = starts // len(objects)

    def by_torch(count: int) -> None:
        for _ in range(count * times):
            torch.fft.ifftn(torch.fft.fftn(objects, dim=AXES), dim=AXES, norm="forward")

    found: dict[str, Callable[[int], object]] = {"torch": by_torch}
    if device.type != "cpu":
        return found
    volume = objects[0].numpy().copy()

    def by_scipy(count: int) -> None:
        for _ in range(count * times):
            field = scipy.fft.fftn(volume, workers=threads)
            scipy.fft.ifftn(field, workers=threads, overwrite_x=True, norm="forward")

    found["scipy"] = by_scipy
    try:
        import pyfftw
    except ImportError:
        return found
    place, field = (pyfftw.empty_aligned(shape, np.complex64) for _ in range(2))
    forward = pyfftw.FFTW(place, field, axes=(0, 1, 2), flags=("FFTW_MEASURE",), threads=threads)
    inverse = pyfftw.FFTW(
        field, place, axes=(0, 1, 2), direction="FFTW_BACKWARD", flags=("FFTW_MEASURE",), threads=threads
    )
    place[:] = 0  # not scaled, so that anything else would grow from repeat to repeat

    def by_pyfftw(count: int) -> None:
        for _ in range(count * times):
            forward.execute()
            inverse.execute()

    found["pyfftw"] = by_pyfftw
    return found


def measure(
    shape: tuple[int, int, int], device: torch.device, count: int, starts: int, seconds: float
) -> dict[str, object]:
    """Return medians in ms, per start, of the pairs of transforms and of each algorithm's iteration."""
    rng = np.random.default_rng(0)
    data = phasing.Diffraction(rng.poisson(5.0, shape), rng.random(shape) < 0.98, 0.02, device=device)
    with threads(count):
        jobs = pairs(shape, device, count, starts)
        libraries = list(jobs)
        for label, (name, width) in CONTESTANTS.items():
            inside = np.repeat(body(shape, width)[None], starts, 0)
            begin = Starts((rng.normal(size=inside.shape) * inside).astype(np.complex64), inside)
            if label == BLURRED:
                power = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(inside[0])))) ** 2
                counts = rng.poisson(BLUR(torch.from_numpy(PEAK / power.max() * power)).clamp(min=0).numpy())
                light = phasing.Diffraction(counts, rng.random(shape) < 0.98, 0.02, device=device)
                batch = Batch(light.explained(BLUR), begin, cores=count, blurred=True)
                jobs[label] = partial(_iterate_blurred, batch, name)
                continue
            jobs[label] = partial(_iterate, Batch(data, begin, cores=count), name)
        for job in jobs.values():  # the second iteration of ER enters the box
            job(1)
            job(1)
        block = max(1, round(BLOCK_S / _time(jobs["torch"], 1, device)))
        times: dict[str, list[float]] = {name: [] for name in jobs}
        end = time.perf_counter() + seconds
        while len(times["torch"]) < 5 or time.perf_counter() < end:
            for name, job in jobs.items():
                job(1)  # what the others left in the caches is not what it finds in a run
                number = RENEWED_EVERY if name == BLURRED else block
                times[name].append(_time(job, number, device) * 1e3 / starts)
    best = min(libraries, key=lambda name: median(times[name]))
    return {
        "shape": list(shape),
        "dtype": "complex64",
        "device": str(device),
        "threads": count,
        "starts": starts,
        "repeats": len(times["torch"]),
        "pair_ms": {name: median(times[name]) for name in libraries},
        "best_pair": best,
        "ms": {name: median(times[name]) for name in CONTESTANTS},
        "over_best": {name: _quartiles(times[name], times[best]) for name in CONTESTANTS},
        "over_torch": {name: _quartiles(times[name], times["torch"]) for name in CONTESTANTS},
    }


def _quartiles(times: list[float], pair: list[float]) -> list[float]:
    """Return median and quartiles of the ratios within the repeats."""
    return [float(q) for q in np.percentile(np.divide(times, pair), [50, 25, 75])]


def _iterate(batch: Batch, name: str, count: int) -> None:
    while count:
        count -= len(batch.iterate(rule(name, Refinement()), count))


def _iterate_blurred(batch: Batch, name: str, count: int) -> None:
    batch.explain(batch.data.blur)
    _iterate(batch, name, count)


def _time(job: Callable[[int], object], count: int, device: torch.device) -> float:
    """Return the seconds that one of `count` takes."""
    begin = time.perf_counter()
    job(count)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / count


def lines(rows: list[dict]) -> str:
    """Return the table in Markdown: the pairs, and iterations with their ratios to the best pair."""
    heading = [
        "shape",
        "threads",
        "pair (ms)",
        *(f"{name}: ms (over torch's pair; the best)" for name in CONTESTANTS),
        "repeats",
    ]
    body = []
    for row in rows:
        told = ", ".join(f"{name} {ms:.2f}" for name, ms in row["pair_ms"].items())
        cells = [
            f"{row['ms'][name]:.2f} ({row['over_torch'][name][0]:.2f}; {row['over_best'][name][0]:.2f})"
            for name in CONTESTANTS
        ]
        shape = " × ".join(map(str, row["shape"]))
        body.append([shape, str(row["threads"]), told, *cells, str(row["repeats"])])
    return common.table(heading, body)


def _shape(text: str) -> tuple[int, int, int]:
    sides = [int(side) for side in text.split("x")]
    if len(sides) not in (1, 3):
        raise argparse.ArgumentTypeError(f"'{text}' is neither N nor NxNxN")
    return tuple(sides * 3 if len(sides) == 1 else sides)  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = ("64", "96", "100x96x81", "101", "128", "200x128x128", "201x128x128", "192", "256")
    parser.add_argument("--sizes", nargs="+", type=_shape, default=[_shape(size) for size in usual])
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda", "mps"])
    parser.add_argument("--starts", type=int, default=1, help="starts in one batch; times are per start")
    parser.add_argument("--seconds", type=float, default=6.0, help="time for each row of the table")
    parser.add_argument("--json", type=Path, help="also write the rows here, and the table beside them")
    choice = parser.parse_args()
    device, notes = phasing.pick_device(choice.device)
    print(*notes, sep="\n", end="\n" if notes else "")
    libraries = " ".join(f"{name} {_version(name)}" for name in ("torch", "scipy", "pyfftw", "numba"))
    machine = f"{common.machine()}; {phasing.device_lines()[0]}; {libraries}"
    print(machine, flush=True)
    rows = []
    for shape in choice.sizes:
        for count in sorted({1, cores()}) if device.type == "cpu" else (1,):
            rows.append(measure(shape, device, count, choice.starts, choice.seconds))
            print(lines(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + lines(rows))
    if choice.json:
        common.save(choice.json, {"machine": machine, "rows": rows})
        title = "# An iteration over the best pair of transforms\n\n"
        choice.json.with_suffix(".md").write_text(f"{title}{machine}\n\n{lines(rows)}\n", encoding="utf-8")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    main()
