"""What the network is worth: every row of the proof, in tables made from rows that this command measures.

    python benchmarks/network.py [--rows alone,refined,high,time,real] [--crystals 24] [--autophasenn WEIGHTS]

Crystals come from `napari_autophase.simulation`, which no training ever saw, with seeds of their own (9,000,000 and up).
`results/network.jsonl` has a row a reconstruction: killed runs go on, and rows made by other weights, recipes or code are made
again.  `results/network.md` has the tables, `results/network.json` medians and quartiles.  The time row wants an idle machine.

How it is judged.  χ²: Σ(s|F| − √I)² / Σ I over the measured pixels, s the best scale.  Amplitude SSIM: windows of 7³ over the
whole array, both amplitudes relative to their own level (Σ|ρ|³/Σ|ρ|²), data range 1.  IoU: where the amplitude is above half
its level, against the crystal.  Phase error: mean in the crystal, on the circle, beyond offset and ramp.  Strain: of objects
blurred by 1.5 voxels, in the crystal without its outer 3 voxels, twin and ramp settled: correlation with the truth, and rms of
the difference.  Correlation: of the complex objects; found: ≥ 0.95.  No diffraction pattern can tell a crystal from its twin.
"By rule" settles it without the truth: the rule of `analysis.normalise` is applied to truth and result alike.  Otherwise the
twin nearer to the truth is taken, as published figures do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import common
import network_tables
import numpy as np
import real
import torch
from common import RESULTS, Rows, run
from network_tables import TRUTH
from safetensors import safe_open

from napari_autophase import Recipe, analysis, network, preparation, simulation
from napari_autophase.network.inference import quick_bfloat16
from napari_autophase.network.layers import folded
from napari_autophase.network.weights import CARD, NETWORKS
from napari_autophase.recipe import FINISH

ROWS = ("alone", "refined", "high", "time", "real")
FINISHED = f"network + {FINISH.replace('*', ' ').replace('+', ' + ')}"
FIRST_SEED = 9_000_000
CRYSTALS = {"alone": 24, "refined": 16, "high": 20}


def crystals(row: str, number: int) -> list[dict[str, Any]]:
    """Return the arguments of `simulation.simulate` for a row's test crystals; the same list every time."""
    seeds = range(FIRST_SEED + 100_000 * ROWS.index(row), FIRST_SEED + 100_000 * ROWS.index(row) + number)
    low, high = {"alone": (0, np.pi), "refined": (0, 2 * np.pi), "high": (2 * np.pi, 5 * np.pi)}[row]
    reaches = np.linspace(low, high, number).round(3).tolist()
    hard = row == "high"
    return [
        {
            "seed": seed,
            "size": 64,
            "phase_range": reach,
            "kind": simulation.KINDS[i % len(simulation.KINDS)],
            "peak": (1e4, 1e5, 1e6)[i % 3] if hard else 1e6,
            "gaps": hard and i % 2 == 1,
            "hot_pixels": 6 * (i % 2) if hard else 0,
            "dislocation": hard and i // 2 % 2 == 1,
        }
        for i, (seed, reach) in enumerate(zip(seeds, reaches, strict=True))
    ]


def methods(row: str, autophasenn: Path | None) -> dict[str, Recipe | None]:
    """Return what is compared in a row: names and recipes (None: no reconstruction, or weights that are not there)."""
    guess = Recipe.from_preset("network").with_settings({"guess.candidates": 1})
    refined = guess.with_settings({"refine.algorithm": "50*ER"})
    finished = guess.with_settings({"refine.algorithm": FINISH})
    iterative = Recipe.from_preset("iterative").with_settings({"refine.retry": False})
    best = Recipe.from_preset("best")

    def by_autophasenn(recipe: Recipe) -> Recipe | None:
        return recipe.with_settings({"guess.weights": str(autophasenn)}) if autophasenn else None

    chosen: dict[str, dict[str, Recipe | None]] = {
        "alone": {
            "network": guess,
            "AutoPhaseNN": by_autophasenn(guess),
            "620 iterations": iterative,
            TRUTH: None,
        },
        "refined": {
            "network + 50 ER": refined,
            FINISHED: finished,
            "`fast`": Recipe.from_preset("fast"),
            "AutoPhaseNN + 50 ER": by_autophasenn(refined),
            "620 iterations": iterative,
            "620 iterations, best of 5": iterative.with_settings({"refine.starts": 5}),
            TRUTH: None,
        },
        "high": {
            "`best`": best,
            "`fast`": Recipe.from_preset("fast"),
            "network": guess,
            "620 iterations, best of 5": iterative.with_settings({"refine.starts": 5}),
            "`fast` from AutoPhaseNN": by_autophasenn(Recipe.from_preset("fast")),
        },
        "real": {
            "network + 50 ER": refined,
            FINISHED: finished,
            "`fast`": Recipe.from_preset("fast"),
            "AutoPhaseNN + 50 ER": by_autophasenn(refined),
            "620 iterations": iterative,
            "`iterative`": Recipe.from_preset("iterative"),
        },
    }
    return chosen[row]


