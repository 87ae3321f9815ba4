"""Many starts, one batch: the iterations, and what is said of their results."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..recipe import Refinement
from ..reconstruction import Progress
from ..scan import InputError
from . import algorithm, device, passes, support
from .diffraction import Diffraction

PREVIEW_EVERY = 25
_AXES = (-3, -2, -1)
_SYNC_EVERY = 10


@dataclass(frozen=True, eq=False)
class Starts:
    """Objects and supports to begin with: complex64 and bool, (S, N0, N1, N2), the object in the middle."""

    objects: np.ndarray
    supports: np.ndarray

    def __len__(self) -> int:
        return len(self.objects)


@dataclass(frozen=True, eq=False)
class Phased:
    """The best of all starts.

    Parameters
    ----------
    object, support
        complex64 and bool (N0, N1, N2), centred; the object is exactly zero outside the support.
    figures
        ``chi2``, ``llk``, ``free_llk`` (absent when nothing was held out), ``support_fraction``, ``start``.
    errors
        float32, chi² of the chosen start as each iteration began.
    iterations
        Iterations done.
    runs
        Figures of every start.
    """

    object: np.ndarray
    support: np.ndarray
    figures: dict[str, float]
    errors: np.ndarray
    iterations: int
    notes: tuple[str, ...] = ()
    runs: list[dict[str, float]] = field(default_factory=list)


class _Batch:
    """The starts on the device, in FFT order, in pieces that its memory can work on at a time."""

    def __init__(self, data: Diffraction, starts: Starts) -> None:
        if starts.objects.shape[1:] != data.shape or starts.supports.shape != starts.objects.shape:
            raise InputError(
                f"Starts of shape {starts.objects.shape} do not fit a scan of shape {data.shape}."
            )
        self.data = data
        size = _piece_size(data, len(starts))
        cut = [slice(i, i + size) for i in range(0, len(starts), size)]
        self.objects = [
            _to_device(starts.objects[part].astype(np.complex64, copy=False), data) for part in cut
        ]
        self.supports = [_to_device(starts.supports[part], data) for part in cut]
        for objects in self.objects:
            _rescale(objects, data)

    def iterate(self, rule: algorithm.Feedback) -> torch.Tensor:
        """Do one iteration of every start; returns their chi² before it, (S,)."""
        misfits = []
        for k, (objects, supports) in enumerate(zip(self.objects, self.supports, strict=True)):
            fields = torch.fft.fftn(objects, dim=_AXES)
            misfits.append(passes.modulus_pass(fields, self.data.modulus))
            projected = torch.fft.ifftn(
                fields, dim=_AXES, norm="forward"
            )  # unscaled: the pass has divided by N
            del fields
            self.objects[k] = passes.support_pass(objects, projected, supports, rule)
        return torch.cat(misfits) / self.data.total

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update every support."""
        self.supports = [support.shrink_wrap(objects, sigma, threshold) for objects in self.objects]

    def halve(self) -> None:
        """Shut half of every support for this moment."""
        for objects, supports in zip(self.objects, self.supports, strict=True):
            objects.mul_(support.half(supports))

    def finish(self) -> None:
        """Project every object onto its support."""
        for objects, supports in zip(self.objects, self.supports, strict=True):
            objects.mul_(supports)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every start."""
        return [
            figures(one, inside, self.data)
            for objects, supports in zip(self.objects, self.supports, strict=True)
            for one, inside in zip(objects, supports, strict=True)
        ]

    def volume(self, volumes: list[torch.Tensor], start: int) -> torch.Tensor:
        """Return volume number `start` of the pieces, in natural order."""
        size = volumes[0].shape[0]
        return torch.fft.fftshift(volumes[start // size][start % size])


def refine(data: Diffraction, starts: Starts, refinement: Refinement) -> Generator[Progress, None, Phased]:
    """Phase all starts as `refinement` says; yields `Progress` after every iteration and returns the best.

    The best has the lowest `free_llk`, or the lowest `chi2` when nothing is held out.  Closing the generator cancels.
    A GPU that runs out of memory hands the job over to the CPU, from its beginning.

    Raises
    ------
    InputError
        If the algorithm cannot be read or the starts have another shape than the data.
    """
    steps = algorithm.parse(refinement.algorithm)
    notes: tuple[str, ...] = ()
    try:
        found = yield from _refine(data, starts, refinement, steps)
    except torch.OutOfMemoryError:
        notes = _fall_back(data)
        found = yield from _refine(data, starts, refinement, steps)
    return replace(found, notes=notes)


def _refine(
    data: Diffraction, starts: Starts, refinement: Refinement, steps: tuple[str, ...]
) -> Generator[Progress, None, Phased]:
    count = device.best_threads(int(np.prod(data.shape)))
    widths = support.schedule(refinement.shrink_wrap, len(steps))
    with torch.inference_mode(), device.threads(count):
        batch = _Batch(data, starts)
        chi2 = torch.zeros((len(steps), len(starts)), dtype=torch.float32, device=data.device)
    error, leader = None, 0
    for step, name in enumerate(steps, 1):
        # the threads are set for each iteration alone: what runs between two steps of a generator is not ours
        with torch.inference_mode(), device.threads(count):
            chi2[step - 1] = batch.iterate(algorithm.feedback(name, refinement.beta))
            if step == refinement.twin_break:
                batch.halve()
            if step in widths:
                batch.shrink_wrap(widths[step], refinement.shrink_wrap.threshold)
            if data.device.type == "cpu" or step % _SYNC_EVERY == 0:
                error, leader = float(chi2[step - 1].min()), int(chi2[step - 1].argmin())
            preview = None
            if step % PREVIEW_EVERY == 0:
                preview = batch.volume(batch.objects, leader).abs().cpu().numpy()
        yield Progress("refine", step, len(steps), error, preview)
    with torch.inference_mode(), device.threads(count):
        batch.finish()
        runs = batch.figures()
        best = choose(runs)[0]
        return Phased(
            object=batch.volume(batch.objects, best).cpu().numpy(),
            support=batch.volume(batch.supports, best).cpu().numpy(),
            figures={**runs[best], "start": float(best)},
            errors=chi2[:, best].cpu().numpy(),
            iterations=len(steps),
            runs=runs,
        )


def keep_best(data: Diffraction, starts: Starts, keep: int, iterations: int = 5) -> Starts:
    """Do a few iterations of ER with every start and return the best `keep` of them, the best first."""
    if len(starts) <= keep:
        return starts

    def job() -> Starts:
        with torch.inference_mode(), device.threads(device.best_threads(int(np.prod(data.shape)))):
            batch = _Batch(data, starts)
            for _ in range(iterations):
                batch.iterate(algorithm.feedback("ER", 1.0))
            batch.finish()
            order = choose(batch.figures())[:keep]
            return Starts(
                np.stack([batch.volume(batch.objects, i).cpu().numpy() for i in order]),
                np.stack([batch.volume(batch.supports, i).cpu().numpy() for i in order]),
            )

    return _or_on_cpu(data, job)


def random_starts(data: Diffraction, starts: int, threshold: float, seed: int) -> Starts:
    """Return `starts` random objects inside a support estimated from the autocorrelation.

    Amplitudes are uniform in 0.5 to 1 and phases uniform in ±π, drawn from `seed`.
    """
    inside = torch.fft.fftshift(support.from_autocorrelation(data.counts, data.good, threshold)).cpu().numpy()
    rng = np.random.default_rng(seed)
    objects = np.zeros((starts, *data.shape), np.complex64)
    for one in objects:
        amplitude, phase = rng.uniform(0.5, 1, inside.sum()), rng.uniform(-np.pi, np.pi, inside.sum())
        one[inside] = amplitude * np.exp(1j * phase)
    return Starts(objects, np.repeat(inside[None], starts, axis=0))


def figures(one: torch.Tensor, inside: torch.Tensor, data: Diffraction) -> dict[str, float]:
    """Return chi², Poisson likelihoods and the support's share of one object (N0, N1, N2), FFT order.

    The likelihoods are means of ``calc − obs + obs·log(obs/calc)`` (Poisson, relative to a perfect fit, ≥ 0): ``llk`` over
    the fitted pixels, ``free_llk`` over those held out; calc is never less than ``data.floor``.
    """
    calculated = torch.fft.fftn(one).abs()
    fitted = data.modulus >= 0
    chi2 = (calculated - data.modulus)[fitted].square().sum(dtype=_wide(data)) / data.total
    calculated = calculated.square_().clamp_(min=data.floor)
    deviance = calculated - data.counts + torch.xlogy(data.counts, data.counts / calculated)
    found = {
        "chi2": float(chi2),
        "llk": float(deviance[fitted].mean(dtype=_wide(data))),
        "support_fraction": float(inside.sum() / inside.numel()),
    }
    if data.has_free:
        found["free_llk"] = float(deviance[data.free].mean(dtype=_wide(data)))
    return found


def choose(runs: list[dict[str, float]]) -> list[int]:
    """Return the indices of the starts from the best to the worst."""
    return sorted(range(len(runs)), key=lambda i: runs[i].get("free_llk", runs[i]["chi2"]))


def _rescale(objects: torch.Tensor, data: Diffraction) -> None:
    """Scale objects in place so that their moduli fit the measured ones best: Σ m|F| / Σ |F|²."""
    fitted = data.modulus >= 0
    for one in objects:
        calculated = torch.fft.fftn(one).abs()[fitted]
        power = calculated.square().sum(dtype=_wide(data))
        one *= float((calculated * data.modulus[fitted]).sum(dtype=_wide(data)) / power) if power > 0 else 1.0


def _wide(data: Diffraction) -> torch.dtype:
    return torch.float32 if data.device.type == "mps" else torch.float64


def _to_device(volumes: np.ndarray, data: Diffraction) -> torch.Tensor:
    return torch.from_numpy(np.fft.ifftshift(volumes, _AXES)).to(data.device)


def _piece_size(data: Diffraction, starts: int) -> int:
    """One start at a time keeps a CPU's caches warm; a GPU wants as many as its memory can hold."""
    if data.device.type == "cpu":
        return 1
    return max(
        1, min(starts, int(0.8 * device.available_bytes(data.device)) // device.memory_bytes(data.shape, 1))
    )


def _or_on_cpu(data: Diffraction, job: Callable[[], Starts]) -> Starts:
    try:
        return job()
    except torch.OutOfMemoryError:
        _fall_back(data)
        return job()


def _fall_back(data: Diffraction) -> tuple[str, ...]:
    if data.device.type == "cpu":
        raise InputError(
            "The memory of this computer does not suffice: bin or crop the scan, or ask for fewer starts."
        )
    data.to("cpu")
    torch.cuda.empty_cache()
    return ("The GPU ran out of memory: phased on the CPU.",)
