"""The version of this program: the one place where it stands, and the commit where it is known."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

VERSION = "0.2.0"
_PACKAGE = Path(__file__).parent
_BUILT_FROM = _PACKAGE / "commit.txt"
"""Written into a wheel and an sdist by ``tools/build_hook.py``; a checkout asks git."""


@cache
def full_version() -> str:
    """Return the version with its commit as PEP 440 has it, such as ``0.2.0+g1a2b3c4``, ``.dirty`` if files were changed.

    Results carry this. Without git, or outside a checkout, it is the version alone.
    """
    known = commit()
    return f"{VERSION}+g{known}" if known else VERSION


def commit() -> str | None:
    """Return the short hash of the commit that this program was built from, or None where nobody knows it."""
    if _BUILT_FROM.is_file():
        return _BUILT_FROM.read_text(encoding="utf-8").strip() or None
    root = _PACKAGE.parents[1]
    if not (root / ".git").exists():  # a repository further up is somebody else's
        return None
    ask = ["git", "-C", str(root), "describe", "--always", "--exclude=*", "--abbrev=7", "--dirty=.dirty"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
