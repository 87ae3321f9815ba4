"""From a file's arrays to a scan: the part that is wanted, masks, fields, and pixels where they are in space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..geometry import Beamline, find_beamline
from ..scan import InputError, Scan
from .choice import choose
from .common import Box, Dataset, Description, Hints, as_volume, check_memory, join_masks
from .correction import as_mask, flat_field, insert_seam, split_path
from .crop import PREPARING, Crop, read_part
from .measured import Frames, described
from .origin import origin_of
from .registry import Format, format_of


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


def make_scan(
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
