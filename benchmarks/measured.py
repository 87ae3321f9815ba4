"""Crystals as they are measured, by `fast` before and after: `python benchmarks/measured.py [--crystals 5] [--cases coherence]`.

Fresh crystals of `napari_autophase.simulation` (seeds from 8,800,000; 64³, 2 rad, 1e5 photons in the brightest voxel) with weaker
strain, in light of less and less coherence, on a background, with a clipped peak, with a peak that wanders, and all of it
together.  Each is phased with the coherence off and estimated.  `results/measured.jsonl` has a row a reconstruction: killed runs
go on, and rows made by another recipe or code are made again.

Correlation and phase error as in `network.py`; the strain's correlation and rms of objects blurred by 1.5 voxels, in the crystal
without its outer 3 voxels, twin and ramp settled; the amplitude's spread is its standard deviation over its mean, two voxels
below the surface; widths: their mean over the three axes less the true one, and the largest error of a single one, both relative
to the true one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import common
import numpy as np
from common import RESULTS, SUCCESS, Rows, middle, table

from napari_autophase import Recipe, analysis, run, simulation

FIRST_SEED, PEAK, PHASE_RANGE = 8_800_000, 1e5, 2.0
CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "weak": [(f"phases of 0.5 rad, a peak of {peak:.0e}", {"phase_range": 0.5, "peak": peak}) for peak in (1e4, 1e5)],
    "coherence": [(f"blurred by {width:g} pixels", {"coherence": width}) for width in (0.0, 0.3, 0.5, 0.8)],
    "one axis": [("blurred by 0.8 pixels from frame to frame, else by 0.2", {"coherence": (0.8, 0.2, 0.2)}),
                 ("blurred by 0.8 pixels from row to row, else by 0.2", {"coherence": (0.2, 0.8, 0.2)})],
    "background": [(f"{counts:g} a voxel", {"background": counts}) for counts in (1.0, 5.0)],
    "varying": [("2 to 10 a voxel from the first frame to the last", {"background": {"axis": 0, "ends": (2.0, 10.0)}}),
                ("3 to 13 a voxel from the first row to the last", {"background": {"axis": 1, "ends": (3.0, 13.0)}})],
    "clipped": [(f"clipped at {part:g} of the peak", {"saturation": part * PEAK}) for part in (0.5, 0.2)],
    "drift": [("the peak wanders by 0.2 pixels a frame", {"drift": 0.2})],
    "together": [("blurred by 0.5, 1 a voxel, clipped at 0.5", {"coherence": 0.5, "background": 1.0, "saturation": PEAK / 2})],
}  # fmt: skip
MODES = ("off", "estimate")


def drawn(arguments: dict[str, Any]) -> simulation.Simulated:
    """Simulate a crystal, a background that changes along an axis being told by its ends."""
    if isinstance(told := arguments.get("background", 0.0), dict):
        shape = [-1 if axis == told["axis"] else 1 for axis in range(3)]
        first, last = told["ends"]
        level = np.linspace(first, last, arguments["size"]).reshape(shape)
        arguments = {**arguments, "background": np.broadcast_to(level, (arguments["size"],) * 3)}
    return simulation.simulate(**arguments)


def measure(arguments: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Reconstruct one crystal and compare it with its truth."""
    truth = drawn(arguments)
    found = run(truth.scan, recipe)
    quality = analysis.compare_with_truth(found.object, truth.object, truth.support)
    strain = analysis.strain_error(
        found.object, truth.object, truth.support, truth.voxel_steps_nm, truth.q_bragg_per_nm
    )
    widths, wanted = np.array(found.coherence.sigma_px), np.mean(arguments.get("coherence", 0.0))
    return {
        "correlation": quality["correlation"],
        "phase_error": quality["phase_error"],
        **strain,
        "unevenness": analysis.unevenness(found.object, found.support),
        "free_llk": found.figures["free_llk"],
        "widths": widths.tolist(),
        "widths_bias": float(widths.mean() / wanted - 1) if wanted and widths.any() else None,
        "widths_off": float(np.abs(widths / arguments["coherence"] - 1).max())
        if wanted and widths.any()
        else None,
        "iterations": found.iterations,
        "seconds": sum(found.seconds[stage] for stage in ("prepare", "guess", "refine", "analyse")),
    }


def main() -> None:
    """Measure what is missing of the cases asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--output", type=Path, default=RESULTS / "measured.jsonl")
    options = parser.parse_args()
    if unknown := set(options.cases.split(",")) - set(CASES):
        parser.error(f"there is no case {', '.join(unknown)}; choose from {', '.join(CASES)}")
    store, lines = Rows(options.output), []
    for case, kinds in CASES.items():
        for label, spoilt in kinds:
            for mode in MODES:
                recipe = Recipe.from_preset(options.preset).with_settings({"model.coherence": mode})
                rows = []
                for number in range(options.crystals):
                    kind = simulation.KINDS[number % len(simulation.KINDS)]
                    arguments = {
                        **{"seed": FIRST_SEED + number, "size": 64, "kind": kind, "peak": PEAK},
                        **{"phase_range": PHASE_RANGE, **spoilt},
                    }

                    def make(
                        arguments: dict[str, Any] = arguments, recipe: Recipe = recipe
                    ) -> dict[str, Any]:
                        row = measure(arguments, recipe)
                        print(
                            json.dumps({**arguments, "coherent": recipe.model.coherence, **row}), flush=True
                        )
                        return {"case": arguments, "mode": recipe.model.coherence, **row}

                    key = common.key("measured", arguments, *common.recipe_key(recipe))
                    rows.append(store.get(key, make if case in options.cases.split(",") else None))
                known = [row for row in rows if row]
                if known:
                    found = sum(row["correlation"] >= SUCCESS for row in known)
                    figures = (
                        "correlation",
                        "phase_error",
                        "strain_correlation",
                        "strain_rms",
                        "unevenness",
                        "widths_bias",
                        "widths_off",
                        "free_llk",
                        "seconds",
                    )
                    lines.append(
                        [label, mode, f"{found}/{len(known)}", *(middle(known, name) for name in figures)]
                    )
    store.tidy()
    heading = ["crystals", "coherence", "found", "correlation", "phase error, rad", "strain: correlation", "strain: rms",
               "amplitude: spread", "widths: bias", "widths: largest error", "held-out", "seconds"]  # fmt: skip
    command = f"python benchmarks/measured.py --crystals {options.crystals}"
    told = f"`{command}`, {common.machine()}; medians and quartiles of `{options.preset}`; found: correlation ≥ {SUCCESS}"
    text = f"{told}\n\n{table(heading, lines)}\n"
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
