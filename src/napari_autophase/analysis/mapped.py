"""The maps of a crystal as they are written: every quantity with its unit and what it is measured against."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..maps import Map, Maps, Mesh
from ..reconstruction import Reconstruction
from ..scan import InputError
from .align import fitted
from .facets import Facet, face_labels, find_facets
from .indexing import indexed
from .orthogonal import regridded
from .quantities import Quantities
from .trust import is_nearly_its_twin, resolved_in_words


def mapped(shown: Quantities, about: dict[str, Any]) -> Maps:
    """Return the maps of a crystal.

    Parameters
    ----------
    shown
        As `quantities` gives it.
    about
        What to say beside: see `Maps`; threshold, voxel size and Q are added.
    """
    volumes = {
        "amplitude": Map(shown.amplitude, "1", "amplitude over its largest"),
        "support": Map(shown.support, "1", "inside the crystal"),
        "phase": Map(shown.phase, "rad", "phase, −Q·u, without its linear ramp and its mean"),
    }
    displacement = shown.displacement_nm
    if displacement is None:
        volumes["relative_strain"] = Map(
            shown.strain, "rad/voxel", "phase step along axis 1 times −1; the geometry is unknown"
        )
    else:
        volumes["displacement"] = Map(
            displacement, "nm", "displacement along Q, without its linear part and its mean"
        )
        volumes["strain"] = Map(shown.strain, "1", "strain along Q, relative to the mean lattice")
        if shown.lattice is not None:
            volumes["displacement_with_ramp"] = Map(
                _with_ramp(shown, displacement),
                "nm",
                "displacement along Q against the lattice of q_bragg_per_nm, linear part kept",
            )
        for name, values, unit, meaning in (
            (
                "absolute_strain",
                shown.absolute_strain,
                "1",
                "strain along Q, absolute: against the reference's spacing",
            ),
            ("d_spacing", shown.spacing_nm, "nm", "spacing of the lattice planes, absolute"),
            (
                "lattice_parameter",
                shown.lattice_parameter_nm,
                "nm",
                "lattice parameter if the crystal is cubic, absolute",
            ),
            ("tilt", shown.tilt_deg, "deg", "angle between the lattice planes and the mean ones"),
        ):
            if values is not None:
                volumes[name] = Map(values, unit, meaning)
    volumes["object"] = Map(
        np.where(shown.support, shown.object, 0),
        "1",
        "complex object without its linear ramp; fft leads to the detector",
    )
    if shown.corrections:
        volumes = {
            name: each if name == "support" else replace(each, meaning=shown.named(each.meaning))
            for name, each in volumes.items()
        }
    axes = ("0", "1", "2") if shown.relative else ("z", "y", "x")
    said = {
        "threshold": shown.threshold,
        "voxel_size": np.array(shown.voxel_size),
        "unit": shown.unit,
        "axes": " ".join(axes),
    }
    if shown.q_bragg_per_nm is not None:
        said["q_bragg_per_nm"] = np.asarray(shown.q_bragg_per_nm, float)
    if shown.lattice is not None:
        said["q_mean_per_nm"] = np.asarray(shown.lattice.q_per_nm, float)
        said["d_mean_nm"] = shown.lattice.spacing_nm
        if shown.lattice.reference is not None:
            said["d_reference_nm"] = shown.lattice.reference.spacing_nm
            said["reference"] = shown.lattice.reference.words
            said["mean_strain"] = shown.lattice.strain
    return Maps(volumes, shown.voxel_size, shown.unit, axes, partial(mesh_of, shown), {**about, **said})


def trusted(found: Reconstruction, shown: Quantities) -> dict[str, Map]:
    """Return what several runs say of a result, on the grid on which it is shown; nothing where there was one.

    Parameters
    ----------
    found
        The result, its voxel steps in the frame of the grid.
    shown
        As `quantities` gives it.
    """
    if found.trust is None:
        return {}
    slope, at = "rad/voxel" if shown.relative else "1", resolved_in_words(found.trust)
    of = "strain" if found.trust.of_starts else "strain of the runs' mean"
    doubt = (
        "; may be too small: the crystal is nearly its own twin" if is_nearly_its_twin(found.trust) else ""
    )
    parts = {
        "strain_averaged": (
            found.trust.strain,
            slope,
            f"{of}, relative to the mean lattice{', ' + at if at else ''}",
        ),
        "strain_error": (
            found.trust.strain_error,
            slope,
            f"standard error of strain_averaged, at its resolution{doubt}",
        ),
        "amplitude_error": (
            found.trust.amplitude_error,
            "1",
            f"standard error of the amplitude over its largest{doubt}",
        ),
        "phase_error": (found.trust.phase_error, "rad", f"standard error of the phase{doubt}"),
    }
    plain = f" (of the object as it was phased, not {' nor '.join(each.name for each in shown.corrections)})"
    return {
        name: Map(_on_grid(values, found, shown), unit, meaning + (plain if shown.corrections else ""))
        for name, (values, unit, meaning) in parts.items()
    }


def _on_grid(values: np.ndarray, found: Reconstruction, shown: Quantities) -> np.ndarray:
    """Return a map of the result's own grid on the one that is shown: the nearest value, NaN where there is none."""
    if shown.relative or found.voxel_steps_nm is None:
        return fitted(np.where(found.support, values, np.nan), shown.amplitude.shape).astype(np.float32)
    new_steps, shape = np.diag(shown.voxel_size)[::-1], shown.amplitude.shape
    known = np.isfinite(values)
    nearest, there = (
        regridded(
            part.astype(np.float32), found.voxel_steps_nm, new_steps, shape, np.array(shown.centre), order=0
        )
        for part in (np.where(known, values, 0), known)
    )
    return np.where(there > 0.5, nearest, np.nan).astype(np.float32)


