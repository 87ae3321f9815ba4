"""How functions are compiled, if numba can be used, and shared by threads, each of which does a slab of the planes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import torch

_SLAB = 2**19
"""Voxels that are worth a thread of their own: about half a millisecond of work in a pass over them."""
_SHARE = 2**14
"""Voxels of an iteration that are worth a thread of their own: about a tenth of a millisecond of work."""
_EACH = 8
"""Slabs for every thread: one that is held up holds up the others by no more than one of them."""


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


def together(join: Callable[[int], None], voxels: int) -> None:
    """Do iterations whose slabs are shared by whoever calls ``join(slabs)``, by as many threads as torch would use if it pays.

    All is done when `join` returns.  A thread that comes late, or cannot come, finds less to do.
    """
    count = max(1, min(torch.get_num_threads(), voxels // _SHARE))
    slabs = _EACH * count if count > 1 else 1
    others = [_pool().submit(join, slabs) for _ in range(count - 1)]
    join(slabs)
    for other in others:
        other.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    # threads of our own, since compiled functions hold no lock: numba's parallel loops abort the process when two
    # reconstructions run at once on its default layer
    return ThreadPoolExecutor(thread_name_prefix="slabs")


def compiled(njit: Any, function: Callable[..., Any], signature: Any) -> Any:
    """Return `function` compiled for arguments of `signature`, from the cache on disk if it can be written."""
    try:
        return staticmethod(
            njit(signature, fastmath=True, error_model="numpy", nogil=True, cache=True)(function)
        )
    except (RuntimeError, OSError):  # there is no place where its cache can be written
        return staticmethod(njit(signature, fastmath=True, error_model="numpy", nogil=True)(function))
