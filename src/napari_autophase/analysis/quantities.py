"""What is shown and saved: amplitude, support, phase, displacement, strain and surface of a reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

from ..evidence import Correction
from ..reconstruction import Reconstruction
from .align import fitted
from .dislocations import Dislocation, find_dislocations, near_lines
from .isosurface import Surface, bounding_box, isosurface
from .lattice import Lattice, mean_lattice
from .orthogonal import centre_of, orthogonalise
from .phase import remove_ramp, unwrap
from .strain import directional, displacement, gradient, phase_steps, strain_weights

Colour = Literal["phase", "strain", "amplitude"]


@dataclass(frozen=True, eq=False)
class Quantities:
    """A crystal on the grid on which it is shown, at one threshold of the amplitude.

    With geometry the grid is orthogonal, its axes are the laboratory's ``(z, y, x)`` and lengths are in nm; without, it is
    the measured grid in pixels.  Either way the crystal's centre stands at ``shape // 2``: on the orthogonal grid to parts of
    a voxel (see `orthogonal.centre_of`), so that two runs lie alike, on the measured one to half a voxel.  What depends on the
    threshold is computed when it is first asked for, from what does not (`at_threshold` shares that), so that a slider may
    move it.

    Parameters
    ----------
    object
        complex64, the linear phase ramp and the mean phase removed, largest amplitude 1 (see `robust_maximum`).
    amplitude
        float32, modulus of `object`.
    threshold
        The surface is where the amplitude passes this value.
    voxel_size, unit
        Voxel size along the axes, and ``nm`` or ``pixel``.
    q_bragg_per_nm
        Bragg vector in the laboratory (x, y, z), or None.
    weights
        Weights of the phase derivatives in the strain (see `strain`).
    steps
        Phase steps along the axes (see `strain.phase_steps`).
    centre
        Index in the result's own grid of what stands at ``shape // 2``.
    lattice
        The mean lattice, whose ramp was taken out of `object`; None: unknown.
    corrections
        What was done to the object before (see `analysis.corrected`).
    frame
        Whose axes x, y and z are (see `FRAMES`).
    """

    object: np.ndarray
    amplitude: np.ndarray
    threshold: float
    voxel_size: tuple[float, float, float]
    unit: Literal["nm", "pixel"]
    q_bragg_per_nm: np.ndarray | None
    weights: np.ndarray
    steps: tuple[np.ndarray, ...]
    centre: tuple[float, ...]
    lattice: Lattice | None = None
    corrections: tuple[Correction, ...] = ()
    frame: str = "laboratory"

    def __repr__(self) -> str:
        """Return size and threshold in a line."""
        voxel = " × ".join(f"{edge:.2f}" for edge in self.voxel_size)
        return (
            f"Quantities: {' × '.join(map(str, self.amplitude.shape))} voxels of {voxel} {self.unit}, "
            f"threshold {self.threshold:g}"
        )

    def at_threshold(self, threshold: float) -> Quantities:
        """Return the same crystal at another threshold."""
        return replace(self, threshold=float(threshold))

    def named(self, quantity: str) -> str:
        """Return the name of something that is read from the phase, with what was done to the object before."""
        return ", ".join([quantity, *(each.name for each in self.corrections)])

    @property
    def relative(self) -> bool:
        """Whether the strain is relative, in radians per voxel, because Q or the voxel sizes are unknown."""
        return self.unit != "nm"

    @cached_property
    def support(self) -> np.ndarray:
        """bool: the largest connected component of the voxels at or above the threshold."""
        above = self.amplitude >= self.threshold
        box = bounding_box(above)
        labels, count = ndimage.label(above[box])
        if count > 1:
            above[box] = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        return above

    @cached_property
    def box(self) -> tuple[slice, ...]:
        """The slices that hold the support and one voxel around it."""
        return bounding_box(self.support, margin=1)

    @cached_property
    def phase(self) -> np.ndarray:
        """float32 radians within (-π, π], NaN outside the support."""
        return self._filled(np.where(self.support[self.box], np.angle(self.object[self.box]), np.nan))

    @cached_property
    def strain(self) -> np.ndarray:
        """float32: ∂u/∂Q̂, dimensionless (or relative), against the mean lattice; NaN outside, and in a dislocation's core."""
        return self._slope(directional(self._steps_inside, self.support[self.box], self.weights))

    @cached_property
    def displacement_nm(self) -> np.ndarray | None:
        """float32: displacement along Q̂ in nm from the unwrapped phase, mean 0, NaN outside; None without geometry."""
        if self.q_bragg_per_nm is None:
            return None
        inside = self.support[self.box]
        return self._filled(displacement(unwrap(self.object[self.box], inside), self.q_bragg_per_nm))

    @cached_property
    def wave_per_nm(self) -> np.ndarray | None:
        """float32 (3, z, y, x): Q of the lattice planes in each voxel along x, y, z; None where the mean lattice is unknown."""
        if self.lattice is None:
            return None
        slope = gradient(self._steps_inside, self.support[self.box], np.diag(self.voxel_size)[::-1])
        return np.stack(
            [self._slope(mean + along) for mean, along in zip(self.lattice.q_per_nm, slope, strict=True)]
        )

    @cached_property
    def spacing_nm(self) -> np.ndarray | None:
        """float32: spacing of the lattice planes in nm, absolute, NaN outside; None where the mean lattice is unknown."""
        if self.wave_per_nm is None:
            return None
        with np.errstate(invalid="ignore"):
            return 2 * np.float32(np.pi) / np.linalg.norm(self.wave_per_nm, axis=0)

    @cached_property
    def tilt_deg(self) -> np.ndarray | None:
        """float32: angle between the lattice planes and the mean ones, in degrees; None as `spacing_nm`."""
        if self.wave_per_nm is None or self.lattice is None:
            return None
        mean = self.lattice.q_per_nm / np.linalg.norm(self.lattice.q_per_nm)
        along = np.tensordot(mean, self.wave_per_nm, 1)
        across = np.linalg.norm(
            self.wave_per_nm - along * mean[:, None, None, None].astype(np.float32), axis=0
        )
        return np.degrees(np.arctan2(across, along)).astype(np.float32)

    @property
    def absolute_strain(self) -> np.ndarray | None:
        """float32: (d − d_reference)/d_reference; None without a reference."""
        if self.spacing_nm is None or self.lattice is None or self.lattice.reference is None:
            return None
        return self.spacing_nm / np.float32(self.lattice.reference.spacing_nm) - 1

    @property
    def lattice_parameter_nm(self) -> np.ndarray | None:
        """float32: lattice parameter of a cubic crystal in nm; None without spacing or indices."""
        if self.spacing_nm is None or self.lattice is None or self.lattice.cubic is None:
            return None
        return self.spacing_nm * np.float32(self.lattice.cubic)

    @cached_property
    def dislocations(self) -> list[Dislocation]:
        """The lines about which the phase winds, places in the grid's unit from its centre, x, y, z."""
        steps = np.diag(self.voxel_size)[::-1]
        return find_dislocations(self.steps, self.support, self.amplitude, steps, self.q_bragg_per_nm)

    @cached_property
    def core(self) -> np.ndarray:
        """bool: the voxels within 1.5 voxels of a dislocation, where strain has no meaning."""
        steps = np.diag(self.voxel_size)[::-1]
        return near_lines(self.dislocations, self.amplitude.shape, steps, 1.5 * max(self.voxel_size))

    @cached_property
    def strain_limit(self) -> float:
        """99th percentile of the strain's magnitude inside the support: the colours' limits are -this and +this."""
        values = np.abs(self.strain[self.box])
        values = values[np.isfinite(values)]
        limit = float(np.percentile(values, 99)) if values.size else 0.0
        return limit or 1.0

    def surface(self, colour_by: Colour | np.ndarray = "phase") -> Surface:
        """Return the surface of the support, vertices in the grid's unit, coloured by phase, strain, amplitude or a volume."""
        if isinstance(colour_by, np.ndarray):
            return self._mesh.coloured(colour_by)
        return self._mesh.coloured(
            {"phase": self.object, "strain": self.strain, "amplitude": self.amplitude}[colour_by]
        )

    @cached_property
    def _mesh(self) -> Surface:
        other = (self.amplitude >= self.threshold) & ~self.support
        amplitude = np.where(other, 0, self.amplitude) if other.any() else self.amplitude
        return isosurface(amplitude, self.threshold, self.voxel_size)

    @property
    def _steps_inside(self) -> tuple[np.ndarray, ...]:
        return tuple(
            step[tuple(slice(s.start, max(s.stop - (a == axis), 0)) for a, s in enumerate(self.box))]
            for axis, step in enumerate(self.steps)
        )

    def _slope(self, values: np.ndarray) -> np.ndarray:
        """Return the volume of something that has no meaning where a dislocation runs."""
        volume = self._filled(values)
        volume[self.core] = np.nan
        return volume

    def _filled(self, values: np.ndarray) -> np.ndarray:
        volume = np.full(self.amplitude.shape, np.nan, np.float32)
        volume[self.box] = values
        return volume


