"""What is said of the light beside the crystal's: how coherent it was, and what else there was of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Coherence:
    """How coherent the light was.

    Parameters
    ----------
    kind
        ``off``: it was taken for fully coherent; ``none``: nothing else was found; ``gaussian``, ``oblique``, ``pseudo-voigt``,
        ``free``: the measured intensity is the coherent one blurred by such a function (``oblique``: a Gaussian, not along the
        array's axes; ``free``: a kernel that was found pixel by pixel).
    sigma_px
        The Gaussian's, or the kernel's, standard deviation in pixels of the phased grid, per axis.
    lorentzian
        Share of the other part of a pseudo-Voigt function, which is as wide at half its height.
    correlations
        Of an oblique Gaussian, along axes 0 and 1, 0 and 2, 1 and 2, −1 to 1.
    kernel
        The kernel that was found pixel by pixel: float32, odd sides, its middle in the middle, its sum 1.
    """

    kind: Literal["off", "none", "gaussian", "oblique", "pseudo-voigt", "free"] = "off"
    sigma_px: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lorentzian: float = 0.0
    correlations: tuple[float, float, float] = (0.0, 0.0, 0.0)
    kernel: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def is_partial(self) -> bool:
        """Whether a blur was found, or given."""
        return self.kind not in ("off", "none")

    @property
    def words(self) -> str:
        """Return what it is in a few words."""
        widths = " × ".join(f"{sigma:.2f}" for sigma in self.sigma_px)
        return {
            "off": "taken for full",
            "none": "full: no blur was found",
            "gaussian": f"partial: the intensity is blurred by a Gaussian of {widths} pixels (σ)",
            "oblique": f"partial: the intensity is blurred by a Gaussian of {widths} pixels (σ) whose widths along axes 0 and 1, "
            f"0 and 2, 1 and 2 are correlated by {', '.join(f'{rho:.2f}' for rho in self.correlations)}",
            "free": f"partial: the intensity is blurred by a kernel that was found pixel by pixel, {widths} pixels wide (σ)",
            "pseudo-voigt": f"partial: the intensity is blurred by a pseudo-Voigt function, a Gaussian of {widths} pixels (σ) "
            f"and {self.lorentzian:.1%} of a Lorentzian as wide",
        }[self.kind]


@dataclass(frozen=True)
class Background:
    """Light that was not the crystal's.

    Parameters
    ----------
    kind
        ``off``: all was taken for the crystal's; ``none``: no other was found; ``undetermined``: the crystal's own light fills
        the scan, so that nobody knows, and all was taken for it; ``flat``: the same in every voxel, estimated or given;
        ``varying``: estimated, from frame to frame and across the detector; ``frames`` and ``volume``: given, per frame or per
        voxel.
    photons_per_voxel
        Their mean over the phased grid.
    """

    kind: Literal["off", "none", "undetermined", "flat", "varying", "frames", "volume"] = "off"
    photons_per_voxel: float = 0.0

    @property
    def words(self) -> str:
        """Return what it is in a few words."""
        how = {
            "flat": "in every voxel",
            "varying": "in the mean, found to change from frame to frame or across the detector",
            "frames": "in the mean, given per frame",
            "volume": "in the mean, given per voxel",
        }
        if self.kind in how:
            return f"{self.photons_per_voxel:.3g} photons {how[self.kind]}"
        return {
            "off": "not looked for: all light was taken for the crystal's",
            "none": "none found",
            "undetermined": "undetermined, as the crystal's own light fills the scan: none was taken into account",
        }[self.kind]
