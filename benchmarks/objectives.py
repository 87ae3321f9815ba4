"""What should a network predict, and from what?  Each variant trained alike, for the same crystals, in one command.

    python benchmarks/objectives.py [--steps 100] [--variants c,e,f] [--threads 1]

Every variant (see `variants`) is about as costly, sees the same batches of the training streams with the same schedule, and is
scored on the same crystals of the validation streams.  So short a training ranks how fast the variants learn: no figure here is
the best that a variant can reach.  A finished variant is a row of `results/objectives.jsonl` and is not trained again; a killed
one goes on from its checkpoint in `--folder`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from variants import VARIANTS, Stages

from napari_autophase.network.physics import propagate
from napari_autophase.training import crystals, losses
from napari_autophase.training.crystals import Population, simulate, stream

RESULTS = Path(__file__).parent / "results"
POPULATION = Population(phase_range=2 * math.pi)
REACHES = {"≤ π": (0.0, math.pi), "π–2π": (math.pi, 2 * math.pi)}
SEED = 77
"""Of the training streams; no shipped weights use it."""


def train(variant: str, options: argparse.Namespace) -> dict:
    """Train one variant to the end and return its row."""
    torch.manual_seed(0)
    network = channels_last(VARIANTS[variant][2]())
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=1e-3)
    objective = unsupervised if variant == "g" else supervised
    file = options.folder / f"objectives_{variant}_{identity(variant, options)}.pt"
    first, seconds = 0, 0.0
    if file.exists():
        saved = torch.load(file, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        first, seconds = saved["step"], saved["seconds"]
    network.train()
    for step in range(first, options.steps):
        begin = time.perf_counter()
        batch = drawn(options.batch, step)
        done = step / options.steps
        for group in optimizer.param_groups:
            rise = min(1.0, (step + 1) / (0.05 * options.steps + 1))
            group["lr"] = options.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * done))
        with torch.autocast("cpu", torch.bfloat16):
            stages = network(batch.counts)
        loss = objective(stages, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        seconds += time.perf_counter() - begin
        if (step + 1) % 20 == 0 or step + 1 == options.steps:
            print(
                f"{variant}: {step + 1} of {options.steps}, loss {loss.item():.3f}, {seconds:.0f} s",
                flush=True,
            )
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "step": step + 1, "seconds": seconds}, file.with_suffix(".new"))
            file.with_suffix(".new").replace(file)
    row = {"gmac": round(gmac(network), 3), "parameters": sum(p.numel() for p in network.parameters())}
    return {**row, "minutes": round(seconds / 60, 2), "crystals": validate(network, options.validation)}


@lru_cache(maxsize=128)
def drawn(number: int, step: int) -> crystals.Batch:
    """Return the batch of a step; kept for the next variants, as drawing one costs a fifth of a step."""
    return simulate(number, stream("train", SEED, step), POPULATION)


def supervised(stages: Stages, batch: crystals.Batch) -> torch.Tensor:
    """Return the trainer's supervised loss: 1 − correlation with the truth or its twin, and a little of the modulus."""
    predicted, measured = propagate(stages[-1]).abs(), batch.counts.sqrt()
    overlap = (predicted * measured).sum((1, 2, 3))
    scale = (predicted.square().sum((1, 2, 3)) * measured.square().sum((1, 2, 3))).clamp_min(1e-20).sqrt()
    return losses.supervised(stages, batch.objects) + 0.2 * (1 - overlap / scale).mean()


def unsupervised(stages: Stages, batch: crystals.Batch) -> torch.Tensor:
    """Return AutoPhaseNN's loss."""
    return torch.stack([losses.unsupervised(stage, batch.counts) for stage in stages]).mean()


@torch.no_grad()
def validate(network: nn.Module, number: int) -> list[dict[str, float]]:
    """Return the figures of every crystal of the first batches of the validation stream, after the last stage."""
    network.eval()
    population = Population(phase_range=POPULATION.phase_range, phase_skew=1.0)
    rows = []
    for index in range(number // 16):
        batch = simulate(16, stream("validation", SEED, index), population)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(batch.counts)[-1]
        agreement = torch.maximum(
            losses.correlation(found, batch.objects), losses.correlation(found, losses.twin(batch.objects))
        )
        chi2 = losses.chi2(found, batch.counts)
        for reach, a, c in zip(batch.phase_range.tolist(), agreement.tolist(), chi2.tolist(), strict=True):
            rows.append({"phase_range": round(reach, 3), "correlation": round(a, 4), "chi2": round(c, 4)})
    return rows


def gmac(network: nn.Module) -> float:
    """Return the multiplications of the network's convolutions for one volume, in units of 1e9."""
    total = 0.0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * output[0, 0].numel()

    hooks = [
        layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv3d)
    ]
    network.eval()
    with torch.no_grad():
        network(torch.rand(1, 64, 64, 64))
    for hook in hooks:
        hook.remove()
    return total / 1e9


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels as the project's own networks do, which is faster on a CPU."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def identity(variant: str, options: argparse.Namespace) -> str:
    """Return what tells a row from others: variant, length, rate, and the generator of the crystals."""
    generator = hashlib.sha256(Path(crystals.__file__).read_bytes()).hexdigest()[:12]
    text = json.dumps(
        [variant, options.steps, options.batch, options.learning_rate, options.validation, generator]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def table(rows: list[dict]) -> str:
    """Return the table in Markdown: medians, and quartiles in brackets."""

    def middle(row: dict, name: str, low: float, high: float) -> str:
        values = [c[name] for c in row["crystals"] if low < c["phase_range"] <= high]
        first, median, third = np.percentile(values, [25, 50, 75])
        return f"{median:.3f} ({first:.2f}–{third:.2f})"

    cells = [f"{figure}, {reach}" for reach in REACHES for figure in ("correlation", "χ²")]
    lines = [f"| | predicts | is shown | GMAC | parameters | minutes | {' | '.join(cells)} |"]
    lines.append("|---" * (6 + len(cells)) + "|")
    for row in rows:
        scores = [middle(row, name, *reach) for reach in REACHES.values() for name in ("correlation", "chi2")]
        lines.append(
            f"| {row['variant']} | {row['predicts']} | {row['shown']} | {row['gmac']:.2f} | {row['parameters'] / 1e6:.2f} M | "
            f"{row['minutes']:.0f} | {' | '.join(scores)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--validation", type=int, default=96, help="crystals to score on")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="for checkpoints")
    parser.add_argument("--output", type=Path, default=RESULTS / "objectives.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    known = {}
    if options.output.exists():
        known = {row["key"]: row for row in map(json.loads, options.output.read_text().splitlines())}
    rows = []
    for variant, (predicts, shown, _) in VARIANTS.items():
        name = identity(variant, options)
        if name not in known and variant in options.variants.split(","):
            known[name] = {"key": name, "variant": variant, "predicts": predicts, "shown": shown,
                           "steps": options.steps, "batch": options.batch, **train(variant, options)}  # fmt: skip
            with options.output.open("a") as file:
                file.write(json.dumps(known[name]) + "\n")
        if name in known:
            rows.append(known[name])
            write(rows, options)


def write(rows: list[dict], options: argparse.Namespace) -> None:
    """Write the table of the rows that there are."""
    text = (
        f"Each variant saw the same {options.steps * options.batch:,} crystals (phase ranges to 2π); medians and quartiles of "
        f"{options.validation} crystals of the validation streams, the nearer twin counted; minutes on one busy CPU thread.\n\n"
        f"{table(rows)}\n"
    )
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, flush=True)


if __name__ == "__main__":
    main()
