"""Machine code on disk: where it is kept, when it is stale, and the process that makes it while others work.

To compile takes ten to twenty seconds, in which numba holds Python's lock, so that a process of its own does it, at the lowest
priority: `fill_in_background`.  It goes on when the program that started it ends.  Nothing here imports numba.

A folder of code is named by two hashes: of all sources that take part (what they say, and when they were written, which numba
goes by), and of the processor, the system and the versions of Python, NumPy, numba and llvmlite.  It holds one of three files:
``filling`` while the code is made, then ``ready``, or ``failed`` with the reason.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent
SOURCES = (*sorted(ROOM.glob("*.py")), ROOM.parent / "pattern.py")
"""What takes part in compiled functions: this room, and the constants that it takes from outside."""
FILLING, READY, FAILED = "filling", "ready", "failed"
LONGEST_S = 900.0
"""No process fills a folder for longer."""
AGAIN_S = 24 * 3600.0
"""What failed is tried again after this."""
UNUSED_S = 90 * 24 * 3600.0
"""Folders that nobody used for so long are removed."""
_child: subprocess.Popen[bytes] | None = None


@cache
def name() -> str:
    """Return the name of the folder for the sources, the versions and the processor of now."""
    return f"{_short(_sources())}-{_machine()}"


def _sources() -> Iterator[str]:
    for path in SOURCES:
        state = path.stat()
        yield f"{path.name} {state.st_size} {state.st_mtime_ns} {sha256(path.read_bytes()).hexdigest()}"


@cache
def _machine() -> str:
    packages = (f"{package} {_version(package)}" for package in ("numba", "llvmlite", "numpy"))
    asked = (os.environ.get(f"NUMBA_{what}", "") for what in ("CPU_NAME", "CPU_FEATURES", "OPT"))
    system = platform.system(), platform.machine(), sys.implementation.cache_tag, sys.version
    return _short([*packages, *asked, *map(str, system), processor()])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def processor() -> str:
    """Return what tells processors apart: model and instructions."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        lines = text.partition("\n\n")[0].splitlines()  # of the first one
        told = ("model name", "flags", "CPU part", "CPU implementer", "Features")
        found = [line for line in lines if line.partition(":")[0].strip() in told]
        if found:
            return "\n".join(found)
    return platform.processor()


def _short(lines: Iterator[str] | list[str]) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def places() -> list[Path]:
    """Return where folders of code may be, the best first: where numba was told to; or the user's cache, and a temporary one."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "napari-autophase"]
    found = []
    with suppress(RuntimeError):  # there is no home
        home = Path.home()
        user = {
            "win32": os.environ.get("LOCALAPPDATA") or home / "AppData/Local",
            "darwin": home / "Library/Caches",
        }.get(sys.platform) or os.environ.get("XDG_CACHE_HOME") or home / ".cache"  # fmt: skip
        found.append(Path(user) / "napari-autophase")
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return [*found, Path(tempfile.gettempdir()) / f"napari-autophase-{owner}"]


def folder() -> Path | None:
    """Return the folder for the code of now: one that is ready, or the first; None: none can be written, as numba wants it."""
    ours = [one for place in places() if _can_be_written(one := place / name())]
    return next((one for one in ours if (one / READY).is_file()), ours[0] if ours else None)


def _can_be_written(one: Path) -> bool:
    try:
        one.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        one.mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=one):
            pass
    except OSError:
        return False
    return _is_safe(one)


def _is_safe(one: Path) -> bool:
    """Whether nobody but us, or the system's owner, can have written there: code that is loaded can do anything."""
    if not hasattr(os, "getuid"):
        return True
    trusted = {os.getuid(), 0}
    states = [path.stat() for path in (one, one.parent)]
    return all(state.st_uid in trusted and not state.st_mode & 0o022 for state in states)


def ready() -> bool:
    """Say whether code for these sources, versions and this processor is there."""
    found = folder()
    return found is not None and (found / READY).is_file()


