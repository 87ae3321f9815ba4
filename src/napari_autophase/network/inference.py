"""One shot on a scan of any size: what the network says of it, polished in a small window, and carried to the scan's own grid.

The network sees several orientations of the data and says for each what the object is and which voxels the crystal fills.  The
shape is what phasing needs most: within it even random phases find a strained crystal, and without it nothing does.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..memory import ran_out
from ..phasing import Blur, Diffraction, Phased, Starts, join, keep_best, random_phases, search, settle
from ..phasing.backend import Backend
from ..phasing.blur import Widths
from ..phasing.diffraction import about_memory, empty_cache
from ..phasing.grids import fit, on_grid, regrid
from ..phasing.settle import NARROW, WIDE, sharp
from ..phasing.workers import cores, side_by_side, threads
from ..progress import relayed
from ..recipe import Guess
from ..reconstruction import Progress
from .compact import CompactNet, Estimate, widened
from .physics import EXTENT, WINDOW
from .weights import Model
from .window import Shape, carried, measured, measured_part, to_window, window_samples

PROJECTIONS = 10
"""Iterations of error reduction after which candidates are compared."""
COVERING = 0.3
"""Share of a voxel of the scan that the polished support must fill for the voxel to belong to the crystal."""


class Seen(NamedTuple):
    """What the network says of a window of side W: the object, complex64, and the probability of a voxel being inside it."""

    object: Tensor
    inside: Tensor


class Guessed(NamedTuple):
    """What phasing begins with, the blur that the counts were found to have, and what a person should know of the device."""

    starts: Starts
    blur: Blur | None
    notes: tuple[str, ...] = ()


def guess(
    model: Model,
    counts: np.ndarray,
    good: np.ndarray,
    oversampling: tuple[float, float, float],
    choice: Guess,
    free_fraction: float = 0.02,
    seed: int = 0,
    backend: str = "auto",
    coherence: Widths | Literal["off", "estimate"] = "off",
    background: np.ndarray | float = 0.0,
    doubted: bool = False,
    before: Blur | None = None,
) -> Generator[Progress, None, Guessed]:
    """Predict the object from several orientations of the data, and return the best predictions on the scan's grid.

    Predictions, and random phases within the predicted shapes, are compared and polished in the middle of a window of 64³: that
    costs the same for any scan.  What the first stage of the network says is polished first; where that is enough, the others,
    which take three times as long, would only find the same.  Yields `Progress` on the way; closing cancels.  Where a GPU has
    no room for the network or the window, the CPU guesses.

    Parameters
    ----------
    model
        A loaded network.
    counts, good
        float32 and bool (N0, N1, N2); the Bragg peak at ``shape // 2``.
    oversampling
        N / width of the crystal, per axis.
    choice
        Number of candidates, of random starts and of those to keep, their polish and its grid, and what is enough.
    free_fraction, seed
        Of the voxels held out, by which the candidates are judged, and of the random phases.
    backend
        What computes (see `phasing.backend.choose`).
    coherence
        How coherent the light is: the widths of its blur in pixels of the scan, or whether they are estimated.
    background
        Photons per voxel among the counts that are not the crystal's: a number, or float32 (N0, N1, N2).
    doubted
        Whether a blur that is estimated is sought even if nothing tells of it, see `phasing.settle`.
    before
        What an attempt before found the counts to be blurred by, in pixels of the scan: the search begins with it.

    Returns
    -------
    starts
        Objects complex64 (kept, N0, N1, N2) of arbitrary scale, centred, and their supports; the best first.
    blur
        What the counts were blurred by, in pixels of the scan; None: nothing that was sought, or found.
    notes
        Whether memory ran out.
    """
    rest = (
        counts,
        good,
        oversampling,
        choice,
        free_fraction,
        seed,
        backend,
        coherence,
        background,
        doubted,
        before,
    )
    samples = window_samples(counts.shape, oversampling)
    part = measured_part(samples, choice.side)
    voxel = (samples[0] / part[0], samples[1] / part[1], samples[2] / part[2])
    try:
        return (yield from _sized(_guess(model, *rest), voxel))
    except (RuntimeError, MemoryError) as error:
        if model.device.type == "cpu" or not ran_out(error):
            raise
    # what the error held is let go before
    note = f"The memory of {model.device.type} ran out: guessed on the CPU."
    empty_cache(model.device.type)
    found = yield from _sized(_guess(model.on_cpu(), *rest), voxel)
    return found._replace(notes=(note, *found.notes))


def _sized(
    job: Generator[Progress, None, Guessed], voxel: tuple[float, float, float]
) -> Generator[Progress, None, Guessed]:
    """Do a job that phases in the window; what is told of its starts has voxels of this size, in those of the scan."""
    return relayed(
        job, lambda now: now if now.best is None else replace(now, best=now.best.with_voxel(voxel))
    )


def _guess(
    model: Model,
    counts: np.ndarray,
    good: np.ndarray,
    oversampling: tuple[float, float, float],
    choice: Guess,
    free_fraction: float,
    seed: int,
    backend: str,
    coherence: Widths | Literal["off", "estimate"],
    background: np.ndarray | float,
    doubted: bool,
    before: Blur | None,
) -> Generator[Progress, None, Guessed]:
    side, extent = getattr(model.network, "window", WINDOW), getattr(model.network, "extent", EXTENT)
    shown = window_samples(counts.shape, oversampling, side, extent)
    light = counts - background if np.any(background) else counts
    window = to_window(light, good, shown, model.device, (side,) * 3, coarse=side < 2 * extent)
    chosen = orientations(choice.candidates)
    shows = [reoriented(window, *each) for each in chosen]

    samples = window_samples(counts.shape, oversampling)
    part = measured_part(samples, choice.side)
    if shown != samples or side != WINDOW or light is not counts:
        window = to_window(counts, good, samples, model.device)
    dark = background
    if isinstance(dark, np.ndarray):
        dark = fit(to_window(dark, np.ones_like(good), samples, model.device), part).cpu().numpy()
    data = Diffraction(
        fit(window, part).cpu().numpy(),
        measured(good, samples, part),
        free_fraction,
        seed=seed,
        device=model.device,
        background=dark,
        backend=backend,
    )

    def seen(stages: int | None) -> Generator[Progress, None, Starts]:
        # it may have moved to the CPU
        answers = yield from predict(
            model, shows, stages, data.backend if data.device == model.device else None
        )
        pairs = zip(answers, chosen, strict=True)
        upright = [Seen(*(original(x, *each) for x in answer)) for answer, each in pairs]
        with threads(1):
            return _starts(upright, side, shown, samples, part)

    given = None if isinstance(coherence, str) else Blur(coherence)
    scale = (samples[0] / counts.shape[0], samples[1] / counts.shape[1], samples[2] / counts.shape[2])
    plain = data
    if (known := given or before) is not None:
        data = sharp(data, known.times(scale))
    if not choice.polish:
        best = keep_best(data, (yield from seen(None)), choice.keep, PROJECTIONS)
        return Guessed(on_grid(best, counts.shape, samples, COVERING), given, about_memory(data.notes))

    polished: list[Starts] = []
    found: Phased | None = None
    if choice.enough and getattr(model.network, "stages", 1) > 1:
        shapes = yield from seen(1)
        found = yield from search(data, shapes, choice.model_copy(update={"rounds": 1}), seed)
        polished.append(found.kept)
    if found is None or found.figures["chi2"] >= choice.enough:
        shapes = yield from seen(None)
        tried = [*polished, shapes]
        if choice.starts:
            tried.append(random_phases(shapes.supports, choice.starts, seed))
        found = yield from search(data, join(tried), choice, seed)
    blur = given
    if coherence == "estimate" or (given is not None and any(given.sigma_px)):
        # where it is given, too: what is found on the way to it is better than what is found with it alone
        others = (before,) if before else (*WIDE, *NARROW) if doubted and given is None else WIDE
        anyhow = known is not None
        found, told = yield from settle(plain, found, shapes, choice, scale, seed, doubted, others, anyhow)
        blur = given or told
    notes = about_memory((*model.notes, *data.notes, *found.notes))
    return Guessed(on_grid(found.kept, counts.shape, samples, COVERING), blur, notes)


def predict(
    model: Model, windows: list[Tensor], stages: int | None = None, backend: Backend | None = None
) -> Generator[Progress, None, list[Seen]]:
    """Return what the network sees in windows (W, W, W), with a `Progress` for each; None: by all of its stages and sweeps.

    A GPU takes them as one batch.  On a CPU each core takes one at a time, and a single one is shared by all, whatever else the
    computer does: the last digits depend on how many share it, and what is found in the end on those.
    """
    network = model.folded

    def say(counts: Tensor) -> Estimate:
        if stages is None and isinstance(network, CompactNet):
            return network.swept(counts, backend)
        # only a network of several stages projects between them
        asked = {"stages": stages, "backend": backend} if hasattr(network, "stages") else {}
        return network(counts, **asked)[-1]

    @torch.inference_mode()
    def ask(batch: list[Tensor]) -> list[Seen]:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=quick_bfloat16(model.device)):
            last = say(torch.stack(batch))
        return [Seen(*pair) for pair in zip(last.object, last.inside_logit.float().sigmoid(), strict=True)]

    if model.device.type != "cpu" or len(windows) == 1:
        with threads(cores() if model.device.type == "cpu" else 1):
            found = ask(windows)
        yield Progress("guess", len(windows), len(windows))
        return found
    found = []

    def alone(window: Tensor) -> list[Seen]:
        with threads(1):
            return ask([window])

    with closing(side_by_side([partial(alone, window) for window in windows], cores())) as answers:
        for step, one in enumerate(answers, 1):
            found += one
            yield Progress("guess", step, len(windows))
    return found


def quick_bfloat16(device: torch.device) -> bool:
    """Say whether the device computes in bfloat16 itself: then convolutions are several times faster, and the guess the same
    to about 1e-4 of its correlation.
    """
    if device.type == "cuda":  # torch says that older cards support it too, which emulate it
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def orientations(number: int) -> list[tuple[tuple[int, int, int], tuple[int, ...]]]:
    """Return the first `number` of the cube's 48 symmetries: (order of the axes, axes to flip); the identity comes first."""
    flips = sorted(product((0, 1), repeat=3), key=lambda f: (sum(f) not in (0, 3), f))
    every = [
        (order, tuple(a for a in range(3) if flip[a])) for order in permutations((0, 1, 2)) for flip in flips
    ]
    return every[:number]  # type: ignore[return-value]


