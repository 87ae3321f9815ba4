"""The kinds of files there are: each is a class in a module of its own, and says by itself what it is.

A new format is one new module of this package with one class that derives from `Format` and bears ``@register``; nothing
else changes.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import documents
from .axes import Rocking
from .common import Dataset, Description, Hints, Volume, as_volume
from .foreign import UNKNOWN, Beside, crystal, first_of
from .logs import ScanLog, find_log
from .paths import DamagedFile, check_file
from .writing import is_held


class UnknownFile(InputError):
    """A file of no known kind."""


class Format(ABC):
    """One kind of file or folder.

    Whatever a method opens it closes; what is damaged is said as an `InputError`.
    """

    name: str
    """What `recognise` calls it."""
    title: str
    """What a person calls it."""
    suffixes: tuple[str, ...] = ()
    """How the names of such files end, in lower case; none for folders."""

    holds_results: bool = False
    """Whether complex arrays are reconstructions."""

    takes_anything: bool = False
    """Whether any folder will do: then all others are asked first."""

    axes_assumed: str = ""
    """What to say of the axes of a complex array that nobody knows the writer of."""

    masks_beside: bool = False
    """Whether the mask of such a file may stand in another one beside it (see `mask_beside`)."""

    @abstractmethod
    def matches(self, path: Path) -> bool:
        """Tell by its first bytes whether a file (or folder) is of this kind."""

    @abstractmethod
    def lists(self, path: Path) -> list[Dataset]:
        """Return the numeric arrays of the file (two or more dimensions) from its headers alone."""

    @abstractmethod
    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:
        """Return one array, as stored."""

    @abstractmethod
    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Return a few evenly spaced frames of a volume; None where that would mean to unpack a lot or to follow links."""

    @contextmanager
    def opens(self, path: Path, dataset: Dataset) -> Iterator[Volume]:
        """Give a volume to be read part by part; where there is no way into its middle it is read whole."""
        whole = as_volume(self.reads(path, dataset))
        yield Volume(lambda box: whole[box].copy())

    def vectors(self, path: Path) -> list[Dataset]:  # noqa: ARG002
        """Return the arrays of numbers along one axis, from the file's headers alone."""
        return []

    def why_none(self, path: Path) -> str:  # noqa: ARG002
        """Say what a file without arrays of numbers holds instead; "" where nothing tells."""
        return ""

    def lists_own(self, path: Path) -> list[Dataset]:
        """Return the arrays that stand in this very file, without following a link."""
        return self.lists(path)

    def scan_of(self, dataset: Dataset) -> str:  # noqa: ARG002
        """Return which of several scans of its file a dataset belongs to; "" where there is but one."""
        return ""

    def find(self, path: Path, name: str) -> Dataset | None:
        """Return the array called `name`, or None."""
        return next((each for each in self.lists(path) if each.path == name.strip("/")), None)

    def preferred(self, path: Path, arrays: list[Dataset]) -> Dataset | None:  # noqa: ARG002
        """Return the array that the file itself declares to be the one to look at, or None."""
        return None

    def declares(self, path: Path) -> bool:  # noqa: ARG002
        """Tell whether the file says by its layout or its metadata that it holds a scan or a result."""
        return False

    def describes(self, path: Path, dataset: Dataset, hints: Hints) -> Description:  # noqa: ARG002
        """Return what the file, and the logs that belong to it, say about one array: mask, geometry, metadata."""
        return Description()

    def is_object(self, path: Path, dataset: Dataset) -> bool:  # noqa: ARG002
        """Tell whether an array is a crystal: complex, or its amplitude or phase, as the file says."""
        return dataset.dtype.kind == "c"

    def log(self, path: Path, dataset: Dataset, given: Path | None) -> tuple[ScanLog | None, tuple[str, ...]]:  # noqa: ARG002
        """Return the log that says how a volume was measured, None if there is none, and notes on why.

        `given` is the one that a person names; most files need none, and no other is looked for.
        """
        return (None, ()) if given is None else find_log(path, given)

    def rocking(self, path: Path, dataset: Dataset) -> Rocking:  # noqa: ARG002
        """Return what the file says of which axis of a volume rocks."""
        return Rocking({})

    def frame_numbers(self, path: Path) -> tuple[int, ...]:  # noqa: ARG002
        """Return the numbers that frames have in their files' names; none if they have none."""
        return ()

    def stands(self, path: Path, dataset: Dataset) -> frozenset[tuple[int, int, object]]:
        """Return what tells the bytes of an array from all others', by whatever name or link they are reached."""
        about = path.stat()
        return frozenset({(about.st_dev, about.st_ino, dataset.path)})

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:
        """Return the reconstruction that a complex array is; nobody knows whose.

        Raises
        ------
        InputError
            If the array is none, or nothing is in it.
        """
        found = as_volume(self.reads(path, dataset))
        if found.dtype.kind != "c":
            raise InputError(f"{path} is not a reconstruction (a complex object); open it as a scan.")
        notes = [self.axes_assumed] if self.axes_assumed else []
        if found.ndim == 4:
            notes.append(first_of(len(found)))
            found = found[0]
        beside = Beside(support=self.support(path, dataset), notes=tuple(notes))
        return crystal(path, dataset.path, found, UNKNOWN, beside)

    def support(self, path: Path, dataset: Dataset) -> np.ndarray | None:
        """Return the support that stands beside a complex array, or None."""
        beside = next((each for each in self.lists(path) if each.path.rpartition("/")[2] == "support"), None)
        if beside is None or beside.path == dataset.path:
            return None
        return as_volume(self.reads(path, beside)) != 0


_FORMATS: list[Format] = []
_F = TypeVar("_F", bound=type[Format])


def register(kind: _F) -> _F:
    """Make a class of this package known (to be written above it)."""
    _FORMATS.append(kind())
    return kind


@cache
def formats() -> tuple[Format, ...]:
    """Return all formats; one that derives from another, being more special, is asked before it."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.ispkg:
            import_module(f"{__package__}.{module.name}")
    return tuple(
        sorted(_FORMATS, key=lambda each: (each.takes_anything, -len(type(each).__mro__), each.name))
    )


def suffixes() -> tuple[str, ...]:
    """Return how the names of files that can be read end."""
    return tuple(sorted({suffix for each in formats() for suffix in each.suffixes}))


def format_of(path: Path) -> Format:
    """Return the format of a file, by its content.

    Raises
    ------
    InputError
        If the file is missing, unreadable or of no known kind.
    """
    check_file(path)
    for each in formats():
        if each.matches(path):
            return each
    packed = _packing(path)
    if packed:
        raise InputError(f"{path} is packed with {packed}; unpack it, and open what was in it.")
    if ours := documents.in_words(path):
        raise UnknownFile(ours)
    known = ", ".join(dict.fromkeys(each.title for each in sorted(formats(), key=lambda each: each.title)))
    unknown = f"{path} is not a scan of a kind known here ({known}), or it was cut short."
    if is_held(path):
        raise DamagedFile(path, "what begins it is not there", unknown)
    raise UnknownFile(unknown)


_PACKED = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
}
"""How files begin that hold others."""


def _packing(path: Path) -> str:
    """Return what a file was packed with; "" if it was not."""
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in _PACKED.items() if start.startswith(magic)), "")
