"""Projections against gradient steps, each with as many Fourier transforms: `python benchmarks/refinement.py`.

Crystals of `napari_autophase.simulation` (64³, phase ranges ½ to 4π rad, peaks 1e3 to 1e6 photons) are refined from the same
starts by every algorithm: the network's guess (its support updated by shrink-wrap); and the truth with smooth errors of phase
and amplitude, in a fixed support a voxel too large, or a voxel too small.  The table says how well the voxels held out from the
fit are explained and how near the object is to the truth: medians, and on how many crystals an algorithm beats as many ER.
Rows known in `results/refinement.jsonl` are not made again.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Generator
from functools import cache, partial
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from common import RESULTS
from scipy import ndimage

from napari_autophase import analysis, network, phasing, preparation, simulation
from napari_autophase.recipe import Guess, Preparation, Refinement, ShrinkWrap

FIRST_SEED = 6_000_000
RANGES = (0.5, np.pi, 2 * np.pi, 4 * np.pi)
PEAKS = (1e3, 1e4, 1e5, 1e6)
ALGORITHMS = (
    ("60*ER", 0.0),
    ("40*HIO+20*ER", 0.0),
    ("60*ADAM", 0.0),
    ("60*CG", 0.0),
    ("40*ER+20*CG", 0.0),
    ("60*CG", 0.5),
    ("40*ER+20*CG", 0.5),
)
"""Each with the softness of the support."""
STARTS = ("network", "larger", "smaller")
HELD_OUT = 0.05
FIGURES = ("free_llk", "correlation", "phase_error")


def drive(job: Generator[Any, None, Any]) -> Any:
    """Run a generator to its end and return what it returns."""
    while True:
        try:
            next(job)
        except StopIteration as done:
            return done.value


def perturbed(truth: simulation.Simulated, seed: int) -> np.ndarray:
    """Return the truth with smooth errors: 0.8 rad of phase and 0.3 of the amplitude, rms."""
    rng = np.random.default_rng(seed)

    def smooth(width: float) -> np.ndarray:
        noise = ndimage.gaussian_filter(rng.normal(size=truth.object.shape), width)
        return noise / noise.std()

    return truth.object * np.exp(0.8j * smooth(4)) * np.clip(1 + 0.3 * smooth(3), 0, None)


@cache
def crystal(
    seed: int, phase_range: float, peak: float
) -> tuple[simulation.Simulated, preparation.Prepared, phasing.Diffraction]:
    """Return a crystal, its scan as it is given to the network, and as it is phased."""
    truth = simulation.simulate(seed, 64, phase_range=phase_range, peak=peak)
    # not centred anew: a ramp between the scan and the truth would spoil the start
    prepared = preparation.prepare(truth.scan, Preparation(centre="none", hot_pixels=False))
    return truth, prepared, phasing.Diffraction(prepared.counts, prepared.good, HELD_OUT, seed=seed)


@cache
def begin(start: str, seed: int, phase_range: float, peak: float) -> phasing.Starts:
    """Return what every algorithm starts from."""
    truth, prepared, _ = crystal(seed, phase_range, peak)
    if start == "network":
        choice = Guess(candidates=2, keep=1, polish="")
        return drive(
            network.guess(network.load(), prepared.counts, prepared.good, prepared.oversampling, choice)
        ).starts
    change = ndimage.binary_dilation if start == "larger" else ndimage.binary_erosion
    support = change(truth.support)
    return phasing.Starts((perturbed(truth, seed) * support).astype(np.complex64)[None], support[None])


def score(
    seed: int, phase_range: float, peak: float, start: str, algorithm: str, softness: float
) -> dict[str, Any]:
    """Refine one crystal and compare it with its truth."""
    truth, _, data = crystal(seed, phase_range, peak)
    wrap = ShrinkWrap() if start == "network" else ShrinkWrap(every=0)
    recipe = Refinement(algorithm=algorithm, softness=softness, shrink_wrap=wrap)
    found = drive(phasing.refine(data, begin(start, seed, phase_range, peak), recipe))
    quality = analysis.compare_with_truth(found.object, truth.object * truth.support, truth.support)
    return {
        "start": start,
        "algorithm": algorithm,
        "softness": softness,
        "seed": seed,
        "phase_range": round(phase_range, 3),
        "peak": peak,
        **{name: round(value, 5) for name, value in (found.figures | quality).items()},
    }


def tables(rows: list[dict[str, Any]]) -> str:
    """Return a table for every start: medians, and in brackets on how many crystals as many ER are beaten."""

    def of(start: str, algorithm: tuple[str, float]) -> dict[int, dict[str, Any]]:
        return {
            r["seed"]: r for r in rows if (r["start"], r["algorithm"], r["softness"]) == (start, *algorithm)
        }

    def cell(found: list[dict[str, Any]], projected: dict[int, dict[str, Any]], name: str) -> str:
        sign = -1 if name == "correlation" else 1
        wins = sum(sign * r[name] < sign * projected[r["seed"]][name] for r in found)
        return f"{np.median([r[name] for r in found]):.4g} ({wins}/{len(found)})"

    heading = ["peak", "algorithm", "softness", "held-out likelihood", "correlation", "phase error, rad"]
    text = []
    for start in STARTS:
        cells = []
        for low, high in ((1e3, 1e4), (1e5, 1e6)):
            for algorithm in ALGORITHMS:
                found = [r for r in of(start, algorithm).values() if low <= r["peak"] <= high]
                figures = [cell(found, of(start, ALGORITHMS[0]), name) for name in FIGURES]
                cells.append([f"{low:.0e}–{high:.0e}", algorithm[0], f"{algorithm[1]}", *figures])
        text.append(f"From {start}:\n\n{common.table(heading, cells)}")
    return "\n\n".join(text)


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "refinement.jsonl")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known, rows = common.Rows(options.output), []
    parts = [common.code("phasing", "analysis", "simulation"), Refinement().model_dump(), HELD_OUT]
    for index, (phase_range, peak) in enumerate(itertools.product(RANGES, PEAKS)):
        for start, algorithm in itertools.product(STARTS, ALGORITHMS):
            what = (FIRST_SEED + index, phase_range, peak, start, *algorithm)
            weights = common.sha256(common.SHIPPED) if start == "network" else ""
            row = known.get(common.key(*what, weights, *parts), partial(score, *what))
            rows.append(row)
        crystal.cache_clear()
        begin.cache_clear()
    known.tidy()
    told = f"{common.machine()}; {len(rows)} runs; in brackets: crystals on which 60*ER is beaten."
    text = f"{told}\n\n{tables(rows)}\n"
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
