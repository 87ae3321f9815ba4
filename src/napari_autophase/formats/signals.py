"""What NeXus marks as the data to plot: by ``signal`` and ``default`` of groups, or by ``signal`` of the data as before 2014."""

from __future__ import annotations

from collections.abc import Iterator

import h5py

from . import nexus
from .links import Item, LinkError, Tree

_NESTED = 4
"""So many steps lead at most from the root to the data (root, entry, subentry, data); `default` may go round, too."""


def marked(tree: Tree, group: h5py.Group, prefix: str, depth: int = 0) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the datasets that NeXus marks as the ones to plot, following ``default`` where it stands."""
    if depth > _NESTED:
        return
    signal, default = nexus.attribute(group, "signal"), nexus.attribute(group, "default")
    if signal is not None and signal in group:
        yield from _plotted(tree, group, prefix, signal)
    elif default is not None and default in group:
        item = _item(tree, group, default)
        if isinstance(item, h5py.Group):
            yield from marked(tree, item, f"{prefix}{default}/", depth + 1)
    else:
        for key in group:
            item = _item(tree, group, key)
            if isinstance(item, h5py.Group) and nexus.attribute(item, "NX_class") in ("NXentry", "NXdata"):
                yield from marked(tree, item, f"{prefix}{key}/", depth + 1)
            elif isinstance(item, h5py.Dataset) and nexus.attribute(item, "signal") == "1":
                yield from _plotted(tree, group, prefix, key)  # as NeXus did before 2014


def _plotted(tree: Tree, group: h5py.Group, prefix: str, name: str) -> Iterator[tuple[str, h5py.Dataset]]:
    item = _item(tree, group, name)
    if isinstance(item, h5py.Dataset):
        yield f"{prefix}{name}", item


def _item(tree: Tree, group: h5py.Group, name: str) -> Item | None:
    try:
        return tree.step(group, name)
    except LinkError:
        return None
