"""A result as other programs open it; the name's ending says as what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from . import analysis, files, formats
from .analysis import FRAMES
from .formats import export as writers
from .maps import Maps
from .orthogonal import Frame, VoxelSize, own_frame, resolved_voxel_nm, turned
from .reconstruction import Reconstruction
from .scan import InputError, Scan

SUFFIXES = (".cxi", *writers.WRITERS, ".csv")
"""How the names of files end that `export` writes."""


@dataclass(frozen=True)
class Against:
    """What a crystal's mean lattice is held against: see `analysis.mean_lattice`."""

    material: str | None = None
    hkl: tuple[int, int, int] | None = None
    reference_nm: float | None = None


def maps_of(
    found: Reconstruction,
    *,
    threshold: float | None = None,
    voxel_size_nm: VoxelSize = None,
    frame: Frame | None = None,
    against: Against | None = None,
) -> Maps:
    """Return the maps of a result: amplitude, phase, displacement and strain on an orthogonal grid, and its surface.

    Parameters
    ----------
    found
        A result; without geometry the grid is its own, in voxels.
    threshold
        Amplitude, as a fraction of the largest, that bounds the crystal; None: its recipe's.
    voxel_size_nm
        Edge of the voxels; ``"resolution"``: see `orthogonal.resolved_voxel_nm`; None: that of a cube as large as the result's.
    frame
        See `analysis.FRAMES`; None: the one that the result is in, which is the laboratory's but for maps that were opened again.
    against
        What the mean lattice is held against; None: nothing, then no strain is absolute.

    Raises
    ------
    InputError
        If the result is empty, or the frame is not known.
    """
    found.check_filled("to export")
    frame = own_frame(found) if frame is None else frame
    there = turned(found.corrected, frame)  # along the beams, which stand in the laboratory
    if voxel_size_nm == "resolution":
        voxel_size_nm = resolved_voxel_nm(there)
    lattice = analysis.mean_lattice(there, **({} if against is None else vars(against)))
    shown = analysis.quantities(there, threshold, voxel_size_nm, lattice)
    about = {
        "name": found.name,
        "source": found.source,
        "frame": "" if shown.relative else frame,
        "axes_are": "" if shown.relative else FRAMES[frame],
        "strain_limit": shown.strain_limit,
        "corrections": "\n".join(" ".join(each) for each in shown.corrections),
        "notes": "\n".join(found.notes),
    }
    if (
        there.trust is not None
    ):  # of strain_averaged: how fine it is, and how far two halves of the photons agree in it
        named = ("strain_resolution", "strain_correlation", "fsc_resolution", "prtf_resolution")
        about |= {name: there.trust.figures[name] for name in named if name in there.trust.figures}
        about["resolution_unit"] = there.trust.unit
    maps = analysis.mapped(shown, about)
    return replace(maps, volumes={**maps.volumes, **analysis.trusted(there, shown)})


def export(
    found: Reconstruction,
    path: str | Path,
    *,
    threshold: float | None = None,
    voxel_size_nm: VoxelSize = None,
    frame: Frame | None = None,
    against: Against | None = None,
) -> None:
    """Write a result, whole or not at all, as the ending of the name says.

    ``.cxi`` is ours and PyNX's: the whole result, which opens again, with its maps beside the object.  ``.nxs`` or ``.h5``
    (NeXus), ``.npz``, ``.mat``, ``.tif`` (ImageJ) and ``.vti`` (ParaView) hold the maps, ``.vtp``, ``.stl`` and ``.ply`` the
    surface; ``.csv`` the curves of how far it is to be trusted.

    Parameters
    ----------
    found, threshold, voxel_size_nm, frame, against
        As for `maps_of`.
    path
        Where to.

    Raises
    ------
    InputError
        If the name ends otherwise, there is nothing in the result, no curve for a table, or the place cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"A result cannot be written as {path.name}; choose a name that ends in one of {', '.join(SUFFIXES)}."
        )
    if path.suffix.lower() == ".csv":
        files.write(path, analysis.trust.table(found))
        return
    maps = maps_of(found, threshold=threshold, voxel_size_nm=voxel_size_nm, frame=frame, against=against)
    if path.suffix.lower() == ".cxi":
        formats.write(found, path, maps)
    else:
        writers.write(maps, path)


def write(found: Reconstruction | Scan, path: str | Path) -> None:
    """Save a result as .cxi with its maps beside the object, or without them where there is no crystal in it; or a scan.

    Raises
    ------
    InputError
        If it is neither, the name does not end in .cxi (of a scan: see `formats.write_scan`), or the place cannot be written.
    """
    if isinstance(found, Scan):
        formats.write_scan(found, path)
        return
    if not isinstance(found, Reconstruction):
        raise InputError(
            f"A {type(found).__name__} is neither a result nor a scan; write(RESULT, FILE) saves one."
        )
    try:
        maps = maps_of(found)
    except InputError:  # an empty result is one that a person wants to look at too
        maps = None
    formats.write(found, path, maps)
