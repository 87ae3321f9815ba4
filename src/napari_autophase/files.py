"""Files out: whole or not at all, or one sentence that says why not.

Content is made in memory, where no disk can fail it, and handed over here as bytes or text.  It goes to a part beside its
place, is flushed to the disk, and takes its name last: whatever fails on the way, at any byte, an older file of that name stays
as it was and nothing is left beside it.  Libraries never see a path: HDF5 ends the process when a write fails under it, and
others leave half a file or wait for ever.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from .faults import InputError

Content: TypeAlias = bytes | memoryview | str
"""What a file will hold; text is stored as UTF-8."""
PARTS = ".autophase-*.part"
"""The names of parts: short, since the file's own name may be as long as the file system allows."""
_BLOCK = 4096
"""Bytes that a disk which is not full has left."""
_ADVICE = {
    errno.ENOSPC: "make room there, or choose another place",
    getattr(errno, "EDQUOT", errno.ENOSPC): "make room there, or choose another place",
    errno.ENOENT: "make its folder first, or choose another place",
    errno.EISDIR: "give the name of a file",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def check(path: Path) -> None:
    """Say before the work what would certainly fail after it: no folder, no permission, no room at all, a name too long.

    Raises
    ------
    InputError
        As `write` would.
    """
    import tempfile

    with _explained(path), tempfile.TemporaryFile(dir=_place(path).parent, buffering=0) as file:
        _add(file, bytes(_BLOCK))  # a full disk still takes files, empty ones


def write(path: Path, content: Content) -> None:
    """Write a file, through a link to the file itself; one that is there is replaced and keeps its permissions.

    Raises
    ------
    InputError
        If it cannot be written; an older file of that name is untouched.
    """
    write_together([(path, content)])


def write_together(contents: Iterable[tuple[Path, Content]]) -> None:
    """Write files that belong together: none takes its name before all are on the disk.

    Parameters
    ----------
    contents
        Each file with its content, made one after the other; they take their names in this order.

    Raises
    ------
    InputError
        If one cannot be written; the older files of these names are untouched.
    """
    parts: list[tuple[Path, Path, Path]] = []
    try:
        for path, content in contents:
            with _explained(path):
                place = _place(path)
                part = place.with_name(PARTS.replace("*", uuid4().hex))
                parts.append((path, part, place))
                with part.open("xb", buffering=0) as file:
                    _add(file, content)
                if place.exists():
                    with suppress(OSError):  # some file systems know no permissions
                        shutil.copymode(place, part)
        for path, part, place in parts:
            with _explained(path):
                os.replace(part, place)
    finally:
        for _, part, _ in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def append(path: Path, content: Content) -> None:
    """Add to the end of a file that is there: all of it or nothing.

    Raises
    ------
    InputError
        If that fails; the file is as long as it was.
    """
    with _explained(path), path.open("r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            _add(file, content)
        except BaseException:
            file.truncate(end)
            raise


def make_folder(path: Path) -> Path:
    """Make a folder, and those around it, unless it is there; return it.

    Raises
    ------
    InputError
        If that fails.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be made ({error.strerror}); choose another place."
        ) from error
    return path


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason, advice = error.strerror or error, _ADVICE.get(error.errno or 0, "choose another place")
        if error.errno == errno.ENOENT:
            is_there = path.parent.is_dir()  # some file systems, such as that of processes, take no files
            reason = "nothing can be written in that folder" if is_there else "there is no such folder"
            advice = "choose another place" if is_there else advice
        raise InputError(f"{path} cannot be written ({reason}); {advice}.") from error


def _place(path: Path) -> Path:
    """Return where a file really goes, unless what is there must not be replaced."""
    place = Path(os.path.realpath(path))
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        return place
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EEXIST, "it is no ordinary file")
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected")
    return place


def _add(file: io.FileIO, content: Content) -> None:
    """Write all of `content`, of which a call may take a part only, through to the disk."""
    left = memoryview(content.encode() if isinstance(content, str) else content)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())
