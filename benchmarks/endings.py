"""What follows the network's guess, on crystals as they are measured: `python benchmarks/endings.py [--crystals 6]`.

Fresh crystals of `napari_autophase.simulation` (seeds from 8,900,000; 64³), from few photons to many and from weak strain to
strong, half of them with gaps, a third with a dislocation; and in light that is blurred, on a background, with a clipped peak.
Each is phased by `fast`, its first attempt alone, with other iterations after the guess.  Correlation and phase error are as in
`network.py`, strain as in `measured.py`.  `results/endings.jsonl` has a row a reconstruction: killed runs go on,
and rows made by another recipe or code are made again.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import common
from common import RESULTS, SUCCESS, Rows, middle, table
from measured import measure

from napari_autophase import Recipe, simulation
from napari_autophase.runs import attempts

FIRST_SEED = 8_900_000
ALGORITHMS = (
    "40*HIO+60*ER",
    "100*HIO+40*ER",
    "40*HIO+60*RAAR+40*ER",
    "25*HIO+75*RAAR+40*ER",
    "10*HIO+90*RAAR+40*ER",
    "100*RAAR+40*ER",
)
RANGES = (0.5, 2.0, 4.0, 6.0, 8.0, 10.0)
CASES: list[tuple[str, dict[str, Any]]] = [
    *((f"{peak:.0e} photons at the peak", {"peak": peak}) for peak in (1e3, 1e4, 1e5, 1e6)),
    ("5 photons a voxel beside", {"peak": 1e5, "background": 5.0, "phase_range": 2.0}),
    ("blurred by 0.5 pixels", {"peak": 1e5, "coherence": 0.5, "phase_range": 2.0}),
    ("clipped at 0.2 of the peak", {"peak": 1e5, "saturation": 2e4, "phase_range": 2.0}),
    ("phases of 0.5 rad", {"peak": 1e5, "phase_range": 0.5}),
]
FIGURES = ("correlation", "phase_error", "strain_correlation", "free_llk", "seconds")


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=6)
    options = parser.parse_args()
    attempts.is_enough = lambda *_: True  # type: ignore[assignment]  # no second attempt
    store, lines = Rows(RESULTS / "endings.jsonl"), []
    for number, (label, spoilt) in enumerate(CASES):
        found: dict[str, list[dict[str, Any]]] = {algorithm: [] for algorithm in ALGORITHMS}
        for k in range(options.crystals):
            arguments = {
                **{"seed": FIRST_SEED + 100 * number + k, "size": 64},
                **{
                    "kind": simulation.KINDS[k % len(simulation.KINDS)],
                    "phase_range": RANGES[k % len(RANGES)],
                },
                **({} if "phase_range" in spoilt else {"gaps": k % 2 == 1, "dislocation": k % 3 == 2}),
                **spoilt,
            }
            for algorithm in ALGORITHMS:
                recipe = Recipe().with_settings({"refine.algorithm": algorithm, "device": "cpu"})

                def make(arguments: dict[str, Any] = arguments, recipe: Recipe = recipe) -> dict[str, Any]:
                    row = measure(arguments, recipe)
                    print(json.dumps({**arguments, "algorithm": recipe.refine.algorithm, **row}), flush=True)
                    return {"case": arguments, "algorithm": recipe.refine.algorithm, **row}

                row = store.get(common.key("endings", arguments, *common.recipe_key(recipe)), make)
                assert row is not None
                found[algorithm].append(row)
        for algorithm, rows in found.items():
            hits = sum(row["correlation"] >= SUCCESS for row in rows)
            lines.append([label, algorithm, f"{hits}/{len(rows)}", *(middle(rows, name) for name in FIGURES)])
    store.tidy()
    heading = [
        "crystals",
        "after the guess",
        "found",
        "correlation",
        "phase error, rad",
        "strain's correlation",
        "held-out",
        "seconds",
    ]
    told = f"`python benchmarks/endings.py`, {common.machine()}; medians and quartiles; found: correlation ≥ {SUCCESS}"
    text = f"{told}\n\n{table(heading, lines)}\n"
    (RESULTS / "endings.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
