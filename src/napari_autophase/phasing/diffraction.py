"""The measured pattern as phasing needs it, and the forward model.

Conventions owned here
----------------------
The field is ``fftshift(fftn(ifftshift(object)))`` *without* normalisation, so that Σ|field|² = N·Σ|object|² with N voxels
(Parseval), and its squared modulus is the expected number of photons.  Inside the engine everything stands in FFT order
(zero frequency and the middle of the object at index 0), and the transforms run without any shift.
"""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from ..memory import OutOfMemory, ran_out, said
from ..preparation import middle
from ..scan import InputError
from . import backend as backends
from .backend import Backend
from .blur import Blur
from .coherence import lit, put_middle
from .coherence import middle as middle_of
from .forward import Forward
from .modelled import ModelledBackend
from .pattern import AXES, BOUND, HELD_OUT, MASKED

_Result = TypeVar("_Result")

CORE_RADIUS = 0.08
"""Pixels nearer to the peak than this fraction of each side are never held out."""
_RAN_OUT = "The memory of"
LARGEST_FLOOR = 0.1
"""Photons: the expected count never falls below this (or a hundredth of the mean count, if that is less) in likelihoods."""


@dataclass
class Room:
    """How many starts a device has room for at a time.

    Parameters
    ----------
    most
        No more than so many; None: nobody knows.
    at_a_time
        How many a batch last worked on.
    """

    most: int | None = None
    at_a_time: int = 1