def failure() -> str | None:
    """Return why the code cannot be made, or could not lately."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    found = folder()
    if found is None:
        return "no folder for them can be written"
    with suppress(OSError):
        if time.time() - (found / FAILED).stat().st_mtime < AGAIN_S:
            return (found / FAILED).read_text(encoding="utf-8").strip() or "the reason could not be written"
    return None


def fill_in_background(program: str, niceness: int = 19) -> bool:
    """Have the code made by a process of its own, unless one is at it or failed lately; says whether one is at it.

    Parameters
    ----------
    program
        What the process does, in Python; the folder and the niceness are its arguments.
    niceness
        How much it gives way to others.
    """
    global _child
    found = folder()
    if (
        found is None
        or (found / READY).is_file()
        or failure()
        or not sys.executable
        or hasattr(sys, "frozen")
    ):
        return False
    if not _claimed(found):
        return True
    # the folder holds no modules that could be taken for others
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    how: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    if sys.platform == "win32":
        how["creationflags"] = subprocess.IDLE_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    else:
        how["start_new_session"] = True
    environment = {**os.environ, "PYTHONPATH": paths}
    try:
        _child = subprocess.Popen(
            [sys.executable, "-c", program, str(found), str(niceness)], cwd=found, env=environment, **how
        )
    except OSError as error:
        fail(found, str(error))
        return False
    return True


def _claimed(found: Path) -> bool:
    """Make the file that says that the folder is being filled; False: another process is at it."""
    mark = found / FILLING
    if mark.exists() and _is_over(mark):
        mark.unlink(missing_ok=True)
    try:
        with mark.open("x", encoding="utf-8") as file:
            file.write(f"{socket.gethostname()}\n")
    except OSError:
        return False
    (found / FAILED).unlink(missing_ok=True)
    return True


def _is_over(mark: Path) -> bool:
    """Whether the process that filled has ended without a word."""
    if _child is not None and _child.poll() is not None:
        return True
    try:
        host, *pid = mark.read_text(encoding="utf-8").splitlines()
        age = time.time() - mark.stat().st_mtime
    except (OSError, ValueError):
        return False
    if age > LONGEST_S:
        return True
    return bool(pid) and host == socket.gethostname() and not _lives(int(pid[0]))


def _lives(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def wait(program: str, most_s: float = LONGEST_S) -> bool:
    """Wait until the code is there, which `program` makes; False: it will not be."""
    end = time.monotonic() + most_s
    while not ready():
        if not fill_in_background(program, 0) or time.monotonic() > end:
            return ready()
        time.sleep(0.05)
    return True


def take(found: Path) -> None:
    """Say that this process fills the folder."""
    (found / FILLING).write_text(f"{socket.gethostname()}\n{os.getpid()}\n", encoding="utf-8")


def succeed(found: Path) -> None:
    """Say that the folder is full, and whose it is."""
    (found / "installation").write_text(str(ROOM), encoding="utf-8")
    os.replace(found / FILLING, found / READY)


def fail(found: Path, why: str) -> None:
    """Say that the folder cannot be filled."""
    with suppress(OSError):
        os.replace(found / FILLING, found / FAILED)  # works on a full disk too
        (found / FAILED).write_text(why, encoding="utf-8")


def used(found: Path) -> None:
    """Say that the folder is in use, at most once a day."""
    with suppress(OSError):
        if time.time() - (found / READY).stat().st_mtime > 24 * 3600:
            os.utime(found / READY)


def clean(found: Path) -> None:
    """Remove other folders that are stale: of earlier sources of this installation on such a processor, and unused ones."""
    _, _, machine = found.name.partition("-")
    for other in found.parent.iterdir():
        if other == found or not other.is_dir():
            continue
        with suppress(OSError):
            marks = [other / mark for mark in (READY, FAILED, FILLING) if (other / mark).is_file()]
            age = time.time() - max((mark.stat().st_mtime for mark in marks), default=other.stat().st_mtime)
            ours = (other / "installation").is_file() and (other / "installation").read_text(
                encoding="utf-8"
            ) == str(ROOM)
            if age > UNUSED_S or (ours and other.name.endswith(f"-{machine}")):
                shutil.rmtree(other)
    with suppress(OSError):  # where numba kept the code of earlier versions
        for old in (ROOM.parent / "__pycache__").glob("*.nb[ic]"):
            old.unlink()
