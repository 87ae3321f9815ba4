"""What phasing takes of a scan, drawn over its diffraction: cropped about the peak, and in blocks where it is binned."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from ....recipe import Preparation
from ....scan import Scan
from ..canvas import compat
from ..canvas.leaving import Leaving
from .scan_entry import OVER_SCAN

if TYPE_CHECKING:
    from ..run.background import Tasks

NAME = "as it is phased"


@dataclass(frozen=True, eq=False)
class Phased:
    """What is taken of a scan.

    Parameters
    ----------
    shown
        log10(1 + counts) of every block, float32; 0 where it is masked.
    first
        Voxel of the scan in which the first block begins.
    block
        Voxels a block.
    """

    shown: np.ndarray
    first: tuple[int, int, int]
    block: tuple[int, int, int]

    @property
    def words(self) -> str:
        """What is seen, in a sentence."""
        size = " × ".join(map(str, self.shown.shape))
        blocks = "" if self.block == (1, 1, 1) else f" of {' × '.join(map(str, self.block))} voxels"
        return (
            f"In the frame: {size} blocks{blocks} are phased."
            if blocks
            else f"In the frame: {size} voxels are phased."
        )


def phased_part(scan: Scan, preparation: Preparation) -> Phased:
    """Return what phasing takes of a scan; what is rolled in from the other end, or padded, is left out.

    Raises
    ------
    InputError
        If the scan cannot be prepared in this way.
    """
    from ....preparation import prepare  # brings scipy: a dock opens without

    found, block = prepare(scan, preparation), preparation.binning
    part, first = [], []
    for n, m, shift, factor in zip(scan.shape, found.counts.shape, found.shift, block, strict=True):
        whole = n // factor
        start = whole // 2 - m // 2 - shift  # where the first voxel lies among the blocks of the scan
        part.append(slice(max(-start, 0), min(whole - start, m)))
        first.append(factor * max(start, 0))
    inside = tuple(part)
    counts = np.where(found.good[inside], found.counts[inside], 0)
    shown = np.log1p(counts, dtype=np.float32) / np.float32(np.log(10))
    return Phased(shown, (first[0], first[1], first[2]), block)


class PhasedView:
    """An image with a frame around it, over the diffraction.

    Parameters
    ----------
    viewer
        Held weakly.
    make_tasks
        Makes what works it out behind the window.
    leaving
        Takes the image away.
    """

    gone = Signal()
    """A person has deleted it."""

    def __init__(self, viewer: ViewerModel, make_tasks: Callable[[], Tasks], leaving: Leaving) -> None:
        self._viewer, self._make_tasks, self._leaving = weakref.ref(viewer), make_tasks, leaving
        self._tasks: Tasks | None = None
        self._layer: Image | None = None
        self._over: weakref.ref[Layer] | None = None
        self._wanted: object = None
        viewer.layers.events.removed.connect(self._on_removed)

    def show(
        self,
        over: Layer,
        scan: Scan,
        preparation: Preparation,
        done: Callable[[str], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """Show, over a diffraction layer, what is phased of its scan, and tell it in words, as soon as that is known."""
        self._over, wanted = weakref.ref(over), object()
        self._wanted = wanted

        def arrive(found: Phased) -> None:
            if self._wanted is wanted and self._arrive(found):
                done(found.words)

        def refuse(error: Exception) -> None:
            if self._wanted is wanted:
                failed(error)

        self._tasks = self._tasks or self._make_tasks()
        self._tasks.start("phased", phased_part, scan, preparation, done=arrive, failed=refuse)

    def hide(self) -> None:
        """Take it away."""
        layer, self._layer, self._wanted = self._layer, None, None
        if layer is not None:
            self._leaving.let_go([layer])

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = self._wanted = None
            self.gone.emit()

    def _arrive(self, found: Phased) -> bool:
        viewer, over = self._viewer(), None if self._over is None else self._over()
        if viewer is None or over is None or over not in viewer.layers:  # in the meantime
            return False
        layer = self._layer
        if layer is None or layer not in viewer.layers:
            layer = self._layer = _make(found, over)
            compat.put(viewer, layer, viewer.layers.index(over) + 1)
        else:
            layer.data = found.shown
        scale, translate = _place(found, over)
        layer.scale, layer.translate = scale, translate
        layer.contrast_limits_range = layer.contrast_limits = (0.0, max(float(found.shown.max()), 1.0))
        return True


def _place(found: Phased, over: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and place of the blocks, whose middles lie between voxels."""
    block, first = np.array(found.block), np.array(found.first)
    return over.scale * block, over.translate + over.scale * (first + (block - 1) / 2)


def _make(found: Phased, over: Layer) -> Image:
    scale, translate = _place(found, over)
    layer = Image(
        found.shown,
        name=NAME,
        scale=scale,
        translate=translate,
        colormap=over.colormap,
        rendering=over.rendering,
        metadata={OVER_SCAN: True},
        units=over.units,
        axis_labels=over.axis_labels,
        visible=over.visible,
    )
    layer.bounding_box.visible = True
    return layer
