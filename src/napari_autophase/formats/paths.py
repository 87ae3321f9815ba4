"""What a person calls a file, and what is said of one that is not there or makes no sense."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..faults import InputError


def split_path(path: str | Path) -> tuple[Path, str | None]:
    """Split ``file.h5::/entry/data`` into the file and the dataset inside it."""
    whole = Path(path)
    file, mark, inside = str(path).partition("::")
    if not file:  # Path makes the current folder of it
        raise InputError(f"'{path}' names no file or folder; say which.")
    return (whole, None) if not mark or whole.exists() else (Path(file), inside or None)


def check_file(path: Path) -> None:
    """Raise `InputError` unless `path` is a file or folder that can be opened and is not empty."""
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is neither a file nor a folder; check the path.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read by you; change its permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise DamagedFile(path, "it is empty", f"{path} is empty; it was probably not written to the end.")


class DamagedFile(InputError):
    """A file that a library cannot make sense of; it may yet be complete if somebody writes it now.

    Parameters
    ----------
    path, reason
        The file, and what is wrong with it in a few words.
    text
        The whole sentence; None: that it is damaged.
    """

    def __init__(self, path: Path, reason: str, text: str | None = None) -> None:
        self.path, self.reason = path, reason
        super().__init__(text or f"{path} is damaged or cut short ({reason}); copy or export it again.")


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn whatever a library raises over a broken file (there is no end to the kinds) into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path} does not fit into the memory that is free now; read a part of it with --crop auto."
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or "its contents are not what its beginning announces"
        if (missing := _missing_codec(reason)) is not None:
            raise InputError(
                f"{path} {missing}, or save it uncompressed; nothing is wrong with the file."
            ) from error
        raise DamagedFile(path, reason[:160]) from error


def _missing_codec(reason: str) -> str | None:
    """Return which package is missing, if that is what a library says, and how to get it."""
    named = re.search(r"<COMPRESSION\.(\w+).*requires the '([\w-]+)' package", reason)
    if named:
        return f"is compressed with {named[1]}, which the package {named[2]} unpacks: pip install {named[2]}"
    if re.search(
        r"required filter|filter.*not (registered|available)|can't open (plugin )?directory", reason
    ):
        return (
            f"is compressed in a way that no package here unpacks ({reason[:160]}): pip install -U hdf5plugin"
        )
    return None
