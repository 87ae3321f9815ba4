"""HDF5 files and what they link to: external links, virtual datasets and raw storage, followed below one folder only.

A file may say that its data stand in any other file of the computer, and HDF5 would fetch them: frames that were not copied
come as zeros, and foreign files come as pictures.  So links are followed here, one at a time.  The rule: what a file links
to must lie in the folder of the file that the person opened, or below it; that is so at every level of a BLISS tree (proposal,
collection, dataset, detector), for Eiger masters and for NeXus files.  Symbolic links of the file system count as what they
lead to.  `local` follows nothing that leaves the file, and is for everything but the frames.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TypeAlias

import h5py

from ..faults import InputError
from .opening import open_file
from .within import place_of
from .writing import WAITS_S, is_held, said

Item: TypeAlias = "h5py.Group | h5py.Dataset | h5py.Datatype"
_IDLE = 8
"""So many files stay open for the next link that leads into one of them."""
_HOPS = 12
"""So many links may lead from one to the next before they are taken to go round."""


class LinkError(InputError):
    """A link that leads to nothing, or to where it is not followed."""


class Absent(LinkError):
    """Nothing goes by that name."""


class Dangling(Absent):
    """A link leads to a place where nothing stands."""


class MissingFile(LinkError):
    """A file that a link names is not there; `folder` is where it should be."""

    def __init__(self, text: str, folder: Path) -> None:
        super().__init__(text)
        self.folder = folder


def local(group: h5py.Group, path: str) -> Item | None:
    """Return what stands in this very file under `path`, or None; no link out of the file is followed."""
    try:
        item = _follow(group, path, _refuse)
    except LinkError:
        return None
    return None if isinstance(item, h5py.Dataset) and is_elsewhere(item.id) else item


def why_not_local(group: h5py.Group, path: str) -> str:
    """Return why `local` has nothing, in a few words."""
    try:
        _follow(group, path, _refuse)
    except Absent:
        return "is a link that leads to nothing"
    except LinkError as error:
        return str(error)
    return "has its bytes in another file, from which no motors are taken"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def is_elsewhere(item: h5py.h5d.DatasetID) -> bool:
    """Tell whether the bytes of a dataset stand in other files."""
    if item.get_offset() is not None:  # a place in this one
        return False
    created = item.get_create_plist()
    return created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count() > 0


def _refuse(group: h5py.Group, name: str, link: h5py.ExternalLink, hops: int) -> Item:  # noqa: ARG001
    raise LinkError(f"is a link into another file, {link.filename}, from which no motors are taken")


_External = Callable[[h5py.Group, str, h5py.ExternalLink, int], Item]


def _follow(group: h5py.Group, path: str, external: _External, hops: int = 0) -> Item:
    """Walk `path` name by name; `external` is asked for what an external link leads to."""
    if hops > _HOPS:
        raise LinkError(f"{group.file.filename}: links go round at {path}.")
    item: Item = root_of(group) if path.startswith("/") else group
    for name in path.split("/"):
        if name in ("", "."):
            continue
        link = link_of(item, name) if isinstance(item, h5py.Group) else None
        if link is None or not isinstance(item, h5py.Group):
            raise Absent(f"{group.file.filename} has no {path}.")
        if isinstance(link, h5py.HardLink):
            item = child(item, name)
            continue
        try:
            if isinstance(link, h5py.ExternalLink):
                item = external(item, name, link, hops + 1)
            else:
                item = _follow(item, link.path, external, hops + 1)
        except Dangling:
            raise
        except Absent as error:
            raise Dangling(
                f"{_called(item, name)} of {item.file.filename} is a link that leads to nothing: {error}"
            ) from error
    return item


def root_of(group: h5py.Group) -> h5py.Group:
    """Return the root of the file in which a group stands: as ``group.file["/"]``, in a fifth of the time."""
    return h5py.Group(h5py.h5o.open(group.id, b"/"))


def link_of(group: h5py.Group, name: str) -> h5py.HardLink | h5py.SoftLink | h5py.ExternalLink | None:
    """Return what kind of link a name in a group is, or None: as ``group.get(name, getlink=True)``, in a tenth of the time."""
    key = name.encode(errors="surrogateescape")
    try:
        kind = group.id.links.get_info(key).type
    except (KeyError, RuntimeError):
        return None
    if kind == h5py.h5l.TYPE_HARD:
        return h5py.HardLink()
    if kind == h5py.h5l.TYPE_SOFT:
        return h5py.SoftLink(group.id.links.get_val(key).decode(errors="surrogateescape"))
    if kind == h5py.h5l.TYPE_EXTERNAL:
        filename, path = group.id.links.get_val(key)
        return h5py.ExternalLink(os.fsdecode(filename), path.decode(errors="surrogateescape"))
    return group.get(name, getlink=True)


def child(group: h5py.Group, name: str) -> Item:
    """Return what a hard link of a group leads to: as ``group[name]``, in a quarter of the time."""
    found = h5py.h5o.open(group.id, name.encode(errors="surrogateescape"))
    if isinstance(found, h5py.h5g.GroupID):
        return h5py.Group(found)
    return (
        h5py.Dataset(found, readonly=True) if isinstance(found, h5py.h5d.DatasetID) else h5py.Datatype(found)
    )


@dataclass(frozen=True)
class Lost:
    """A link that could not be followed: where it stands, the file that it names, and why not, in one sentence."""

    path: str
    file: str
    why: str


class Tree:
    """An HDF5 file with all that it links to; a context manager that closes what it opened.

    Parameters
    ----------
    path
        The file that the person opened.

    Attributes
    ----------
    sound
        Identities of the datasets all of whose bytes are known to be there.
    redirected
        Virtual datasets with the places where their files are, by the identities of those that name others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folders = {path.resolve().parent, path.parent.resolve()}
        self._files: dict[Path, h5py.File] = {}
        self._idle: dict[Path, h5py.File] = {}
        self._names: dict[int, Path] = {}
        self._reals: dict[Path, Path] = {}
        self.sound: set[tuple[Path, int]] = set()
        self.redirected: dict[tuple[Path, int], h5py.Dataset] = {}
        self._located: dict[tuple[Path, str], Path] = {}

    def __enter__(self) -> Tree:
        self.root = self._opened(self.path)
        return self

    def __exit__(self, *_: object) -> None:
        for file in (*self._files.values(), *self._idle.values()):
            file.close()

    def _opened(self, path: Path) -> h5py.File:
        real = self._reals.get(path) or self._reals.setdefault(path, _real(path))
        if real not in self._files:
            file = self._idle.pop(real, None) or open_file(path)
            self._names[h5py.h5o.get_info(file.id).fileno] = real
            self._files[real] = file
        return self._files[real]

    def identity(self, item: Item) -> tuple[Path, int]:
        """Return what tells an item from all others: its file, and where it stands there."""
        about = h5py.h5o.get_info(item.id)
        return self._names[about.fileno], about.addr

    @contextmanager
    def tidy(self) -> Iterator[None]:
        """Leave what is opened inside: there may be a file for each frame, and a process may have only so many."""
        before = set(self._files)
        try:
            yield
        finally:
            for each in [each for each in self._files if each not in before]:
                self._idle[each] = self._files.pop(each)
            while len(self._idle) > _IDLE:
                self._idle.pop(next(iter(self._idle))).close()

    @contextmanager
    def visit(self, path: str, group: h5py.Group | None = None) -> Iterator[Item]:
        """Give what stands under a path (seen from `group`), and close what had to be opened for it."""
        with self.tidy():
            yield self.step(self.root if group is None else group, path)

    def __getitem__(self, path: str) -> Item:
        """Return what stands under a path.

        Raises
        ------
        LinkError
            If there is nothing, or a link on the way cannot be followed.
        """
        return self.step(self.root, path)

    def step(self, group: h5py.Group, path: str) -> Item:
        """Return what stands under a path, seen from a group; raises as above."""
        return _follow(group, path, self._external)

    def sought(self, group: h5py.Group, path: str) -> Item | Lost | None:
        """Return what stands under a path seen from a group; lost if a link leads to nothing, None if there is no such name.

        Raises
        ------
        LinkError
            If a link leads to where it is not followed.
        """
        try:
            return self.step(group, path)
        except (Dangling, MissingFile) as error:
            return Lost(f"{group.name.rstrip('/')}/{path}", group.file.filename, str(error))
        except Absent:
            return None

    def behind(self, name: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID:
        """Return what a link in the root leads to, as HDF5 has it; raises as `step`.

        Hundreds of links from a list of scans lead each to a place that is reached by no further one.
        """
        links, key = self.root.id.links, name.encode(errors="surrogateescape")
        if links.get_info(key).type == h5py.h5l.TYPE_EXTERNAL:
            file, path = links.get_val(key)
            inside = self.linked(self.root, os.fsdecode(file), name).id
            place = place_of(inside, f"/{path.decode(errors='surrogateescape')}", set())
            if place is not None and place[1] == h5py.h5l.TYPE_HARD:
                return h5py.h5o.open(inside, place[0])
        return self[name].id

    def groups(self, path: str) -> list[h5py.Group]:
        """Return the groups on the way to `path`, the root first."""
        names = path.strip("/").split("/")[:-1]
        return [self.root["/"], *(self["/".join(names[: depth + 1])] for depth in range(len(names)))]

    def items(self, group: h5py.Group, path: str) -> Iterator[tuple[str, Item | Lost]]:
        """Yield what stands in a group, but for soft links (it is met under its own name); `path` is the group's.

        An item is of use until the next is asked for.
        """
        for name in group:
            link = link_of(group, name)
            if isinstance(link, h5py.SoftLink):
                continue
            if isinstance(link, h5py.HardLink):
                yield name, child(group, name)
                continue
            try:
                with self.visit(name, group) as item:
                    yield name, item
            except LinkError as error:
                yield name, Lost(f"{path}{name}", getattr(link, "filename", ""), str(error))

    def _external(self, group: h5py.Group, name: str, link: h5py.ExternalLink, hops: int) -> Item:
        return _follow(root_of(self.linked(group, link.filename, name)), link.path, self._external, hops)

    def linked(self, item: Item, name: str, link: str = "") -> h5py.File:
        """Open the file that an item's own file calls `name`; raises as `locate` does, or if it is damaged."""
        target = self.locate(item, name, link)
        for wait in (*WAITS_S, None):
            try:
                return self._opened(target)
            except OSError as error:
                what = f"to which {_called(item, link)} of {self.path} links"
                if not is_held(target):
                    raise LinkError(
                        f"{target}, {what}, is damaged or no HDF5 file; copy it again."
                    ) from error
                if wait is None:
                    raise LinkError(said(target, what)) from error
                time.sleep(wait)
        raise AssertionError  # the last try returns or raises

    def locate(self, item: Item, name: str, link: str = "") -> Path:
        """Return the file that an item's own file calls `name`, as HDF5 would look for it.

        `link` is what leads there: a name in the group that the item is; "": the item itself.

        Raises
        ------
        MissingFile, LinkError
            If it is not there, or not below the folder that was opened.
        """
        key = self._names[h5py.h5o.get_info(item.id).fileno], name
        if key not in self._located:
            self._located[key] = self._locate(item.file, name, _called(item, link))
        return self._located[key]

    def _locate(self, file: h5py.File, name: str, what: str) -> Path:
        beside = Path(file.filename).parent
        given = Path(name)
        if given.is_absolute() or PureWindowsPath(name).is_absolute():
            # a tree that was moved as a whole has the end of the path
            parts = PureWindowsPath(name).parts[1:]
            places = (given, *(beside.joinpath(*parts[at:]) for at in range(len(parts))))
        else:
            ways = dict.fromkeys(
                (given, Path(*PureWindowsPath(name).parts))
            )  # folder\file was written under Windows
            places = tuple(
                folder / way for way in ways for folder in (beside, _real(Path(file.filename)).parent)
            )
        there = next((place for place in places if place.exists()), None)
        if there is None:
            folder = places[-1].parent
            raise MissingFile(
                f"{what} of {self.path} is in {name}, which is not there; copy it to {folder}.", folder
            )
        real = _real(there)
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise LinkError(
                f"{what} of {self.path} leads to {real}, outside the folder of that file, where no link is followed; "
                f"copy it below {self.path.parent.resolve()}, or open that file itself."
            )
        if not real.is_file():
            raise LinkError(f"{what} of {self.path} leads to {real}, which is no file; correct the link.")
        return there


def _called(item: Item, link: str) -> str:
    return f"{item.name.rstrip('/')}/{link}" if link else item.name
