"""The checks that a backend computes what it should, on a small volume, against the reference in plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..recipe.algorithm import PROJECTIONS
from .blur import Blur
from .iterations import relaxation
from .likelihood import power
from .pattern import AXES, BOUND, HELD_OUT, MASKED, Pattern
from .torch_backend import TorchBackend
from .workers import threads

if TYPE_CHECKING:
    from .backend import Backend

TOLERANCE = 1e-4
"""How far a backend may be from the reference in the check, as a fraction of the largest number."""


def check(backend: Backend) -> str | None:
    """Compare a backend on the CPU with the reference on a small volume; returns what is wrong, or None."""
    with threads(1):  # others would wait for each other longer than they work
        return _wrong(backend)


def _wrong(backend: Backend) -> str | None:
    reference = TorchBackend(torch.device("cpu"))
    objects, supports, pattern = small_problem()

    for name in ("ER", "HIO", "EHIO"):
        runs = [
            one.iterations(objects.clone(), supports, pattern, relaxation(name))
            for one in (backend, reference)
        ]
        errors = [torch.cat([run.iterate(2, again=True), run.iterate(1)]) for run in runs]
        if _apart(*errors) or _apart(*(run.objects for run in runs)):
            return f"iterations of {name}"
    confined = objects * supports
    light = power(torch.fft.fftn(confined, dim=AXES)), pattern.modulus
    found, wanted = (
        torch.tensor([each.sums(confined, pattern, True), each.sums_of_intensities(*light, pattern, True)])
        for each in (backend, reference)
    )
    if not torch.allclose(found, wanted, rtol=TOLERANCE):
        return "sums over the pattern"
    if _apart(*(each.intensities(objects, supports) for each in (backend, reference))):
        return "intensities of objects"
    for crossed in (0.0, 0.3):  # by short kernels, by transforms
        blur = Blur((0.4, 0.7, 0.5), correlations=(crossed, 0, 0))
        if _apart(*(each.blurring(blur, pattern.shape)(light[0]) for each in (backend, reference))):
            return "blurred intensities"
    way, far = confined.flip(0) * supports, torch.tensor([False, True])
    step = torch.tensor([0.3, -0.2], dtype=torch.float64)
    answers = []
    for each in (backend, reference):
        cost = each.likelihood(confined, supports, pattern, pattern.floor)
        cost.look_along(cost.inside(way))
        slopes = cost.slope(step, far)
        cost.go(step)
        rows, errors_ = cost.derivative(far)
        derivative = torch.zeros_like(confined)
        cost.spread(rows, derivative)
        answers.append((slopes, derivative, errors_))
    if any(_apart(*pair) for pair in zip(*answers, strict=True)):
        return "derivatives of the likelihood"
    return None


def check_iterations(backend: Backend) -> str | None:
    """Compare iterations on a device with the reference on the CPU; returns what is wrong, or None."""
    objects, supports, pattern = small_problem()
    modulus, counts = pattern.modulus.to(backend.device), pattern.counts.to(backend.device)
    there = Small(pattern.shape, modulus, counts, backend.device)
    for name in PROJECTIONS:
        rule = relaxation(name)
        runs = [
            backend.iterations(
                objects.to(backend.device, copy=True), supports.to(backend.device), there, rule
            ),
            TorchBackend(pattern.device).iterations(objects.clone(), supports, pattern, rule),
        ]
        errors = []
        for run in runs:
            first = run.iterate(4)  # a graph is captured on the way
            run.confine(supports.roll(1, 1).to(run.objects.device))
            errors.append(torch.cat([first, run.iterate(1)]))
        found, expected = (run.objects.cpu() for run in runs)
        # rounding grows tenfold on the way
        if _apart(*errors) or _apart(found, expected, times=10):
            return f"they computed wrong numbers for {name}"
    return None


def _apart(found: torch.Tensor, expected: torch.Tensor, *, times: float = 1) -> bool:
    # a comparison with what is no number is false
    limit = times * TOLERANCE * float(expected.abs().max())
    return not float((found - expected).abs().max()) <= limit


@dataclass(eq=False)
class Small:
    """A pattern."""

    shape: tuple[int, int, int]
    modulus: torch.Tensor
    counts: torch.Tensor
    device: torch.device
    floor: float = 0.1


def small_problem() -> tuple[torch.Tensor, torch.Tensor, Pattern]:
    """Return two random objects, their supports, and a pattern with pixels of every kind: 12 × 10 × 18 voxels."""
    rng, shape, photons = np.random.default_rng(0), (12, 10, 18), 20.0
    counts = rng.poisson(photons, shape).astype(np.float32)
    modulus, kind = np.sqrt(counts), rng.random(shape)
    modulus[kind < 0.2] *= -BOUND
    modulus[kind < 0.1], modulus[kind > 0.95] = MASKED, HELD_OUT
    supports = np.zeros((2, *shape), bool)
    supports[0, 2:8, 3:9, 4:13] = supports[1, :5, 2:8, 6:16] = True
    objects = rng.normal(size=(2, 2, *shape)) * np.sqrt(photons / 2 / supports[0].sum())
    return (
        torch.from_numpy((objects[0] + 1j * objects[1]).astype(np.complex64)),
        torch.from_numpy(supports),
        Small(shape, torch.from_numpy(modulus), torch.from_numpy(counts), torch.device("cpu")),
    )
