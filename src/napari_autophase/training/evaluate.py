"""What a network is worth, in one document: accuracy, rates, and all that is needed to tell one measurement from another."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from .. import analysis, network
from ..network.inference import quick_bfloat16
from ..network.weights import Model
from ..phasing import pick_device
from ..phasing.workers import cores
from ..reconstruct import versions
from ..scan import InputError
from . import checkpoint, curves
from .crystals import Batch, Population, simulate, stream
from .scores import SCORED, phase_class, scores, seen_by

BATCH = 16
"""Crystals that are shown to the network at a time."""
HOW = (
    "Network alone, in its own window. Of the two twins, which scatter alike, the one nearer to the truth is compared. "
    "correlation: of the complex objects; chi2: sum (|Fp|-|Fm|)^2 / sum |Fm|^2, optimally scaled; shape_iou: of the predicted "
    "shape; amplitude_ssim: windowed 3-D, amplitudes divided by their maxima; phase_error_rad: mean absolute difference where "
    "both crystals are, after shift, offset and ramp. Phase ranges: low to pi, middle to 2 pi, high beyond."
)
"""What the figures of an evaluation mean, as its document says it."""


def evaluate(
    weights: str | Path | None = None,
    *,
    crystals: int = 96,
    seed: int = 0,
    population: Population = SCORED,
    published: str | Path | None = None,
    part: str = "test",
    run: str | Path | None = None,
    device: str = "auto",
    repeats: int = 10,
) -> dict[str, Any]:
    """Score a network on crystals that no training saw, and time it.

    Parameters
    ----------
    weights
        Weights file; None: those shipped.
    crystals
        How many are drawn from the *test* streams of the training generator.
    seed
        Of those streams.
    population
        What is drawn; by default phase ranges uniform in 0..5π.
    published
        Folder of 32³ complex .npy files to score on instead.
    part
        Of that folder: 'test', which training on it leaves out, or 'all'.
    run
        Folder of the training run, for the rate and the convergence of the training.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    repeats
        Timed predictions at each batch size, after one that is not timed.

    Returns
    -------
    dict
        Plain values: ``model``, ``data``, ``accuracy``, ``rates``, ``training``, ``hardware``, ``software``.

    Raises
    ------
    InputError
        If the weights, the data or the run cannot be read.
    """
    chosen, _ = pick_device(device)
    model = network.load(weights, chosen)
    training = _training(Path(run)) if run else {}
    rows: dict[str, list[dict[str, float]]] = {"all": [], "low": [], "middle": [], "high": []}
    digest = hashlib.sha256()
    if published:
        batches = _published(Path(published), part, seed, chosen)
        data: dict[str, Any] = {"folder": Path(published).name, "part": part, "seed": seed}
    else:
        batches = _simulated(crystals, seed, population, chosen)
        data = {
            "generator": "napari_autophase.training.crystals",
            "streams": "test",
            "seed": seed,
            "population": asdict(population),
        }
    for batch in batches:
        digest.update(batch.counts.cpu().numpy().tobytes())
        for reach, row in zip(batch.phase_range.tolist(), _compare(model, batch), strict=True):
            rows["all"].append(row)
            rows[phase_class(reach)].append(row)
    kernel = {name: number for name, number in versions().items() if name != "napari-autophase"}
    return {
        "model": {
            "network": type(model.network).__name__,
            "weights": "shipped" if weights is None else Path(weights).name,
            "sha256": model.sha256,
            "parameters": sum(p.numel() for p in model.network.parameters()),
        },
        "data": {
            **data,
            "crystals": len(rows["all"]),
            "version": versions()["napari-autophase"],
            "counts_sha256": digest.hexdigest(),
        },
        "accuracy": {"how": HOW, **{name: _summary(found) for name, found in rows.items() if found}},
        "rates": {
            "inference_crystals_per_s": {
                f"batch_{n}": _inference_rate(model, n, repeats) for n in (1, BATCH)
            },
            "training_crystals_per_s": training.pop("crystals_per_s", None),
        },
        "training": training or None,
        "hardware": hardware(chosen),
        "software": {
            "napari-autophase": versions()["napari-autophase"],
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()}",
            "cuda": torch.version.cuda,
            **kernel,
        },
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """Return what was computed on: processor, cores that may be used, threads, memory, accelerator."""
    return {
        "device": device.type,
        "processor": _processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "accelerator": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "bfloat16": quick_bfloat16(device),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _simulated(crystals: int, seed: int, population: Population, device: torch.device) -> Iterator[Batch]:
    for number in range(math.ceil(crystals / BATCH)):
        size = min(BATCH, crystals - number * BATCH)
        yield simulate(size, stream("test", seed, number, device), population)


def _published(folder: Path, part: str, seed: int, device: torch.device) -> Iterator[Batch]:
    from .published import PublishedCrystals

    whole = part == "all"
    crystals = PublishedCrystals(folder, validation=0.0 if whole else 0.1, test=1.0 if whole else 0.1)
    yield from crystals.batches("test", seed, BATCH, device=device)


def _compare(model: Model, batch: Batch) -> Iterator[dict[str, float]]:
    batch = seen_by(model.network, batch)
    estimate = _predict(model, batch.counts)
    figures = {name: values.tolist() for name, values in scores(estimate, batch).items()}
    objects = zip(estimate.object.cpu().numpy(), batch.objects.cpu().numpy(), strict=True)
    for index, (found, truth) in enumerate(objects):
        agreement = analysis.compare(found, truth)
        yield {
            "correlation": figures["correlation"][index],
            "chi2": figures["chi2"][index],
            "shape_iou": figures["iou"][index],
            "amplitude_ssim": agreement["amplitude_ssim"],
            "phase_error_rad": agreement["phase_error"],
        }


@torch.inference_mode()
def _predict(model: Model, counts: torch.Tensor) -> Any:
    with torch.autocast(model.device.type, torch.bfloat16, enabled=quick_bfloat16(model.device)):
        return model.folded(counts)[-1]


def _summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return number, median and quartiles of each figure."""
    content: dict[str, Any] = {"crystals": len(rows)}
    for name in rows[0]:
        low, middle, high = np.nanquantile([row[name] for row in rows], (0.25, 0.5, 0.75))
        content[name] = {"median": float(middle), "quartiles": [float(low), float(high)]}
    return content


