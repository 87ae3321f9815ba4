"""Files in and out: NumPy, TIFF, HDF5/NeXus and CXI, found by content not only by name.

``read`` gives a `Scan` or a `Reconstruction`, whichever the file holds; ``write`` saves a `Reconstruction`.  Arrays keep the
orientation and the dtype that the file has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from ..geometry import Beamline, find_beamline
from ..reconstruction import Reconstruction
from ..scan import InputError, Scan
from . import cxi
from .choice import choose
from .common import (
    AmbiguousDataset,
    AmbiguousScan,
    Box,
    Dataset,
    Description,
    Hints,
    ScanEntry,
    as_volume,
    check_memory,
    join_masks,
)
from .correction import as_mask, flat_field, insert_seam, split_path
from .crop import PREPARING, Crop, memory_bytes, read_part
from .measured import Frames, described
from .origin import origin_of, sha256_of
from .patience import patient
from .registry import Format, format_of, suffixes
from .rocking import is_rocking_curve
from .volumes import write_volume

__all__ = [
    "AmbiguousDataset",
    "AmbiguousScan",
    "Dataset",
    "ScanEntry",
    "check_memory",
    "cropping_line",
    "datasets",
    "read",
    "read_reconstruction",
    "read_scan",
    "recognise",
    "scans",
    "sha256_of",
    "suffixes",
    "write",
    "write_scan",
    "write_volume",
]

_LOOKED_AT = 4
"""So many volumes of a file are looked at."""


@patient
def read(
    path: str | Path,
    *,
    dataset: str | None = None,
    mask: str | Path | np.ndarray | None = None,
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
    mask, spec, beamline, crop
        For a scan, see `read_scan`.

    Raises
    ------
    AmbiguousDataset
        If the file holds several equally plausible volumes.
    InputError
        If the file is missing, damaged, foreign, or holds no usable volume.
    """
    file, kind, chosen = _locate(path, dataset)
    if chosen.dtype.kind == "c":
        return kind.reads_result(file, chosen)
    return _scan(file, kind, chosen, crop, mask=mask, spec=spec, beamline=beamline)


