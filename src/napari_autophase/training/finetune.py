"""Fine-tuning on measured scans, whose crystals nobody knows: the network learns to see at once what phasing finds at length.

Only the diffraction teaches.  Each scan is reconstructed as a recipe says, from the network's own guess; then the network is
trained on the 48 orientations of that scan to predict what was found, through the loss that it was trained with (the twin by
the smaller loss, up to a global phase) and the misfit of the diffracted modulus on the measured voxels.  The misfit alone needs
no reconstruction, but is cheated: chi² falls while the crystal's phase drifts away from the truth, with the support held fixed or
not (``benchmarks/finetune.py`` shows it beside); projections with feedback get out of such minima where gradients stay in them.

Some voxels are held out of everything: the network is not shown them, the reconstruction does not fit them, the loss leaves
them out.  The weights that predict them best are kept, even if they are those of the beginning.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import formats, network, phasing, preparation
from ..network.inference import orientations, original, quick_bfloat16, reoriented
from ..network.physics import EXTENT, WINDOW, propagate
from ..network.weights import NETWORKS, SHIPPED, Model, save_weights
from ..network.window import measured, to_window, window_samples
from ..phasing.batch import Batch
from ..phasing.grids import fit, regrid
from ..phasing.sums import total_over
from ..recipe import Preparation, Recipe
from ..reconstruct import reconstruct, versions
from ..reconstruction import Progress
from ..scan import InputError, Scan
from . import losses
from .room import elsewhere, largest_that_fits, or_say

STEPS = 50
"""Steps of the optimizer, unless said otherwise."""
LEARNING_RATE = 5e-5
"""Of its steps, unless said otherwise."""
VIEWS = 2
"""Orientations of a scan in one step."""
MODULUS_WEIGHT = 0.2
"""Weight of the modulus's misfit beside the loss against what was found; as in training."""
FREE_FRACTION = 0.04
"""Of the voxels that are held out of everything."""
CHANCE = 0.02
"""A smaller relative gain on the held-out voxels is none."""
WARM_UP = 5
"""Steps in which the learning rate rises; then it falls along a cosine."""
JUDGED = 4
"""Orientations of which the figures are the mean."""
_AXES = (-3, -2, -1)
"""Of a volume, the last three of any array."""


