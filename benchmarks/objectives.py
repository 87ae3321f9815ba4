"""What should a network predict, and from what?  Each variant trained alike, for the same crystals, in one command.

    python benchmarks/objectives.py [--steps 80] [--variants c,e,f] [--threads 1]

Every variant (see `variants`; all but AutoPhaseNN itself are about as costly) sees the same batches of the training streams with
the same schedule, and is scored on the same crystals of the validation streams.  So short a training ranks how fast the variants
learn: no figure here is the best that a variant can reach.  A finished variant is a row of `results/objectives.jsonl` and is not
trained again; a killed one goes on from its checkpoint in `--folder`.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import lru_cache
from pathlib import Path

import common
import torch
from torch import nn
from variants import VARIANTS, Stages

from napari_autophase.network.physics import propagate, twin
from napari_autophase.training import crystals, losses
from napari_autophase.training.crystals import Population, simulate, stream

GENERATOR = ("crystals", "population", "shapes", "fields", "detector")
POPULATION = Population(phase_range=2 * math.pi)
REACHES = {"≤ π": (0.0, math.pi), "π–2π": (math.pi, 2 * math.pi)}
SEED = 77
"""Of the training streams; no shipped weights use it."""


def train(variant: str, options: argparse.Namespace) -> dict:
    """Train one variant to the end and return its row."""
    torch.manual_seed(0)
    network = channels_last(VARIANTS[variant][2]())
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=1e-3)
    objective = unsupervised if variant in "gp" else supervised
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
    network.eval()
    with torch.no_grad():
        cost = common.gmac(network, torch.rand(1, 64, 64, 64))
    row = {"gmac": round(cost, 3), "parameters": sum(p.numel() for p in network.parameters())}
    return {**row, "minutes": round(seconds / 60, 2), "crystals": validate(network, options.validation)}


@lru_cache(maxsize=128)
def drawn(number: int, step: int) -> crystals.Batch:
    """Return the batch of a step; kept for the next variants, as drawing one costs a fifth of a step."""
    return simulate(number, stream("train", SEED, step), POPULATION)


@lru_cache(maxsize=16)
def unseen(index: int) -> crystals.Batch:
    """Return a batch to score on, with every phase range as likely."""
    population = Population(phase_range=POPULATION.phase_range, phase_skew=1.0)
    return simulate(16, stream("validation", SEED, index), population)


def supervised(stages: Stages, batch: crystals.Batch) -> torch.Tensor:
    """Return the trainer's supervised loss without the shape, which not all variants predict: 1 − correlation with the truth or
    its twin, later stages weighing more, and a little of the modulus.
    """
    predicted, measured = propagate(stages[-1]).abs(), batch.counts.sqrt()
    overlap = (predicted * measured).sum((1, 2, 3))
    scale = (predicted.square().sum((1, 2, 3)) * measured.square().sum((1, 2, 3))).clamp_min(1e-20).sqrt()
    mirrored = twin(batch.objects)
    with torch.no_grad():
        nearer = losses.correlation(stages[-1], mirrored) > losses.correlation(stages[-1], batch.objects)
    target = torch.where(nearer[:, None, None, None], mirrored, batch.objects)
    weights = [0.5 ** (len(stages) - 1 - k) for k in range(len(stages))]
    errors = [
        w * (1 - losses.correlation(one, target)).mean() for w, one in zip(weights, stages, strict=True)
    ]
    return torch.stack(errors).sum() / sum(weights) + 0.2 * (1 - overlap / scale).mean()


def unsupervised(stages: Stages, batch: crystals.Batch) -> torch.Tensor:
    """Return AutoPhaseNN's loss."""
    return torch.stack([losses.unsupervised(stage, batch.counts) for stage in stages]).mean()


@torch.no_grad()
def validate(network: nn.Module, number: int) -> list[dict[str, float]]:
    """Return the figures of every crystal of the first batches of the validation stream, after the last stage."""
    network.eval()
    rows = []
    for index in range(number // 16):
        batch = unseen(index)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(batch.counts)[-1]
        agreement = torch.maximum(
            losses.correlation(found, batch.objects), losses.correlation(found, twin(batch.objects))
        )
        chi2 = losses.chi2(found, batch.counts)
        for reach, a, c in zip(batch.phase_range.tolist(), agreement.tolist(), chi2.tolist(), strict=True):
            rows.append({"phase_range": round(reach, 3), "correlation": round(a, 4), "chi2": round(c, 4)})
    return rows


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels as the project's own networks do, which is faster on a CPU."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def generator() -> str:
    """Return the hash of what draws the crystals."""
    return common.code(*(f"training/{part}" for part in GENERATOR))


def identity(variant: str, options: argparse.Namespace) -> str:
    """Return what tells a row from others: variant, length, rate, and the generator of the crystals."""
    return common.key(
        variant, options.steps, options.batch, options.learning_rate, options.validation, generator()
    )


def line(row: dict) -> list[str]:
    """Return a row's cells of the table: medians, and quartiles in brackets."""
    cells = [row["variant"], row["predicts"], row["shown"], f"{row['gmac']:.2f}", f"{row['parameters'] / 1e6:.2f} M"]  # fmt: skip
    for low, high in REACHES.values():
        group = [crystal for crystal in row["crystals"] if low < crystal["phase_range"] <= high]
        cells += [common.middle(group, "correlation"), common.middle(group, "chi2")]
    return cells


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--validation", type=int, default=96, help="crystals to score on")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="for checkpoints")
    parser.add_argument("--output", type=Path, default=common.RESULTS / "objectives.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    store, rows = common.Rows(options.output), []
    for variant, (predicts, shown, _) in VARIANTS.items():

        def measure(variant: str = variant, predicts: str = predicts, shown: str = shown) -> dict:
            which = {"variant": variant, "predicts": predicts, "shown": shown}
            which |= {"steps": options.steps, "batch": options.batch, "generator": generator()}
            return {**which, **train(variant, options)}

        row = store.get(
            identity(variant, options), measure if variant in options.variants.split(",") else None
        )
        if row is not None:
            rows.append(row)
            write(rows, options)


def write(rows: list[dict], options: argparse.Namespace) -> None:
    """Write the table of the rows that there are."""
    figures = [f"{figure}, {reach}" for reach in REACHES for figure in ("correlation", "χ²")]
    heading = ["", "predicts", "is shown", "GMAC", "parameters", *figures]
    text = (
        f"{common.machine()}. "
        f"Each variant saw the same {options.steps * options.batch:,} crystals (phase ranges to 2π; generator "
        f"{rows[0]['generator']}); medians and quartiles of {options.validation} crystals of the validation streams, the "
        "nearer twin counted.\n\n"
        f"{common.table(heading, [line(row) for row in rows])}\n"
    )
    options.output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, flush=True)


if __name__ == "__main__":
    main()
