"""Crystals whose Bragg peak is saturated or lies in a detector gap: `python benchmarks/saturation.py [--data FOLDER]`.

Ten crystals of `napari_autophase.simulation` (64³, phase ranges 0.3 to 6 rad, peaks 1e4 to 1e6 photons) are reconstructed from
the whole scan, from scans whose counts are clipped at a half and a fifth of the peak, and from scans without the four columns,
the four rows, or both, through the peak.  The tables say how well each object agrees with the truth (correlation after
alignment).  Where the measured gold scan is at hand, it is clipped at a fifth of its peak and compared with what ITERATIVE finds
from the whole scan.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import machine, run, table

from napari_autophase import Recipe, analysis, read, simulation
from napari_autophase.scan import Scan

FIRST_SEED = 7_100_000
CRYSTALS = tuple(
    zip(
        (0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 2.0, 1.0, 3.0, 6.0),
        (1e5, 1e6, 1e4, 1e5, 1e6, 1e5, 1e5, 1e4, 1e6, 1e6),
        strict=True,
    )
)
"""Phase range in rad and photons in the brightest voxel."""
SPOILT = ("whole", "half", "fifth", "columns", "rows", "cross")
PRESETS = ("fast", "iterative", "best")
GOLD = Path(__file__).resolve().parents[2] / "shared" / "data" / "34idc_Au_S0054"


def spoilt(counts: np.ndarray, how: str) -> Scan:
    """Return a scan of which the brightest part was not measured."""
    peak = np.unravel_index(int(counts.argmax()), counts.shape)
    if how in ("half", "fifth"):
        counts = np.minimum(counts, round(float(counts.max()) / {"half": 2, "fifth": 5}[how]))
    mask = np.zeros(counts.shape, bool)
    if how in ("columns", "cross"):
        mask[:, :, peak[2] - 2 : peak[2] + 2] = True
    if how in ("rows", "cross"):
        mask[:, peak[1] - 2 : peak[1] + 2] = True
    return Scan(np.where(mask, 0, counts), mask if mask.any() else None)


def agreement(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the correlation of two objects after alignment."""
    return abs(analysis.align(found, truth, ramp=True)[1])


def main() -> None:
    """Reconstruct, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=GOLD, help="the folder of the gold scan")
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--crystals", type=int, default=len(CRYSTALS))
    options = parser.parse_args()
    for preset in options.presets.split(","):
        recipe = Recipe.from_preset(preset).with_settings({"seed": 1, "device": "cpu"})
        rows = []
        for number, (phase_range, peak) in enumerate(CRYSTALS[: options.crystals]):
            kind = simulation.KINDS[number % len(simulation.KINDS)]
            truth = simulation.simulate(
                FIRST_SEED + number, 64, phase_range=phase_range, peak=peak, kind=kind, geometry=None
            )
            found = [run(spoilt(truth.scan.counts, how), recipe) for how in SPOILT]
            scores = [f"{agreement(one.object, truth.object):.3f}" for one in found]
            rows.append([f"{number}: {kind}, {phase_range:g} rad, {peak:.0e}", *scores])
        print(f"\n`{preset}`\n\n{table(['crystal', *SPOILT], rows)}", flush=True)
    if options.data.exists():
        counts = read(options.data / "scan54_crop_200x128x128.cxi").counts
        classical = run(Scan(counts), Recipe.from_preset("iterative").with_settings({"seed": 1}))
        rows = []
        for preset in options.presets.split(","):
            recipe = Recipe.from_preset(preset).with_settings({"seed": 1, "device": "cpu"})
            found = [run(spoilt(counts, how), recipe).object for how in ("whole", "fifth")]
            scores = [agreement(found[0], classical.object), agreement(found[1], classical.object)]
            rows.append(
                [preset, *(f"{score:.3f}" for score in scores), f"{agreement(found[1], found[0]):.3f}"]
            )
        heading = ["gold", "whole, classical", "fifth, classical", "fifth, its own whole"]
        print(f"\n{table(heading, rows)}")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