def reoriented(volume: Tensor, order: tuple[int, int, int], flips: tuple[int, ...]) -> Tensor:
    """Return a volume (N, N, N) with its axes in another order, then mirrored through the voxel N/2 along those of `flips`."""
    turned = volume.permute(order)
    return torch.roll(torch.flip(turned, flips), (1,) * len(flips), flips) if flips else turned


def original(volume: Tensor, order: tuple[int, int, int], flips: tuple[int, ...]) -> Tensor:
    """Return the volume that `reoriented` was given."""
    turned = torch.roll(torch.flip(volume, flips), (1,) * len(flips), flips) if flips else volume
    return turned.permute(tuple(int(a) for a in np.argsort(order)))


def _starts(seen: list[Seen], side: int, shown: Shape, samples: Shape, part: Shape) -> Starts:
    """Return what was seen in windows of `side` as starts in the measured part of the 64³ window; supports have a margin."""
    objects, supports = [], []
    for one, inside in seen:
        there = fit(one.cpu(), (side,) * 3).numpy()
        if shown != samples:
            there = regrid(there, shown, samples)
        objects.append(regrid(there, part))
        wide = fit(widened(inside), (side,) * 3)
        supports.append(carried(wide.cpu().numpy(), shown, part, samples) > 0.5)
    return Starts(np.stack(objects), np.stack(supports))
