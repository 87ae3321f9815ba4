"""How sure a result says it is, and how often it is right: `python benchmarks/confidence.py [--crystals 160] [--fit]`.

Crystals of `napari_autophase.simulation` as measurements are: see `analysis.trust.confidence`.  Each is guessed by the network
alone, and phased once by `fast`, without a second attempt.  `results/confidence.jsonl` has a row a crystal; killed runs go on.
Seeds from 9,660,000 make the table (`results/confidence.md`): how many were found of those with a stated confidence.  With
``--fit`` 482 others, from 9,600,000 on, make the coefficients of the regression, which are printed.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import pairwise
from typing import Any

import common
import numpy as np
from common import RESULTS, Rows, table

from napari_autophase import Recipe, analysis, run, simulation
from napari_autophase.analysis import trust

FITTED = (*range(9_600_000, 9_600_149), *range(9_600_400, 9_600_553), *range(9_650_000, 9_650_180))
TESTED = 9_660_000
METHODS = {"network": "the network's guess", "fast": "`fast`, first attempt"}
EDGES = (0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0001)


def conditions(seed: int) -> dict[str, Any]:
    """Return how a crystal is measured; the same every time."""
    draw = np.random.default_rng([seed, 77])
    found: dict[str, Any] = {
        "seed": seed,
        "size": 64,
        "phase_range": float(draw.uniform(0, 13)),
        "peak": float(10 ** draw.uniform(2.5, 6.7)),
        "kind": str(draw.choice(simulation.KINDS)),
    }
    if draw.random() < 0.4:
        found["coherence"] = float(draw.uniform(0.2, 0.8))
    if draw.random() < 0.3:
        found["background"] = float(10 ** draw.uniform(-1, 0.7))
    if draw.random() < 0.15:
        found["saturation"] = found["peak"] * float(draw.uniform(0.2, 0.8))
    found["gaps"] = bool(draw.random() < 0.2)
    found["dislocation"] = bool(draw.random() < 0.15)
    if draw.random() < 0.2:
        found["drift"] = float(draw.uniform(0, 0.2))
    return found


def once(preset: str) -> Recipe:
    """Return the recipe of a first attempt."""
    return Recipe.from_preset(preset).with_settings({"refine.retry": False})


def measure(seed: int) -> dict[str, Any]:
    """Guess and phase one crystal: what each result says of itself, and how it correlates with the truth."""
    truth = simulation.simulate(**conditions(seed))
    row: dict[str, Any] = {"seed": seed}
    for preset in METHODS:
        found = run(truth.scan, once(preset))
        blurred = found.coherence is not None and any(found.coherence.sigma_px)
        uneven = analysis.unevenness(found.object, found.support)
        known = trust.evidence(found.figures, found.shells, int(found.support.sum()), blurred, uneven)
        quality = analysis.compare_with_truth(found.object, *analysis.normalise(truth.object, truth.support))
        row[preset] = {
            "correlation": quality["correlation"],
            "confidence": found.figures.get("confidence"),
            "evidence": None if known is None else known.tolist(),
        }
    return row


def fitted(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return mean, spread and coefficients of the regression, with a ridge of 1."""
    x = np.array([row["evidence"] for row in rows])
    found = np.array([row["correlation"] >= trust.FOUND for row in rows], float)
    mean, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1  # a guess alone tells of no blur
    z = np.clip((x - mean) / spread, -2, 2)
    terms = np.column_stack([np.ones(len(z)), z, z[:, 1] * z[:, 2]])
    weights = np.zeros(terms.shape[1])
    for _ in range(50):  # Newton's steps
        odds = 1 / (1 + np.exp(-terms @ weights))
        curved = (terms * (odds * (1 - odds))[:, None]).T @ terms + np.eye(len(weights))
        weights += np.linalg.solve(curved, terms.T @ (found - odds) - weights)
    return {"mean": mean, "spread": spread, "bias": weights[0], "slopes": weights[1:-1], "joint": weights[-1]}


def main() -> None:
    """Measure what is not known yet, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=160)
    parser.add_argument(
        "--fit", action="store_true", help="print coefficients instead, of 482 other crystals"
    )
    options = parser.parse_args()
    known = Rows(RESULTS / "confidence.jsonl")
    key = common.key(common.recipe_key(once("fast")))
    seeds = FITTED if options.fit else range(TESTED, TESTED + options.crystals)
    measured = (known.get(f"{key}-{seed}", partial(measure, seed)) for seed in seeds)
    rows = [row for row in measured if row is not None]
    cells = []
    for preset, name in METHODS.items():
        told = [row[preset] for row in rows if row[preset]["evidence"] is not None]
        if options.fit:
            print(preset, {part: np.round(value, 3).tolist() for part, value in fitted(told).items()})
            continue
        told = [row for row in told if row["confidence"] is not None]
        stated = np.array([row["confidence"] for row in told])
        right = np.array([row["correlation"] >= trust.FOUND for row in told])
        for low, high in pairwise(EDGES):
            here = (stated >= low) & (stated < high)
            if here.any():
                cells.append(
                    [
                        name,
                        f"{100 * low:.0f} to {min(100 * high, 100):.0f}",
                        str(here.sum()),
                        f"{100 * stated[here].mean():.0f}",
                        f"{100 * right[here].mean():.0f}",
                    ]
                )
    if not options.fit:
        text = (
            f"{common.machine()}\n\n"
            + table(["result", "confidence (%)", "crystals", "stated (%)", "found (%)"], cells)
            + f"\n\n`python benchmarks/confidence.py`: {len(rows)} crystals, seeds from {TESTED:,}.\n"
        )
        print(text)
        (RESULTS / "confidence.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
