"""What was understood of a scan, said the same way by ``napari-autophase info`` and by the Load panel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import formats, geometry
from .geometry import GeometrySummary
from .light import Background
from .preparation import Judgement, prepare, said_background
from .recipe import Recipe
from .scan import Geometry, Scan


@dataclass(frozen=True)
class ScanSummary:
    """A scan as a reconstruction would see it: after its preparation.

    Parameters
    ----------
    name, source, shape, dtype
        The scan's own.
    counts, maximum
        Photons in all, and in the brightest voxel, of what is not masked.
    peak
        Frame, row and column of the Bragg peak.
    masked
        Number of voxels that are masked before phasing: gaps, dead and hot pixels.
    oversampling
        Grid size over the crystal's extent, per axis.
    voxel_size_nm
        Edges of the reconstruction's voxels; None without geometry.
    q_bragg_per_nm
        Momentum transfer at the peak, (x, y, z) of the laboratory; None without geometry.
    geometry, metadata
        What the file (or the person) said of the experiment.
    background
        Light that is not the crystal's.
    notes
        What a person should know.
    seen
        What the geometry says at the peak; None without.
    """

    name: str
    source: str
    shape: tuple[int, int, int]
    dtype: str
    counts: float
    maximum: float
    peak: tuple[float, float, float]
    masked: int
    oversampling: tuple[float, float, float]
    voxel_size_nm: tuple[float, float, float] | None
    q_bragg_per_nm: tuple[float, float, float] | None
    geometry: Geometry | None
    metadata: dict[str, Any]
    background: Background
    notes: tuple[str, ...]
    seen: GeometrySummary | None

    @property
    def spacing_nm(self) -> float | None:
        """Spacing of the lattice planes, 2π/|Q|: a check of the geometry."""
        return None if self.seen is None else self.seen.spacing_nm

    def lines(self) -> list[tuple[str, str]]:
        """Return what to print of the geometry: a label and its words, a line each."""
        return [] if self.seen is None else self.seen.lines()

    def document(self) -> dict[str, Any]:
        """Return everything as plain values, as JSON knows them."""
        found = {"kind": "scan", **asdict(self), "spacing_nm": self.spacing_nm}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def summarise(
    scan: Scan,
    material: str | None = None,
    spacing_nm: float | None = None,
    recipe: Recipe | None = None,
    judgement: Judgement | None = None,
) -> ScanSummary:
    """Look at a scan as a reconstruction would.

    Parameters
    ----------
    scan
        Any scan.
    material, spacing_nm
        What the spacing of the lattice planes is compared with: see `geometry.summarise`.
    recipe
        How it is to be prepared, and which background it has; None: as a reconstruction does unless told otherwise.
    judgement
        As `preparation.prepare` takes it.

    Raises
    ------
    InputError
        If it cannot be phased.
    """
    recipe = recipe or Recipe()
    told = formats.background(recipe.model.background, scan)
    prepared = prepare(scan, recipe.prepare, told, judgement)
    at = prepared.geometry, prepared.peak, prepared.counts.shape
    seen, q_bragg = None, None
    if at[0] is not None:
        seen = geometry.summarise(at[0], at[1], at[2], prepared.oversampling, material, spacing_nm)
        q_bragg = geometry.scattering_vector(at[0], prepared.peak[1:], prepared.counts.shape)
    return ScanSummary(
        name=scan.name,
        source=scan.source,
        shape=scan.shape,
        dtype=str(scan.counts.dtype),
        counts=float(prepared.counts.sum(dtype=np.float64)),
        maximum=float(prepared.counts.max()),
        peak=_three(prepared.peak),
        masked=int(prepared.good.size - np.count_nonzero(prepared.good)),
        oversampling=_three(prepared.oversampling),
        voxel_size_nm=None if seen is None else seen.voxel_size_nm,
        q_bragg_per_nm=None if q_bragg is None else _three(q_bragg),
        geometry=scan.geometry,
        metadata=scan.metadata,
        background=said_background(told, prepared.background),
        notes=tuple(prepared.notes),
        seen=seen,
    )


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third
