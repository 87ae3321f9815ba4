"""What was found: the `Reconstruction`, and the `Progress` reported on the way.

Conventions owned here
----------------------
The field at the detector is ``fftshift(fftn(ifftshift(object)))``.  With that sign the phase of the object is −Q·u, so that
the displacement along Q is ``u = -phase / |Q|`` and a crystal stretched along Q has positive strain.  The free choices are
always made the same way: mean phase 0 in the support, centre of mass of the support at the centre of the array
(``shape // 2``), and of the twins the one with the positive third moment of the amplitude (see `analysis.symmetries`).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .evidence import Correction, Shells, Trust
from .faults import InputError
from .light import Background, Coherence
from .on_demand import on_demand
from .scan import Geometry, Origin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .analysis import Quantities
    from .recipe import Recipe

UNKNOWN_GEOMETRY = "Geometry unknown: lengths are in voxels and the strain is relative."
"""What a result without geometry says."""


REMARK_LENGTH = 400
"""Characters of a remark, at most."""


def one_line(text: str) -> str:
    """Return what a person says of a result in one line of characters that can be printed, of `REMARK_LENGTH` at most."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:REMARK_LENGTH]


class BestStart(Protocol):
    """The start that fits best, as it stands: to be asked before the job goes on, as often as its time may cost."""

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Its voxels along the axes, in those of the phased grid: guesses, and coarse iterations, have larger ones."""

    def with_voxel(self, size: tuple[float, float, float]) -> BestStart:
        """Return the same with voxels that are said to be of another size."""

    def object(self) -> np.ndarray:
        """Return the object, complex64, centred."""

    def support(self) -> np.ndarray:
        """Return its support, bool."""

    def held_out(self) -> float | None:
        """Return the Poisson likelihood of the held-out pixels (``free_llk``); None where none are."""


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
    errors
        chi² of every start that is left, at the beginning of the iteration.
    best
        The start that fits best; None in between, while several iterations are done at once.
    voxel_steps_nm
        As `Reconstruction.voxel_steps_nm`, when the scan has been prepared and its geometry is known; else None.
    """

    stage: str
    step: int
    total: int
    error: float | None = None
    errors: tuple[float, ...] = ()
    best: BestStart | None = None
    voxel_steps_nm: np.ndarray | None = None


JUDGED = "judged_by"
"""Under this name `used_sha256` has the held-out pixels and their counts: figures with the same can be compared."""

