"""A geometry for a result that exists: it is placed in the laboratory anew, and nothing is phased again."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np

from . import analysis, preparation
from .geometry import check_spacing, doubts, frame
from .reconstruction import ARRANGED, FRAME, UNKNOWN_GEOMETRY, Reconstruction
from .scan import Geometry, InputError

_ORDERS = tuple(permutations(range(3)))
"""In which the axes of an array may be; the first is its own."""
_ARM = "The direct beam is not given: the detector's angles are taken for those of the Bragg peak itself."


def placed(
    found: Reconstruction,
    geometry: Geometry | None,
    *,
    scan_shape: tuple[int, int, int] | None = None,
    peak: tuple[float, float] | None = None,
    binning: tuple[int, int, int] | None = None,
) -> Reconstruction:
    """Return what was found as if `geometry` had been known then.

    Parameters
    ----------
    found
        A result of this program, whose place in the scan is known, or of another one, whose place must be said.
    geometry
        Of the scan as it is stored; None: unknown.
    scan_shape
        Of the scan that `geometry` describes; None: as the result has it.
    peak
        For a result of another program: row and column of the Bragg peak in the scan's frames.  Not needed where the
        geometry does not say which pixel the direct beam meets: the angles then are those of the peak.  None: as it was said
        when the result was placed before.
    binning
        For a result of another program: frames, rows and columns that were summed before phasing.  None: likewise, or none.

    Raises
    ------
    InputError
        If the geometry contradicts itself, or something is needed that neither the result nor the arguments say.
    """
    steps = q_bragg = binned = phased = None
    shape = scan_shape or found.scan_shape
    if geometry is None:
        pass
    elif found.peak is not None:
        if shape is None:
            raise InputError(
                f"{found.name} does not say how large its scan was: reconstruct it again with this version, or open its scan and "
                "the result in the window and change the geometry there."
            )
        binned, phased = preparation.on_grids(
            geometry, shape, found.recipe.prepare.binning, found.peak, found.shape
        )
        steps, q_bragg = frame(binned, found.peak, found.shape)
    else:
        before, summed = place_of(found)
        phased = _of_peak(found, geometry, peak or before, binning or summed)
        grid = found.phased_shape or found.shape
        centre = (grid[0] // 2, grid[1] // 2, grid[2] // 2)
        steps, q_bragg = frame(phased, centre, grid)
        check_spacing(phased, np.asarray(q_bragg))
    stale = said_of(found.scan_geometry, shape, found) if found.peak is not None else [UNKNOWN_GEOMETRY, _ARM]
    if geometry is not None and found.peak is None:
        said = [_ARM] if geometry.direct_beam_pixel is None else []
    else:
        said = said_of(geometry, shape, found)
    trust = analysis.trust.reassessed(found, steps, q_bragg)
    verdict = found.verdict if trust is None else analysis.trust.verdict(found.figures, trust, found.shells)
    return replace(
        found,
        geometry=phased,
        scan_geometry=geometry,
        scan_shape=shape,
        voxel_steps_nm=steps,
        q_bragg_per_nm=q_bragg,
        notes=(*(note for note in found.notes if note not in stale), *said),
        trust=trust,
        verdict=verdict,
        metadata={key: value for key, value in found.metadata.items() if key != FRAME},
    )


def arranged(
    found: Reconstruction, order: tuple[int, ...] = (0, 1, 2), conjugated: bool = False
) -> Reconstruction:
    """Return a result of another program, its array being as it is said to be; what was said before is said of it still.

    Parameters
    ----------
    found
        The result.
    order
        Which axes of its array are rocking angle, row and column.
    conjugated
        Whether its phase is +Q·u, so that the conjugate is taken.

    Raises
    ------
    InputError
        If an axis is missing, or the axes of a result are to be turned that has a place already.
    """
    said = ",".join(map(str, order))
    object, support, whole = found.object, found.support, found.phased_shape
    if sorted(order) != [0, 1, 2]:
        raise InputError(
            f"--axes {said}: name each of the array's axes 0, 1, 2 once, in the order rocking, row, column."
        )
    if order != (0, 1, 2):
        if found.voxel_steps_nm is not None or found.peak is not None:
            raise InputError(
                f"--axes {said}: the file of {found.name} says which of its axes are which; leave --axes out."
            )
        object, support = object.transpose(order).copy(), support.transpose(order).copy()
        whole = None if whole is None else (whole[order[0]], whole[order[1]], whole[order[2]])
    if conjugated:
        object = object.conj()
    before, turned = arrangement_of(found)
    now = tuple(before[axis] for axis in order), turned != conjugated
    old = _said_of_array(before, turned)
    metadata = {key: value for key, value in found.metadata.items() if key != ARRANGED}
    if now != ((0, 1, 2), False):
        metadata[ARRANGED] = {"order": list(now[0]), "conjugated": now[1]}
    return replace(
        found,
        object=object,
        support=support,
        phased_shape=whole,
        notes=(*(note for note in found.notes if note not in old), *_said_of_array(*now)),
        metadata=metadata,
    )


def as_in_file(found: Reconstruction) -> Reconstruction:
    """Return a result of another program with its array as that program left it: what was said of it is taken back."""
    order, conjugated = arrangement_of(found)
    first, second, third = (order.index(axis) for axis in range(3))
    return arranged(found, (first, second, third), conjugated)


def place_of(found: Reconstruction) -> tuple[tuple[float, float] | None, tuple[int, int, int]]:
    """Return where a result of another program was said to lie when it was placed.

    Returns
    -------
    peak
        Row and column of the Bragg peak in the scan's frames; None where nobody has said.
    binning
        Frames, rows and columns that were summed before phasing.
    """
    whole, phased = found.scan_geometry, found.geometry
    if found.peak is not None or whole is None or phased is None:
        return None, (1, 1, 1)
    rocked = [
        now / then
        for now, then in (
            (phased.rocking_step_deg, whole.rocking_step_deg),
            (phased.energy_step_kev, whole.energy_step_kev),
        )
        if then
    ]
    summed = (
        *rocked[:1],
        *(now / then for now, then in zip(phased.pixel_size_um, whole.pixel_size_um, strict=True)),
    )
    first, second, third = (1,) * (3 - len(summed)) + tuple(max(1, round(factor)) for factor in summed)
    binning = first, second, third
    beam, moved = whole.binned(binning).direct_beam_pixel, phased.direct_beam_pixel
    if beam is None or moved is None:
        return None, binning
    row, column = (
        (then - now + n // 2) * factor + (factor - 1) / 2
        for then, now, n, factor in zip(
            beam, moved, (found.phased_shape or found.shape)[1:], binning[1:], strict=True
        )
    )
    return (row, column), binning


def arrangement_of(found: Reconstruction) -> tuple[tuple[int, ...], bool]:
    """Return what was said of the array of a result, here or before it was saved: the order of its axes, and whether it was
    conjugated.  What is no order in its file counts as nothing said.
    """
    said = found.metadata.get(ARRANGED, {})
    order = tuple(said.get("order", ()))
    return order if order in _ORDERS else _ORDERS[0], bool(said.get("conjugated"))


def _said_of_array(order: tuple[int, ...], conjugated: bool) -> tuple[str, ...]:
    turned = f"The axes of the file's array are taken in the order {','.join(map(str, order))}, as was said."
    sign = "Conjugated, as was said: its phase was +Q·u."
    return (turned,) * (order != (0, 1, 2)) + (sign,) * conjugated


def said_of(known: Geometry | None, shape: tuple[int, int, int] | None, found: Reconstruction) -> list[str]:
    """Return what is said of a geometry of the scan in which `found` was found: that it is unknown, or what was assumed in it."""
    if known is None or shape is None or found.peak is None:
        return [UNKNOWN_GEOMETRY]
    binned, _ = preparation.on_grids(known, shape, found.recipe.prepare.binning, found.peak, found.shape)
    return [*preparation.assumed(known, shape), *doubts_of(binned, found.peak, found.support)]


def doubts_of(known: Geometry | None, peak: tuple[float, float, float], support: np.ndarray) -> list[str]:
    """Return what seems wrong in the geometry of a scan, after binning, in which a crystal of this support was found."""
    inside = np.argwhere(support)
    if known is None or len(inside) == 0:
        return []
    first, second, third = (float(n) for n in support.shape / (np.ptp(inside, axis=0) + 1))
    return doubts(known, peak, support.shape, (first, second, third))


def _of_peak(
    found: Reconstruction,
    geometry: Geometry,
    peak: tuple[float, float] | None,
    binning: tuple[int, int, int],
) -> Geometry:
    """Return the geometry of the phased grid of a result of another program, whose centre is the Bragg peak."""
    grid = found.phased_shape or found.shape
    known = geometry.binned(binning)
    beam = known.direct_beam_pixel
    if beam is None:
        beam = (float(grid[1] // 2), float(grid[2] // 2))
    elif peak is None:
        raise InputError(
            f"The geometry says which pixel the direct beam meets, but not where the Bragg peak of {found.name} lies: give "
            "--peak ROW,COLUMN, or leave the direct beam out if the angles are those of the peak."
        )
    else:
        first = tuple(
            (each - (factor - 1) / 2) / factor - n // 2
            for each, factor, n in zip(peak, binning[1:], grid[1:], strict=True)
        )
        beam = (beam[0] - first[0], beam[1] - first[1])
    return replace(known, direct_beam_pixel=beam)