class Diffraction:
    """Photon counts on a device, in FFT order, with some pixels held out from the fit.

    Parameters
    ----------
    counts
        float32 (N0, N1, N2), photons, the Bragg peak at ``shape // 2``.
    good
        bool, same shape; False where the detector saw nothing usable: there the modulus is unconstrained.
    free_fraction
        Fraction of the good pixels held out, in islands a fringe wide (single pixels would be known from their neighbours).
    seed
        Seed of the choice of held-out pixels.
    device
        Where to hold everything.
    held_out_pixels
        The held-out pixels, if they are known already: bool, same shape; fraction and seed then say nothing.
    backend
        ``auto``, ``torch`` or ``compiled``: what computes, see `backend.choose`.
    bounded
        Whether counts that are not good are lower bounds, as those of a saturated detector: the modulus may be anything above.
    background
        Photons per pixel that are not the crystal's, known beforehand: a number, or float32, same shape.

    Attributes
    ----------
    backend
        What computes with it.
    measured
        float32 tensor, √counts, and negative where the modulus is not fitted (see `pattern`).
    modulus
        The same of coherent light without background, onto which objects are projected: `measured` itself where there is neither
        blur nor background, unless `explained` was given another.
    forward
        What lies between the coherent intensity and the measured one.
    counts
        float32 tensor, photons.
    total, fitted, held_out
        Σ counts over the fitted pixels, less the background, the denominator of chi²; the numbers of fitted and of held-out
        pixels.
    floor
        Photons: the least expected count in likelihoods.
    room
        How many starts are worked on at a time; patterns that were made from one another share it.
    notes
        What a person should know about the device and the backend.

    Raises
    ------
    InputError
        If the shapes differ, or no photons are left to be fitted.
    """

    backend: Backend

    def __init__(
        self,
        counts: np.ndarray,
        good: np.ndarray | None = None,
        free_fraction: float = 0.02,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        held_out_pixels: np.ndarray | None = None,
        bounded: bool = False,
        background: np.ndarray | float = 0.0,
        backend: str = "auto",
    ) -> None:
        counts = np.asarray(counts, dtype=np.float32)
        good = np.ones(counts.shape, bool) if good is None else np.asarray(good, bool)
        if counts.ndim != 3 or good.shape != counts.shape:
            raise InputError(
                f"Counts {counts.shape} and good pixels {good.shape} must be volumes of one shape."
            )
        if held_out_pixels is None:
            held_out_pixels = held_out(good, free_fraction, seed)
        fitted = good & ~held_out_pixels
        if not counts[fitted].any():
            raise InputError(
                "No photons are left in the pixels to be fitted: mask fewer pixels or choose another scan."
            )
        modulus = np.sqrt(np.maximum(counts, 0))
        modulus[~good] = np.where(modulus[~good] > 0, -BOUND * modulus[~good], MASKED) if bounded else MASKED
        modulus[held_out_pixels] = HELD_OUT
        self.shape: tuple[int, int, int] = counts.shape
        self.notes: tuple[str, ...] = ()
        self.room = Room()
        self._wanted = backend
        self.forward = Forward()
        self._choose(torch.device(device))
        dark = np.asarray(background, np.float32)
        volumes = [np.fft.ifftshift(volume) if volume.ndim else volume for volume in (counts, modulus, dark)]
        tensors = [torch.from_numpy(volume) for volume in volumes]
        self.counts, self.measured, there = self.or_on_cpu(lambda: [one.to(self.device) for one in tensors])
        if dark.any():
            self.forward = Forward(None, there)
        self._apart = self.modulus = without(self.measured, self.forward)
        self._compute()
        light = np.maximum(counts - dark, 0) if dark.any() else counts
        self.total = float(light[fitted].sum(dtype=np.float64))
        if not self.total:
            raise InputError(
                f"A background of up to {dark.max():.3g} photons a voxel leaves nothing for the crystal: give less, or let it be "
                "estimated."
            )
        self.fitted = int(fitted.sum())
        self.held_out = int(held_out_pixels.sum())
        self._bounded = bounded
        self.floor = min(LARGEST_FLOOR, 0.01 * float(counts[good].mean(dtype=np.float64)))

    @property
    def blur(self) -> Blur | None:
        """What partly coherent light does to the intensity; None: nothing."""
        return self.forward.blur

    @property
    def good(self) -> torch.Tensor:
        """Usable pixels, bool."""
        return (self.measured >= 0) | self.is_held_out

    @property
    def is_held_out(self) -> torch.Tensor:
        """Held-out pixels, bool."""
        return self.measured == HELD_OUT

    def explained(self, blur: Blur | None, coherent: torch.Tensor | None = None) -> Diffraction:
        """Return the same pattern as one of light that is only partly coherent.

        Parameters
        ----------
        blur
            What lies between the coherent intensity and the measured one; None: nothing.
        coherent
            float32 ([P,] M0, M1, M2), FFT order, all of the pattern or its middle: for projections, the intensity of coherent
            light that explains the counts, of one object or of each of P; None: what projections have now stays.
        """
        other = copy.copy(self)
        # half as many voxels at least, as what lies around is copied
        small = blur is not None and 2 * math.prod(self.lit) < math.prod(self.shape)
        other.forward = Forward(blur, self.forward.background, self.lit if small else None)
        other._compute()
        if other.forward.is_plain:
            other.modulus = self.measured
        elif coherent is not None:
            here = middle_of(self.measured, coherent.shape[-3:])
            aims = torch.where(here >= 0, coherent.sqrt(), here)
            if here is not self.measured:
                middles, aims = aims, self.measured.expand(*coherent.shape[:-3], *self.shape).clone()
                put_middle(aims, middles)
            other.modulus = aims
        return other

    @cached_property
    def lit(self) -> tuple[int, ...]:
        """Sides of the middle beyond which there are hardly any photons, and a blur does not matter."""
        return lit(torch.where(self.measured >= 0, self.forward.apart(self.counts), 0))

    def of_some(self, objects: list[int]) -> Diffraction:
        """Return the same pattern for some of the objects that have a modulus each."""
        other = copy.copy(self)
        other.modulus = self.modulus[objects]
        return other

    def held_out_pixels(self) -> np.ndarray:
        """Return the pixels that are held out, bool (N0, N1, N2), centred."""
        return np.fft.fftshift(self.measured.cpu().numpy() == HELD_OUT)

    def middle(self, shape: tuple[int, ...]) -> Diffraction:
        """Return the middle of reciprocal space, on the device of now: coarser voxels of the same field of view.

        What is held out there is held out here, so that it remains unseen.
        """
        counts, measured = (
            middle(np.fft.fftshift(volume.cpu().numpy()), shape) for volume in (self.counts, self.measured)
        )
        unseen = measured == HELD_OUT
        small = Diffraction(
            counts,
            (measured >= 0) | unseen,
            device=self.device,
            held_out_pixels=unseen,
            bounded=self._bounded,
            background=self._background(shape),
            backend=self._wanted,
        )
        small.room = self.room
        if small.device == self.device:
            small._unmodelled = self._unmodelled
        return small.explained(self.blur)  # its pixels are the same

    def make_room(self) -> None:
        """After memory ran out, have fewer starts worked on at a time; if it was a single one, move to the CPU.  Notes say so.

        Call it when nothing refers to the work any longer, not even an exception: what it had in memory is let go.

        Raises
        ------
        InputError
            If this is the CPU.
        """
        if self.device.type == "cpu":
            raise OutOfMemory(said(f"phasing {' × '.join(map(str, self.shape))} voxels", self.shape))
        notes = [note for note in self.notes if note not in about_memory(self.notes)]
        ran_out = f"{_RAN_OUT} {self.device.type} ran out: "
        if self.room.at_a_time > 1:
            self.room.most = self.room.at_a_time = self.room.at_a_time // 2
            self.notes = (*notes, f"{ran_out}phased at most {self.room.most} start(s) at a time.")
        else:
            device, self.notes = self.device, (*notes, f"{ran_out}phased on the CPU.")
            self._choose(torch.device("cpu"))
            if hasattr(self, "measured"):  # else it was that which did not fit
                self.counts, self.measured = self.counts.cpu(), self.measured.cpu()
                self.forward = self.forward.on(self.device)
                self.modulus = self.modulus.cpu()
                self._apart = without(self.measured, self.forward)
            self._compute()
            empty_cache(device.type)
            return
        empty_cache(self.device.type)

    def _choose(self, device: torch.device) -> None:
        chosen = backends.choose(device, self._wanted)
        self.device: torch.device = device
        self._unmodelled = chosen.backend
        self.notes = (*self.notes, *chosen.notes)

    def _compute(self) -> None:
        self.backend = self._unmodelled
        if not self.forward.is_plain:
            self.backend = ModelledBackend(self._unmodelled, self.forward, self.measured, self._apart)

    def _background(self, shape: tuple[int, ...]) -> np.ndarray | float:
        """Return the background in the middle of reciprocal space."""
        dark = self.forward.background
        if dark is None:
            return 0.0
        values = dark.cpu().numpy()
        return middle(np.fft.fftshift(values), shape) if values.ndim else float(values)

    def or_on_cpu(self, job: Callable[[], _Result]) -> _Result:
        """Return what `job` returns, doing it again with more room, or on the CPU, if the device runs out of memory."""
        while True:
            try:
                return job()
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            self.make_room()  # what the error held is let go before


