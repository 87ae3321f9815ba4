"""Does fine-tuning help, and how long should it be?  `python benchmarks/finetune.py [--crystals 6] [--steps 10,20,50,100,200]`.

Simulated crystals that no training saw and no other table shows are fine-tuned on as a measured scan would be, without their
truth; the truth then says whether the network's guess alone (preset `network`) came nearer to it.  The rows "misfit alone"
leave out what was found by phasing and keep only the misfit of the modulus.  Rows are in `results/finetune.jsonl`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common import RESULTS, Rows, code, key, machine, middle, run, sha256, table

from napari_autophase import Recipe, analysis, simulation
from napari_autophase.network.weights import SHIPPED
from napari_autophase.training import finetune as module

FIRST_SEED = 5_000_000
PHASES = (1.0, 2.5, 4.0, 6.0)
PEAKS = (1e6, 1e5, 1e4)


def crystal(number: int) -> dict[str, Any]:
    """Return the arguments of one simulated crystal."""
    return {
        "seed": FIRST_SEED + number,
        "size": 64,
        "phase_range": PHASES[number % len(PHASES)],
        "peak": PEAKS[number % len(PEAKS)],
        "gaps": bool(number % 2),
    }


@contextmanager
def misfit_alone(wanted: bool) -> Iterator[None]:
    """Leave out the loss against what phasing found."""
    kept = module.losses
    if wanted:
        module.losses = SimpleNamespace(supervised=lambda *_: 0.0)
    try:
        yield
    finally:
        module.losses = kept


def correlation(truth: simulation.Simulated, weights: Path | None) -> float:
    """Return how well the network's guess alone agrees with the truth."""
    recipe = Recipe.from_preset("network")
    if weights is not None:
        recipe = recipe.with_settings({"guess.weights": str(weights)})
    found = run(truth.scan, recipe)
    return float(abs(analysis.align(found.object, truth.object * truth.support, ramp=True)[1]))


def measure(arguments: dict[str, Any], steps: int, alone: bool) -> dict[str, Any]:
    """Fine-tune on one crystal and say what came of it."""
    truth = simulation.simulate(**arguments)
    job = module.finetune([truth.scan], Recipe.from_preset("fast"), steps=steps)
    with misfit_alone(alone):
        while True:
            try:
                next(job)
            except StopIteration as end:
                tuned = end.value
                break
    with tempfile.TemporaryDirectory() as folder:
        after = correlation(truth, tuned.save(Path(folder) / "tuned.safetensors"))
    return {
        **arguments,
        "steps": steps,
        "misfit_alone": alone,
        "kept_step": tuned.kept_step,
        **{f"{name}_before": value for name, value in tuned.before[0].items()},
        **{f"{name}_after": value for name, value in tuned.after[0].items()},
        "correlation_before": correlation(truth, None),
        "correlation_after": after,
        "machine": machine(),
    }


def main() -> None:
    """Measure what is not known yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=6)
    parser.add_argument("--steps", default="10,20,50,100,200")
    options = parser.parse_args()
    rows = Rows(RESULTS / "finetune.jsonl")
    engine = [
        sha256(SHIPPED),
        code("simulation", "network", "phasing", "preparation", "training/finetune"),
    ]
    groups: dict[tuple[int, bool], list[dict[str, Any]]] = {}
    plans = [(int(steps), False) for steps in options.steps.split(",")] + [(50, True)]
    for number in range(options.crystals):
        for steps, alone in plans:
            arguments = crystal(number)
            row = rows.get(
                key(arguments, steps, alone, engine), lambda a=arguments, s=steps, m=alone: measure(a, s, m)
            )
            groups.setdefault((steps, alone), []).append(row)
    rows.tidy()
    names = ("chi2", "free_chi2", "free_llk", "correlation")
    heading = ["steps", *(f"{name} {when}" for name in names for when in ("before", "after")), "kept step"]
    lines = [
        [
            f"{steps}, misfit alone" if alone else str(steps),
            *(middle(group, f"{name}_{when}") for name in names for when in ("before", "after")),
            middle(group, "kept_step"),
        ]
        for (steps, alone), group in groups.items()
    ]
    text = f"{options.crystals} crystals; medians, quartiles in brackets.\n\n{table(heading, lines)}\n"
    (RESULTS / "finetune.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
