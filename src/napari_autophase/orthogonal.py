"""A result, or a scan, on an orthogonal grid of a named frame, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from . import analysis, formats
from .analysis import FRAMES
from .geometry import reciprocal_steps, rotation, scattering_vector
from .preparation import prepare
from .recipe import Recipe
from .reconstruction import FRAME, Reconstruction
from .scan import Geometry, InputError, Scan

Frame = Literal["laboratory", "sample", "crystal"]
VoxelSize = float | Literal["resolution"] | None
"""Edge of a voxel in nm (1/nm for counts); half of what the result resolves; None: a cube as large as the old voxel."""
_LEAST = 2
"""Voxels on either side of the middle of what is to be shown in them."""


@dataclass(frozen=True, eq=False)
class Orthogonal:
    """A volume on an isotropic grid along the axes of a frame.

    Parameters
    ----------
    data
        Axes 0, 1, 2 are z, y, x: a complex object, or counts (float32).
    known
        bool, same shape: the object's support, or where counts were measured.
    voxel_size
        Edge of a voxel in `unit`.
    unit
        ``nm`` for an object, ``1/nm`` for counts.
    origin
        z, y, x in `unit` of voxel ``shape // 2``: 0 for an object, Q for counts.
    q_bragg_per_nm
        Q in this frame, (x, y, z).
    frame, name, source
        The frame; what it was.
    notes
        What a person should know; a background that is spoken of is still among the counts.
    """

    data: np.ndarray
    known: np.ndarray
    voxel_size: float
    unit: Literal["nm", "1/nm"]
    origin: tuple[float, float, float]
    q_bragg_per_nm: np.ndarray
    frame: Frame
    name: str = "scan"
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where the voxels lie along z, y, x, in `unit`."""
        z, y, x = (
            origin + self.voxel_size * (np.arange(side) - side // 2)
            for origin, side in zip(self.origin, self.data.shape, strict=True)
        )
        return z, y, x


def orthogonalise(
    found: Scan | Reconstruction, frame: Frame | None = None, voxel_size: VoxelSize = None
) -> Orthogonal:
    """Bring a result, or the counts of a scan, onto an orthogonal grid.

    An object goes as it is inside its support, its linear phase ramp taken out first, which interpolation would average away.
    Counts are interpolated linearly among good voxels, on a grid that is linear in q about the peak as phasing takes it.

    Parameters
    ----------
    found
        A result or a scan; its geometry must be known.
    frame
        See `FRAMES`; None: the one that the result is in, the laboratory's for a scan.
    voxel_size
        Edge of the new voxels in nm, or in 1/nm for a scan; ``"resolution"``: see `resolved_voxel_nm`; None: that of a cube as
        large as the old voxel.

    Raises
    ------
    InputError
        If the geometry is not known, the voxel size is impossible, or the grid would not fit into memory.
    """
    if voxel_size == "resolution":
        if isinstance(found, Scan):
            raise InputError(f"{found.name} is a scan, which has no resolution; give the voxel size in 1/nm.")
        voxel_size = resolved_voxel_nm(found)
    if frame is None:
        frame = "laboratory" if isinstance(found, Scan) else own_frame(found)
    if voxel_size is not None and not (np.isfinite(voxel_size) and voxel_size > 0):
        raise InputError(f"A voxel size of {voxel_size} was asked for; give a positive one.")
    return (
        _object(found, frame, voxel_size)
        if isinstance(found, Reconstruction)
        else _counts(found, frame, voxel_size)
    )


def own_frame(found: Reconstruction) -> Frame:
    """Return the frame that a result is in."""
    return found.frame if found.frame in FRAMES else "laboratory"  # type: ignore[return-value]


def resolved_voxel_nm(found: Reconstruction) -> float:
    """Return half of what a result resolves, in nm: larger voxels would lose some of it, smaller ones show no more.

    Raises
    ------
    InputError
        If its geometry, or its resolution, is not known.
    """
    shown = analysis.quantities(found)
    resolved = analysis.resolution(shown, found.trust)
    if shown.relative or not np.isfinite(resolved.value):
        raise InputError(
            f"What {found.name} resolves is not known in nm; give its geometry, or the voxel size as a number."
        )
    return resolved.value / 2


def voxel_size_in(text: str | None) -> VoxelSize:
    """Return the voxel size that a person writes: a number, or ``resolution``.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text is None or text.strip() == "resolution":
        return None if text is None else "resolution"
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--voxel-size {text}: write a number of nm, or resolution.") from None


def _object(found: Reconstruction, frame: Frame, voxel_size: float | None) -> Orthogonal:
    steps, q = found.voxel_steps_nm, found.q_bragg_per_nm
    if steps is None or q is None:
        raise InputError(
            f"{found.name} is a result without geometry; give it one with napari-autophase analyse --geometry."
        )
    turn = _turn_of(found, frame, q)
    steps = turn @ steps
    found.check_filled("to orthogonalise")
    inside = analysis.remove_ramp(np.where(found.support, found.object, 0).astype(np.complex64))
    voxel = float(abs(np.linalg.det(steps)) ** (1 / 3)) if voxel_size is None else voxel_size
    filled = np.argwhere(np.abs(inside) > 0.01 * np.abs(inside).max())
    centre = analysis.centre_of(inside)
    half = analysis.reach(filled.min(0), filled.max(0), np.array(centre), steps, voxel)
    _check_size(half, voxel, "nm", 24, voxel_size is not None)
    data, voxel = analysis.orthogonalise(inside, steps, voxel, centre=centre)
    half = np.array(data.shape) // 2
    known = analysis.resampled(found.support.astype(np.float32), steps, voxel, half, np.array(centre)) >= 0.5
    return Orthogonal(
        data, known, voxel, "nm", (0.0, 0.0, 0.0), turn @ q, frame, found.name, found.source, found.notes
    )


def _counts(scan: Scan, frame: Frame, voxel_size: float | None) -> Orthogonal:
    recipe = Recipe()
    prepared = prepare(scan, recipe.prepare, formats.background(recipe.model.background, scan))
    if prepared.geometry is None:
        raise InputError(f"{scan.name} has no geometry; give one with --geometry, or --beamline and --set.")
    shape = prepared.counts.shape
    back = tuple(-shift for shift in prepared.shift)
    counts, good = np.roll(prepared.counts, back, (0, 1, 2)), np.roll(prepared.good, back, (0, 1, 2))
    q = scattering_vector(prepared.geometry, prepared.peak[1:], shape)
    # the sample as it stood at the peak is the phased grid's
    turn = _turn(frame, prepared.phased_geometry, q)
    steps = turn @ reciprocal_steps(prepared.geometry, prepared.peak, shape)
    voxel = float(abs(np.linalg.det(steps)) ** (1 / 3)) if voxel_size is None else voxel_size
    centre = np.array(prepared.peak, int)
    half = analysis.reach(np.zeros(3), np.array(shape) - 1, centre, steps, voxel)
    _check_size(half, voxel, "1/nm", 16, voxel_size is not None)
    weight = analysis.resampled(good.astype(np.float32), steps, voxel, half, centre)
    found = analysis.resampled(np.where(good, counts, 0), steps, voxel, half, centre)
    known = weight > 0.5
    found = np.where(known, found / np.where(known, weight, 1), 0).astype(np.float32)
    at = turn @ q
    origin = (float(at[2]), float(at[1]), float(at[0]))
    return Orthogonal(found, known, voxel, "1/nm", origin, at, frame, scan.name, scan.source, prepared.notes)


def turned(found: Reconstruction, frame: Frame) -> Reconstruction:
    """Return a result whose voxel steps and Q are those of a frame; without geometry it stays what it is.

    Raises
    ------
    InputError
        If the frame needs circles that are not known.
    """
    steps, q = found.voxel_steps_nm, found.q_bragg_per_nm
    if steps is None or q is None:
        if frame == "laboratory":
            return found
        raise InputError(f"{found.name} has no geometry: there is no frame to turn it to; give --geometry.")
    turn = _turn_of(found, frame, q)
    metadata = {key: value for key, value in found.metadata.items() if key != FRAME}
    if frame != "laboratory":
        metadata[FRAME] = frame
    return replace(found, voxel_steps_nm=turn @ steps, q_bragg_per_nm=turn @ q, metadata=metadata)


def _turn_of(found: Reconstruction, frame: Frame, q: np.ndarray) -> np.ndarray:
    """Return the 3 × 3 rotation from the frame of a result to another one."""
    if found.frame == frame:
        return np.eye(3)
    if found.frame != "laboratory":
        raise InputError(
            f"{found.name} lies in the {found.frame} frame, and its file does not say how that stood in the laboratory: choose "
            f"the {found.frame} frame, or give the result that it was made of."
        )
    return _turn(frame, found.geometry, q)


def _turn(frame: Frame, geometry: Geometry | None, q: np.ndarray) -> np.ndarray:
    """Return the 3 × 3 rotation from the laboratory's to the frame's (x, y, z)."""
    if frame == "laboratory":
        return np.eye(3)
    if frame == "sample":
        if geometry is None:
            raise InputError(
                "The sample's circles are not known; choose the laboratory's or the crystal's frame."
            )
        return rotation(geometry.sample_circles, geometry.sample_angles_deg, geometry.sample_offsets_deg).T
    if frame != "crystal":
        raise InputError(f"There is no frame '{frame}'; choose one of {', '.join(FRAMES)}.")
    one, up = np.asarray(q) / np.linalg.norm(q), np.array([0.0, 1.0, 0.0])
    axis, cosine = np.cross(one, up), float(one @ up)
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def _check_size(half: np.ndarray, voxel: float, unit: str, per_voxel: int, is_chosen: bool) -> None:
    if is_chosen and half.min() < _LEAST:
        raise InputError(
            f"Voxels of {voxel:.3g} {unit} are too large: along one axis hardly {2 * int(half.min())} of them hold all there is; "
            "choose smaller ones."
        )
    sides = [2 * int(side) + 1 for side in half]
    what = f"A grid of {sides} voxels of {voxel:.3g} {unit}"
    formats.check_memory(sides, np.dtype((np.void, per_voxel)), what, advice="choose larger voxels")


def write(made: Orthogonal, path: str | Path) -> None:
    """Write an orthogonal volume as .npz or .h5 (NeXus), whole or not at all.

    Raises
    ------
    InputError
        If the name ends otherwise, or the place cannot be written.
    """
    formats.write_volume(
        Path(path),
        made.data,
        "support" if made.unit == "nm" else "mask",
        made.known if made.unit == "nm" else ~made.known,
        dict(zip("zyx", made.axes(), strict=True)),
        {
            "voxel_size": made.voxel_size,
            "unit": made.unit,
            "frame": made.frame,
            "axes_are": FRAMES[made.frame],
            "q_bragg_per_nm": made.q_bragg_per_nm,
            "name": made.name,
            "source": made.source,
        },
        {**dict.fromkeys(("z", "y", "x", "voxel_size"), made.unit), "q_bragg_per_nm": "1/nm"},
    )
