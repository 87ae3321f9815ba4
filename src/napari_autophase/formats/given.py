"""What belongs to a scan and is given beside it, a mask or a dark or white field: its image, held against the scan's frames."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from ..geometry import beamlines
from ..scan import Geometry, InputError, Scan
from .axes import Axes
from .choice import choose
from .common import AmbiguousDataset, Dataset, as_volume
from .masks import Region
from .paths import split_path
from .registry import Format, UnknownFile, format_of

Given = str | Path | np.ndarray | None
"""A file, or its array, that belongs to a scan; None: there is none."""


def image(given: str | Path | np.ndarray, what: str, frames: Sequence[int] | None = None) -> np.ndarray:
    """Return a mask or detector field from an array or a file: the dataset named, the one called so, or the only one.

    Parameters
    ----------
    given
        The array, a file, or ``file.h5::/path/of/dataset``.
    what
        ``mask``, ``dark``, ``white`` or ``background``: what datasets are looked for by that name.
    frames
        Shape of the scan that it belongs to, of which messages speak, and which tells several arrays apart; None: unknown.

    Raises
    ------
    InputError
        If there is no such image.
    """
    if not isinstance(given, np.ndarray):
        given = _read(given, what, frames)
    return given[0] if given.ndim == 3 and given.shape[0] == 1 else given


def _read(given: str | Path, what: str, frames: Sequence[int] | None) -> np.ndarray:
    file, inside = split_path(given)
    try:
        kind = format_of(file)
        arrays = kind.lists(file)
        called_so = [each for each in arrays if what in each.path.rpartition("/")[2].lower()]
        images = [each for each in arrays if _is_image(each) and (not called_so or each in called_so)]
        if inside is None and not images and not any(each.lost for each in arrays):
            raise InputError(_none(file, kind, arrays, what, frames))
        like = [] if frames is None else [each for each in images if _like(each.shape, frames)]
        fitting = like if len(like) == 1 else images
        chosen = choose(file, kind, inside, lambda each: each in fitting)
    except UnknownFile:
        raise InputError(f"{file} is of no kind known here{_wanted(what, frames)}") from None
    except AmbiguousDataset as error:
        held = ", ".join(map(str, error.candidates[:4]))
        raise InputError(
            f"{file} holds several arrays, {held}: name the {what} as {file.name}::{error.candidates[0].path}."
        ) from None
    if not _is_image(chosen):
        raise InputError(f"{file}::{chosen.path} holds {_said(chosen)}{_wanted(what, frames)}")
    return as_volume(kind.reads(file, chosen))


def _is_image(each: Dataset) -> bool:
    return not each.lost and len(each.shape) in (2, 3) and 0 not in each.shape and each.dtype.kind in "buif"


def _like(shape: tuple[int, ...], frames: Sequence[int]) -> bool:
    return shape[-2:] == tuple(frames)[-2:]


def _none(file: Path, kind: Format, arrays: list[Dataset], what: str, frames: Sequence[int] | None) -> str:
    held = [each for each in (*arrays, *kind.vectors(file)) if not each.lost]
    return f"{file} holds {_said(held[0]) if held else 'no array of numbers'}{_wanted(what, frames)}"


def _said(array: Dataset) -> str:
    return f"{' × '.join(map(str, array.shape))} values of {array.dtype}"


def _wanted(what: str, frames: Sequence[int] | None) -> str:
    name = what if what == "mask" else f"{what} field"
    if frames is None or len(frames) != 3:
        return f", and no image: give a {name} of one frame."
    return f", and no image: give a {name} of {frames[1]} × {frames[2]} pixels, as the scan's {frames[0]} frames have."


def check_image(
    shape: Sequence[int],
    what: str,
    frames: Sequence[int],
    region: Region | None,
    detector: tuple[int, int] | None,
) -> None:
    """Refuse an image that is neither of the frames nor of the whole detector on which they are known to lie.

    Parameters
    ----------
    shape
        Of the image: rows and columns, or frames, rows and columns.
    what
        What it is, and its name.
    frames
        Shape of the scan: frames, rows, columns.
    region, detector
        Where the frames lie on the whole detector, and its rows and columns; None: unknown.

    Raises
    ------
    InputError
        Naming both shapes, and what to give.
    """
    if len(frames) != 3:
        return
    count, rows, columns = frames
    if tuple(shape) in (tuple(frames), (rows, columns)):
        return
    is_one = len(shape) == 2
    is_whole = is_one and (detector is None or tuple(shape) in (detector, detector[::-1]))
    if is_whole and region is not None and shape[0] >= region[1] and shape[1] >= region[3]:
        return
    if not is_one:
        has = f"{shape[0]} frame{'' if shape[0] == 1 else 's'} of {shape[1]} × {shape[2]} pixels"
    else:
        has = f"{shape[0]} × {shape[1]} pixels"
    scan = f"the scan's {count} frames have {rows} × {columns}"
    scan += "" if detector is None else f" and the whole detector {detector[0]} × {detector[1]}"
    if not is_one and tuple(shape[1:]) == (rows, columns):
        scan, how = f"the scan has {count} of them", "give one frame for all, or one for each"
    elif is_whole and shape[0] >= rows and shape[1] >= columns:
        how = (
            "say where these lie on it with --roi ROW0,ROW1,COLUMN0,COLUMN1, or give the part that lies under them"
            if region is None
            else f"it has no rows {region[0]} to {region[1] - 1} and columns {region[2]} to {region[3] - 1}, where these lie; "
            "check --roi, or give that of the whole detector"
        )
    elif is_one and tuple(shape) == (columns, rows):
        how = "give it with rows and columns exchanged"
    else:
        whole = " or of the whole detector" + (", with --roi" if region is None else "")
        how = f"give one of that size{whole}, for nothing says where another part lies"
    raise InputError(f"The {what} has {has}, but {scan}: {how}.")


def check_region(region: Region | None, detector: tuple[int, int] | None, name: str = "") -> None:
    """Refuse a place of the frames that the detector does not have.

    Parameters
    ----------
    region
        As a person says it; None: they do not.
    detector
        Rows and columns of the whole detector; None: unknown.
    name
        What it is called; "": unknown.

    Raises
    ------
    InputError
        Naming the detector's size.
    """
    if region is None or detector is None or (region[1] <= detector[0] and region[3] <= detector[1]):
        return
    raise InputError(
        f"--roi {','.join(map(str, region))} ends at row {region[1]} and column {region[3]}, but {name or 'the detector'} has "
        f"{detector[0]} × {detector[1]} pixels (rows × columns): give first row, end row, first column, end column of the frames "
        "on it."
    )


def check_place(scan: Scan, geometry: Geometry, is_named: bool) -> None:
    """Refuse a place of a scan's frames that the detector of a geometry does not have.

    Parameters
    ----------
    scan
        As it was read.
    geometry
        That its files and a person make together.
    is_named
        Whether the detector was named, and not the beamline alone.

    Raises
    ------
    InputError
        Naming the detector's size.
    """
    said = {} if scan.origin is None else scan.origin.options
    site = beamlines().get(geometry.beamline or "")
    if said.get("roi") is None or site is None:
        return
    known = [
        each for each in site.detectors if each.shape and (not is_named or each.name == geometry.detector)
    ]
    is_turned = Axes(said.get("axes")).mirrored
    for each in sorted(known, key=lambda each: -prod(each.shape or ())):
        check_region(said["roi"], each.shape[::-1] if is_turned and each.shape else each.shape, each.name)
        return  # the largest has it
