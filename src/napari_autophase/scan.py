"""What was measured: the `Scan`, its `Geometry`, and the one kind of error that bad input raises.

Conventions owned here
----------------------
Arrays are ``(rocking angle, detector row, detector column)`` in the orientation in which the file stores them, and hold
photon *counts*, never amplitudes.  Lengths stand in nm, angles in degrees, energies in keV, q in 1/nm; each name says so.
The laboratory frame is right-handed with x outboard, y up and z along the beam; rotations are named by axis and sense
(``"y+"``: positive angles turn by the right-hand rule about +y), and the circles are listed from the outermost to the
innermost, as xrayutilities does.  What follows from a geometry stands in `geometry`; the beamlines' circles too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .faults import InputError
from .on_demand import on_demand
from .sides import fits, too_small

HC_KEV_NM = 1.239841984
"""Planck's constant times the speed of light, in keV nm (CODATA 2018)."""


def __getattr__(name: str) -> Any:
    if name == "BEAMLINES":  # it lives in `geometry`, which stands above; scripts look for it here
        return import_module("..geometry", __name__).BEAMLINES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


SATURATES_AT = "saturates_at"
"""In a scan's metadata: the most counts of a pixel and frame, by its own file; of counts as they were measured alone."""
Axis = str | tuple[float, float, float]
"""A direction of the laboratory: ``"y-"`` and its kin, or three numbers (x, y, z) of any length."""


def _told(title: str, unit: str, example: str = "", **default: Any) -> Any:
    """Return a field with what forms call it, its unit, and what to write there for example; see `geometry.KEYS` too."""
    return field(metadata={"title": title, "unit": unit, "example": example}, **default)


