"""What it saves to prune starts, begin coarsely, stop early, crop and pad, and what it costs: `python benchmarks/work_less.py`.

Each way is compared with the same recipe without it, on the same simulated crystals (`napari_autophase.simulation`), one run
after the other in one process and in turning order.  The table gives the ratio of the times crystal by crystal, and beside it
how many crystals are found and how near to the truth they are.  Objects on coarser or finer voxels are carried to those of the
truth first.  Crystals known in `results/work_less.jsonl` are not phased again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
from common import RESULTS, SUCCESS, middle, run

from napari_autophase import Recipe, analysis, simulation
from napari_autophase.phasing.grids import regrid
from napari_autophase.recipe import ITERATIVE

FIRST_SEED = 9_600_000
LOW = (0.5, 1.0, 2.0, 3.0)
HIGH = (2 * np.pi, 8.0)
LONG = f"{ITERATIVE}+280*ER"
TIMES = ("seconds", "processor_seconds")
FOUR = {"refine.starts": 4}

Arguments = dict[str, Any]


def crystals(
    sizes: tuple[int, ...], reaches: tuple[float, ...], peaks: tuple[float, ...], **more: Any
) -> list[Arguments]:
    """Return the arguments of crystals of these sizes and phase ranges, the peak counts taking turns."""
    return [
        {
            "seed": FIRST_SEED + 1000 * size + k,
            "size": size,
            "phase_range": round(reach, 3),
            "peak": peaks[k % len(peaks)],
            **more,
        }
        for size in sizes
        for k, reach in enumerate(reaches)
    ]


USUAL = (1e6, 1e5, 1e4)
GROUPS: dict[str, tuple[Arguments, dict[str, Arguments], list[Arguments]]] = {
    "620 iterations, one start": (
        {},
        {"coarse 220": {"refine.coarse": 220}, "coarse 420": {"refine.coarse": 420}},
        crystals((64,), LOW + HIGH, USUAL) + crystals((96,), (1.0, 3.0), USUAL),
    ),
    "620 iterations, four starts": (
        FOUR,
        {"prune": {"refine.prune": True}, "prune, coarse 420": {"refine.prune": True, "refine.coarse": 420}},
        crystals((64,), (0.5, 3.0, *HIGH), USUAL),
    ),
    "620 iterations and 280 of ER": (
        {"refine.algorithm": LONG},
        {"patience 20": {"refine.patience": 20}, "patience 50": {"refine.patience": 50}},
        crystals((64,), (0.5, 3.0, *HIGH), USUAL),
    ),
    "620 iterations, background of 1": (
        {"prepare.background": 1.0},
        {"crop auto": {"prepare.crop": "auto"}},
        crystals((64,), LOW + HIGH, (1e3, 1e4), background=1.0),
    ),
    "620 iterations, slow sizes": (
        {},
        {"pad fast": {"prepare.pad": "fast"}},
        crystals((62, 63, 66), (1.0, 3.0), USUAL),
    ),
}
"""By name: what the plain recipe changes of `iterative`, what the ways to work less change of that, and the crystals."""


def quality(found: np.ndarray, truth: simulation.Simulated) -> dict[str, float]:
    """Return how near an object is to the truth, on the truth's voxels."""
    here = regrid(found, truth.object.shape)
    return analysis.compare(here, truth.object * truth.support, threshold=0.3)


def measure(group: str, arguments: Arguments, turn: int) -> dict[str, Any]:
    """Phase one crystal in every way of a group, beginning with another one each time."""
    base, ways, _ = GROUPS[group]
    truth = simulation.simulate(**arguments)
    names = ["plain", *ways]
    row: dict[str, Any] = {"group": group, **arguments}
    for name in names[turn % len(names) :] + names[: turn % len(names)]:
        recipe = Recipe.from_preset("iterative").with_settings(base | ways.get(name, {}))
        begin = time.process_time()
        found = run(truth.scan, recipe)
        spent = time.process_time() - begin
        near = quality(found.object, truth)
        row[name] = {
            "seconds": round(found.seconds["total"], 3),
            "processor_seconds": round(spent, 3),
            "iterations": found.iterations,
            "voxels": int(np.prod(found.shape)),
            "free_llk": round(found.figures["free_llk"], 4),
            "correlation": round(float(near["correlation"]), 4),
            "phase_error": round(float(near["phase_error"]), 4),
        }
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: medians, and quartiles in brackets."""
    lines = []
    for group, (_, ways, _) in GROUPS.items():
        here = [row for row in rows if row["group"] == group]
        for name in ["plain", *ways] if here else []:
            cells = [
                row[name] | {f"{what} ratio": row[name][what] / row["plain"][what] for what in TIMES}
                for row in here
            ]
            gain = [{"gain": row[name]["correlation"] - row["plain"]["correlation"]} for row in here]
            hits = sum(cell["correlation"] >= SUCCESS for cell in cells)
            lines.append(
                [
                    group,
                    name,
                    *(middle(cells, f"{what} ratio") for what in TIMES),
                    f"{hits}/{len(cells)}",
                    *(middle(cells, figure) for figure in ("correlation", "phase_error", "free_llk")),
                    middle(gain, "gain"),
                    middle(cells, "iterations"),
                ]
            )
    heading = [
        "recipe",
        "way",
        "time over plain",
        "processor time over plain",
        "found",
        "correlation",
        "phase error, rad",
        "held-out likelihood",
    ]
    return common.table([*heading, "gain of correlation, crystal by crystal", "iterations"], lines)


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--groups", default="", help="parts of the names of those to be measured, separated by commas"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "work_less.jsonl")
    options = parser.parse_args()
    known, rows = common.Rows(options.output), []
    wanted = options.groups.split(",")
    for group, (base, ways, cases) in GROUPS.items():
        recipes = [
            common.recipe_key(Recipe.from_preset("iterative").with_settings(base | way))
            for way in [{}, *ways.values()]
        ]
        for turn, case in enumerate(cases):

            def missing(group: str = group, case: Arguments = case, turn: int = turn) -> dict[str, Any]:
                row = measure(group, case, turn)
                print(row, flush=True)
                return row

            row = known.get(
                common.key(group, case, recipes), missing if any(part in group for part in wanted) else None
            )
            rows += [row] if row else []
    known.tidy()
    heading = f"{common.machine()}; medians and quartiles; found: correlation ≥ {SUCCESS}"
    text = f"{heading}\n\n{table(rows)}\n"
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
