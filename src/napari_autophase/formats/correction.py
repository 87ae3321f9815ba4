"""Dark and white field: arrays in files of their own that say what a detector's pixels are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry import Seam
from ..scan import InputError, Scan

_PEAK = {"dark": 20.0, "white": 8.0}
"""A field that is so many times as bright around the scan's Bragg peak as in most pixels holds that peak itself."""
_SOME = 10.0
"""Counts of it that no dark has in a whole neighbourhood by chance."""
_BESIDE, _AS_BRIGHT, _FALLS = 12, 0.8, 0.45
"""So far around the peak its amplitudes, and their ranks, correlate with those of the field by more.

Of five simulated crystals' frames, means and sums, and of others', amplitudes correlated by 0.92 or more and ranks by 0.61; those
of clusters of hot pixels by up to 0.86 and 0.30, and those of white fields with bright middles by up to 0.76 and 0.92.
"""
_LEAST_LIT = 0.1
"""The least part of a white field's pixels that have counts; of a detector with gaps and shadows more have."""


def flat_field(
    scan: Scan,
    dark: np.ndarray | None = None,
    white: np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
) -> Scan:
    """Return the scan with the detector's own pattern taken out: counts = (raw − dark) · mean(white) / white, in float32.

    Masked are pixels that are hot in the dark (over five standard deviations of its Poisson noise above its median), and
    those that stay black in the white field.  What falls below zero is zero.

    Parameters
    ----------
    scan
        Raw counts.
    dark, white
        2-D detector images, of the frames' shape, or of the whole detector.
    roi
        ``(first row, end row, first column, end column)`` of the frames on the whole detector; None: unknown.

    Raises
    ------
    InputError
        If a field does not cover the frames, or is larger and nobody knows where they lie on it.
    """
    counts = scan.counts.astype(np.float32)
    bad = np.zeros(scan.shape[1:], dtype=bool)
    notes: list[str] = []
    if dark is not None:
        dark = part_under(dark, "dark", scan.shape, roi, notes)
        if not np.isfinite(dark).any():
            raise InputError(
                "The dark field holds no number under the frames (NaN or infinite); give another."
            )
        usual = float(np.median(dark[np.isfinite(dark)]))
        _check_no_peak(dark, "dark", scan, usual)
        hot = ~(dark <= usual + 5 * np.sqrt(max(usual, 0.0) + 1))
        if hot.any():
            notes.append(f"Masked {_pixels(hot)} hot in the dark field.")
        bad |= hot
        notes += _too_bright(dark, scan, usual)
        counts -= np.where(bad, 0, dark).astype(np.float32)
        np.maximum(counts, 0, out=counts)
        if scan.counts[:, ~bad].any() and not counts[:, ~bad].any():
            raise InputError(
                f"The dark field ({usual:.4g} counts in most pixels) is brighter than every frame (at most "
                f"{scan.counts.max():g}): nothing is left; give the dark of the same exposure time, or none if it is "
                "subtracted already."
            )
    if white is not None:
        white = part_under(white, "white", scan.shape, roi, notes)
        lit = white > 0
        if lit.mean() < _LEAST_LIT:
            raise InputError(
                f"The white field is black in {f'{(~lit).mean():.2%} of the' if lit.any() else 'all'} pixels under the frames: "
                "is it the dark field, or of another region? Give the white field of the whole detector with --roi."
            )
        _check_no_peak(white, "white", scan, float(np.median(white[lit])))
        if not lit.all():
            notes.append(f"Masked {_pixels(~lit)} black in the white field.")
        bad |= ~lit
        counts *= np.where(lit, white[lit].mean() / np.where(lit, white, 1), 0).astype(np.float32)
    counts[:, bad] = 0
    mask = np.broadcast_to(bad, scan.shape) if scan.mask is None else scan.mask | bad
    return replace(scan, counts=counts, mask=mask.copy(), notes=(*scan.notes, *notes))


def _check_no_peak(field: np.ndarray, name: str, scan: Scan, usual: float) -> None:
    """Refuse a field that is bright where the scan's light changes most, and about it as that is: a scan, or taken in its beam.

    Damaged pixels are as bright, and so is a white field with a bright middle, but these do not fall off as the peak does.
    """
    from scipy import ndimage

    changes = np.nan_to_num(scan.counts.max(axis=0).astype(np.float64) - scan.counts.min(axis=0))
    row, column = np.unravel_index(int(ndimage.median_filter(changes, 3).argmax()), changes.shape)
    around = float(
        np.median(field[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2])
    )  # one may be hot
    if not around > _PEAK[name] * max(usual, 0.0) + _SOME:
        return
    box = tuple(slice(max(at - _BESIDE, 0), at + _BESIDE + 1) for at in (row, column))
    known = np.isfinite(field[box])
    pair = np.maximum(field[box][known], 0).astype(np.float64), changes[box][known]
    ranks = (_ranks(each) for each in pair)
    if _alike(*map(np.sqrt, pair)) > _AS_BRIGHT and _alike(*ranks) > _FALLS:
        raise InputError(
            f"The {name} field has {around:.4g} counts around row {row}, column {column}, where the scan's Bragg peak is, and "
            f"{usual:.4g} in most pixels: it is a scan, or was taken in its beam; give the detector's own {name} field."
        )


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Return how two arrays correlate, 0 if one is flat."""
    if not (np.ptp(one) and np.ptp(other)):
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, of equal ones the mean."""
    _, which, number = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(number) - number / 2)[which])