@dataclass(frozen=True)
class Geometry:
    """How the detector and the sample stood, as far as it is known.

    Parameters
    ----------
    energy_kev, distance_m
        Photon energy (of the middle frame) and sample-detector distance along the beam with the arm at zero.
    pixel_size_um
        Pixel sizes along detector rows (axis 1) and columns (axis 2), *as stored*: times the binning if the file is binned.
    rocking_step_deg
        By how much the rocking circle turns from frame to frame, in the mean; 0 in an energy scan.
    sample_circles, sample_angles_deg
        Sample rotations from the outermost to the innermost, e.g. ``("y+", "z-", "y+")`` = theta, chi, phi at 34-ID-C, or
        as vectors, such as a kappa axis ``(0, 0.643, -0.766)``.  A circle that also carries the detector stands in both
        lists.  The angle of the rocking circle is that of the middle frame ``frames // 2``.
    rocking_circle
        Which of the sample circles was scanned, from 0.
    detector_circles, detector_angles_deg
        Detector rotations from the outermost to the innermost, e.g. ``("y+", "x-")`` = delta, gamma at 34-ID-C; none for
        a detector that only translates.
    pixel_directions
        Laboratory directions of increasing row and column index with the arm at zero, e.g. ``("y-", "x+")``.
    direct_beam_pixel
        Row and column (of the stored array) that the direct beam meets with the arm at zero; None: the centre of the array.
    reflection
        Miller indices when known: only for what is written and said, never needed.
    sample_offsets_deg, detector_offsets_deg
        What the motors read where the circles stand at zero: taken from the angles; None: nothing.
    rocking_angles_deg
        The rocking circle's angle in every frame, when known; None: evenly spaced by the step.
    energy_step_kev, detector_steps_deg
        What else changes from frame to frame: the energy in an energy scan, the arm where it follows; None: not at all.
    beamline, detector
        Their names in `geometry.BEAMLINES`, when known: only for what is written and said.
    """

    energy_kev: float = _told("Energy", "keV", "8.0")
    distance_m: float = _told("Distance", "m", "0.5")
    pixel_size_um: tuple[float, float] = _told("Pixel size", "µm", "55")
    rocking_step_deg: float = _told("Rocking step", "°", "0.01")
    detector_angles_deg: tuple[float, ...] = _told("Detector angles", "°")
    sample_circles: tuple[Axis, ...] = ("y+",)
    sample_angles_deg: tuple[float, ...] = _told("Sample angles", "°", default=(0.0,))
    rocking_circle: int = _told("Rocking circle", "", default=0)
    detector_circles: tuple[Axis, ...] = ("y+", "x-")
    pixel_directions: tuple[Axis, Axis] = _told("Rows, columns", "", "y-, x+", default=("y-", "x+"))
    direct_beam_pixel: tuple[float, float] | None = _told("Direct beam", "pixel", "100, 128.5", default=None)
    reflection: tuple[int, int, int] | None = None
    sample_offsets_deg: tuple[float, ...] | None = None
    detector_offsets_deg: tuple[float, ...] | None = None
    rocking_angles_deg: tuple[float, ...] | None = None
    energy_step_kev: float = 0.0
    detector_steps_deg: tuple[float, ...] | None = None
    beamline: str | None = None
    detector: str | None = None

    @property
    def wavelength_nm(self) -> float:
        """Wavelength in nm."""
        return HC_KEV_NM / self.energy_kev

    def with_beam(self, shape: tuple[int, ...]) -> Geometry:
        """Return the same geometry with the direct beam's pixel filled in: the centre of the array where nothing is said."""
        beam = self.direct_beam_pixel or (float(shape[1] // 2), float(shape[2] // 2))
        return replace(self, direct_beam_pixel=beam)

    def binned(self, factors: tuple[int, int, int], shape: tuple[int, ...] | None = None) -> Geometry:
        """Return the geometry of the same scan after summing blocks of `factors` voxels.

        Parameters
        ----------
        factors
            Frames, rows and columns of a block.
        shape
            Shape before; incomplete blocks at the far ends are dropped.  None: the middle frame stays what it is.
        """
        first = tuple((factor - 1) / 2 for factor in factors)
        after = (
            None if shape is None else tuple(n // factor for n, factor in zip(shape, factors, strict=True))
        )
        return self._indexed(first, factors, shape, after)

    def cropped(self, first: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> Geometry:
        """Return the geometry of a part of the array, or of a larger array that holds it.

        Parameters
        ----------
        first
            Where the new array's voxel (0, 0, 0) lies in the old one; negative where it was padded.
        before, after
            Shapes of the old and of the new array.
        """
        return self._indexed(first, (1, 1, 1), before, after)

    def flipped(self, axes: tuple[int, ...], shape: tuple[int, ...]) -> Geometry:
        """Return the geometry of an array of `shape` after reversing some of its axes."""
        steps = tuple(-1 if axis in axes else 1 for axis in range(3))
        first = tuple(n - 1 if axis in axes else 0 for axis, n in enumerate(shape))
        return self._indexed(first, steps, shape, shape)

    def transposed(self) -> Geometry:
        """Return the geometry after exchanging rows and columns."""
        beam = self.direct_beam_pixel
        return replace(
            self,
            pixel_size_um=self.pixel_size_um[::-1],
            pixel_directions=self.pixel_directions[::-1],
            direct_beam_pixel=None if beam is None else beam[::-1],
        )

    def _indexed(
        self,
        first: tuple[float, ...],
        steps: tuple[int, ...],
        before: tuple[int, ...] | None,
        after: tuple[int, ...] | None,
    ) -> Geometry:
        """Return the geometry of an array whose voxel j is what lay at ``first + steps · j``: every change of indices."""
        known = self if before is None else self.with_beam(before)
        beam = known.direct_beam_pixel
        # the middle frame may be another one now
        middle = 0.0
        if before is not None and after is not None:
            middle = first[0] + steps[0] * (after[0] // 2) - before[0] // 2
        sample, arm = list(self.sample_angles_deg), list(self.detector_angles_deg)
        if 0 <= self.rocking_circle < len(sample):
            sample[self.rocking_circle] += middle * self.rocking_step_deg
        moving = self.detector_steps_deg
        if moving is not None:
            arm = [angle + middle * step for angle, step in zip(arm, moving, strict=True)]
        angles = self.rocking_angles_deg
        if angles is not None:
            frames = after[0] if after is not None else len(angles) // abs(steps[0])
            angles = _along(angles, first[0] + steps[0] * np.arange(frames))
        (rows_um, columns_um), (down, right) = self.pixel_size_um, self.pixel_directions
        return replace(
            self,
            energy_kev=self.energy_kev + middle * self.energy_step_kev,
            pixel_size_um=(rows_um * abs(steps[1]), columns_um * abs(steps[2])),
            rocking_step_deg=self.rocking_step_deg * steps[0],
            sample_angles_deg=tuple(sample),
            detector_angles_deg=tuple(arm),
            pixel_directions=(
                down if steps[1] > 0 else opposite(down),
                right if steps[2] > 0 else opposite(right),
            ),
            direct_beam_pixel=beam and ((beam[0] - first[1]) / steps[1], (beam[1] - first[2]) / steps[2]),
            rocking_angles_deg=angles,
            energy_step_kev=self.energy_step_kev * steps[0],
            detector_steps_deg=None if moving is None else tuple(step * steps[0] for step in moving),
        )


def opposite(axis: Axis) -> Axis:
    """Return the axis that points the other way."""
    if isinstance(axis, str):
        return axis[:-1] + {"+": "-", "-": "+"}.get(axis[-1:], axis[-1:])
    x, y, z = axis
    return (-x, -y, -z)


def _along(values: tuple[float, ...], at: np.ndarray) -> tuple[float, ...]:
    """Return `values` at fractional indices, straight on beyond the ends."""
    array = np.asarray(values, float)
    index = np.clip(np.floor(at).astype(int), 0, max(len(array) - 2, 0))
    slope = np.diff(array)[index] if len(array) > 1 else 0.0
    return tuple((array[index] + (at - index) * slope).tolist())


@dataclass(frozen=True)
class Origin:
    """How a scan was read: what reads the same counts again.

    Parameters
    ----------
    source
        Its file, as ``FILE`` or ``FILE::DATASET``.
    options
        What `formats.read_scan` was told, as plain values; files by their absolute paths.
    sha256
        Of the files and arrays among them, by the option's name.
    whole, box
        Shape of what is stored, and the part of it that was read (starts and ends of frames, rows and columns); None: all.
    summed, least
        If it is a sum: how all those scans were read, this one among them, and the correlation that they needed.
    painted
        The mask that a person painted over what was read, as `painted.packed` has it; empty: none.
    """

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    whole: tuple[int, int, int] | None = None
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None
    summed: tuple[Origin, ...] = ()
    least: float | None = None
    painted: str = ""

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Origin:
        """Return what `dataclasses.asdict` made of one, though JSON knows no tuples."""
        known = dict(document)
        whole, box = known.get("whole"), known.get("box")
        known["whole"] = None if whole is None else tuple(whole)
        known["box"] = None if box is None else tuple(tuple(ends) for ends in box)
        known["summed"] = tuple(cls.from_document(each) for each in known.get("summed", ()))
        return cls(**known)

    def uncropped(self, geometry: Geometry) -> Geometry:
        """Return the geometry of what is stored from that of the part that was read."""
        if self.box is None or self.whole is None:
            return geometry
        part = tuple(end - first for first, end in self.box)
        return geometry.cropped(tuple(-first for first, _ in self.box), part, self.whole)

    def cropped(self, geometry: Geometry) -> Geometry:
        """Return the geometry of the part that was read from that of what is stored."""
        if self.box is None or self.whole is None:
            return geometry
        part = tuple(end - first for first, end in self.box)
        return geometry.cropped(tuple(first for first, _ in self.box), self.whole, part)


def fingerprint(array: np.ndarray) -> str:
    """Return the SHA-256 of an array: its dtype, shape and values."""
    import hashlib

    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    for part in array:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


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
        What a person said of its file: the files ``mask``, ``dark``, ``white`` and ``spec``, and ``mask_good``, ``roi``,
        ``values``, ``axes`` and ``crop`` as the command line writes them; what was not said is left out.
    notes
        Sentences that a person should read.
    origin
        How it was read; None: it comes from no file.
    painted
        bool, same shape: what of `mask` a person painted over what came masked; None: nothing.  See `painted.over`.
    """

    counts: np.ndarray
    mask: np.ndarray | None = None
    geometry: Geometry | None = None
    name: str = "scan"
    source: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    corrections: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    painted: np.ndarray | None = None

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

    def __repr__(self) -> str:
        """Return shape, mask and geometry in two lines."""
        masked = 0 if self.mask is None else int(np.count_nonzero(self.mask))
        geometry = self.geometry
        stood = "unknown" if geometry is None else f"{geometry.energy_kev:g} keV, {geometry.distance_m:g} m"
        return (
            f"Scan {self.name}: {' × '.join(map(str, self.shape))} (frames, rows, columns), {self.counts.dtype}\n"
            f"{masked:,} voxels masked; geometry: {stood}"
        )

    def _repr_html_(self) -> str:
        """Return the same with a picture, for a notebook."""
        return str(on_demand("analysis").scan_card(self))

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
    """Raise `InputError` unless `counts` is a real 3-D array with sides of at least `LEAST`."""
    if counts.ndim != 3:
        how = (
            ": open the folder that holds all the frames, or stack them in one file"
            if counts.ndim == 2
            else ""
        )
        raise InputError(
            f"{name} is {counts.ndim}-dimensional; a rocking curve is a 3-D volume (frames, rows, columns){how}."
        )
    if not counts.shape[0]:
        raise InputError(
            f"{name} holds no frames yet; wait until some are written, or choose another dataset."
        )
    if not fits(counts.shape):
        raise InputError(too_small(name, counts.shape))
    if np.iscomplexobj(counts):
        raise InputError(
            f"{name} holds complex numbers; a scan is photon counts: open it as a reconstruction."
        )
    if counts.dtype.kind not in "buif":
        raise InputError(f"{name} holds {counts.dtype} values; a scan is photon counts.")


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
