"""What was measured: the `Scan`, its `Geometry`, and the one kind of error that bad input raises.

Conventions owned here
----------------------
Arrays are ``(rocking angle, detector row, detector column)`` in the orientation in which the file stores them, and hold
photon *counts*, never amplitudes.  Lengths stand in nm, angles in degrees, energies in keV, q in 1/nm; each name says so.
The laboratory frame is right-handed with x outboard, y up and z along the beam; rotations are named by axis and sense
(``"y+"``: positive angles turn by the right-hand rule about +y), and the circles are listed from the outermost to the
innermost, as xrayutilities does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

HC_KEV_NM = 1.239841984
"""Planck's constant times the speed of light, in keV nm (CODATA 2018)."""


class InputError(ValueError):
    """Unusable input: its text is one clear sentence that says what is wrong and what to do about it."""


BEAMLINES: dict[str, dict[str, Any]] = {
    "34-ID-C": {
        "sample_names": ("theta", "chi", "phi"),
        "sample_circles": ("y+", "z-", "y+"),
        "rocking_circle": 0,
        "detector_names": ("delta", "gamma"),
        "detector_circles": ("y+", "x-"),
        "pixel_directions": ("y-", "x+"),
    },
    "ID01": {
        "sample_names": ("eta", "phi"),
        "sample_circles": ("x-", "y-"),
        "rocking_circle": 0,
        "detector_names": ("nu", "delta"),
        "detector_circles": ("y-", "x-"),
        "pixel_directions": ("y-", "x-"),
    },
}
"""Beamlines' circles, outermost first, with the motors' names; every key without ``_names`` is a field of `Geometry`.

Pixel directions are those of increasing row and column.  At ID01 the rocking circle is 0 for a scan of eta, 1 for phi.
"""


@dataclass(frozen=True)
class Geometry:
    """How the detector and the sample stood, as far as it is known.

    Parameters
    ----------
    energy_kev, distance_m
        Photon energy and sample-detector distance.
    pixel_size_um
        Pixel sizes along detector rows (axis 1) and columns (axis 2), *as stored*: times the binning if the file is binned.
    sample_circles, sample_angles_deg
        Sample rotations from the outermost to the innermost, e.g. ``("y+", "z-", "y+")`` = theta, chi, phi at 34-ID-C.
        The angle of the rocking circle is that of the middle frame.
    rocking_circle, rocking_step_deg
        Which of the sample circles was scanned, and by how much from frame to frame.
    detector_circles, detector_angles_deg
        Detector rotations from the outermost to the innermost, e.g. ``("y+", "x-")`` = delta, gamma at 34-ID-C.
    pixel_directions
        Laboratory directions of increasing row and column index with the arm at zero, e.g. ``("y-", "x+")``.
    direct_beam_pixel
        Row and column (of the stored array) that the direct beam meets with the arm at zero; None: the centre of the array.
    reflection
        Miller indices when known: only written into the result, never needed.
    """

    energy_kev: float
    distance_m: float
    pixel_size_um: tuple[float, float]
    rocking_step_deg: float
    detector_angles_deg: tuple[float, ...]
    sample_circles: tuple[str, ...] = ("y+",)
    sample_angles_deg: tuple[float, ...] = (0.0,)
    rocking_circle: int = 0
    detector_circles: tuple[str, ...] = ("y+", "x-")
    pixel_directions: tuple[str, str] = ("y-", "x+")
    direct_beam_pixel: tuple[float, float] | None = None
    reflection: tuple[int, int, int] | None = None

    @property
    def wavelength_nm(self) -> float:
        """Wavelength in nm."""
        return HC_KEV_NM / self.energy_kev

    def binned(self, factors: tuple[int, int, int]) -> Geometry:
        """Return the geometry of the same scan after summing blocks of `factors` voxels."""
        rock, row, column = factors
        beam = self.direct_beam_pixel
        return replace(
            self,
            pixel_size_um=(self.pixel_size_um[0] * row, self.pixel_size_um[1] * column),
            rocking_step_deg=self.rocking_step_deg * rock,
            direct_beam_pixel=None
            if beam is None
            else ((beam[0] + 0.5) / row - 0.5, (beam[1] + 0.5) / column - 0.5),
        )


@dataclass(frozen=True, eq=False)
class Scan:
    """One measured rocking curve.

    Parameters
    ----------
    counts
        Photon counts, shape ``(rocking, row, column)``, any real dtype, not negative, finite where `mask` is False.
    mask
        True where the detector saw nothing usable (gap, dead or hot pixel); same shape, or None.
    geometry
        None when unknown: everything but nanometres still works.
    name, source
        What to call it, and the file (and dataset) that it came from.
    metadata
        Whatever else the file said, as plain values.
    corrections
        Files that were used beside it: ``mask``, ``dark`` and ``white``, as far as there were any.
    """

    counts: np.ndarray
    mask: np.ndarray | None = None
    geometry: Geometry | None = None
    name: str = "scan"
    source: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    corrections: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_counts(self.counts, self.name)
        if self.mask is not None:
            if self.mask.shape != self.counts.shape:
                raise InputError(
                    f"The mask has shape {self.mask.shape} but the scan has {self.counts.shape}; "
                    "give a mask of the scan's shape."
                )
            object.__setattr__(self, "mask", np.asarray(self.mask, dtype=bool))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the counts."""
        return tuple(self.counts.shape)

    @classmethod
    def from_array(cls, counts: np.ndarray, name: str = "scan", **known: Any) -> Scan:
        """Make a scan from an array; NaN and negative voxels (detectors' way to flag bad pixels) become masked zeros."""
        counts = np.asarray(counts)
        check_shape(counts, name)
        bad = ~np.isfinite(counts) | (counts < 0)
        if bad.any():
            counts = np.where(bad, 0, counts)
            given = known.get("mask")
            if given is None or np.shape(given) == counts.shape:
                known["mask"] = bad if given is None else bad | np.asarray(given, dtype=bool)
        return cls(counts, name=name or Path(known.get("source", "scan")).stem, **known)


def check_shape(counts: np.ndarray, name: str) -> None:
    """Raise `InputError` unless `counts` is a real 3-D array with sides of at least 16."""
    if counts.ndim != 3:
        raise InputError(
            f"{name} is {counts.ndim}-dimensional; a rocking curve is a 3-D volume (frames, rows, columns)."
        )
    if np.iscomplexobj(counts):
        raise InputError(
            f"{name} holds complex numbers; a scan is photon counts, so open it as a reconstruction instead."
        )
    if counts.dtype.kind not in "buif":
        raise InputError(f"{name} holds {counts.dtype} values; a scan is photon counts.")
    if min(counts.shape) < 16:
        raise InputError(f"{name} has shape {counts.shape}; every side must be at least 16 voxels.")


def check_counts(counts: np.ndarray, name: str) -> None:
    """Raise `InputError` unless `counts` can be phased: 3-D, real, finite, not negative, not empty of light."""
    check_shape(counts, name)
    if counts.dtype.kind == "f" and not np.isfinite(counts).all():
        raise InputError(f"{name} holds NaN or infinite values; mask them or read it with Scan.from_array.")
    if counts.dtype.kind in "if" and counts.min() < 0:
        raise InputError(
            f"{name} holds negative values; a scan is photon counts, so subtract less background or mask them."
        )
    if not counts.any():
        raise InputError(f"{name} holds no counts at all; choose another dataset.")
