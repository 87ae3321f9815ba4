"""Where phasing runs: devices, memory and threads."""

from __future__ import annotations

import math

import psutil
import torch

from ..memory import GIB, free_bytes, what_fits
from ..recipe import Recipe
from ..recipe.algorithm import GRADIENTS, parse
from ..scan import InputError
from . import backend as backends
from .backend import Backend
from .workers import cores

_LIBRARIES = 4 * 2**20


def pick_device(name: str = "auto") -> tuple[torch.device, tuple[str, ...]]:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``mps``, and what a person should know about the choice.

    A device that is not there is replaced by the CPU, with a note.

    Raises
    ------
    InputError
        If there is no such name.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there)), ()
    if name not in present:
        raise InputError(f"There is no device '{name}'; choose auto, cpu, cuda or mps.")
    if not present[name]:
        return torch.device("cpu"), (f"This computer has no {name} device: phased on the CPU.",)
    return torch.device(name), ()


def device_lines() -> list[str]:
    """Return one readable line for every device of this computer."""
    memory = psutil.virtual_memory()
    lines = [
        f"cpu: {cores()} cores, {memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free, {backends.state()}"
    ]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            lines.append(f"cuda:{index}: {name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free")
    if torch.backends.mps.is_available():
        lines.append("mps: Apple GPU, shares the memory of the CPU")
    return lines


def available_bytes(device: torch.device) -> int:
    """Return the memory that is free on `device`, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_bytes()


def memory_bytes(
    shape: tuple[int, ...], starts: int, algorithm: str = "", backend: Backend | None = None
) -> int:
    """Return the peak memory of phasing in bytes, beyond the photon counts handed in: six complex64 volumes for one start of ER,
    HIO and RAAR.

    Per voxel: 12 bytes of data (counts, modulus, and a backend's copy of it); nine for every start (object and support), twice
    while they are loaded, and what lies between its iterations (a field; for gradient steps more, of an object that fills at
    most an eighth of the volume, as it does where the pattern is sampled finely enough); and what comes and goes for each start
    in work at a time, which are as many as there are cores.  Measured on the CPU with both backends; a few MiB are the
    libraries' own.

    Parameters
    ----------
    backend
        What computes; None: what is chosen on the CPU.
    """
    backend = backends.choose().backend if backend is None else backend
    at_a_time = min(starts, cores())
    kept, work = backend.bytes_per_voxel(not set(parse(algorithm)).isdisjoint(GRADIENTS))
    loading, working = 18 * starts + 10 * at_a_time, kept * starts + work * at_a_time
    return math.prod(shape) * (12 + max(loading, working)) + _LIBRARIES


def check_memory(shape: tuple[int, ...], recipe: Recipe, device: torch.device) -> None:
    """Refuse a job that would not fit, before anything is allocated.

    Raises
    ------
    InputError
        Naming the memory needed and the memory there is.
    """
    phased = _phased(shape, recipe)
    starts, backend = recipe.number_of_starts, backends.choose(device, recipe.backend).backend
    needed = memory_bytes(phased, starts, recipe.refine.algorithm, backend)
    there = available_bytes(torch.device("cpu"))
    if needed > there:
        raise InputError(
            f"Phasing {' x '.join(map(str, phased))} voxels with {starts} start(s) needs {needed / GIB:.1f} GiB and "
            f"{there / GIB:.1f} GiB are free: bin or crop the scan (about {what_fits(phased, needed, there)} would fit), "
            "or ask for fewer starts."
        )
    if device.type == "cuda":
        least = memory_bytes(phased, 1, recipe.refine.algorithm, backend)
        there = available_bytes(device)
        if least > there:
            raise InputError(
                f"Phasing {' x '.join(map(str, phased))} voxels needs {least / GIB:.1f} GiB and the GPU has "
                f"{there / GIB:.1f} GiB free: bin or crop the scan (about {what_fits(phased, least, there)} would fit), "
                "or choose device cpu."
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
    phased, free = _phased(shape, recipe), available_bytes(device)
    # a GPU that cannot hold all starts works on as many as it can
    backend = backends.choose(device, recipe.backend).backend
    needed = memory_bytes(phased, recipe.number_of_starts, recipe.refine.algorithm, backend)
    needed = min(free, needed)
    where = "CPU" if device.type == "cpu" else "GPU"
    return f"{' × '.join(map(str, phased))} on the {where}: about {_gib(needed)} of {_gib(free)} GiB free"


def _phased(shape: tuple[int, ...], recipe: Recipe) -> tuple[int, ...]:
    binned = tuple(max(1, side // factor) for side, factor in zip(shape, recipe.prepare.binning, strict=True))
    crop = recipe.prepare.crop
    return tuple(map(min, binned, crop)) if isinstance(crop, tuple) else binned


def _gib(size: int) -> str:
    return f"{size / GIB:.0f}" if size >= 9.95 * GIB else f"{max(0.1, size / GIB):.1f}"