@dataclass(frozen=True, eq=False)
class FineTuned:
    """Weights that were tuned on scans, and what came of it.

    Parameters
    ----------
    network
        The network with the weights that predict the held-out voxels best.
    architecture
        Its name, as ``network.build`` knows it.
    before, after
        For each scan, of the network's guess alone (mean of four orientations, on the scan's own grid): ``chi2`` over the fitted
        voxels, ``free_chi2`` over the held-out ones, and ``free_llk``, their Poisson likelihood (`phasing.figures`).
    kept_step
        The step whose weights were kept; 0: none predicted the held-out voxels better than those of the beginning.
    made_by
        What goes into the header of the file: scans, parent's hash, steps, seed, recipe, figures, versions.
    """

    network: nn.Module
    architecture: str
    before: tuple[dict[str, float], ...]
    after: tuple[dict[str, float], ...]
    kept_step: int
    made_by: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write the weights as safetensors, whole or not at all.

        Raises
        ------
        InputError
            If `path` is that of the shipped weights, exists and is not to be overwritten, or cannot be written.
        """
        path = Path(path)
        check_target(path, overwrite)
        save_weights(path, self.network, self.architecture, self.made_by)
        return path


def check_target(path: Path, overwrite: bool = False) -> None:
    """Raise `InputError` if weights must not be written to `path`."""
    if path.resolve().parent == SHIPPED.resolve().parent:
        raise InputError(f"{path} is where the shipped weights are; choose another folder.")
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path} must end in .safetensors.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another name, or ask to overwrite it (--force).")


def finetune(
    scans: Sequence[Scan],
    recipe: Recipe | None = None,
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    views: int = VIEWS,
) -> Generator[Progress, None, FineTuned]:
    """Tune a network on `scans` without any truth; returns the tuned weights, the network's own file stays as it is.

    A generator: it yields the `Progress` of the reconstructions, then that of stage ``finetune``, whose error is the loss.
    Closing it cancels within one step, and leaves nothing behind.

    Parameters
    ----------
    scans
        One or more; each is prepared as the recipe says.
    recipe
        How the scans are reconstructed, on what device, with which weights (``guess.weights``) and seed; None: `fast`.
    steps
        Steps of Adam.
    learning_rate
        Largest step.
    views
        Orientations of one scan, drawn from the cube's 48 symmetries, in each step.

    Raises
    ------
    InputError
        If there is no scan, a number is out of range, the recipe refines nothing, the weights or scans cannot be used, or memory
        runs out.
    """
    recipe = recipe or Recipe()
    if not scans or steps < 1 or views < 1 or not 0 < learning_rate < 1:
        raise InputError(
            "Fine-tuning needs a scan, at least one step and one view, and a learning rate between 0 and 1."
        )
    if not (recipe.refine.algorithm or (recipe.guess.polish and recipe.guess.start != "random")):
        raise InputError(
            "This recipe refines nothing that could be learnt; fine-tune with `fast`, `iterative` or `best`."
        )
    device, _ = phasing.pick_device(recipe.device)
    with or_say(device, lambda: f"the network itself did not fit; {elsewhere(device)}."):
        model = network.load(recipe.guess.weights, device)
    architecture = next((name for name, kind in NETWORKS.items() if type(model.network) is kind), "")
    tuned = copy.deepcopy(model.network).eval().requires_grad_(True)  # eval: BatchNorm keeps its statistics

    lessons: list[_Lesson] = []
    with or_say(
        device, lambda: f"{scans[len(lessons)].name} did not fit; bin or crop it, or {elsewhere(device)}."
    ):
        for scan in scans:
            lessons.append((yield from _learn(scan, recipe, model)))

    def room() -> str:
        def one_step(number: int) -> None:
            tuned.zero_grad(set_to_none=True)
            _loss(tuned, lessons[0], orientations(number), device).backward()
            _judge(tuned, lessons[:1], device)

        what, fits = f"{views} views of a scan in a step", largest_that_fits(one_step, views, device)
        return f"{what} did not fit; " + (
            f"{fits} would (--views {fits})." if fits else f"{elsewhere(device)}."
        )

    with or_say(device, room):
        best = before = _judge(model.network, lessons, device)
        kept, kept_step = copy.deepcopy(tuned.state_dict()), 0
        optimizer = torch.optim.Adam(tuned.parameters(), lr=learning_rate)
        rng = np.random.default_rng(recipe.seed)
        every = max(5, steps // 10)
        yield Progress("finetune", 0, steps)
        for step in range(1, steps + 1):
            rise, fall = min(1.0, step / WARM_UP), 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * rise * fall
            lesson = lessons[(step - 1) % len(lessons)]
            chosen = [orientations(48)[i] for i in rng.choice(48, min(views, 48), replace=False)]
            loss = _loss(tuned, lesson, chosen, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
            optimizer.step()
            if step % every == 0 or step == steps:
                now = _judge(tuned, lessons, device)
                if _score(now) < min(_score(best), _score(before) - CHANCE):
                    best, kept, kept_step = now, copy.deepcopy(tuned.state_dict()), step
            yield Progress("finetune", step, steps, float(loss.detach()))

    tuned.load_state_dict(kept)
    made_by = {
        "fine_tuned_from": model.sha256,
        "scans": [scan.name for scan in scans],
        "steps": steps,
        "kept_step": kept_step,
        "learning_rate": learning_rate,
        "views": views,
        "seed": recipe.seed,
        "recipe": recipe.model_dump(mode="json", exclude={"guess": {"weights"}}),
        "before": before,
        "after": best,
        "versions": versions(),
    }
    return FineTuned(
        tuned.requires_grad_(False), architecture, tuple(before), tuple(best), kept_step, made_by
    )


@dataclass(frozen=True, eq=False)
class _Lesson:
    """One scan: what the network is shown (W³), the moduli it should diffract and where they were measured, what was found
    (n³, amplitudes near 1), and the scan itself, on whose grid the guess is judged.
    """

    shown: Tensor
    seen: Tensor
    found: Tensor
    samples: tuple[int, int, int]
    data: phasing.Diffraction


def _learn(scan: Scan, recipe: Recipe, model: Model) -> Generator[Progress, None, _Lesson]:
    yield Progress("prepare", 0, 1)
    told = formats.background(recipe.model.background, scan)
    prepared = preparation.prepare(scan, recipe.prepare, told)
    data = phasing.Diffraction(
        prepared.counts,
        prepared.good,
        FREE_FRACTION,
        seed=recipe.seed,
        device=model.device,
        background=prepared.background,
        bounded=True,
    )
    good = prepared.known & ~data.held_out_pixels()
    prepared_scan = Scan(prepared.shown, mask=~good, name=scan.name)
    as_it_is = Preparation(hot_pixels=False, centre="none")
    again = recipe.model_copy(update={"prepare": as_it_is})
    phased = yield from reconstruct(prepared_scan, again, background=prepared.background)

    window, extent = getattr(model.network, "window", WINDOW), getattr(model.network, "extent", EXTENT)
    side = (window,) * 3
    oversampling = preparation.estimate_oversampling(prepared.shown, good)
    samples = window_samples(good.shape, oversampling, window, extent)
    coarse = window < 2 * extent
    light = prepared.shown - prepared.background if np.any(prepared.background) else prepared.shown
    shown = to_window(light, good, samples, model.device, side, coarse=coarse)
    with torch.no_grad():
        guess = model.network(shown[None])[-1].object[0]
    carried = regrid(fit(torch.from_numpy(phased.object * phased.support), samples).numpy(), side)
    found = _brought_onto(guess, fit(torch.as_tensor(carried, device=model.device), guess.shape))
    level = found.abs()[found.abs() > 0.3 * found.abs().max()].median()
    seen = torch.as_tensor(measured(good, samples, side), device=model.device)
    return _Lesson(shown, seen, found / level, samples, data)


def _brought_onto(guess: Tensor, found: Tensor) -> Tensor:
    """Return `found`, by whole voxels, where the network would put it: at the peak of the amplitudes' cross-correlation."""
    with_guess = torch.fft.fftn(guess.abs()) * torch.fft.fftn(found.abs()).conj()
    peak = np.unravel_index(int(torch.fft.ifftn(with_guess).real.argmax()), guess.shape)
    return torch.roll(found, tuple(int(i) for i in peak), _AXES)


