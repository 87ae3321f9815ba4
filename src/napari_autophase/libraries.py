"""The libraries of torch, which take most of the time that its import takes."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def load_libraries() -> None:
    """Have the system load torch's libraries while other threads go on.

    Python holds its lock while an import does so, and lets it go while it calls a function of the C library.  Whatever cannot be
    loaded this way is left to the import.
    """
    spec = find_spec("torch")
    library = {"linux": "libtorch.so", "darwin": "libtorch.dylib"}.get(sys.platform)
    if "torch" in sys.modules or spec is None or spec.origin is None or library is None:
        return
    system = ctypes.CDLL(None)
    system.dlopen.restype, system.dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    system.dlopen(os.fsencode(Path(spec.origin).parent / "lib" / library), os.RTLD_NOW)
