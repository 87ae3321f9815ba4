"""Where phasing runs: devices, memory and threads."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import cache

import psutil
import torch

from ..memory import GIB, available_memory_bytes, threads_bytes, what_fits
from ..recipe import Preparation, Recipe
from ..recipe.algorithm import GRADIENTS, parse
from ..recipe.devices import named
from ..scan import InputError
from . import backend as backends
from .backend import Backend
from .need import HOST
from .workers import cores

_PREPARED = 14
"""Bytes a voxel that are kept beside phasing: counts, what can be believed, the object that was guessed and its support."""
_THREADS_PER_CORE = 5
"""So many threads run while a job is phased: this program's, torch's, those of the libraries under them."""
_LIBRARIES, _LIBRARIES_OF_GPU = 4 * 2**20, 32 * 2**20
"""Bytes that libraries take for themselves, on the CPU and on a GPU."""


def pick_device(name: str = "auto") -> tuple[torch.device, tuple[str, ...]]:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``mps`` or one of several, such as ``cuda:1``, and what a person should
    know about the choice.

    A device that is not there, or cannot compute, is replaced by the CPU, with a note; with ``auto`` the next one is tried.

    Raises
    ------
    InputError
        If there is no such name.
    """
    if name == "auto":
        tried = [fault_of(torch.device(kind)) for kind in ("cuda", "mps")]
        able = (torch.device(kind) for kind, why in zip(("cuda", "mps"), tried, strict=True) if why == "")
        broken = (f"The {kind} device cannot be used ({why}): phased on another."
                  for kind, why in zip(("cuda", "mps"), tried, strict=True) if why)  # fmt: skip
        return next(able, torch.device("cpu")), tuple(broken)
    wanted = torch.device(named(name))
    why = fault_of(wanted)
    if why is None:
        return torch.device("cpu"), (f"This computer has no {name} device: phased on the CPU.",)
    if why:
        return torch.device("cpu"), (f"The {name} device cannot be used ({why}): phased on the CPU.",)
    return wanted, ()


def fault_of(device: torch.device) -> str | None:
    """Return an empty string if a device computes, in words why it does not, or None if it is not there."""
    if device.type == "cpu":
        return ""
    kind = torch.cuda if device.type == "cuda" else torch.backends.mps
    if not kind.is_available() or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        return None
    return _computes(device)


@cache
def _computes(device: torch.device) -> str:
    # a driver that is too old, or a card that this build of torch knows nothing of, shows here and not before
    try:
        found = torch.fft.fftn(torch.ones((2, 2, 2), dtype=torch.complex64, device=device)).abs().sum()
        return "" if abs(float(found) - 8) < 1e-3 else "it computes wrong numbers"
    except Exception as error:  # whatever the driver says
        return " ".join(str(error).split())[:200] or type(error).__name__


def device_lines() -> list[str]:
    """Return one readable line for every device of this computer."""
    memory = psutil.virtual_memory()
    lines = [
        f"cpu: {cores()} cores, {memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free, {backends.state()}"
    ]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            why = fault_of(torch.device("cuda", index))
            if why:
                lines.append(f"cuda:{index}: cannot be used ({why})")
                continue
            available, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            lines.append(f"cuda:{index}: {name}, {available / GIB:.1f} of {total / GIB:.1f} GiB free")
    if torch.backends.mps.is_available():
        lines.append("mps: Apple GPU, shares the memory of the CPU")
    return lines