FRAME = "frame"
"""By this name `Reconstruction.metadata` says in which frame it is, where that is not the laboratory's."""
ARRANGED = "arranged"
"""By this name it says what was said of the axes and the sign of another program's array: see `placement.arranged`."""
BEGUN_WITH = "begun_with"
"""Under this name it has the object of the result that was gone on from."""


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
        Figures of quality by name, ``chi2`` at least; `evidence.MEANINGS` says what each of them means.
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
    device, backend
        Where it was computed, and by what (see `phasing.backend`); empty if nobody knows.
    notes
        Sentences a person should read: what was masked, assumed, or fell back.
    origin
        How the scan was read; None if nobody knows.
    used_sha256
        Of the scan's ``counts`` and ``mask`` as they were used (see `scan.fingerprint`), and of what it was judged by (`JUDGED`).
    good
        bool, shape of the object: which voxels of the phased grid were measured; None if nobody knows.
    coherence
        How coherent the light was.
    background
        What of it was not the crystal's.
    recipe_as_written
        The recipe's JSON where another version wrote it and `recipe` does not hold all of it; None: it does.
    path
        The file that it was read from; None: it was read from none.
    verdict
        Whether it has converged and how far it reproduces, in words; empty if nobody knows.
    trust
        What several runs say of it; None if there was one.
    shells
        How well it explains the counts at every resolution; None if nobody knows.
    corrections
        What was done to the object for analysis (see `analysis.corrected`); empty: nothing, as it was phased.
    shown
        How it was shown when it was saved, as plain values (threshold, colours, cut); empty: as its recipe says.
    phased_shape
        Shape of the grid that it was phased on, where the object is a part of that; None: the object's.
    scan_shape
        Shape of the scan as it was read: what another geometry is placed by; None if nobody knows.
    metadata
        What its file says of the measurement beside that, fields of `Geometry` under their own names.
    starred
        Whether a person has picked it out among others.
    remark
        What a person says of it, in a line.
    called
        What a person has called it; empty: it goes by the name of its scan.
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
    backend: str = ""
    weights_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    used_sha256: dict[str, str] = field(default_factory=dict)
    good: np.ndarray | None = None
    coherence: Coherence = field(default_factory=Coherence)
    background: Background = field(default_factory=Background)
    recipe_as_written: str | None = None
    path: str | None = None
    verdict: str = ""
    trust: Trust | None = None
    shells: Shells | None = None
    corrections: tuple[Correction, ...] = ()
    shown: dict[str, Any] = field(default_factory=dict)
    phased_shape: tuple[int, int, int] | None = None
    scan_shape: tuple[int, int, int] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    starred: bool = False
    remark: str = ""
    called: str = ""

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

    @property
    def coherence_length_nm(self) -> tuple[float | None, float | None, float | None] | None:
        """Distance along each edge of the voxel at which the degree of coherence has fallen to exp(−½).

        A blur of the intensity by σ of N pixels multiplies what two places contribute that are x apart by exp(−x²/2ξ²), with
        ξ = N·(voxel's edge)/2πσ.  None along axes without a blur, and as a whole without geometry.
        """
        if self.voxel_size_nm is None:
            return None
        first, second, third = (
            n * edge / (2 * math.pi * sigma) if sigma > 0 else None
            for n, edge, sigma in zip(self.shape, self.voxel_size_nm, self.coherence.sigma_px, strict=True)
        )
        return first, second, third

    @cached_property
    def corrected(self) -> Reconstruction:
        """The same as its recipe wants it analysed: see `analysis.corrected`; itself where that asks for nothing."""
        return on_demand("analysis").corrected(self)

    @cached_property
    def quantities(self) -> Quantities:
        """What is shown of it at the recipe's threshold, see `analysis.quantities`; ``.at_threshold(0.2)`` is another."""
        return on_demand("analysis").quantities(self)

    @property
    def amplitude(self) -> np.ndarray:
        """float32, largest 1, on the orthogonal grid ``(z, y, x)`` of `quantities`; on the measured one without geometry."""
        return self.quantities.amplitude

    @property
    def phase(self) -> np.ndarray:
        """float32 radians within (-π, π] on the grid of `amplitude`, the linear ramp removed, NaN outside the crystal."""
        return self.quantities.phase

    @property
    def strain(self) -> np.ndarray:
        """float32 ∂u/∂Q̂ on the grid of `amplitude`, relative to the mean lattice, NaN outside the crystal."""
        return self.quantities.strain

    @property
    def displacement_nm(self) -> np.ndarray | None:
        """float32 displacement along Q̂ on the grid of `amplitude`, mean 0, NaN outside; None without geometry."""
        return self.quantities.displacement_nm

    def plot(self, threshold: float | None = None) -> Figure:
        """Draw its surface and slices on one page, see `analysis.draw_picture`."""
        return on_demand("analysis").draw_picture(self, threshold=threshold)

    def show(self) -> Any:
        """Show it in napari: in the viewer that is open, or in a new one, which is returned.

        Raises
        ------
        InputError
            If napari is not installed, or there is no screen.
        """
        return on_demand("viewer.show").show(self)

    def save(self, path: str | Path) -> None:
        """Write it to a ``.cxi`` file, see `export.write`."""
        on_demand("export").write(self, path)

    def __repr__(self) -> str:
        """Return size, figures and time, and the verdict, a line for each."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items())
        lines = [self.headline, ", ".join(filter(None, [figures, self.effort])), self.verdict]
        return "\n".join(filter(None, lines))

    @property
    def title(self) -> str:
        """What a person has called it, and what it was found in."""
        return f"{self.called} ({self.name})" if self.called else self.name

    def check_filled(self, purpose: str) -> None:
        """Make sure that something was found, which is needed "to draw", "to compare" ….

        Raises
        ------
        InputError
            If the object is zero wherever the support is.
        """
        if not np.any(self.object, where=np.asarray(self.support, bool)):
            raise InputError(
                f"{self.title} is empty: no crystal was found, so there is nothing {purpose}; reconstruct its scan "
                "again, with --preset best or a mask of what is not its light, or give another result."
            )

    @property
    def headline(self) -> str:
        """Name and size in a line."""
        size = self.voxel_size_nm
        voxel = "unknown size" if size is None else " × ".join(f"{edge:.2f}" for edge in size) + " nm"
        return f"{self.title}: {' × '.join(map(str, self.shape))} voxels of {voxel}"

    @property
    def frame(self) -> str:
        """In which frame voxel steps and Q are (see `analysis.FRAMES`): another program's maps may lie in another one."""
        return str(self.metadata.get(FRAME, "laboratory"))

    @property
    def effort(self) -> str:
        """Iterations, time, device and what computed there, in a line; empty where another program left nothing of them."""
        if not (self.seconds or self.iterations):
            return ""
        took = f" in {self.seconds['total']:.1f} s" if "total" in self.seconds else ""
        by = {"": "", "compiled": " by compiled functions"}.get(self.backend, f" by {self.backend}")
        return f"after {self.iterations} iterations{took} on {self.device}{by}"

    @property
    def said(self) -> str:
        """What a person says of it in a line, a star first; empty: nothing."""
        return f"{'★' * self.starred} {self.remark}".strip()

    def _repr_html_(self) -> str:
        """Return the same with a picture, for a notebook."""
        return str(on_demand("analysis").result_card(self))

    def recipe_json(self) -> str:
        """Return the recipe as JSON text, as it was written where this version does not know all of it."""
        return self.recipe_as_written or self.recipe.model_dump_json()

    def report(self) -> dict[str, Any]:
        """Return figures, times and provenance as plain values, ready for JSON."""
        return {
            "name": self.name,
            "called": self.called,
            "starred": self.starred,
            "remark": self.remark,
            "source": self.source,
            "origin": None if self.origin is None else asdict(self.origin),
            "used_sha256": self.used_sha256,
            "verdict": self.verdict,
            **self.figures,
            "coherence": {
                # a kernel's voxels stand in the result's file
                **asdict(replace(self.coherence, kernel=None)),
                "length_nm": None if self.coherence_length_nm is None else list(self.coherence_length_nm),
            },
            "background": asdict(self.background),
            "shells": None if self.shells is None else self.shells.document(),
            "trust": None
            if self.trust is None
            else {**self.trust.figures, "unit": self.trust.unit, "runs": list(self.trust.runs)},
            "iterations": self.iterations,
            "seconds": self.seconds,
            "device": self.device,
            "backend": self.backend,
            "shape": list(self.shape),
            "phased_shape": None if self.phased_shape is None else list(self.phased_shape),
            "voxel_size_nm": None if self.voxel_size_nm is None else list(self.voxel_size_nm),
            "geometry": None if self.geometry is None else asdict(self.geometry),
            "scan_geometry": None if self.scan_geometry is None else asdict(self.scan_geometry),
            "q_bragg_per_nm": None if self.q_bragg_per_nm is None else self.q_bragg_per_nm.tolist(),
            "seed": self.seed,
            "recipe": json.loads(self.recipe_json()),
            "weights_sha256": self.weights_sha256,
            "versions": self.versions,
            "notes": list(self.notes),
        }
