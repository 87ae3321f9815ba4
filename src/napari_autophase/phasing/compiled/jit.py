"""How functions are compiled: `compiled` ones for one signature, at once; `inlined` ones into those that call them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config as _config

_HOW: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}
_folder: Path | None = None

config: Any = _config
inlined = njit(**_HOW)


@contextmanager
def kept_in(folder: Path | None) -> Iterator[None]:
    """Let functions that are compiled inside the block be kept in a folder, and taken from there if they are there already."""
    global _folder
    before, _folder = _folder, folder
    try:
        yield
    finally:
        _folder = before


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for arguments of `signature`, or take from the folder what was compiled before."""

    def decorate(function: Callable[..., Any]) -> Any:
        if _folder is None:
            return njit(signature, **_HOW)(function)
        # here, since numba sets it anew from the environment whenever that has changed
        before, config.CACHE_DIR = config.CACHE_DIR, str(_folder)
        try:
            return njit(signature, cache=True, **_HOW)(function)
        finally:
            config.CACHE_DIR = before

    return decorate