def robust_maximum(amplitude: np.ndarray) -> float:
    """Return the 99th percentile of the amplitudes above a tenth of the maximum: a maximum that no single voxel decides."""
    maximum = float(amplitude.max(initial=0))
    return float(np.percentile(amplitude[amplitude >= maximum / 10], 99)) if maximum > 0 else 1.0


def bare_quantities(object: np.ndarray, threshold: float) -> Quantities:
    """Return what is seen of a complex object on its own grid, in voxels, whatever shape it has: a start's, not a result's."""
    flat = remove_ramp(object)
    flat = (flat / robust_maximum(np.abs(flat))).astype(np.complex64)
    return Quantities(
        object=flat,
        amplitude=np.abs(flat),
        threshold=float(threshold),
        voxel_size=(1.0, 1.0, 1.0),
        unit="pixel",
        q_bragg_per_nm=None,
        weights=strain_weights(None, None),
        steps=phase_steps(flat),
        centre=tuple(float(n // 2) for n in object.shape),
    )


def _cropped(object: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return the object inside the support, cropped about the centre of the array to what the support needs."""
    half = [
        max(abs(s.start - n // 2), abs(s.stop - 1 - n // 2)) + 2
        for s, n in zip(bounding_box(support), support.shape, strict=True)
    ]
    shape = tuple(2 * h + 1 for h in half)
    return np.where(fitted(support, shape), fitted(object, shape), 0)


def quantities(
    reconstruction: Reconstruction,
    threshold: float | None = None,
    voxel_size_nm: float | None = None,
    lattice: Lattice | None = None,
) -> Quantities:
    """Return what is shown of a reconstruction.

    Parameters
    ----------
    reconstruction
        As `reconstruct` returns it; it is corrected as its recipe says (see `corrections`).
    threshold
        Amplitude, as a fraction of the largest, that bounds the crystal; None: the recipe's.
    voxel_size_nm
        Voxel of the orthogonal grid; None: as `orthogonalise` chooses.  Without geometry it has no meaning.
    lattice
        The mean lattice, with its reference; None: what the result itself says of it.

    Returns
    -------
    Quantities
        On the orthogonal ``(z, y, x)`` grid when the geometry is known, on the measured one when not; cropped, its centre at
        ``shape // 2``, to the support and a margin of two voxels.

    Raises
    ------
    InputError
        If the geometry is known and there is nothing inside the support.
    """
    threshold = reconstruction.recipe.analyse.threshold if threshold is None else threshold
    reconstruction = reconstruction.corrected
    steps_nm, q_bragg = reconstruction.voxel_steps_nm, reconstruction.q_bragg_per_nm
    object = _cropped(reconstruction.object, reconstruction.support)
    # a fast ramp would not survive the interpolation: it goes first
    object = remove_ramp(object)
    moved = np.zeros(3)
    voxel: tuple[float, float, float] = (1.0, 1.0, 1.0)
    if steps_nm is None or q_bragg is None:
        weights, q_bragg, unit = strain_weights(None, None), None, "pixel"
    else:
        centre = centre_of(object)
        moved = np.array(centre) - np.array(object.shape) // 2
        object, size = orthogonalise(object, steps_nm, voxel_size_nm, centre=centre)
        voxel, unit = tuple(float(s) for s in np.broadcast_to(size, 3)), "nm"  # type: ignore[assignment]
        weights = strain_weights(np.diag(voxel)[::-1], q_bragg)
    object = (object / robust_maximum(np.abs(object))).astype(np.complex64)
    return Quantities(
        object=object,
        amplitude=np.abs(object),
        threshold=float(threshold),
        voxel_size=voxel,
        unit=unit,  # type: ignore[arg-type]
        q_bragg_per_nm=q_bragg,
        weights=weights,
        steps=phase_steps(object),
        centre=tuple(float(at) for at in np.array(reconstruction.object.shape) // 2 + moved),
        lattice=lattice or mean_lattice(reconstruction),
        corrections=reconstruction.corrections,
        frame=reconstruction.frame,
    )