@patient
def read_scan(
    path: str | Path,
    *,
    dataset: str | None = None,
    mask: str | Path | np.ndarray | None = None,
    dark: str | Path | np.ndarray | None = None,
    white: str | Path | np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
    spec: str | Path | None = None,
    beamline: str | Beamline | None = None,
    crop: Crop | None = None,
) -> Scan:
    """Read a scan: counts in the file's orientation and dtype, what is masked, and the geometry if its files have all of it.

    Energy, distance and pixel sizes that do not make a whole geometry are in ``metadata`` as ``energy_kev``, ``distance_m``
    and ``pixel_size_um`` (row, column).

    Parameters
    ----------
    path, dataset
        See `read`.
    mask
        Array or file, of the volume's shape, of one frame, or of the whole detector where the frames' place on it is known;
        non-zero is bad.  It adds to a mask inside the file.
    dark, white, roi
        Detector fields (arrays or files), and the frames' place on them: see `correction.flat_field`.  None: as the scan's files
        say.
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
    file, kind, chosen = _locate(path, dataset)
    return _scan(
        file, kind, chosen, crop, mask=mask, dark=dark, white=white, roi=roi, spec=spec, beamline=beamline
    )


@patient
def cropping_line(path: str | Path, *, dataset: str | None = None) -> str:
    """Say how much memory it takes to look for the part of a scan to read, before that is done.

    Raises
    ------
    InputError
        As `read`.
    """
    file, kind, chosen = _locate(path, dataset)
    shape = chosen.frames
    with kind.opens(file, chosen) as volume:
        needed = memory_bytes(shape, volume.together)
    return f"{' × '.join(map(str, shape))} read frame by frame: at most {needed / 2**30:.1f} GiB beside the part that is kept"


@patient
def read_reconstruction(path: str | Path, *, dataset: str | None = None) -> Reconstruction:
    """Read a reconstruction (our own, whole; PyNX's as far as it goes).

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds something else.
    """
    path, kind, chosen = _locate(path, dataset)
    return kind.reads_result(path, chosen)


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


@patient
def scans(path: str | Path) -> list[ScanEntry]:
    """Return the scans of a file that holds several (of BLISS, for example), in the order of their numbers; else none.

    Groups and links are looked at, no frames: hundreds of scans take no time to speak of.  ``FILE::PATH`` or `dataset` of
    `read_scan` picks one by its ``path``.

    Raises
    ------
    InputError
        If the file is missing, damaged or foreign.
    """
    file, _ = split_path(path)
    return format_of(file).scans(file)


def write(reconstruction: Reconstruction, path: str | Path) -> None:
    """Save a reconstruction as .cxi; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the name does not end in .cxi, or the place cannot be written.
    """
    cxi.write_reconstruction(reconstruction, _named(path, (".cxi",), "reconstruction"))


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
        measured = [each for each in kind.scans(file) if each.has_frames]
        if len(measured) > 1:
            raise AmbiguousScan(file, measured)
        name = measured[0].path if measured else None
    return file, kind, choose(file, kind, name, lambda each: each.is_volume)


@dataclass(frozen=True)
class _Raw:
    """A scan as the detector wrote it, and what is known of it."""

    scan: Scan
    about: Description
    box: Box | None

    def region(self, given: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        """Return the place on the detector of what was read: `given` or known for the whole frames."""
        found = given or self.about.region
        if self.box is None:
            return found
        top, left = (found[0], found[2]) if found else (0, 0)
        _, rows, columns = self.box
        return top + rows.start, top + rows.stop, left + columns.start, left + columns.stop

    def whole(self) -> Scan:
        """Return the scan with its pixels where they are in space."""
        seam, region = self.about.seam, self.about.region and self.region(None)
        return self.scan if seam is None or region is None else insert_seam(self.scan, seam, region)


def _scan(
    path: Path,
    kind: Format,
    chosen: Dataset,
    crop: Crop | None,
    *,
    mask: str | Path | np.ndarray | None = None,
    dark: str | Path | np.ndarray | None = None,
    white: str | Path | np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
    spec: str | Path | None = None,
    beamline: str | Beamline | None = None,
) -> Scan:
    """Return a scan with all that belongs to it, and how it was read."""
    options = {"mask": mask, "dark": dark, "white": white, "roi": roi, "spec": spec, "beamline": beamline}
    raw = _read_scan(path, kind, chosen, mask, _hints(spec, beamline), crop)
    if dark is not None or white is not None:
        corrected = flat_field(
            raw.scan,
            None if dark is None else _image(dark, "dark"),
            None if white is None else _image(white, "white"),
            raw.region(roi),
        )
        raw = replace(raw, scan=corrected)
    scan = raw.whole()
    given = {"mask": mask, "dark": dark, "white": white}
    scan.corrections.update({name: str(file) for name, file in given.items() if isinstance(file, str | Path)})
    return replace(scan, origin=origin_of(path, chosen, options, raw.box))


def _hints(spec: str | Path | None, beamline: str | Beamline | None) -> Hints:
    place = find_beamline(beamline) if isinstance(beamline, str) else beamline
    return Hints(None if spec is None else Path(spec), place)


def _read_scan(
    path: Path,
    kind: Format,
    chosen: Dataset,
    mask: str | Path | np.ndarray | None,
    hints: Hints,
    crop: Crop | None,
) -> _Raw:
    if chosen.dtype.kind == "c":
        raise InputError(
            f"{path} is a reconstruction, not a scan; open it as one (read, or File > Open)."
            if kind.holds_results
            else f"{path} holds complex numbers; a scan is photon counts, and reconstructions are read from CXI and HDF5."
        )
    about = kind.describes(path, chosen, hints)
    if about.geometry is None:
        about = _with_log(path, kind, chosen, about, hints)
    shape = chosen.frames
    masks = [] if about.mask is None else [about.mask]
    if mask is not None:
        what = "" if isinstance(mask, np.ndarray) else mask
        masks.append(as_mask(_image(mask, "mask"), shape, what, about.region))
    bad = join_masks(masks, shape)
    geometry, notes, box = about.geometry, about.notes, None
    if crop is None:
        check_memory(chosen.shape, chosen.dtype, path, PREPARING)
        counts = as_volume(kind.reads(path, chosen))
    else:
        counts, found = read_part(path, kind, chosen, bad, crop)
        box, notes = found.box, (*notes, *found.notes)
        if geometry is not None:
            geometry = geometry.cropped(tuple(part.start for part in box), shape, counts.shape)
    if bad is not None:
        bad = bad[box or ()].copy()
    source = f"{path}::{chosen.path}" if chosen.path else str(path)
    part = kind.scan_of(chosen)
    scan = Scan.from_array(
        counts,
        name=f"{path.stem}_{part}" if part else path.stem,
        mask=bad,
        geometry=geometry,
        source=source,
        metadata=about.metadata,
        notes=notes,
    )
    return _Raw(scan, about, box)


def _with_log(path: Path, kind: Format, chosen: Dataset, about: Description, hints: Hints) -> Description:
    """Return what a file says of a scan together with what its log says, where there is one."""
    log, notes = kind.log(path, chosen, hints.log)
    if log is None:
        return replace(about, notes=(*about.notes, *notes))
    count, rows, columns = chosen.frames
    frames = Frames(path, (count, rows, columns), kind.frame_numbers(path), about.metadata)
    said = described(log, frames, hints.beamline)
    masks = [mask for mask in (about.mask, said.mask) if mask is not None]
    return replace(
        said,
        mask=join_masks(masks, frames.shape),
        metadata=about.metadata | said.metadata,
        notes=(*about.notes, *said.notes),
    )


def _image(given: str | Path | np.ndarray, what: str) -> np.ndarray:
    """Return a mask or detector field from an array or a file: the dataset named, the one called so, or the only one."""
    if isinstance(given, np.ndarray):
        return given
    file, inside = split_path(given)
    kind = format_of(file)
    called_so = [each for each in kind.lists(file) if what in each.path.rpartition("/")[2].lower()]

    def fits(each: Dataset) -> bool:
        return len(each.shape) in (2, 3) and each.dtype.kind != "c" and (not called_so or each in called_so)

    chosen = choose(file, kind, inside, fits)
    return as_volume(kind.reads(file, chosen))
