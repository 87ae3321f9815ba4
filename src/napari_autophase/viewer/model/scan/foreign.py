"""Other people's images: each can be a scan, or a crystal in direct space, once somebody says what it holds."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from napari.layers import Image, Layer

from ....reconstruction import Reconstruction
from ....scan import InputError, Scan
from ..crystal.result_data import OVER_RESULT, RECONSTRUCTION
from .scan_entry import OVER_SCAN, SCAN, ScanEntry

Holds = Literal["", "counts", "amplitudes", "scaled", "crystal"]
"""What an image's numbers are: as a file's (empty: recognised), or a crystal's amplitude in direct space."""
SOURCE = "napari layer"
"""Where what is made of an image comes from."""


@dataclass(frozen=True, eq=False)
class Meaning:
    """What somebody said of an image.

    Parameters
    ----------
    holds
        What its numbers are.
    phase
        For a crystal: the image with its phase in rad; None: a real crystal.
    """

    holds: Holds = ""
    phase: Layer | None = None


def is_foreign_volume(layer: Layer) -> bool:
    """Whether `layer` is a 3-D image that did not come from here, so that it may be a scan."""
    if not isinstance(layer, Image) or layer.rgb or layer.multiscale or layer.ndim != 3:
        return False
    return not any(key in layer.metadata for key in (SCAN, RECONSTRUCTION, OVER_SCAN, OVER_RESULT))


class Images:
    """What was said of other people's images, and what was made of them."""

    def __init__(self) -> None:
        self._meanings: weakref.WeakKeyDictionary[Layer, Meaning] = weakref.WeakKeyDictionary()
        self._made: weakref.WeakKeyDictionary[Layer, weakref.ref[ScanEntry]] = weakref.WeakKeyDictionary()

    def meaning_of(self, image: Layer) -> Meaning:
        """Return what was said of an image."""
        return self._meanings.get(image, Meaning())

    def say(self, image: Layer, meaning: Meaning) -> None:
        """Say what an image holds, for when it is used."""
        self._meanings[image] = meaning

    def made(self, image: Layer, entry: ScanEntry | None) -> None:
        """Say which scan was made of an image."""
        if entry is not None:
            self._made[image] = weakref.ref(entry)

    def among(self, layers: Iterable[Layer], entries: Sequence[ScanEntry]) -> list[Layer]:
        """Return the images among `layers`, but those of which a scan was made that is still there."""
        made = [image for image, entry in self._made.items() if entry() in entries]
        return [layer for layer in layers if is_foreign_volume(layer) and layer not in made]

    def scan(self, image: Layer) -> Scan:
        """Return the scan that an image is.

        Raises
        ------
        InputError
            If it cannot be one, or is said to be a crystal.
        """
        from ....formats.values import to_counts  # brings the libraries of every format: a dock opens without

        holds = self.meaning_of(image).holds
        if holds == "crystal":
            raise InputError(
                f"{image.name} is said to be a crystal, which is not phased: show it as a result in the Load panel."
            )
        counts, notes = to_counts(np.asarray(image.data), image.name, holds or None)
        return Scan.from_array(counts, name=image.name, source=SOURCE, notes=notes)

    def crystal(self, image: Layer) -> Reconstruction:
        """Return the result that an image of a crystal's amplitude is, with the phase that was named with it.

        Raises
        ------
        InputError
            If it is no amplitude, the phase is of another shape, or there is nothing in it.
        """
        from ....formats import foreign

        amplitude, phase = np.asarray(image.data), self.meaning_of(image).phase
        if np.nanmin(amplitude) < 0:
            raise InputError(
                f"{image.name} has negative values, so it is no amplitude: choose the layer that holds that."
            )
        turned = np.zeros(amplitude.shape, np.float32) if phase is None else np.asarray(phase.data)
        if turned.shape != amplitude.shape:
            raise InputError(
                f"The phase has shape {turned.shape} but the amplitude {amplitude.shape}: choose one of the same shape."
            )
        found = foreign.of_parts(Path(image.name), "", amplitude, turned)
        return replace(found, name=image.name, source=SOURCE)