@lru_cache(maxsize=2)
def drawn(arguments: str) -> simulation.Simulated:
    """Simulate a crystal, once for all methods."""
    return simulation.simulate(**json.loads(arguments))


def measure(arguments: dict[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """Reconstruct one crystal (None: take the truth) and judge the result."""
    crystal = drawn(json.dumps(arguments))
    if recipe is None:
        counts, good = crystal.scan.counts, np.ones(crystal.scan.shape, bool)
        return {"chi2": scaled_chi2(crystal.object, counts, good)}
    found = run(crystal.scan, recipe)
    prepared = preparation.prepare(crystal.scan, recipe.prepare)
    truth, inside = analysis.normalise(crystal.object, crystal.support)
    nearer = analysis.compare_with_truth(found.object, truth, inside)
    ruled = analysis.compare_with_truth(found.object, truth, inside, twins=False)
    return {
        "chi2": scaled_chi2(found.object, prepared.counts, prepared.good),
        **nearer,
        **{f"{name}_rule": value for name, value in ruled.items()},
        **analysis.strain_error(
            found.object, crystal.object, crystal.support, crystal.voxel_steps_nm, crystal.q_bragg_per_nm
        ),
        "free_llk": found.figures.get("free_llk"),
        "seconds": sum(found.seconds[stage] for stage in ("prepare", "guess", "refine", "analyse")),
        "weights": found.weights_sha256,
    }


def scaled_chi2(found: np.ndarray, counts: np.ndarray, good: np.ndarray) -> float:
    """Return χ² of an object against counts, apart from the engine that made it; moving the object does not change it."""
    modulus = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(found))))
    return analysis.chi2(modulus, np.sqrt(np.maximum(counts, 0)), good, scaled=True)


def time_guesses(repeats: int, device: str) -> dict[str, Any]:
    """Return the medians of interleaved repeats: what `network.guess` asks of each network, and 620 iterations."""
    scan = drawn(json.dumps(crystals("alone", 1)[0])).scan
    recipe = Recipe.from_preset("iterative").with_settings({"device": device, "refine.retry": False})
    jobs: dict[str, Callable[[], object]] = {"620 iterations": lambda: run(scan, recipe)}
    facts: dict[str, dict[str, float]] = {"620 iterations": {}}
    precisions = [torch.float32, torch.bfloat16][: 1 + quick_bfloat16(torch.device(device))]
    for name in NETWORKS:
        trainable = network.build(name)
        model = folded(trainable).to(device)
        side = getattr(model, "window", 64)
        counts = torch.poisson(torch.rand(1, side, side, side) * 10).to(device)
        asks: dict[str, Callable[[torch.Tensor], object]] = {name: model}
        if swept := getattr(model, "swept", None):
            asks = {f"{name}, one sweep": model, f"{name}, all sweeps": swept}
        for kind, ask in asks.items():
            with torch.inference_mode():
                cost = common.gmac(model, counts, ask=ask)
            for precision in precisions:
                label = f"{kind}, {str(precision).split('.')[1]}"
                jobs[label] = partial(forward, ask, counts, precision)
                facts[label] = {
                    "million_parameters": sum(p.numel() for p in trainable.parameters()) / 1e6,
                    "gmac": cost,
                }
    for job in jobs.values():  # whatever is done the first time only
        job()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - begin)
        print(f"time: {len(seconds[name])} of {repeats}", flush=True)
    return {
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "device": device,
        "machine": torch.cuda.get_device_name() if device == "cuda" else common.machine(),
        "guesses": {
            name: {"seconds": median(s), "slowest": max(s), **facts[name]} for name, s in seconds.items()
        },
    }