def _too_bright(dark: np.ndarray, scan: Scan, usual: float) -> list[str]:
    """Say so if most pixels have more counts in the dark than in the scan's frames, by more than the noise of both."""
    seen = scan.counts.mean(axis=0)
    noise = np.sqrt(np.maximum(dark, 1) * (1 + 1 / len(scan.counts)))
    below = float((seen + 3 * noise < dark).mean())
    if below <= 0.5:
        return []
    return [
        f"The dark field is brighter than the frames in {below:.0%} of the pixels ({usual:.4g} counts against "
        f"{np.median(seen):.4g}): is it of the same exposure time, and not subtracted already?"
    ]


def one_frame(field: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Return a detector field as one frame, the mean of several, and say so."""
    if field.ndim != 3:
        return field
    notes.append(f"The {name} field is the mean of its {len(field)} frames.")
    return np.asarray(field.mean(axis=0, dtype=np.float64))


def insert_seam(scan: Scan, seam: Seam, region: tuple[int, int, int, int]) -> Scan:
    """Return the scan with what lies between the detector's chips, masked: its pixels then lie as far apart as in space.

    Parameters
    ----------
    scan
        As the detector wrote it.
    seam
        Where the chips meet on the whole detector, and how many rows and columns lie between them.
    region
        The frames' place on the detector, as in `flat_field`.
    """
    mask = np.zeros(scan.shape, bool) if scan.mask is None else scan.mask
    counts, geometry = scan.counts, scan.geometry
    shape = list(scan.shape)
    beam = list(geometry.direct_beam_pixel) if geometry is not None and geometry.direct_beam_pixel else None
    put_in = []
    sides = (
        (1, "rows", seam.row - region[0], seam.rows),
        (2, "columns", seam.column - region[2], seam.columns),
    )
    for axis, what, at, width in sides:
        if not 0 < at < shape[axis]:
            continue
        counts = np.insert(counts, [at] * width, 0, axis)
        mask = np.insert(mask, [at] * width, True, axis)
        shape[axis] += width
        put_in.append(f"{width} {what} at {at}")
        if beam is not None:
            # the beam on the seam itself meets its middle
            beyond = beam[axis - 1] - at
            beam[axis - 1] += width * (0.5 if beyond == 0 else float(beyond > 0))
    if geometry is not None and beam is not None:
        geometry = replace(geometry, direct_beam_pixel=(beam[0], beam[1]))
    note = f"The detector's chips lie apart, which its frames leave out: {' and '.join(put_in)} are put in, masked."
    return replace(scan, counts=counts, mask=mask, geometry=geometry, notes=(*scan.notes, note))


def part_under(
    field: np.ndarray,
    what: str,
    shape: tuple[int, int, int],
    roi: tuple[int, int, int, int] | None,
    notes: list[str],
) -> np.ndarray:
    """Return what of a field lies under the frames, and say so where it is cut."""
    if field.shape == shape[1:]:
        return field
    of = f"The {what} field of shape {field.shape}"
    if field.ndim != 2 or field.shape[0] < shape[1] or field.shape[1] < shape[2]:
        raise InputError(
            f"{of} does not give frames of {shape[1:]}; give one of the frames' size, or of the whole detector."
        )
    if roi is None:
        raise InputError(
            f"{of} is larger than the frames of {shape[1:]}, and nothing says where they lie on it; "
            "say it with --roi ROW0,ROW1,COLUMN0,COLUMN1, or give the part that lies under the frames."
        )
    first_row, end_row, first_column, end_column = roi
    part = field[first_row:end_row, first_column:end_column]
    if part.shape != shape[1:]:
        raise InputError(
            f"{of} has no rows {first_row} to {end_row} and columns {first_column} to {end_column}, where the frames lie; "
            "check --roi, or give the field of the whole detector."
        )
    notes.append(
        f"{of} is cut to the frames' rows {first_row} to {end_row - 1} and columns {first_column} to {end_column - 1}."
    )
    return part


def _pixels(which: np.ndarray) -> str:
    number = np.count_nonzero(which)
    return "1 pixel that is" if number == 1 else f"{number:,} pixels that are"
