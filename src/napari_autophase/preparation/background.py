"""The background of a scan: photons that do not come from the crystal, below its speckles.

What the crystal scatters between and beyond its speckles looks like a background too, but for one thing: the intensity of a
speckle pattern varies as much as it is large (its contrast is 1: Goodman, *Speckle Phenomena in Optics*), and a flat background
does not vary at all.  Photon counts of a mean m vary by m; what they vary by more in the emptiest part of a scan tells how much
of the light there is the crystal's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .. import reconstruction
from ..scan import InputError, Scan
from .varying import profile

Background = Literal["off", "estimate"] | float | np.ndarray
"""What a recipe says, the file of a volume having been read: nothing, what the scan tells, photons per voxel of the scan, or as
many per frame (frames,), per pixel (rows, columns) or per voxel (frames, rows, columns)."""

_BLOCKS, _LARGEST, _SMALLEST = 8, 8, 2
"""So many blocks lie along the shortest side; sides of a block in voxels."""
_EMPTIEST = 0.1
"""Share of the blocks that are looked at."""
_CONTRAST = 1.1
"""Standard deviation over mean of the light between speckles: measured on simulated crystals, 1.07 to 1.17."""
_LEAST, _APART = 0.05, 0.25
"""Photons per voxel that matter; a background is told from the crystal's light if it is more than this part of it."""
_UNEVEN, _LEAST_UNEVEN = 0.2, 0.5
"""Standard deviation over mean, and photons per voxel, from which a background is not taken for flat: objects suffer little from
one that is off by less."""
_BEYOND_LIGHT, _MOST_LIGHT = 2.0, 0.4
"""It has to vary so many times as much as the crystal's part of the light, which may be no larger than that: on 98 simulated
scans with a flat background, many on narrow detectors, one is taken for varying, and 26 with 1 and 1."""
_WORTH_SAYING = 0.5
"""Photons of the crystal's light per voxel below which nobody needs to know that there is no telling."""


@dataclass(frozen=True, eq=False)
class Found:
    """A background, as the emptiest parts of a scan tell it.

    Parameters
    ----------
    level
        Photons per voxel, one number or float32 (N0, N1, N2); 0 if there is none that could be told from the crystal's own light.
    light
        Photons per voxel that the crystal itself scatters there.
    """

    level: float | np.ndarray
    light: float

    @property
    def determined(self) -> bool:
        """Whether the scan tells if there is one."""
        return bool(np.any(self.level)) or self.light < _WORTH_SAYING

    def words(self) -> list[str]:
        """Return what a person should know of it."""
        if isinstance(self.level, np.ndarray):
            return [
                f"A background that is not the same everywhere was found, {self.level.min():.2g} to {self.level.max():.2g} "
                f"photons a voxel and {self.level.mean():.2g} in the mean, and is taken into account (model.background=off takes "
                "it for the crystal's light)."
            ]
        if self.level:
            return [
                f"A flat background of {self.level:.2g} photons a voxel was found and is taken into account "
                "(model.background=off takes it for the crystal's light)."
            ]
        if self.determined:
            return []
        return [
            f"The crystal's own light fills the scan ({self.light:.2g} photons a voxel in its emptiest part): whether there is a "
            "flat background was not determined, and none is taken into account."
        ]


def find_background(counts: np.ndarray, good: np.ndarray) -> Found:
    """Return the background of photon counts: a flat one, unless it clearly changes from frame to frame or across the detector.

    Parameters
    ----------
    counts, good
        float and bool (N0, N1, N2).
    """
    flat = _flat(counts, good)
    seen = profile(counts, good)
    if seen is None or seen.mean == 0:
        return flat
    light = _light(seen.variance, seen.mean, seen.voxels)
    level = seen.mean - light
    part = light / seen.mean
    varies = part < _MOST_LIGHT and seen.spread > max(_UNEVEN, _BEYOND_LIGHT * part)
    if not varies or level <= _LEAST_UNEVEN + _APART * light:
        return flat
    return Found(seen.volume(level / seen.mean), light)