def _with_ramp(shown: Quantities, displacement: np.ndarray) -> np.ndarray:
    """Return the displacement with the linear part that the mean lattice makes of it: u = −phase/|Q|, phase = (Q_mean − Q)·r."""
    assert shown.lattice is not None
    assert shown.q_bragg_per_nm is not None
    slope = -(shown.lattice.q_per_nm - shown.q_bragg_per_nm) / np.linalg.norm(shown.q_bragg_per_nm)
    linear = np.zeros(shown.amplitude.shape)
    for axis, (size, along) in enumerate(zip(shown.voxel_size, slope[::-1], strict=True)):
        side = shown.amplitude.shape[axis]
        linear = linear + (along * size * (np.arange(side) - side // 2)).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
    return (displacement + linear).astype(np.float32)


def mesh_of(shown: Quantities) -> Mesh:
    """Return the surface, x, y, z, coloured by strain, with the facet that each triangle belongs to."""
    mesh = bare_mesh(shown)
    facets = facets_of(shown, mesh)
    labels = face_labels(facets, len(mesh.faces))
    strain = "relative_strain" if shown.relative else "strain"
    means = np.array([np.nan, *(each.values[strain][0] for each in facets)], np.float32)
    return replace(mesh, face_values={"facet": labels, f"facet_{strain}": means[labels]})


def facets_of(
    shown: Quantities, mesh: Mesh, second: tuple[int, tuple[int, int, int]] | None = None
) -> list[Facet]:
    """Return the facets of a crystal, with indices where its reflection is known.

    Parameters
    ----------
    shown, mesh
        The crystal, and its `bare_mesh`.
    second
        Number of a facet from 1, and its indices, which settle how the crystal is turned about Q; None: what fits best.

    Raises
    ------
    InputError
        If there is no such facet, or the reflection is not known.
    """
    found = find_facets(mesh, q=shown.q_bragg_per_nm)
    lattice = shown.lattice
    if lattice is None or lattice.hkl is None:
        if second is not None:
            raise InputError("Facets get indices from Q and its reflection, which is not known: give --hkl.")
        return found
    if second is not None:
        if not 1 <= second[0] <= len(found):
            raise InputError(
                f"There is no facet {second[0]}: there are {len(found)}, the largest being the first."
            )
        second = (second[0] - 1, second[1])
    return indexed(found, lattice.q_per_nm, lattice.hkl, second, lattice.reciprocal_basis)


def bare_mesh(shown: Quantities) -> Mesh:
    """Return the surface, x, y, z, coloured by strain."""
    surface = shown.surface("strain")
    centre = np.array(shown.amplitude.shape) // 2 * np.array(shown.voxel_size)
    values = {"strain" if not shown.relative else "relative_strain": surface.values}
    for colour in ("phase", "amplitude"):
        values[colour] = shown.surface(colour).values
    if shown.displacement_nm is not None:
        values["displacement"] = surface.coloured(shown.displacement_nm).values
    return Mesh(
        # (z, y, x) is a left-handed order of the axes: turned round, triangles turn too
        vertices=np.ascontiguousarray((surface.vertices - centre)[:, ::-1], np.float32),
        faces=np.ascontiguousarray(surface.faces[:, ::-1]),
        values=values,
        rgb=_coloured(surface.values, shown.strain_limit),
    )


def _coloured(values: np.ndarray, limit: float) -> np.ndarray:
    from matplotlib import colormaps

    rgba = colormaps["RdBu_r"](0.5 + values / (2 * limit))
    return np.round(255 * rgba[:, :3]).astype(np.uint8)
