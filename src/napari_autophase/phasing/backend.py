"""The one door to what computes: the `Backend` protocol, and its choice after `checks`.

There are two: `torch_backend` on any device, and `compiled` on a CPU, several times as fast.  Nothing above this module asks
which one it has: a pattern (`Diffraction`) carries the backend of its run.

The choice is a run's, made when its pattern is set up, so that results stay reproducible: a backend's results are the same bit
for bit, two backends' agree within rounding.  By hand it is made by the recipe's ``backend``, or by the environment variable
``NAPARI_AUTOPHASE_BACKEND``: ``auto``, ``torch`` or ``compiled``.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as cache_result
from pathlib import Path
from typing import Protocol

import torch

from .. import files
from ..scan import InputError
from ..version import full_version
from .blur import Blur
from .blurring import Blurring
from .checks import Small, check, check_iterations
from .compiled import cache
from .cuda.backend import variants
from .iterations import Iterations, Relaxation, relaxation
from .likelihood import Likelihood
from .need import Need
from .pattern import Pattern
from .sums import Sums
from .torch_backend import TorchBackend
from .workers import Workers

VARIABLE = "NAPARI_AUTOPHASE_BACKEND"
CHOICES = ("auto", "torch", "compiled")
TRIED = "cuda.json"
"""Names the file that says which variant was best on which card."""
QUICKER = 0.97
"""A variant that takes more than this part of another's time is no quicker."""


class Backend(Protocol):
    """What computes.

    Objects and supports are tensors on the backend's device, complex64 and bool (P, N0, N1, N2), contiguous, FFT order.

    Attributes
    ----------
    name
        As a recipe or a report says it.
    device
        Where it computes.
    """

    name: str
    device: torch.device

    def iterations(
        self, objects: torch.Tensor, supports: torch.Tensor, pattern: Pattern, rule: Relaxation
    ) -> Iterations:
        """Begin iterations of ER, HIO, RAAR or EHIO; the objects are theirs from then on."""

    def likelihood(
        self, objects: torch.Tensor, reach: torch.Tensor, pattern: Pattern, floor: float
    ) -> Likelihood:
        """Return the likelihood of objects that are zero beyond `reach`; `floor` in photons.  They stay as they are."""

    def sums(self, objects: torch.Tensor, pattern: Pattern, deviances: bool = False) -> list[Sums]:
        """Return the sums over the pattern of every object; the deviances, which take longest, if asked for."""

    def intensities(self, objects: torch.Tensor, supports: torch.Tensor) -> torch.Tensor:
        """Return |F|² of objects cut by supports, float32 (P, N0, N1, N2).  They stay as they are."""

    def sums_of_intensities(
        self, intensities: torch.Tensor, modulus: torch.Tensor, pattern: Pattern, deviances: bool = False
    ) -> list[Sums]:
        """Return the same where intensities are known in place of objects, and `modulus` stands for the pattern's own.

        Parameters
        ----------
        intensities
            float32 (P, N0, N1, N2), not negative, contiguous.
        modulus
            float32 (N0, N1, N2), see `pattern`.
        """

    def blurring(self, blur: Blur, shape: tuple[int, ...]) -> Blurring:
        """Return a blur of volumes of that shape that is ready to be done often: as `Blur.shortened` does it."""

    def project(
        self, objects: torch.Tensor, supports: torch.Tensor, modulus: torch.Tensor, times: int
    ) -> torch.Tensor:
        """Return objects after `times` modulus projections, and the support's between them.

        Parameters
        ----------
        objects, supports
            complex64 and real (P, M0, M1, M2).
        modulus
            float32 (P, N0, N1, N2), FFT order, of at least as many voxels: what is beyond the objects' box is cut.
        """

    def starts_at_once(self, starts: int, voxels: int, need: Need, available: int) -> int:
        """Return how many of the starts to work on together, where so many bytes are available."""

    def workers(self, jobs: int, voxels: int, most: int | None = None) -> Workers:
        """Return what does so many jobs at a time, each on an object of so many voxels.

        They share the cores that this process may use, or `most` of them.
        """

    def need(self, gradients: bool, blurred: bool) -> Need:
        """Return the memory that phasing takes: with gradient steps or without, and with a blur or without."""


@dataclass(frozen=True)
class Chosen:
    """A backend, and what a person should know about its choice."""

    backend: Backend
    notes: tuple[str, ...] = ()


def choose(device: torch.device | str = "cpu", wanted: str = "auto") -> Chosen:
    """Return the backend for a device.

    Parameters
    ----------
    wanted
        ``torch``; ``compiled``, for which one waits if functions must be compiled first; ``auto``: what the environment variable
        says, or else compiled functions where they are ready, and torch until they are (they are made meanwhile).

    Raises
    ------
    InputError
        If the environment variable names no backend.
    """
    device = torch.device(device)
    by_torch = TorchBackend(device)
    if wanted == "auto":
        wanted = os.environ.get(VARIABLE) or "auto"
    if wanted not in CHOICES:
        raise InputError(f"There is no backend '{wanted}'; set {VARIABLE} to {', '.join(CHOICES)}.")
    if device.type == "cuda" and wanted != "torch":
        return on_cuda(device)
    if device.type != "cpu" or wanted == "torch":
        return Chosen(by_torch)
    if wanted == "auto" and not is_loaded():
        why = _prepare()
        if why is not None:
            return Chosen(by_torch, _notes(f"Compiled functions cannot be used ({why})") if why else ())
    if wanted == "compiled" and not is_loaded():
        with suppress(Exception):  # which is said when they are loaded
            cache.wait(_FILL)
    found = compiled()
    return Chosen(by_torch, _notes(found)) if isinstance(found, str) else Chosen(found)


