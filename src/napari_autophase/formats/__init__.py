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
from .common import AmbiguousDataset, Dataset, Description, Hints, as_volume
from .correction import as_mask, flat_field, insert_seam, split_path
from .patience import patient
from .registry import Format, format_of, suffixes
from .rocking import is_rocking_curve

__all__ = [
    "AmbiguousDataset",
    "Dataset",
    "datasets",
    "read",
    "read_reconstruction",
    "read_scan",
    "recognise",
    "suffixes",
    "write",
    "write_scan",
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
) -> Scan | Reconstruction:
    """Read whatever a file holds.

    Parameters
    ----------
    path
        A file, a folder of frames, or ``file.h5::/path/of/dataset``.
    dataset
        Path of the dataset inside the file, where there are several.
    mask, spec, beamline
        For a scan, see `read_scan`.

    Raises
    ------
    AmbiguousDataset
        If the file holds several equally plausible volumes.
    InputError
        If the file is missing, damaged, foreign, or holds no usable volume.
    """
    path, kind, chosen = _locate(path, dataset)
    if chosen.dtype.kind == "c":
        return kind.reads_result(path, chosen)
    return _read_scan(path, kind, chosen, mask, _hints(spec, beamline)).whole()


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

    Raises
    ------
    AmbiguousDataset, InputError
        As `read`; also if the file holds a reconstruction, or a mask or field does not fit.
    """
    path, kind, chosen = _locate(path, dataset)
    raw = _read_scan(path, kind, chosen, mask, _hints(spec, beamline))
    if dark is not None or white is not None:
        corrected = flat_field(
            raw.scan,
            None if dark is None else _image(dark, "dark"),
            None if white is None else _image(white, "white"),
            roi or raw.about.region,
        )
        raw = replace(raw, scan=corrected)
    scan = raw.whole()
    given = {"mask": mask, "dark": dark, "white": white}
    scan.corrections.update({name: str(file) for name, file in given.items() if isinstance(file, str | Path)})
    return scan


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
    return file, kind, choose(file, kind, dataset or inside, lambda each: each.is_volume)


@dataclass(frozen=True)
class _Raw:
    """A scan as the detector wrote it, and what is known of it."""

    scan: Scan
    about: Description

    def whole(self) -> Scan:
        """Return the scan with its pixels where they are in space."""
        seam, region = self.about.seam, self.about.region
        return self.scan if seam is None or region is None else insert_seam(self.scan, seam, region)


def _hints(spec: str | Path | None, beamline: str | Beamline | None) -> Hints:
    place = find_beamline(beamline) if isinstance(beamline, str) else beamline
    return Hints(None if spec is None else Path(spec), place)


def _read_scan(
    path: Path, kind: Format, chosen: Dataset, mask: str | Path | np.ndarray | None, hints: Hints
) -> _Raw:
    if chosen.dtype.kind == "c":
        raise InputError(
            f"{path} is a reconstruction, not a scan; open it as one (read, or File > Open)."
            if kind.holds_results
            else f"{path} holds complex numbers; a scan is photon counts, and reconstructions are read from CXI and HDF5."
        )
    about = kind.describes(path, chosen, hints)
    counts = as_volume(kind.reads(path, chosen))
    bad = about.mask
    if mask is not None:
        given = as_mask(
            _image(mask, "mask"), counts.shape, "" if isinstance(mask, np.ndarray) else mask, about.region
        )
        bad = given if bad is None else bad | given
    source = f"{path}::{chosen.path}" if chosen.path else str(path)
    scan = Scan.from_array(
        counts,
        name=path.stem,
        mask=bad,
        geometry=about.geometry,
        source=source,
        metadata=about.metadata,
        notes=about.notes,
    )
    return _Raw(scan, about)


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