def _inference_rate(model: Model, size: int, repeats: int) -> dict[str, float]:
    """Return crystals per second at a batch size: of the median prediction, and the extremes."""
    counts = seen_by(model.network, simulate(size, stream("test", 0, 0, model.device))).counts
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        _predict(model, counts)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    timed = sorted(seconds[1:])
    return {
        "median": size / timed[len(timed) // 2],
        "slowest": size / timed[-1],
        "fastest": size / timed[0],
    }


def _training(folder: Path) -> dict[str, Any]:
    """Return rate and convergence of a run from the files that it wrote itself."""
    rows, saved = curves.read(folder), checkpoint.load(folder)
    if not rows or saved is None:
        raise InputError(
            f"There is no training run in {folder}; give the folder that its configuration names."
        )
    config, ranks = saved.document["config"], saved.document["ranks"]
    per_step = config["batch"] * ranks
    rates = sorted(row["crystals_per_s"] for row in rows if "crystals_per_s" in row)
    # of weak phases, which every population has
    agreement = [row.get("correlation_low", 0.0) for row in rows]
    settled = next(row for row, value in zip(rows, agreement, strict=True) if value >= 0.99 * max(agreement))
    return {
        "crystals_per_s": rates[len(rates) // 2] if rates else None,
        "crystals": saved.document["batches"] * config["batch"],
        "minutes": saved.document["elapsed"] / 60,
        "processes": ranks,
        "crystals_to_99_percent_of_the_best_validation": settled["step"] * per_step,
        "config": {key: value for key, value in config.items() if key != "folder"},
    }
