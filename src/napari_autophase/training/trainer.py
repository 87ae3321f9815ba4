"""The training loop: goes on where it was killed, on one processor or many, and leaves weights that can ship."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .. import files, network
from ..network.compact import Estimate
from ..network.inference import quick_bfloat16
from ..network.physics import propagate
from ..network.weights import save_weights
from ..scan import InputError
from . import checkpoint, losses
from .checkpoint import Checkpoint
from .compiling import cannot_compile, compile_parts
from .config import TrainingConfig
from .crystals import Batch, simulate, stream
from .curves import Curves
from .dataset import training_batch
from .distributed import Ranks
from .muon import Muon
from .room import elsewhere, largest_that_fits, or_say
from .scores import SCORED, phase_class, scores, seen_by

VALIDATION_BATCH = 16
"""Crystals that are judged together."""
MOMENTS = frozenset({"exp_avg", "exp_avg_sq"})
"""What optimizers remember of a parameter."""


class Trainer:
    """One run, or its next slice: where the folder holds a checkpoint, it goes on from there.

    Parameters
    ----------
    config
        What to train, and how long.

    Attributes
    ----------
    step
        Batches done, those of all processes at once counting as one.
    batches
        Batches drawn, by all processes together.
    elapsed
        Seconds of training done, over all slices.
    notes
        Sentences a person should read before it begins.
    stopping
        Whether the run ends after this batch, as all processes agreed: the slice has no room for another that takes as long,
        or one was asked to stop.

    Raises
    ------
    InputError
        If the device is not there, or the checkpoint or the weights to begin with cannot be used.

    Notes
    -----
    Batches are numbered over all processes and drawn from streams of their number, so that a resumed run sees the crystals
    that an unbroken one would have seen, and no process those of another.  With `steps`, and the same number of processes and
    threads, it ends with the same weights: bit for bit on a CPU, to rounding on a GPU, whose convolutions add up in no fixed
    order.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.begun = time.monotonic()
        self.ranks = Ranks.from_environment()
        self.device = self.ranks.pick(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.ranks.join(self.device)
        self._published = None
        if config.published:
            from .published import PublishedCrystals

            self._published = PublishedCrystals(config.published)
            self._published.files("train")  # a folder without any is told at once
        torch.manual_seed(config.seed)
        self.model: nn.Module = network.build(config.network)
        self.notes: list[str] = []
        self.step = self.batches = 0
        self.elapsed = 0.0
        self._saved: int | None = None
        self.stopping = False
        self._asked = False
        self.folder = Path(config.folder)
        files.make_folder(self.folder)
        saved = checkpoint.load(self.folder)
        if config.from_weights and saved is None:
            self.notes.append(begin_with(self.model, Path(config.from_weights)))
        if self.device.type == "cuda" and self.ranks.world > 1:
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.model.to(self.device)
        self.mean = network.build(config.network).to(self.device)
        self.mean.load_state_dict(self.model.state_dict())
        self.mean.eval().requires_grad_(False)
        kind = Muon if config.optimizer == "muon" else torch.optim.AdamW
        self.optimizer = kind(self.model.parameters(), lr=config.learning_rate, weight_decay=1e-3)
        if saved is not None:
            self._resume(saved)
        bfloat16 = quick_bfloat16(self.device) if config.bfloat16 is None else config.bfloat16
        self._autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        if config.compile or (config.compile is None and self.device.type == "cuda"):
            why = cannot_compile(self.device)
            if why:
                self.notes.append(f"The network is not compiled: {why}.")
            else:
                compile_parts(self.model)
        self._parallel = self.ranks.parallel(self.model, self.device)

    @property
    def done(self) -> float:
        """How much of the run is behind, 0..1."""
        if self.config.steps is not None:
            return min(1.0, self.step / self.config.steps)
        assert self.config.minutes is not None
        return min(1.0, self.elapsed / (60 * self.config.minutes))

    def stop(self) -> None:
        """Ask the run to end, with a checkpoint, after the batch it is at; in one process for all of them."""
        self._asked = True

    def train(self) -> Generator[dict[str, float], None, dict[str, float]]:
        """Train to the end of the run or of the slice; yields the figures of each batch, returns the last validation's.

        Closing it between two batches ends it without a checkpoint, as a kill would; so does memory that runs out.

        Raises
        ------
        InputError
            If memory runs out, saying what would fit, the disk is full, or the loss is no number any more.
        """
        with or_say(self.device, self._room):
            return (yield from self._train())

    def _train(self) -> Generator[dict[str, float], None, dict[str, float]]:
        config, figures = self.config, dict[str, float]()
        curves = None
        if self.ranks.first:
            checkpoint.remove_parts(self.folder)
            curves = Curves(self.folder, self.step)
        saved = time.monotonic()
        crystals, seconds = 0, 0.0  # since the last validation
        while self.done < 1 and not self.stopping:
            loss, took = self._timed_batch()
            if not math.isfinite(loss):
                raise InputError(self._lost())
            crystals, seconds = crystals + config.batch * self.ranks.world, seconds + took
            row = {
                "step": self.step,
                "done": self.done,
                "minutes": self.elapsed / 60,
                "loss": loss,
                "learning_rate": self._learning_rate(),
                "crystals_per_s": crystals / seconds,
            }
            if self.step % config.validate_every == 0 or self.done >= 1:
                figures = self.validate()
                row |= figures
                if curves is not None:
                    curves.write(row)
                crystals, seconds = 0, 0.0
            if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                self.checkpoint()
                saved = time.monotonic()
            yield row
        self.checkpoint()
        if self.done >= 1 and self.ranks.first:
            made_by = {**config.model_dump(exclude={"folder"}), "steps_done": self.step}
            save_weights(self.folder / "weights.safetensors", self.mean, config.network, made_by)
        self.ranks.wait()  # for the files of the first
        return figures

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Score the averaged weights on crystals of the validation streams: medians, by phase range."""
        mine: dict[str, list[float]] = {}
        wanted = self.config.validation_crystals
        starts = range(0, wanted, VALIDATION_BATCH)
        for number, start in list(enumerate(starts))[self.ranks.rank :: self.ranks.world]:
            size = min(VALIDATION_BATCH, wanted - start)
            drawn = simulate(size, stream("validation", 0, number, self.device), SCORED)
            batch = seen_by(self.mean, drawn)
            with self._autocast:
                estimate = self.mean(batch.counts)[-1]
            for name, values in scores(estimate, batch).items():
                for reach, value in zip(batch.phase_range.tolist(), values.tolist(), strict=True):
                    mine.setdefault(f"{name}_{phase_class(reach)}", []).append(value)
        every = self.ranks.gather(mine)
        names = sorted({name for found in every for name in found})
        return {
            name: float(torch.tensor([v for found in every for v in found.get(name, ())]).median())
            for name in names
        }

    def checkpoint(self) -> None:
        """Write everything needed to go on; rank 0 does."""
        if not self.ranks.first:
            return
        names = [name for name, _ in self.model.named_parameters()]
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"mean/{name}": value for name, value in self.mean.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            for moment in sorted(MOMENTS.intersection(values)):
                tensors[f"{moment}/{names[index]}"] = values[moment]
        document = {
            "elapsed": self.elapsed,
            "learning_rate": self._learning_rate(),
            "batches": self.batches,
            "ranks": self.ranks.world,
            "config": self.config.model_dump(),
        }
        checkpoint.save(self.folder, self.step, tensors, document)
        self._saved = self.step

    def _resume(self, saved: Checkpoint) -> None:
        document = saved.document
        if document["config"]["network"] != self.config.network:
            raise InputError(
                f"{self.folder} holds a run of the network '{document['config']['network']}'; give this one another folder."
            )
        if document["config"].get("optimizer", "adamw") != self.config.optimizer:
            raise InputError(
                f"{self.folder} holds a run of another optimizer; say the same, or give this one another folder."
            )
        if document["ranks"] != self.ranks.world:
            self.notes.append(
                f"Begun with {document['ranks']} process(es), going on with {self.ranks.world}: "
                "not what an unbroken run would give."
            )
        self.step, self.batches, self.elapsed = document["step"], document["batches"], document["elapsed"]
        self._saved = self.step
        self.model.load_state_dict(saved.part("model"))
        self.mean.load_state_dict(saved.part("mean"))
        moments = {moment: saved.part(moment) for moment in MOMENTS}
        state = self.optimizer.state_dict()
        state["state"] = {
            index: {
                "step": torch.tensor(float(self.step)),
                # in the parameter's own order of memory, as the optimizer would have made them
                **{
                    m: torch.empty_like(parameter).copy_(kept[name])
                    for m, kept in moments.items()
                    if name in kept
                },
            }
            for index, (name, parameter) in enumerate(self.model.named_parameters())
            if name in moments["exp_avg"]
        }
        self.optimizer.load_state_dict(state)

    def _room(self) -> str:
        """Say what has room instead of a batch that has none, and where the run goes on."""

        def one_batch(size: int) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            self._gradients(self._draw(size))

        batch = self.config.batch
        if self.ranks.world > 1:  # the others cannot be asked
            would = 'take a smaller "batch"'
        else:
            fits = largest_that_fits(one_batch, batch, self.device)
            would = f'{fits} would ("batch": {fits})' if fits else elsewhere(self.device)
        kept = "" if self._saved is None else f"; the run goes on from the checkpoint of batch {self._saved}"
        return f"a batch of {batch} crystals did not fit; {would}{kept}."

    def _lost(self) -> str:
        """Say that the weights are lost, and what is left of the run."""
        left = "there is none" if self._saved is None else f"the last is that of batch {self._saved}"
        return (
            f"The loss of step {self.step} is no number any more: no weights are written. Take a smaller learning rate "
            f"(it was {self._learning_rate():.3g}) in a new folder, or go on from a checkpoint ({left})."
        )

    def _timed_batch(self) -> tuple[float, float]:
        """Train on one batch; return its loss and the seconds it took, both the same on every rank."""
        begin = time.monotonic()
        loss = float(self._batch())
        now = time.monotonic()
        figures = [loss, now - begin, now - self.begun, float(self._asked)]
        loss, took, since_start, asked = self.ranks.mean(figures, self.device)
        self.step += 1
        self.batches += self.ranks.world
        self.elapsed += took
        limit = self.config.slice_minutes
        self.stopping = asked > 0 or (limit is not None and since_start + took > 60 * limit)
        return loss, took

    def _draw(self, size: int) -> Batch:
        """Return crystals of this step and rank; their phases grow from a fifth of the full range over `ease_in`."""
        config, number = self.config, self.batches + self.ranks.rank
        eased = min(1.0, 0.2 + 0.8 * self.done / config.ease_in) if config.ease_in else 1.0
        population = config.drawn(config.phase_range * eased)
        if self._published is None:
            drawn = simulate(size, stream("train", config.seed, number, self.device), population)
        else:
            drawn = training_batch(
                self._published,
                number,
                size=size,
                seed=config.seed,
                population=population,
                device=self.device,
            )
        return seen_by(self.model, drawn)

    def _batch(self) -> Tensor:
        torch.manual_seed(
            (self.config.seed * 1_000_003 + self.batches + self.ranks.rank) % 2**32
        )  # of dropout
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._gradients(self._draw(self.config.batch))
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        if self.device.type == "cpu":  # on GPUs the norms see the whole batch
            self.ranks.average_([one for one in self.model.buffers() if one.is_floating_point()])
        self._average()
        return loss

    def _gradients(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, whose gradients are with the parameters afterwards."""
        self.model.train()
        with self._autocast:
            estimates = self._parallel(batch.counts)
        loss = self._loss(estimates, batch)
        loss.backward()
        return loss.detach()

    def _loss(self, estimates: list[Estimate], batch: Batch) -> Tensor:
        if self.config.objective == "unsupervised":
            return torch.stack([losses.unsupervised(one.object, batch.counts) for one in estimates]).mean()
        loss = losses.supervised(estimates, batch.objects)
        if self.config.modulus_weight:
            predicted, measured = (
                propagate(estimates[-1].object, batch.counts.shape[-1]).abs(),
                batch.counts.sqrt(),
            )
            overlap = (predicted * measured).sum((1, 2, 3))
            scale = (predicted.square().sum((1, 2, 3)) * measured.square().sum((1, 2, 3))).sqrt()
            loss = loss + self.config.modulus_weight * (1 - overlap / scale).mean()
        return loss

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.config.averaging, (self.step + 1) / (self.step + 10))
        means, news = (list(one.state_dict().values()) for one in (self.mean, self.model))
        numbers = [k for k, one in enumerate(means) if one.is_floating_point()]
        counters = [k for k, one in enumerate(means) if not one.is_floating_point()]
        torch._foreach_lerp_([means[k] for k in numbers], [news[k] for k in numbers], 1 - keep)
        if counters:
            torch._foreach_copy_([means[k] for k in counters], [news[k] for k in counters])

    def _learning_rate(self) -> float:
        config, done = self.config, self.done
        rise = min(1.0, (done + 1e-3) / config.warm_up) if config.warm_up else 1.0
        return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * done))


def begin_with(model: nn.Module, file: Path) -> str:
    """Copy into `model` what fits of a safetensors file, and return a sentence that says what did not.

    Raises
    ------
    InputError
        If the file cannot be read, or nothing of it fits.
    """
    try:
        given = load_file(file)
    except (OSError, SafetensorError):
        raise InputError(
            f"The weights {file} to begin with cannot be read; give a .safetensors file."
        ) from None
    wanted = model.state_dict()
    fitting = {
        name: given[name]
        for name, value in wanted.items()
        if name in given and given[name].shape == value.shape
    }
    if not fitting:
        raise InputError(f"Nothing in {file} fits the network; give weights of the same architecture.")
    model.load_state_dict(fitting, strict=False)
    new, left = [name for name in wanted if name not in fitting], [n for n in given if n not in fitting]
    text = f"Begun with {len(fitting)} of {len(wanted)} tensors of {file.name}"
    text += f"; new are {', '.join(new)}" if new else ""
    return f"{text}{'; left are ' + ', '.join(left) if left else ''}."