def _loss(tuned: nn.Module, lesson: _Lesson, chosen: list[Any], device: torch.device) -> Tensor:
    shown, seen, found = (
        torch.stack([reoriented(volume, *one) for one in chosen])
        for volume in (lesson.shown, lesson.seen, lesson.found)
    )
    with torch.autocast(device.type, torch.bfloat16, enabled=quick_bfloat16(device)):
        estimates = tuned(shown)
    predicted = propagate(estimates[-1].object, shown.shape[-1]).abs() * seen
    modulus = shown.sqrt() * seen
    overlap = (predicted * modulus).sum(_AXES)
    scale = (predicted.square().sum(_AXES) * modulus.square().sum(_AXES)).clamp_min(1e-20).sqrt()
    return losses.supervised(estimates, found) + MODULUS_WEIGHT * (1 - overlap / scale).mean()


@torch.no_grad()
def _judge(one: nn.Module, lessons: list[_Lesson], device: torch.device) -> list[dict[str, float]]:
    """Return the figures of the guess alone for every scan, on its own grid."""
    rows = []
    for lesson in lessons:
        chosen = orientations(JUDGED)
        with torch.autocast(device.type, torch.bfloat16, enabled=quick_bfloat16(device)):
            guesses = one(torch.stack([reoriented(lesson.shown, *c) for c in chosen]))[-1].object
        window, data = lesson.shown.shape, lesson.data
        objects = np.stack(
            [
                regrid(fit(original(guess, *c).cpu(), window).numpy(), lesson.samples, data.shape)
                for guess, c in zip(guesses, chosen, strict=True)
            ]
        )
        batch = Batch(data, phasing.Starts(objects, np.ones(objects.shape, bool)))
        found = batch.figures()  # which scales the objects
        for i, figure in enumerate(found):
            figure["free_chi2"] = _free_chi2(batch.object(i), data)
        names = ("chi2", "free_chi2", "free_llk")
        rows.append({name: float(np.mean([figure[name] for figure in found])) for name in names})
    return rows


def _free_chi2(one: np.ndarray, data: phasing.Diffraction) -> float:
    field = torch.fft.fftn(torch.fft.ifftshift(torch.as_tensor(one, device=data.device)))
    squared_error = (field.abs() - data.counts.sqrt()).square()
    error, photons = torch.stack(
        [total_over(data.is_held_out, one) for one in (squared_error, data.counts)]
    ).tolist()
    return error / max(photons, 1e-12)


def _score(rows: list[dict[str, float]]) -> float:
    """Return the mean logarithm of the held-out chi², so that a bright scan counts as much as a dim one.

    Not of the likelihood, which a few bright voxels in dark fringes decide: where the two disagreed on crystals whose truth was
    known, chi² was right.
    """
    return float(np.mean([math.log(max(row["free_chi2"], 1e-12)) for row in rows]))