def about_memory(notes: Iterable[str]) -> tuple[str, ...]:
    """Return those of some notes, each once, that say that memory ran out."""
    return tuple(dict.fromkeys(note for note in notes if note.startswith(_RAN_OUT)))


def empty_cache(kind: str) -> None:
    """Hand back what torch keeps of a device's memory, ``cuda`` or ``mps``, and no longer uses."""
    gc.collect()
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()


def held_out(good: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Choose islands of pixels to be held out from the fit, never around the peak; the same for the same seed.

    Parameters
    ----------
    good
        bool (N0, N1, N2), natural order.
    fraction
        Fraction of the good pixels.

    Returns
    -------
    bool array
        True where held out.  Balls of radius 1, 2 or 3 voxels for shortest sides below 32, 128, and above.
    """
    chosen_pixels = np.zeros(good.shape, bool)
    wanted = round(fraction * int(good.sum()))
    if wanted == 0:
        return chosen_pixels
    radius = 1 if min(good.shape) < 32 else 2 if min(good.shape) < 128 else 3
    axes = np.ogrid[tuple(slice(-radius, radius + 1) for _ in range(3))]
    ball = np.asarray(sum(axis**2 for axis in axes)) <= radius**2
    places = (
        axis.astype(np.float32) for axis in np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in good.shape)]
    )
    core = sum((place / (CORE_RADIUS * n)) ** 2 for place, n in zip(places, good.shape, strict=True)) <= 1
    allowed = good & ~core
    centres = np.flatnonzero(allowed)
    number = max(1, round(wanted / int(ball.sum())))
    chosen = np.random.default_rng(seed).choice(centres.size, min(number, centres.size), replace=False)
    around = np.argwhere(ball) - radius
    islands = np.stack(np.unravel_index(centres[chosen], good.shape), 1)[:, None] + around
    islands = islands[((islands >= 0) & (islands < good.shape)).all(-1)]
    chosen_pixels[tuple(islands.T)] = True
    return chosen_pixels & allowed


def propagate(objects: torch.Tensor) -> torch.Tensor:
    """Return the field at the detector of centred objects (..., N0, N1, N2): ``fftshift(fftn(ifftshift(object)))``."""
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(objects, AXES), dim=AXES), AXES)


def back_propagate(fields: torch.Tensor) -> torch.Tensor:
    """Return the centred objects whose field is `fields`: the inverse of `propagate`."""
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(fields, AXES), dim=AXES), AXES)


def without(modulus: torch.Tensor, forward: Forward) -> torch.Tensor:
    """Return a modulus (see `pattern`) less what the background has in it, bounds as well."""
    if forward.background is None:
        return modulus
    measured, bounded = modulus >= 0, modulus < HELD_OUT
    light = forward.apart(torch.where(measured, modulus, modulus * (-1 / BOUND)).square()).sqrt_()
    bound = torch.where(light > 0, -BOUND * light, MASKED)
    return torch.where(measured, light, torch.where(bounded, bound, modulus))