@torch.inference_mode()
def forward(ask: Callable[[torch.Tensor], object], counts: torch.Tensor, precision: torch.dtype) -> object:
    """Predict once, to the end."""
    with torch.autocast(counts.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        found = ask(counts)
    if counts.is_cuda:
        torch.cuda.synchronize()
    return found


def training(file: Path | None) -> str:
    """Say what made a weights file, from its header or its card."""
    if file is None:
        card = json.loads(CARD.read_text(encoding="utf-8"))
        seen, minutes = card["recipe"]["crystals_seen"], card["recipe"]["minutes_trained"]
        return f"network: {card['sha256'][:12]}, {seen:,} crystals in {minutes} minutes"
    with safe_open(file, framework="pt") as content:
        header = content.metadata() or {}
    made = json.loads(header.get("made_by", "{}"))
    seen = made.get("crystals_seen", made.get("steps_done", 0) * made.get("batch", 0))
    minutes = made.get("minutes_trained", made.get("minutes"))
    return (
        f"AutoPhaseNN: {common.sha256(file)[:12]}, retrained here with the objective '{made.get('objective')}', "
        f"{seen:,} crystals" + (f" in {minutes} minutes" if minutes else "")
    )


def collect(store: Rows, row: str, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return a row's measurements by method, measuring what is missing if the row was asked for."""
    wanted = row in options.rows.split(",")
    chosen = methods(row, options.autophasenn)
    cases = [{"scan": "gold"}] if row == "real" else crystals(row, options.crystals or CRYSTALS[row])
    found: dict[str, list[dict[str, Any]]] = {}
    for arguments in cases:
        for method, recipe in chosen.items():
            which = {"row": row, "case": arguments, "method": method}
            if recipe is None and method != TRUTH:
                # weights too large to keep in the repository: what they scored is kept
                key = next((k for k, r in store.known.items() if r.items() >= which.items()), None)
                if key is None:
                    continue
            else:
                key = common.key(
                    which, *([common.code("simulation")] if recipe is None else common.recipe_key(recipe))
                )

            def make(
                which: dict[str, Any] = which,
                arguments: dict[str, Any] = arguments,
                recipe: Recipe | None = recipe,
            ) -> dict[str, Any]:
                figures = (
                    real.measure(options.data, recipe)
                    if which["row"] == "real"
                    else measure(arguments, recipe)
                )
                told = [
                    f"{name} {figures[name]:.3g}"
                    for name in ("chi2", "correlation", "seconds")
                    if name in figures
                ]
                print(
                    f"{which['row']}: {arguments.get('seed', 'gold')}, {which['method']}: {', '.join(told)}",
                    flush=True,
                )
                return which | {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}

            measured = store.get(key, make if wanted else None)
            if measured is not None:
                found.setdefault(method, []).append(measured)
    return found


def main() -> None:
    """Measure what is missing of the rows asked for, and write the tables of all rows that there are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--crystals", type=int, help="in every row, instead of the usual numbers")
    parser.add_argument(
        "--autophasenn", type=Path, default=RESULTS / "autophasenn.safetensors", help="its weights"
    )
    parser.add_argument("--repeats", type=int, default=10, help="of the time row")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the time row")
    parser.add_argument("--data", type=Path, default=real.DATA, help="the gold crystal's folder")
    parser.add_argument("--output", type=Path, default=RESULTS / "network.jsonl")
    options = parser.parse_args()
    if not options.autophasenn.exists():
        print(
            f"{options.autophasenn} is not there: AutoPhaseNN's rows are those measured before, if any.",
            flush=True,
        )
        options.autophasenn = None
    asked = options.rows.split(",")
    if unknown := set(asked) - set(ROWS):
        parser.error(f"there is no row {', '.join(unknown)}; choose from {', '.join(ROWS)}")
    if "real" in asked and not options.data.exists():
        print(f"{options.data} is not there: the real row is left out.", flush=True)
        options.rows = ",".join(row for row in asked if row != "real")

    if set(asked) - {"time"}:  # so that no row pays for what is done the first time only
        run(drawn(json.dumps(crystals("alone", 1)[0])).scan, Recipe.from_preset("fast"))
    store = Rows(options.output)
    found = {row: collect(store, row, options) for row in ROWS if row != "time"}
    timed = []
    for device, key in {"cpu": "time", "cuda": "time, cuda"}.items():
        now = "time" in asked and device == options.device
        if now:
            store.known.pop(key, None)
        timed.append(store.get(key, (lambda: time_guesses(options.repeats, options.device)) if now else None))
    if options.autophasenn:
        store.known.pop("autophasenn", None)
    peer = store.get(
        "autophasenn", (lambda: {"note": training(options.autophasenn)}) if options.autophasenn else None
    )
    store.tidy()
    notes = [common.machine(), training(None), *([peer["note"]] if peer else [])]
    network_tables.write(options.output, found, [row for row in timed if row], notes)


if __name__ == "__main__":
    main()
