"""Quality and time of every preset on the simulated suite: `python benchmarks/quality.py [--suite full] [--presets fast,best]`.

The crystals come from `napari_autophase.simulation`, which no training ever saw.  Each row of `benchmarks/results/quality.jsonl`
is one reconstruction; the table, with medians and the spread between quartiles, is made from these rows alone.  Killed runs go
on where they stopped; rows made by other weights or another recipe are made again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import common
import numpy as np
from common import RESULTS, SUCCESS, middle, run

from napari_autophase import Recipe, analysis, simulation
from napari_autophase.recipe import PRESETS


def score(arguments: dict, preset: str, recipe: Recipe) -> dict:
    """Reconstruct one simulated crystal and compare it with its truth."""
    truth = simulation.simulate(**arguments)
    found = run(truth.scan, recipe)
    quality = analysis.compare(found.object, truth.object * truth.support, threshold=0.3)
    strained = analysis.strain_error(
        found.object, truth.object, truth.support, truth.voxel_steps_nm, truth.q_bragg_per_nm
    )
    engine = sum(found.seconds[stage] for stage in ("prepare", "guess", "refine", "analyse"))
    return {
        "preset": preset,
        "size": arguments["size"],
        "seed": arguments["seed"],
        "phase_range": arguments["phase_range"],
        "gaps": arguments["gaps"],
        **{k: round(float(v), 5) for k, v in quality.items()},
        **{k: float(f"{v:.4g}") for k, v in strained.items()},
        "chi2": found.figures["chi2"],
        "free_llk": found.figures.get("free_llk"),
        "seconds": round(engine, 3),
        "guess_seconds": round(found.seconds["guess"], 3),
        "refine_seconds": round(found.seconds["refine"], 3),
        "weights": found.weights_sha256,
    }


def table(rows: list[dict]) -> str:
    """Return the table in Markdown: medians, and quartiles in brackets."""

    reaches = {"≤ π": (-1, np.pi), "π–2π": (np.pi, 2 * np.pi), "2π–5π": (2 * np.pi, 99), "all": (-1, 99)}
    lines = [
        "| size | phase range | preset | found | correlation | phase error, rad "
        "| strain: correlation | strain: rms | IoU | χ² | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for size in sorted({row["size"] for row in rows}):
        for name, (low, high) in reaches.items():
            for preset in PRESETS:
                group = [
                    r
                    for r in rows
                    if (r["size"], r["preset"]) == (size, preset) and low < r["phase_range"] <= high
                ]
                if not group:
                    continue
                hits = sum(row["correlation"] >= SUCCESS for row in group)
                cells = [
                    middle(group, n)
                    for n in (
                        *("correlation", "phase_error", "strain_correlation", "strain_rms"),
                        *("support_iou", "chi2", "seconds"),
                    )
                ]
                lines.append(
                    f"| {size}³ | {name} | {preset} | {hits}/{len(group)} | " + " | ".join(cells) + " |"
                )
    return "\n".join(lines)


def duel(rows: list[dict]) -> str:
    """Say how often `fast` is quicker than `iterative` with an equal or better image."""
    by = {(r["preset"], r["size"], r["seed"]): r for r in rows}
    pairs = [(by[k], by[("iterative", *k[1:])]) for k in by if k[0] == "fast" and ("iterative", *k[1:]) in by]
    if not pairs:
        return ""
    quicker = sum(f["seconds"] < i["seconds"] for f, i in pairs)
    equal = sum(f["correlation"] >= i["correlation"] - 0.02 for f, i in pairs)
    ratio = np.median([i["seconds"] / f["seconds"] for f, i in pairs])
    return (
        f"fast is quicker than iterative on {quicker} of {len(pairs)} (median {ratio:.1f} times), "
        f"and its image as good or better (correlation within 0.02) on {equal} of {len(pairs)}."
    )


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="full", choices=["small", "full"])
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--output", type=Path, default=RESULTS / "quality.jsonl")
    options = parser.parse_args()
    store = common.Rows(options.output)
    for arguments in simulation.suite(options.suite):
        for preset in PRESETS:
            recipe = Recipe.from_preset(preset)

            def measure(preset: str = preset, recipe: Recipe = recipe, arguments: dict = arguments) -> dict:
                row = score(arguments, preset, recipe)
                print(json.dumps(row), flush=True)
                return row

            name = common.key(arguments, *common.recipe_key(recipe))
            store.get(name, measure if preset in options.presets.split(",") else None)
    store.tidy()
    rows = list(store.used.values())
    heading = f"{common.machine()}; medians and quartiles; found: correlation ≥ {SUCCESS}"
    text = f"{heading}\n\n{table(rows)}\n\n{duel(rows)}\n"
    options.output.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
