"""What was found: the `Reconstruction`, and the `Progress` reported on the way.

Conventions owned here
----------------------
The field at the detector is ``fftshift(fftn(ifftshift(object)))``.  With that sign the phase of the object is −Q·u, so that
the displacement along Q is ``u = -phase / |Q|`` and a crystal stretched along Q has positive strain.  The free choices are
always made the same way: mean phase 0 in the support, centre of mass of the support at the centre of the array
(``shape // 2``), and of the twins the one with the positive third moment of the amplitude (see `analysis.symmetries`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .recipe import Recipe
from .scan import Geometry, Origin


@dataclass(frozen=True, eq=False)
class Progress:
    """One step of a reconstruction.

    Parameters
    ----------
    stage
        ``prepare``, ``guess``, ``refine`` or ``analyse``.
    step, total
        Steps done and to be done in this stage.
    error
        chi² of the current estimate of the best start, or None.
    preview
        Amplitude of the current best start (float32, measured grid), now and then; else None.
    """

    stage: str
    step: int
    total: int
    error: float | None = None
    preview: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A crystal, and all that is needed to repeat it.

    Parameters
    ----------
    object
        complex64, shape of the measured grid ``(rocking, row, column)``, centred (see the module's conventions).
    support
        bool, same shape.
    figures
        Figures of quality: at least ``chi2`` (Σ(|Fp|−|Fm|)²/Σ|Fm|²) and ``free_llk`` (Poisson likelihood of the held-out pixels).
    errors
        chi² per refinement iteration of the chosen start.
    iterations
        Refinement iterations done.
    seconds
        Seconds per stage: ``read``, ``prepare``, ``guess``, ``refine``, ``analyse``, ``total``.
    geometry
        Geometry of the phased grid (binned, centred, cropped, padded), or None: Q is that of its voxel ``shape // 2``.
    scan_geometry
        Geometry of the scan as it was read: what a recipe needs to repeat the result.
    voxel_steps_nm
        3 × 3; *columns* are the laboratory (x, y, z) steps in nm of one voxel along axes 0, 1, 2; None without geometry.
    q_bragg_per_nm
        The Bragg vector Q in the same frame, in 1/nm (|Q| = 2π/d); None without geometry.
    peak
        Index of what lies in the centre voxel of the phased grid, counted in the scan's array after binning; None if
        nobody knows.
    notes
        Sentences a person should read: what was masked, assumed, or fell back.
    origin
        How the scan was read; None if nobody knows.
    used_sha256
        Of the scan's ``counts`` and ``mask`` as they were used (see `scan.fingerprint`).
    good
        bool, shape of the object: which voxels of the phased grid were measured; None if nobody knows.
    """

    object: np.ndarray
    support: np.ndarray
    recipe: Recipe
    figures: dict[str, float]
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    iterations: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    geometry: Geometry | None = None
    scan_geometry: Geometry | None = None
    voxel_steps_nm: np.ndarray | None = None
    q_bragg_per_nm: np.ndarray | None = None
    peak: tuple[float, float, float] | None = None
    name: str = "scan"
    source: str = ""
    device: str = "cpu"
    weights_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    used_sha256: dict[str, str] = field(default_factory=dict)
    good: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the object."""
        return tuple(self.object.shape)

    @property
    def seed(self) -> int:
        """The seed all random numbers came from."""
        return self.recipe.seed

    @property
    def voxel_size_nm(self) -> tuple[float, float, float] | None:
        """Lengths of the voxel's edges in nm (they need not be orthogonal), or None without geometry."""
        if self.voxel_steps_nm is None:
            return None
        return tuple(float(x) for x in np.linalg.norm(self.voxel_steps_nm, axis=0))  # type: ignore[return-value]

    def report(self) -> dict[str, Any]:
        """Return figures, times and provenance as plain values, ready for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "origin": None if self.origin is None else asdict(self.origin),
            "used_sha256": self.used_sha256,
            **self.figures,
            "iterations": self.iterations,
            "seconds": self.seconds,
            "device": self.device,
            "shape": list(self.shape),
            "voxel_size_nm": None if self.voxel_size_nm is None else list(self.voxel_size_nm),
            "geometry": None if self.geometry is None else asdict(self.geometry),
            "scan_geometry": None if self.scan_geometry is None else asdict(self.scan_geometry),
            "q_bragg_per_nm": None if self.q_bragg_per_nm is None else self.q_bragg_per_nm.tolist(),
            "seed": self.seed,
            "recipe": self.recipe.model_dump(mode="json"),
            "weights_sha256": self.weights_sha256,
            "versions": self.versions,
            "notes": list(self.notes),
        }
