"""The whole of preparation, top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import check, check_spacing, frame
from ..recipe import Preparation
from ..scan import Geometry, InputError, Scan
from ..sides import LEAST, fits
from .background import Background, find_background, given
from .blur import blurred
from .filling import complete_peak
from .judge import Judgement, counts_of, judged, voxels
from .lit import find_second_peak, lit_by
from .oversampling import estimate_oversampling
from .region import lit_shape, middle, pad_fast

_LITTLE = 0.15
"""A part of the light that can be missing beside the brightest voxels, whether or not its surroundings tell what it was."""
_FEWEST = 30
"""Photons in all, with fewer of which nothing can be phased."""
_NARROW = 2.0
"""No crystal is so few voxels wide."""
FEW_PHOTONS = 500
"""Of fewer a single one far out may look like a second peak, or like light that fills the scan, and no search finds a crystal."""
_OTHERS = 4
"""So many peaks of other crystals are masked at most."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Counts ready for phasing.

    Parameters
    ----------
    counts
        float32, C-contiguous, the point that was centred at ``shape // 2``.  Where they are not good they are lower bounds: the
        limit of a saturated detector, and 0 where nothing is known.
    good
        bool, same shape; False where nothing was measured: there the modulus is unconstrained, from the bound on.
    shown, known
        float32 and bool, same shape: the counts with a peak whose middle is missing completed (see `filling`), and what of them
        may be taken as measured where phasing begins.  `counts` and `good` themselves if nothing is missing there.
    geometry
        That of the scan after binning, its `direct_beam_pixel` filled in; None if unknown.
    phased_geometry
        That of `counts`: the direct beam went along with the roll, the cropping and the padding, and may lie outside.
    peak
        Index of what now lies in the centre voxel ``shape // 2``, counted in the scan's array after binning but before the
        roll, the cropping and the padding: exactly what `geometry.frame` takes together with `geometry`.
    shift
        Voxels by which the binned array was rolled, per axis.
    oversampling
        Side of the array over the width of the crystal, per axis.
    background
        Photons per voxel that are not the crystal's and lie in `counts`: one number, or float32, same shape.
    background_known
        Whether that is given, or the scan tells it; False: there may be some, and none is taken into account.
    doubtful
        Whether the brightest part of the peak lies in a gap, or its middle is missing and its surroundings do not tell what it
        was.
    notes
        Sentences that a person should read.
    """

    counts: np.ndarray
    good: np.ndarray
    shown: np.ndarray
    known: np.ndarray
    geometry: Geometry | None
    phased_geometry: Geometry | None
    peak: tuple[float, float, float]
    shift: tuple[int, int, int]
    oversampling: tuple[float, float, float]
    background: np.ndarray | float = 0.0
    background_known: bool = True
    doubtful: bool = False
    notes: tuple[str, ...] = ()


def prepare(
    scan: Scan,
    preparation: Preparation | None = None,
    background: Background = "off",
    judgement: Judgement | None = None,
) -> Prepared:
    """Prepare a scan for phasing: mask, subtract, bin, centre, crop, pad.

    Centring is a circular roll.  The discrete Fourier transform is periodic, so that rolling the field is exactly a linear
    phase of the object (which analysis takes out): nothing is lost, nothing interpolated, and voxel sizes stay.

    Parameters
    ----------
    scan
        Any scan; it is not changed.
    preparation
        The recipe's choices; None: the defaults.
    background
        Light that is not the crystal's: it stays in the counts, and goes with them through all that is done to them.
    judgement
        What `judge` found of this scan with this preparation; None: it is found now.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If nothing is left after masking, subtraction or binning, a binning is impossible, or the geometry or the background is.
    """
    choice = preparation or Preparation()
    geometry = scan.geometry
    if geometry is not None:
        check(geometry, scan.shape[0])
    dark, known = given(background, scan), True
    if judgement is None:
        counts, why, said = judged(scan, choice)
    else:
        counts, why, said = counts_of(scan, judgement), judgement.why, list(judgement.notes)
    good = why == 0
    notes = [*scan.notes, *said]
    if choice.background:
        counts = np.maximum(counts - np.float32(choice.background), 0)
    most = counts.max(where=good, initial=0)
    if most == 0:
        raise InputError(
            f"Nothing is left of {scan.name} after masking and background subtraction; "
            "check the mask, the saturation and the background."
        )
    photons = float(counts.sum(where=good, dtype=np.float64))
    if photons < _FEWEST:
        raise InputError(
            f"{scan.name} holds {photons:.3g} photons in all, too few to phase; if its values are no counts, say so by --values."
        )
    if counts.min(where=good, initial=np.inf) == counts.max():
        raise InputError(
            f"{scan.name} holds {most:g} in every voxel that is not masked: there is no Bragg peak in it; choose another dataset."
        )

    if geometry is not None:
        notes += assumed(geometry, scan.shape)
    if choice.binning != (1, 1, 1):
        counts, good = bin_blocks(counts, good, choice.binning)
        dark = None if dark is None else _of_blocks(dark, choice.binning)
    if dark is None:
        found = find_background(counts, good)
        dark, known = found.level, found.determined
        notes += found.words()

    completed = complete_peak(counts, good)
    # all that is rolled, cropped and padded alike; the last two are what is shown and known
    volumes = [counts, good] if completed is None else [counts, good, completed.counts, completed.known]
    doubtful = completed is not None and not (
        completed.bounded and (completed.determined or completed.missing < _LITTLE)
    )
    if doubtful:
        notes.append(
            "The middle of the Bragg peak was not measured: phasing begins with what its surroundings say of it, goes on without "
            "that, and takes many times as long, with random starts beside the network's guess, where there is one to refine."
        )
    centre = (counts.shape[0] // 2, counts.shape[1] // 2, counts.shape[2] // 2)
    peak = centre if choice.centre == "none" else find_peak(volumes[-2], volumes[-1], choice.centre)
    shift = (centre[0] - peak[0], centre[1] - peak[1], centre[2] - peak[2])
    scanned = volumes[-2:]
    volumes = [np.roll(volume, shift, (0, 1, 2)) for volume in volumes]
    if isinstance(dark, np.ndarray):
        dark = np.roll(dark, shift, (0, 1, 2))
    before = counts.shape
    if any(abs(s) > n // 4 for s, n in zip(shift, before, strict=True)):
        notes.append(
            f"The Bragg peak lies far from the middle of the scan, at {peak}; part of its surroundings is cut."
        )

    oversampling = estimate_oversampling(*volumes) if completed is None else completed.oversampling
    photons = float(counts.sum(where=good, dtype=np.float64))
    tells = photons >= FEW_PHOTONS or bool((counts % 1).any())  # what was scaled is no number of photons
    if tells:
        foreign, said = _other_peaks(scanned[0], scanned[1], peak, oversampling, choice.other_peaks)
    else:
        foreign = None
        said = [
            f"The scan holds {photons:.0f} photons: too few to tell how it is sampled, and what else is in it."
        ]
    notes += said
    if foreign is not None:
        foreign = np.roll(foreign, shift, (0, 1, 2))
        volumes = [np.where(foreign, volume.dtype.type(0), volume) for volume in volumes]
        if completed is None:
            oversampling = estimate_oversampling(*volumes)
    for axis, ratio in zip(("rocking", "row", "column"), oversampling, strict=True):
        if ratio < 1.8 and tells:
            notes.append(
                f"The scan is undersampled along the {axis} axis ({ratio:.1f}-fold; 2 is the least for phasing)."
            )
    notes += _unchanging(oversampling, volumes[0].shape) if tells else []
    # the field of view, and with it the oversampling, stays as it is when voxels become smaller or larger
    if choice.crop is not None:
        wanted = lit_shape(*volumes[:2]) if choice.crop == "auto" else choice.crop
        volumes = [middle(volume, wanted) for volume in volumes]
        dark = middle(dark, wanted) if isinstance(dark, np.ndarray) else dark
        after = volumes[0].shape
        if not volumes[0].any():
            raise InputError(f"Nothing is left of {scan.name} after cropping to {after}; crop less.")
        if after != before:
            notes.append(f"Cropped from {before} to {after} voxels; the voxel size grows accordingly.")
    if choice.pad == "fast":
        before = volumes[0].shape
        volumes = [pad_fast(volume) for volume in volumes]
        dark = pad_fast(dark) if isinstance(dark, np.ndarray) else dark
        after = volumes[0].shape
        if after != before:
            notes.append(f"Padded from {before} to {after} voxels; the voxel size shrinks accordingly.")

    phased = None
    if geometry is not None:
        geometry, phased = on_grids(geometry, scan.shape, choice.binning, peak, volumes[0].shape)

    volumes = [np.ascontiguousarray(volume) for volume in volumes]
    return Prepared(
        counts=volumes[0],
        good=volumes[1],
        shown=volumes[-2],
        known=volumes[-1],
        background=np.ascontiguousarray(dark, np.float32) if isinstance(dark, np.ndarray) else dark,
        background_known=known,
        geometry=geometry,
        phased_geometry=phased,
        peak=(float(peak[0]), float(peak[1]), float(peak[2])),
        shift=shift,
        oversampling=oversampling,
        doubtful=doubtful,
        notes=tuple(notes),
    )


def _unchanging(oversampling: tuple[float, float, float], shape: tuple[int, ...]) -> list[str]:
    """Say along which axes the light changes so little, or so irregularly, that no crystal explains it."""
    widths = (side / ratio for side, ratio in zip(shape, oversampling, strict=True))
    return [
        f"Along the {axis} axis the crystal would be {width:.1f} voxels wide: check that these are the frames of a rocking "
        "curve, and the order of their axes (--axes)."
        for axis, width in zip(("rocking", "row", "column"), widths, strict=True)
        if width < _NARROW
    ]


def _other_peaks(
    counts: np.ndarray,
    good: np.ndarray,
    peak: tuple[int, int, int],
    oversampling: tuple[float, float, float],
    masks: bool,
) -> tuple[np.ndarray | None, list[str]]:
    """Return where other crystals are brighter than the one at `peak`, None if nothing is to be masked, and what to say."""
    foreign, notes = None, list[str]()
    for _ in range(_OTHERS):
        other = find_second_peak(counts, good if foreign is None else good & ~foreign, peak, oversampling)
        if other is None:
            break
        text = f"A second peak lies at {other.voxel}, {other.share:.2g} times as bright"
        if not (masks and other.is_apart):
            notes.append(f"{text}: if it is another crystal's, crop or mask it.")
            break
        its = lit_by(other, counts, good, peak, oversampling)
        foreign = its if foreign is None else foreign | its
        notes.append(
            f"{text}: it is taken for another crystal's, and {voxels(its & good)} around it are masked "
            "(prepare.other_peaks=false leaves them)."
        )
    return foreign, notes


def assumed(geometry: Geometry, shape: tuple[int, int, int]) -> list[str]:
    """Return what a person should read about a geometry of an array of `shape`: what was assumed in it."""
    if geometry.direct_beam_pixel is not None:
        return []
    row, column = geometry.with_beam(shape).direct_beam_pixel or (0.0, 0.0)
    return [
        f"The direct beam is not given: the middle of the array, pixel ({row:g}, {column:g}), is assumed."
    ]


def on_grids(
    geometry: Geometry,
    shape: tuple[int, int, int],
    binning: tuple[int, int, int],
    peak: tuple[float, float, float],
    phased: tuple[int, ...],
) -> tuple[Geometry, Geometry]:
    """Return the geometry of a scan's array after binning, and of the array that is phased.

    Parameters
    ----------
    geometry, shape
        Those of the scan's own array.
    binning
        Voxels per block, per axis.
    peak
        Index in the binned array of what lies in the centre voxel of the phased one.
    phased
        Shape of the phased array.

    Raises
    ------
    InputError
        If no instrument has this geometry, it contradicts itself, or it belongs to no lattice planes.
    """
    check(geometry)
    geometry = geometry.with_beam(shape)
    if binning != (1, 1, 1):
        geometry = geometry.binned(binning, shape)
    unrolled = tuple(n // factor for n, factor in zip(shape, binning, strict=True))
    _, q = frame(geometry, peak, phased)
    check_spacing(geometry, np.asarray(q))
    first = tuple(round(p) - n // 2 for p, n in zip(peak, phased, strict=True))
    return geometry, geometry.cropped(first, unrolled, phased)


def bin_blocks(
    counts: np.ndarray, good: np.ndarray, factors: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Sum blocks of voxels; incomplete blocks at the far ends are dropped.

    A block is good if at least half of its voxels are, and its sum is then scaled to the whole block.  With a saturated voxel in
    it, it is saturated, its sum being a lower bound.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2); counts that are not good are lower bounds.
    factors
        Voxels per block, per axis.

    Returns
    -------
    counts, good
        float32 and bool (N_i // factor_i).

    Raises
    ------
    InputError
        If a factor is below 1, or a side becomes shorter than `LEAST`, or no counts are left.
    """
    if min(factors) < 1:
        raise InputError(f"A binning of {factors} was asked for; use whole numbers of at least 1.")
    shape = [side // factor for side, factor in zip(counts.shape, factors, strict=True)]
    if not fits(shape):
        raise InputError(f"Binning {counts.shape} by {factors} leaves {shape}, fewer than {LEAST}; bin less.")
    inside = tuple(slice(0, n * f) for n, f in zip(shape, factors, strict=True))
    blocks = [x for n, f in zip(shape, factors, strict=True) for x in (n, f)]
    usable = good[inside].reshape(blocks).sum((1, 3, 5), dtype=np.float32)
    saturated = (~good & (counts > 0))[inside].reshape(blocks).any((1, 3, 5))
    total = counts[inside].reshape(blocks).sum((1, 3, 5), dtype=np.float32)
    whole = float(np.prod(factors))
    kept = (usable >= whole / 2) & ~saturated
    scaled = np.where(kept, total * (whole / np.maximum(usable, 1)), 0)
    total = np.where(saturated, total, scaled).astype(np.float32)
    if not total.any():
        raise InputError(f"Nothing is left of the scan after binning by {factors}; bin less or mask less.")
    return total, kept


def _of_blocks(background: np.ndarray | float, factors: tuple[int, int, int]) -> np.ndarray | float:
    if isinstance(background, float):
        return background * float(np.prod(factors))
    return bin_blocks(background, np.ones(background.shape, bool), factors)[0] if background.any() else 0.0


def find_peak(counts: np.ndarray, good: np.ndarray, what: str = "peak") -> tuple[int, int, int]:
    """Return the voxel of the Bragg peak.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2).
    what
        ``peak``: the maximum after a blur by one voxel, masked voxels left out of it.  ``mass``: the centre of mass of
        what that blur leaves above a tenth of its maximum.

    Returns
    -------
    tuple of int
    """
    weight, light = blurred(good, 1.0), blurred(counts, 1.0)
    # beyond the edge and in gaps nothing is known; where hardly anything is known, no peak is claimed
    light[weight <= 0.2] = 0
    light /= np.maximum(weight, 0.2, out=weight)
    if what == "peak":
        index = np.unravel_index(int(light.argmax()), counts.shape)
    else:
        index = np.rint(ndimage.center_of_mass(np.where(light > 0.1 * light.max(), light, 0)))
    return int(index[0]), int(index[1]), int(index[2])