def _flat(counts: np.ndarray, good: np.ndarray) -> Found:
    """Return the flat background of photon counts.

    The emptiest blocks are chosen by one half of their voxels and looked at by the other, so that the choice does not prefer
    those in which few photons fell by chance.

    Parameters
    ----------
    counts, good
        float and bool (N0, N1, N2).
    """
    side = int(np.clip(min(counts.shape) // _BLOCKS, _SMALLEST, _LARGEST))
    chosen = (np.indices((side,) * 3).sum(0) % 2 == 0).ravel()
    photons, usable = _blocks(counts, side), _blocks(good, side)
    known = (usable[:, chosen].mean(1) >= 0.5) & (usable[:, ~chosen].mean(1) >= 0.5)
    if not known.any():
        return Found(0.0, 0.0)
    photons, usable = photons[known], usable[known]
    seen = usable[:, chosen]
    brightness = np.sum(photons[:, chosen], axis=1, where=seen, dtype=np.float64) / seen.sum(1)
    emptiest = np.argsort(brightness, kind="stable")[: max(1, round(_EMPTIEST * len(brightness)))]
    values = photons[emptiest][:, ~chosen][usable[emptiest][:, ~chosen]].astype(np.float64)
    mean = float(values.mean())
    if mean == 0:
        return Found(0.0, 0.0)
    light = _light(float(values.var()) / mean, mean, values.size)
    level = mean - light
    return Found(level if level > _LEAST + _APART * light else 0.0, light)


def _light(variance: float, mean: float, number: int) -> float:
    """Return the crystal's own light in so many voxels, photons per voxel, from their variance over their mean."""
    # the variance of n Poisson numbers over their mean is 1 ± √(2/n)
    more = max(variance - 1 - float(np.sqrt(2 / number)), 0.0)
    return min(float(np.sqrt(more * mean)) / _CONTRAST, mean)


def given(background: Background, scan: Scan) -> np.ndarray | float | None:
    """Return a background that is known, as one number or a volume of the scan's shape; None if it is to be estimated.

    Raises
    ------
    InputError
        If it does not fit the scan, or is negative or no number somewhere.
    """
    if isinstance(background, str):
        return None if background == "estimate" else 0.0
    values = np.asarray(background, np.float32)
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise InputError(
            "A background holds photons per voxel: it must not be negative or infinite anywhere."
        )
    if values.ndim == 0:
        return float(values)
    if values.shape == scan.shape[:1]:
        return np.broadcast_to(values[:, None, None], scan.shape)
    if values.shape == scan.shape[1:]:
        return np.broadcast_to(values, scan.shape)
    if values.shape != scan.shape:
        what = f"{values.size} numbers" if values.ndim == 1 else f"shape {values.shape}"
        raise InputError(
            f"The background has {what}, but {scan.name} has {scan.shape[0]} frames of {scan.shape[1]} × {scan.shape[2]} pixels: "
            "give one number, one per frame, an image of a frame's shape, or a volume of the scan's."
        )
    return values


def said_background(
    told: Background, found: np.ndarray | float, known: bool = True
) -> reconstruction.Background:
    """Return what a result says of its background.

    Parameters
    ----------
    told
        What the recipe said.
    found
        Photons per voxel of the phased grid, as `prepare` gives them.
    known
        Whether it could be told from the crystal's own light.
    """
    level = float(np.mean(found))
    if isinstance(told, str):
        if told == "off":
            return reconstruction.Background()
        if not known:
            return reconstruction.Background("undetermined")
        kind: Literal["varying", "flat", "none"] = (
            "varying" if np.ndim(found) else "flat" if level else "none"
        )
        return reconstruction.Background(kind, level)
    kinds: dict[int, Literal["flat", "frames", "volume"]] = {0: "flat", 1: "frames"}
    return reconstruction.Background(kinds.get(np.ndim(told), "volume"), level)


def _blocks(volume: np.ndarray, side: int) -> np.ndarray:
    """Return the whole blocks of a volume, (blocks, side³)."""
    number = [n // side for n in volume.shape]
    inside = volume[tuple(slice(0, n * side) for n in number)]
    parts = inside.reshape([x for n in number for x in (n, side)])
    return parts.transpose(0, 2, 4, 1, 3, 5).reshape(-1, side**3)
