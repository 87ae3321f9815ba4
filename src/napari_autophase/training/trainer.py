"""The training loop: resumes where it was killed, validates as it goes, leaves weights that can ship."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .. import network
from ..network.physics import propagate
from ..network.weights import save_weights
from . import losses
from .config import TrainingConfig
from .crystals import Population, simulate, stream


class Trainer:
    """One run.

    Parameters
    ----------
    config
        What to train, and how long.

    Notes
    -----
    A checkpoint is a handful of safetensors files (each at most one copy of the parameters) and a JSON file that is replaced
    last, so that a kill at any moment leaves the previous checkpoint whole.  Batches are numbered and drawn from streams of
    their number: a resumed run sees the crystals that an unbroken one would have seen.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = torch.device(_pick(config.device))
        torch.manual_seed(config.seed)
        self.model: nn.Module = network.build(config.network).to(self.device)
        self.mean = network.build(config.network).to(self.device)
        self.mean.load_state_dict(self.model.state_dict())
        self.mean.eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=1e-3
        )
        self.step = 0
        self.elapsed = 0.0
        self.folder = Path(config.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / "checkpoint.json").exists():
            self._resume()

    @property
    def done(self) -> float:
        """How much of the run is behind, 0..1."""
        config = self.config
        if config.steps is not None:
            return self.step / config.steps
        assert config.minutes is not None
        return min(1.0, self.elapsed / (60 * config.minutes))

    def train(self) -> Generator[dict[str, float], None, dict[str, float]]:
        """Train to the end of the run; yields the figures of each batch, returns the last validation's."""
        config = self.config
        figures: dict[str, float] = {}
        saved = time.monotonic()
        while self.done < 1:
            begin = time.monotonic()
            loss = self._batch()
            self.step += 1
            self.elapsed += time.monotonic() - begin
            row = {"step": self.step, "done": self.done, "loss": loss, "learning_rate": self._learning_rate()}
            if self.step % config.validate_every == 0 or self.done >= 1:
                figures = self.validate()
                self._log({**row, "minutes": self.elapsed / 60, **figures})
                row |= figures
            if time.monotonic() - saved > 60 * config.checkpoint_minutes or self.done >= 1:
                self.checkpoint()
                saved = time.monotonic()
            yield row
        save_weights(
            self.folder / "weights.safetensors",
            self.mean,
            config.network,
            {**config.model_dump(), "steps_done": self.step},
        )
        return figures

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Score the averaged weights on crystals of the validation streams: medians, by phase range."""
        population = Population(phase_range=5 * math.pi, phase_skew=1.0)
        rows: dict[str, list[float]] = {}
        for number in range(self.config.validation_crystals // 16 or 1):
            batch = simulate(16, stream("validation", 0, number, self.device), population)
            with self._autocast():
                found, shape = self.mean(batch.counts)[-1]
            truths = (batch.objects, losses.twin(batch.objects))
            scores = {
                "chi2": losses.chi2(found, batch.counts),
                "correlation": torch.maximum(*(losses.correlation(found, truth) for truth in truths)),
                "iou": torch.maximum(*(losses.overlap(shape > 0, truth.abs() > 0.5) for truth in truths)),
            }
            for name, values in scores.items():
                for reach, value in zip(batch.phase_range.tolist(), values.tolist(), strict=True):
                    part = "low" if reach <= math.pi else "middle" if reach <= 2 * math.pi else "high"
                    rows.setdefault(f"{name}_{part}", []).append(value)
        return {name: float(torch.tensor(values).median()) for name, values in sorted(rows.items())}

    def checkpoint(self) -> None:
        """Write everything needed to go on."""
        parts: dict[str, dict[str, Tensor]] = {
            "model": dict(self.model.state_dict()),
            "mean": dict(self.mean.state_dict()),
        }
        names = [name for name, _ in self.model.named_parameters()]
        state = self.optimizer.state_dict()["state"]
        for moment in ("exp_avg", "exp_avg_sq"):
            parts[moment] = {names[i]: values[moment] for i, values in state.items()}
        for part, tensors in parts.items():
            file = self.folder / f"checkpoint-{part}-{self.step}.safetensors"
            save_file({k: v.contiguous() for k, v in tensors.items()}, file)
        written = {"step": self.step, "elapsed": self.elapsed, "config": self.config.model_dump()}
        fresh = self.folder / "checkpoint.json.new"
        fresh.write_text(json.dumps(written, indent=1))
        os.replace(fresh, self.folder / "checkpoint.json")
        for old in self.folder.glob("checkpoint-*.safetensors"):
            if not old.stem.endswith(f"-{self.step}"):
                old.unlink()

    def _resume(self) -> None:
        written = json.loads((self.folder / "checkpoint.json").read_text())
        self.step, self.elapsed = written["step"], written["elapsed"]

        def part(name: str) -> dict[str, Tensor]:
            return load_file(
                self.folder / f"checkpoint-{name}-{self.step}.safetensors", device=str(self.device)
            )

        self.model.load_state_dict(part("model"))
        self.mean.load_state_dict(part("mean"))
        first, second = part("exp_avg"), part("exp_avg_sq")
        state = self.optimizer.state_dict()
        state["state"] = {
            i: {"step": torch.tensor(float(self.step)), "exp_avg": first[name], "exp_avg_sq": second[name]}
            for i, (name, _) in enumerate(self.model.named_parameters())
        }
        self.optimizer.load_state_dict(state)

    def _batch(self) -> float:
        config, done = self.config, self.done
        reach = config.phase_range * min(1.0, 0.2 + 0.8 * done / config.ease_in if config.ease_in else 1.0)
        population = replace(Population(), phase_range=reach)
        batch = simulate(config.batch, stream("train", config.seed, self.step, self.device), population)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.model.train()
        with self._autocast():
            estimates = self.model(batch.counts)
        if config.objective == "supervised":
            loss = losses.supervised(estimates, batch.objects)
            if config.modulus_weight:
                predicted, measured = propagate(estimates[-1].object).abs(), batch.counts.sqrt()
                overlap = (predicted * measured).sum((1, 2, 3))
                scale = (predicted.square().sum((1, 2, 3)) * measured.square().sum((1, 2, 3))).sqrt()
                loss = loss + config.modulus_weight * (1 - overlap / scale).mean()
        else:
            loss = torch.stack([losses.unsupervised(one.object, batch.counts) for one in estimates]).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            keep = min(config.averaging, (self.step + 1) / (self.step + 10))
            for mean, new in zip(
                self.mean.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                if mean.is_floating_point():
                    mean.lerp_(new, 1 - keep)
                else:
                    mean.copy_(new)
        return float(loss.detach())

    def _learning_rate(self) -> float:
        config, done = self.config, self.done
        rise = min(1.0, (done + 1e-3) / config.warm_up) if config.warm_up else 1.0
        return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _autocast(self) -> torch.autocast:
        # bfloat16 convolutions are about twice as fast where the processor has them; the physics stays in float32
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _log(self, row: dict[str, Any]) -> None:
        with (self.folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def train(config_path: str | Path) -> Generator[dict[str, float], None, dict[str, float]]:
    """Train as the JSON document at `config_path` says, resuming if its folder holds a checkpoint."""
    return Trainer(TrainingConfig.from_file(config_path)).train()


def _pick(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
