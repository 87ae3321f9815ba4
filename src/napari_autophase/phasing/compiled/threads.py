"""Threads of our own for the compiled functions, which hold no lock: each does a slab of the planes.

numba's parallel loops are no choice: they abort the process when two reconstructions run at once on its default layer.
The pool belongs to one process: a child that was forked makes its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

_SLAB = 2**19
"""Voxels that are worth a thread of their own: about half a millisecond of work in a pass over them."""
_SHARE = 2**14
"""Voxels of an iteration that are worth a thread of their own: about a tenth of a millisecond of work."""
_EACH = 8
"""Slabs for every thread: one that is held up holds up the others by no more than one of them."""


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
    """Do iterations whose slabs are shared by all threads that call ``join(slabs)``: as many as torch uses, if it pays.

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
    return ThreadPoolExecutor(thread_name_prefix="slabs")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