def available_bytes(device: torch.device) -> int:
    """Return the memory that is available on `device`, in bytes, with what torch has set aside and does not use."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        unused = torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
        return max(0, min(unused, available_memory_bytes()))
    return available_memory_bytes()


def has_gradients(algorithm: str) -> bool:
    """Say whether an algorithm has gradient steps."""
    return not set(parse(algorithm)).isdisjoint(GRADIENTS)


def memory_bytes(
    shape: tuple[int, ...],
    starts: int,
    algorithm: str = "",
    backend: Backend | None = None,
    *,
    at_a_time: int | None = None,
    blurred: bool = False,
    averaged: bool = False,
) -> int:
    """Return the peak memory of phasing in bytes, beyond the photon counts handed in.

    On a CPU that is six complex64 volumes for one start of ER, HIO and RAAR.  Per voxel: 12 bytes of data (counts, modulus, and
    a backend's copy of it); nine for every start (object and support), twice while they are loaded, and what lies between its
    iterations (a field; for gradient steps more, of an object that fills at most an eighth of the volume, as it does where the
    pattern is sampled finely enough); and what comes and goes for each start in work at a time.  Measured on the CPU with both
    backends, and on a pretended GPU; a few MiB are the libraries' own.

    Parameters
    ----------
    backend
        What computes; None: what is chosen on the CPU.
    at_a_time
        Starts in work at a time; None: as many as a CPU has cores, and all of them on a GPU.
    blurred
        Whether light may be partly coherent.
    averaged
        Whether the end begins from means too, which is another object for every start.
    """
    backend = backends.choose().backend if backend is None else backend
    if at_a_time is None:
        at_a_time = min(starts, cores()) if backend.device.type == "cpu" else starts
    need = backend.need(has_gradients(algorithm), blurred)
    need = need.branching() if averaged else need
    libraries = _LIBRARIES if backend.device.type == "cpu" else _LIBRARIES_OF_GPU
    return round(math.prod(shape) * need.per_voxel(starts, at_a_time)) + libraries


def check_memory(
    shape: tuple[int, ...], recipe: Recipe, device: torch.device, *, is_prepared: bool = False
) -> None:
    """Refuse a job that would not fit, before anything is allocated (`is_prepared`: but for what is prepared and guessed).

    Raises
    ------
    InputError
        Naming the memory needed and the memory there is.
    """
    phased, starts = _phased(shape, recipe), recipe.number_of_starts
    there, threads = available_bytes(torch.device("cpu")), threads_bytes(_THREADS_PER_CORE * cores())
    if device.type == "cpu":
        needed = _recipe_bytes(phased, recipe, device) + (0 if is_prepared else _PREPARED * math.prod(phased))
    else:
        needed = round(math.prod(phased) * HOST.per_voxel(starts, 0))
    if needed + threads > there:
        fits = what_fits(phased, needed, there - threads)
        raise InputError(
            f"Phasing {' x '.join(map(str, phased))} voxels with {starts} start(s) needs {(needed + threads) / GIB:.1f} GiB and "
            f"{there / GIB:.1f} GiB are free: bin or crop the scan (about {fits} would fit), "
            "or ask for fewer starts."
        )
    if device.type != "cpu":
        least = _recipe_bytes(phased, recipe, device, at_a_time=1)
        there = available_bytes(device)
        if least > there:
            raise InputError(
                f"Phasing {' x '.join(map(str, phased))} voxels with {starts} start(s) needs {least / GIB:.1f} GiB and the GPU "
                f"has {there / GIB:.1f} GiB free: bin or crop the scan (about {what_fits(phased, least, there)} would fit), "
                "ask for fewer starts, or choose device cpu."
            )


def with_room(shape: tuple[int, ...], recipe: Recipe, device: torch.device) -> Recipe:
    """Return a recipe with as many of its random starts as there is memory for, and at least one.

    `shape` is that of the prepared counts: nothing is binned, cropped or padded any more.
    """
    for starts in range(recipe.refine.starts, 1, -1):
        fewer = recipe.with_settings({"refine.starts": starts})
        with suppress(InputError):
            check_memory(shape, fewer.model_copy(update={"prepare": Preparation()}), device, is_prepared=True)
            return fewer
    return recipe.with_settings({"refine.starts": 1})


def _recipe_bytes(
    phased: tuple[int, ...], recipe: Recipe, device: torch.device, at_a_time: int | None = None
) -> int:
    backend = backends.choose(device, recipe.backend).backend
    # a background is computed with as a blur is
    blurred = recipe.model.coherence != "off" or recipe.model.background != "off"
    return memory_bytes(
        phased,
        recipe.number_of_starts,
        recipe.refine.algorithm,
        backend,
        at_a_time=at_a_time,
        blurred=blurred,
        averaged=recipe.refine.averages,
    )


def memory_line(shape: tuple[int, ...], recipe: Recipe) -> str:
    """Say how much memory phasing takes at its peak, and how much is free, before it starts.

    Raises
    ------
    InputError
        If it would not fit (`check_memory`), or the algorithm cannot be read.
    """
    device, _ = pick_device(recipe.device)
    check_memory(shape, recipe, device)
    phased, available = _phased(shape, recipe), available_bytes(device)
    # a GPU that cannot hold all starts works on as many as it can
    needed = _recipe_bytes(phased, recipe, device)
    if device.type == "cpu":
        needed += _PREPARED * math.prod(phased) + threads_bytes(_THREADS_PER_CORE * cores())
    needed = min(available, needed)
    where = "CPU" if device.type == "cpu" else "GPU"
    return (
        f"{' × '.join(map(str, phased))} on the {where}: about {_gib(needed)} of {_gib(available)} GiB free"
    )


def _phased(shape: tuple[int, ...], recipe: Recipe) -> tuple[int, ...]:
    binned = tuple(max(1, side // factor) for side, factor in zip(shape, recipe.prepare.binning, strict=True))
    crop = recipe.prepare.crop
    return tuple(map(min, binned, crop)) if isinstance(crop, tuple) else binned


def _gib(size: int) -> str:
    return f"{size / GIB:.0f}" if size >= 9.95 * GIB else f"{max(0.1, size / GIB):.1f}"