def _notes(why: str) -> tuple[str, ...]:
    return (f"{why}: phased by torch, which takes longer.",)


def _prepare() -> str | None:
    """Return None if compiled functions are ready; else why they will not be, or '' if they are being made from now on."""
    try:
        if cache.ready():
            return None
        cache.fill_in_background(_FILL)
        return cache.failure() or ""
    except Exception as error:
        return _said(error)


def load_when_ready(device: torch.device | str, going: Callable[[], bool]) -> None:
    """Load compiled functions as soon as they are made, if the device uses any; returns at once when `going` says no."""
    if torch.device(device).type != "cpu" or (os.environ.get(VARIABLE) or "auto") != "auto":
        return
    while going() and not is_loaded() and _prepare() == "":
        time.sleep(0.2)
    if going():
        choose(device)


def is_loaded() -> bool:
    """Say whether compiled functions were loaded, or could not be, in this process."""
    return compiled.cache_info().currsize > 0


def state() -> str:
    """Return in a few words what computes on this computer's CPU."""
    chosen = choose()
    if chosen.notes:
        return chosen.notes[0].rstrip(".")
    if chosen.backend.name == "torch" and os.environ.get(VARIABLE) != "torch":
        return "torch backend until compiled functions are ready"
    return f"{chosen.backend.name} backend"


@cache_result
def compiled() -> Backend | str:
    """Return the backend of compiled functions, checked, or in words why it cannot be used."""
    try:
        folder = cache.folder()
        found = _load(folder)
        wrong = check(found)
    except Exception as error:  # whatever a release of numba or NumPy brings, torch still works
        return f"Compiled functions cannot be used ({_said(error)})"
    if folder is not None:
        cache.used(folder)
    return f"Compiled functions computed wrong {wrong}" if wrong else found


@cache_result
def on_cuda(device: torch.device) -> Chosen:
    """Return the backend of a CUDA device: the one that `try_out` found best on this very card, or else plain torch."""
    with suppress(Exception):  # nobody tried it out, or with other versions
        folder = cache.folder()
        if folder is not None:
            name = json.loads((folder / TRIED).read_text(encoding="utf-8"))[_card(device)]
            return Chosen(next(one for one in variants(device) if one.variant == name))
    return Chosen(TorchBackend(device))


def try_out(device: torch.device) -> Chosen:
    """Find the quickest backend of a CUDA device, plain torch or iterations in place, fused and launched as graphs; remember it.

    None but plain torch is taken unless it computed, on this device, what plain torch does on the CPU, and was quicker there.
    ``benchmarks/gpu.py`` does this, and no reconstruction: a kernel that fails may leave a card unusable to its process.
    """
    best: Backend = TorchBackend(device)
    least, notes = _seconds(best), []
    for one in variants(device):
        try:
            wrong = check_iterations(one)
            took = math.inf if wrong else _seconds(one)
        except Exception as error:  # whatever the driver says
            wrong, took = _said(error), math.inf
        if wrong:
            notes.append(f"Iterations {one.variant}, are not used ({wrong}).")
        if took < QUICKER * least:
            best, least = one, took
    folder = cache.folder()
    if folder is not None:
        name = getattr(best, "variant", "")
        files.write(folder / TRIED, json.dumps({_card(device): name}))
    on_cuda.cache_clear()
    return Chosen(best, tuple(notes))


def _card(device: torch.device) -> str:
    return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}, {full_version()}"


def _seconds(backend: Backend) -> float:
    """Return the time of an iteration of one start at 64³, the shortest of some."""
    side, times = 64, []
    objects = torch.ones((1, side, side, side), dtype=torch.complex64, device=backend.device)
    modulus = torch.ones((side, side, side), device=backend.device)
    pattern = Small((side, side, side), modulus, modulus, backend.device)
    run = backend.iterations(objects, objects.real > 0, pattern, relaxation("HIO"))
    run.iterate(10)
    for _ in range(5):
        begin = time.perf_counter()
        run.iterate(20)  # which is waited for
        times.append((time.perf_counter() - begin) / 20)
    return min(times)


def fill(folder: Path, niceness: int) -> None:
    """Make the compiled functions of a folder, in a process of its own that gives way to others.

    They are tried as well: functions that crash or compute wrong numbers are never called ready.
    """
    cache.take(folder)
    if hasattr(os, "nice"):
        os.nice(niceness)
    try:
        wrong = check(_load(folder))
    except BaseException as error:
        cache.fail(folder, _said(error))
        raise
    if wrong:
        cache.fail(folder, f"they computed wrong {wrong}")
    else:
        cache.succeed(folder)
        cache.clean(folder)


_FILL = (
    f"import sys, pathlib, {__name__} as backend; backend.fill(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
)


def _load(folder: Path | None) -> Backend:
    from .compiled.jit import kept_in

    with kept_in(folder):
        from .compiled.backend import CompiledBackend

        return CompiledBackend()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
