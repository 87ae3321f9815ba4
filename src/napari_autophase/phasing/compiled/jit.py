"""How functions are compiled: `compiled` ones for one signature, at once; `inlined` ones into those that call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

_HOW: dict[str, Any] = {"fastmath": True, "error_model": "numpy", "nogil": True}

inlined = njit(**_HOW)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for arguments of `signature`, or load what was compiled before; without a cache where none can be written."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, cache=True, **_HOW)(function)
        except (RuntimeError, OSError):  # numba finds no place for its cache
            return njit(signature, **_HOW)(function)

    return decorate
