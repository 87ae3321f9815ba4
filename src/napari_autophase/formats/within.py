"""Where a path leads within one HDF5 file, without anything being opened."""

from __future__ import annotations

import h5py

_HOPS = 12
"""So many links may lead from one to the next before they are taken to go round."""


def link_types(group: h5py.h5g.GroupID) -> dict[str, int]:
    """Return the names in a group, each with the type of its link as `h5py.h5l` has it."""
    found: dict[str, int] = {}

    def note(name: bytes, about: h5py.h5l.LinkInfo) -> None:
        found[name.decode(errors="surrogateescape")] = about.type

    group.links.iterate(note, info=True)
    return found


def place_of(
    group: h5py.h5g.GroupID, path: str, known: set[bytes], hops: int = 0
) -> tuple[bytes, int] | None:
    """Return where a path leads within a group's own file, without soft links, and the type of the link there; nothing is opened.

    None if there is nothing, or if it leads out of the file before its end.  Whole paths on the way without links are put into
    `known`, and not looked at again.
    """
    if hops > _HOPS:
        return None
    walked = b"/" if path.startswith("/") else b""
    names = [name.encode(errors="surrogateescape") for name in path.split("/") if name not in ("", ".")]
    kind = h5py.h5l.TYPE_HARD
    for number, name in enumerate(names, 1):
        here = walked + name
        if here in known:
            kind, walked = h5py.h5l.TYPE_HARD, here + b"/"
            continue
        try:
            kind = group.links.get_info(here).type
        except (KeyError, RuntimeError):
            return None
        if kind == h5py.h5l.TYPE_SOFT:
            target = group.links.get_val(here)
            start = b"" if target.startswith(b"/") else walked
            whole = b"/".join((start + target, *names[number:]))
            return place_of(group, whole.decode(errors="surrogateescape"), known, hops + 1)
        if kind != h5py.h5l.TYPE_HARD and number < len(names):
            return None
        if kind == h5py.h5l.TYPE_HARD and here.startswith(b"/"):
            known.add(here)
        walked = here + b"/"
    return walked.rstrip(b"/") or b"/", kind
