"""The two point-wise passes of an iteration between two Fourier transforms, and how functions are compiled and shared by threads.

On the CPU iterations are compiled as a whole (see `box`): these passes are for other devices, and for where numba cannot be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from .algorithm import Feedback

TINY = np.float32(1e-30)
"""Squared amplitudes below this count as this: a field of exactly zero stays zero."""
_SLAB = 2**19
"""Voxels that are worth a thread of their own: about half a millisecond of work."""


def modulus_pass(field: torch.Tensor, modulus: torch.Tensor) -> torch.Tensor:
    """Project `field` in place onto the measured modulus, divide it by its number of voxels, and return the misfits.

    Parameters
    ----------
    field
        complex64 (P, N0, N1, N2): unnormalised transforms of P objects, in FFT order.
    modulus
        float32 (N0, N1, N2), FFT order; negative where the modulus is free, and there the field keeps its own.

    Returns
    -------
    (P,) float64 (float32 on MPS, which has no other)
        Σ(|F| − modulus)² over the fitted voxels, *before* the projection.
    """
    amplitude = field.abs()
    fitted = modulus >= 0
    misfit = torch.where(fitted, amplitude - modulus, 0).square_()
    sums = misfit.sum(dim=(1, 2, 3), dtype=torch.float32 if field.device.type == "mps" else torch.float64)
    ratio = torch.where(fitted, modulus / amplitude.clamp_(min=math.sqrt(TINY)), 1)
    field *= ratio.mul_(1.0 / modulus.numel())
    return sums


def support_pass(
    before: torch.Tensor, projected: torch.Tensor, support: torch.Tensor, rule: Feedback
) -> torch.Tensor:
    """Combine the object `before` with its modulus projection as `rule` says; returns the new object.

    Parameters
    ----------
    before, projected
        complex64 (P, N0, N1, N2), overwritten.
    support
        bool, same shape.
    """
    if rule.confines:
        return projected.mul_(support)
    return torch.where(support, projected, before.mul_(rule.keep).add_(projected, alpha=rule.add))


@cache
def can_compile() -> bool:
    """Say whether numba can be used."""
    try:
        import numba  # noqa: F401
    except Exception:  # numba refuses NumPy versions that it does not know with errors of several kinds
        return False
    return True


def in_slabs(work: Callable[[int, int], None], planes: int, voxels: int) -> None:
    """Do `work(first, last)` over all planes, by as many threads as torch would use if the volume is worth it."""
    slabs = min(torch.get_num_threads(), voxels // _SLAB, planes)
    if slabs < 2:
        work(0, planes)
        return
    cuts = [planes * i // slabs for i in range(slabs + 1)]
    others = [_pool().submit(work, *cut) for cut in pairwise(cuts[1:])]
    work(cuts[0], cuts[1])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    # threads of our own, since the compiled passes hold no lock: numba's parallel loops abort the process when two
    # reconstructions run at once on its default layer
    return ThreadPoolExecutor(thread_name_prefix="passes")


def compiled(njit: Any, function: Callable[..., Any], signature: Any) -> Any:
    """Return `function` compiled for arguments of `signature`, from the cache on disk if it can be written."""
    try:
        return staticmethod(
            njit(signature, fastmath=True, error_model="numpy", nogil=True, cache=True)(function)
        )
    except (RuntimeError, OSError):  # there is no place where its cache can be written
        return staticmethod(njit(signature, fastmath=True, error_model="numpy", nogil=True)(function))
