"""What the rest of the program, and a person, ask of a file: what it is, what it holds, and to read or write it."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from ..geometry import Beamline
from ..maps import Maps
from ..memory import GIB, available_memory_bytes
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from . import cxi
from .choice import choose, pick
from .common import AmbiguousDataset, AmbiguousScan, Dataset
from .crop import PREPARING, Crop, memory_bytes
from .listing import scans
from .paths import split_path
from .patience import patient
from .reading import Reading, make_scan
from .registry import Format, format_of
from .rocking import is_rocking_curve
from .sound import sound
from .values import Values

_LOOKED_AT = 4
"""So many volumes of a file are looked at."""
_LARGE = 2**25
"""Of a scan of so many voxels a person is told how to do with less memory and time."""


@patient
def read(
    path: str | Path,
    *,
    dataset: str | None = None,
    mask: str | Path | np.ndarray | None = None,
    mask_good: int | None = None,
    dark: str | Path | np.ndarray | None = None,
    white: str | Path | np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
    values: Values | None = None,
    axes: tuple[int, int, int] | None = None,
    spec: str | Path | None = None,
    beamline: str | Beamline | None = None,
    crop: Crop | None = None,
) -> Scan | Reconstruction:
    """Read whatever a file holds.

    Parameters
    ----------
    path
        A file, a folder of frames, or ``file.h5::/path/of/dataset``.
    dataset
        Path of the dataset inside the file, where there are several.
    mask, mask_good, dark, white, roi, values, axes, spec, beamline, crop
        For a scan, see `read_scan`.

    Raises
    ------
    AmbiguousDataset
        If the file holds several equally plausible volumes.
    InputError
        If the file is missing, damaged, foreign, or holds no usable volume.
    """
    how = Reading(mask, mask_good, dark, white, roi, values, axes, spec, beamline, crop)
    path, kind, chosen = _locate(path, dataset)
    if kind.is_object(path, chosen):
        return sound(replace(kind.reads_result(path, chosen), path=str(path)))
    return make_scan(path, kind, chosen, how)


@patient
def read_scan(
    path: str | Path,
    *,
    dataset: str | None = None,
    mask: str | Path | np.ndarray | None = None,
    mask_good: int | None = None,
    dark: str | Path | np.ndarray | None = None,
    white: str | Path | np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
    values: Values | None = None,
    axes: tuple[int, int, int] | None = None,
    spec: str | Path | None = None,
    beamline: str | Beamline | None = None,
    crop: Crop | None = None,
) -> Scan:
    """Read a scan: photon counts, what is masked, what a person should know, and the geometry if its files have all of it.

    Counts have the file's orientation and dtype, unless its values are amplitudes or scaled.  Energy, distance and pixel
    sizes that do not make a whole geometry are in ``metadata`` as ``energy_kev``, ``distance_m`` and ``pixel_size_um`` (row,
    column).

    Parameters
    ----------
    path, dataset
        See `read`.
    mask
        Array or file, of the volume's shape, of one frame, or of the whole detector where the frames' place on it is known.
        It adds to a mask inside the file.
    mask_good
        What good pixels are in the mask (in the file's own, where none is given): 0 or 1.  None: told from what it covers.
    dark, white
        Detector fields (arrays or files): see `correction.flat_field`.
    roi
        First row, end row, first column, end column of the frames on the whole detector, to which masks and fields of that
        are cut; None: as the scan's files say.
    values
        What the file's values are: ``counts``, ``amplitudes`` (roots of counts) or ``scaled`` (counts times a factor); None:
        recognised, see `formats.values`.
    axes
        Which of the file's axes are the rocking curve, the detector's rows and its columns; None: ``(0, 1, 2)``.
    spec
        The SPEC or fio file of the scan; None: it is looked for beside the frames, and in the folders around them.
    beamline
        Where the scan was measured: a name, or the path of a JSON file; None: told from its files.
    crop
        The part to read: ``"auto"`` (as far as light around the Bragg peak is seen), so many frames, rows and columns about the
        peak, or their starts and ends.  Frames are then read one after the other, in bounded memory (`crop.memory_bytes`), and
        the geometry is that of the part.  A mask, fields and their `roi` are those of the whole frames all the same.

    Raises
    ------
    AmbiguousDataset, InputError
        As `read`; also if the file holds a reconstruction, or a mask or field does not fit, or memory would not suffice.
    """
    how = Reading(mask, mask_good, dark, white, roi, values, axes, spec, beamline, crop)
    path, kind, chosen = _locate(path, dataset)
    return make_scan(path, kind, chosen, how)


@patient
def reading_line(path: str | Path, *, dataset: str | None = None, crop: Crop | None = None) -> str:
    """Say how much memory it takes to read a scan, before that is done; "" for one that is read whole and small, or for a result.

    Raises
    ------
    InputError
        As `read`.
    """
    file, kind, chosen = _locate(path, dataset)
    shape = chosen.frames
    sides = " × ".join(map(str, shape))
    if crop is None:
        by_parts = type(kind).opens is not Format.opens
        if prod(shape) < _LARGE or not by_parts or kind.is_object(file, chosen):
            return ""
        needed = prod(shape) * (chosen.dtype.itemsize + PREPARING)
        if needed > available_memory_bytes():  # then it is refused, with the same advice
            return ""
        return (
            f"{sides} read whole: about {needed / GIB:.1f} GiB; --crop auto reads what is around the Bragg peak alone, "
            f"with at most {memory_bytes(shape) / GIB:.1f} GiB beside it"
        )
    with kind.opens(file, chosen) as volume:
        needed = memory_bytes(shape, volume.together)
    return f"{sides} read frame by frame: at most {needed / GIB:.1f} GiB beside the part that is kept"


@patient
def frames_of(path: str | Path, *, dataset: str | None = None) -> frozenset[object]:
    """Return what tells the frames of a scan from those of all others, by whatever path or link they are reached.

    Raises
    ------
    InputError
        As `read`.
    """
    file, kind, chosen = _locate(path, dataset)
    return kind.stands(file, chosen)


@patient
def holds_crystal(path: str | Path, *, dataset: str | None = None) -> bool:
    """Tell whether `read` gives a reconstruction, before anything large is read.

    Raises
    ------
    InputError
        As `read`.
    """
    file, kind, chosen = _locate(path, dataset)
    return kind.is_object(file, chosen)


@patient
def read_reconstruction(path: str | Path, *, dataset: str | None = None) -> Reconstruction:
    """Read a reconstruction (our own, whole; PyNX's as far as it goes).

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds something else.
    """
    path, kind, chosen = _locate(path, dataset)
    return sound(replace(kind.reads_result(path, chosen), path=str(path)))


def recognise(path: str | Path) -> str | None:
    """Tell what a file is ("npy", "npz", "tiff", "frames", "hdf5", "cxi") if it is evidently a scan or a result.

    It is one by its layout (CXI, NeXus detectors, beamlines' files, our own results), or because a few of its frames look
    like a rocking curve: see `rocking`.  Everything else is somebody else's, None, though `read` may open it.  A bounded part
    of the file is looked at, and no link is followed.
    """
    file, _ = split_path(path)
    try:
        kind = format_of(file)
        if kind.declares(file):
            return kind.name
        volumes = [each for each in kind.lists_own(file) if each.is_volume and each.dtype.kind != "c"]
        for each in sorted(volumes, key=lambda each: -prod(each.shape))[:_LOOKED_AT]:
            frames = kind.glimpse(file, each)
            if frames is not None and is_rocking_curve(frames):
                return kind.name
    except InputError:
        pass
    return None


@patient
def datasets(path: str | Path) -> list[Dataset]:
    """Return the volumes inside a file, largest first: what to choose `dataset` from.

    Raises
    ------
    InputError
        If the file is missing, damaged or foreign.
    """
    file, _ = split_path(path)
    return sorted(
        (each for each in format_of(file).lists(file) if each.is_volume), key=lambda each: -prod(each.shape)
    )


def write(reconstruction: Reconstruction, path: str | Path, maps: Maps | None = None) -> None:
    """Save a reconstruction as .cxi, with `maps` beside the object; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the name does not end in .cxi, or the place cannot be written.
    """
    cxi.write_reconstruction(reconstruction, _named(path, (".cxi",), "reconstruction"), maps)


def write_scan(scan: Scan, path: str | Path) -> None:
    """Save a scan as HDF5, NeXus or CXI (one layout serves all), which `read_scan` gives back.

    Raises
    ------
    InputError
        If the name ends otherwise, or the place cannot be written.
    """
    cxi.write_scan(scan, _named(path, (".h5", ".hdf5", ".nxs", ".cxi"), "scan"))


def _named(path: str | Path, suffixes: tuple[str, ...], what: str) -> Path:
    if Path(path).suffix.lower() not in suffixes:
        raise InputError(
            f"A {what} cannot be written as {Path(path).name}; choose a name that ends in {' or '.join(suffixes)}."
        )
    return Path(path)


def _locate(path: str | Path, dataset: str | None) -> tuple[Path, Format, Dataset]:
    file, inside = split_path(path)
    kind = format_of(file)
    name = dataset or inside
    if name is None:
        measured = [each for each in scans(file) if each.has_frames]
        if len(measured) > 1:
            raise AmbiguousScan(file, measured)
        name = measured[0].path if measured else None
    try:
        return file, kind, choose(file, kind, name, lambda each: each.is_volume)
    except AmbiguousDataset:
        raise
    except InputError:
        # a crystal that was cut out of its box may be smaller than any scan
        small = [each for each in kind.lists(file) if each.is_small and kind.is_object(file, each)]
        if not small:
            raise
        return file, kind, pick(file, small, kind.preferred(file, small), lambda each: each.is_small)
