"""What to do where memory runs out in training: say how much of what was asked for has room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import clear_frames

import torch

from ..memory import ran_out
from ..phasing.diffraction import empty_cache
from ..scan import InputError


@contextmanager
def or_say(device: torch.device, what: Callable[[], str]) -> Iterator[None]:
    """Turn memory that runs out inside the block into an `InputError`: ``The memory of cuda ran out: {what()}``.

    `what` is asked after all that the error held was let go, so that it may try what has room.
    """
    try:
        yield
        return
    except InputError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        # the caller holds the error, and the error holds the tensors of every frame that it went through
        clear_frames(error.__traceback__)
    empty_cache(device.type)
    raise InputError(f"The memory of {device} ran out: {what()}")


def largest_that_fits(attempt: Callable[[int], object], below: int, device: torch.device) -> int:
    """Return the largest of ``below / 2``, ``below / 4``, … 1 for which `attempt` has room; 0 if none has."""
    size = below // 2
    while size:
        try:
            attempt(size)
            return size
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
        empty_cache(device.type)
        size //= 2
    return 0


def elsewhere(device: torch.device) -> str:
    """Say what is left to do where nothing fits."""
    return "use a machine with more memory" if device.type == "cpu" else "choose the device cpu"
