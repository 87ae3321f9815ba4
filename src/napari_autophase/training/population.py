"""What simulated crystals and their measurements are drawn from, and how a random number is drawn on the training device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..network.physics import OBJECT
from ..scan import InputError


@dataclass(frozen=True)
class Population:
    """What is drawn.  Pairs are ranges, drawn from uniformly; shares are parts of 1 of all crystals.

    The second half, from `rough` on, is of measurements as beamlines make them, and is off by default.  What has a share of 0
    draws no random number, so that a population without it goes on seeing the crystals that it always saw.

    Parameters
    ----------
    extent
        Full width of the crystal in voxels of the 64³ window (64 / oversampling), drawn for each axis by itself.
    winterbottom, cut_twins, twins, rods, platelets
        Shares of: Wulff shapes cut by a substrate near their middle; crystals cut near their middle, the other half being a
        twin that does not diffract; a crystal together with its mirror image; shapes squeezed along two axes or one (their
        largest extent alone is drawn).  The rest, at least half by default, are Wulff shapes, randomly cut polyhedra and
        prisms, with their bounding boxes stretched to the drawn extents.
    texture
        Largest relative standard deviation of the amplitude.
    phase_range
        Largest peak-to-peak phase in rad; drawn as ``phase_range * u ** phase_skew`` with u uniform.
    phase_skew
        Above 1, small ranges are drawn more often.
    relaxed
        Share with a phase that decays from the facets into the crystal.
    relaxation_depth
        Depth in voxels at which it has fallen to 1/e.
    dislocations
        Share crossed by one dislocation or two; their phase of 2π around each line is added to the drawn range.
    off_centre
        Share of measurements whose centring missed the peak by up to `off_centre_voxels` along each axis.
    sub_voxel
        Largest distance in voxels, along each axis, of the peak from the middle of its voxel, that a measurement of a perfect
        crystal can have.
    partially_coherent
        Share of measurements blurred by partial coherence.
    coherence_length
        Standard deviation in voxels of the Gaussian mutual coherence function, drawn for each axis by itself.
    log10_peak
        Decimal logarithm of the counts expected in the brightest voxel.
    background
        Share of measurements with a uniform background.
    log10_background
        Decimal logarithm of its mean counts per voxel.
    hot_pixels
        Share of measurements with hot pixels, most of them masked and filled in.
    gaps
        Share of measurements with a masked, filled-in gap of the detector.
    off_centre_voxels
        See `off_centre`.
    rough, roughness
        Share of crystals with a rough surface, and the standard deviation of its height in voxels.
    hollow, wall
        Share of crystals with a void inside, and the thickness in voxels of what is left around it.
    core_shell, shell, shell_amplitude, mismatch
        Share of crystals with a shell of another material; its thickness in voxels; its amplitude over the core's; and the
        largest slope in rad per voxel of the phase in it, from where it meets the core: its lattice spacing is another one.
    blurred, blur_px
        Share of measurements in partly coherent light, and the standard deviation in pixels of the Gaussian that blurs the
        intensity, drawn for each of three perpendicular axes that lie anyhow.
    drifting, drift_px
        Share of measurements during which the crystal turned or the beam moved, and the largest way in pixels of a frame from
        where the middle one is.
    neighbours, neighbour_distance, log10_neighbour
        Share of measurements into which the light of another crystal falls; how far its peak lies from the middle, in voxels
        along the farthest axis (32 is the window's edge); and the decimal logarithm of its brightness over that of the peak.
    saturated, saturation
        Share of measurements with a peak that is too bright for the detector, and the largest count over that expected in the
        brightest voxel.
    peak_gaps
        Share of measurements with a gap of the detector through the peak.
    completion
        How far preparation completes what `saturated` and `peak_gaps` took from the peak: 0, as its surroundings say; 1, as it
        is.
    background_known
        Share of the measurements whose background, if they have any, is known and subtracted before a network sees them.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {
        "extra": "forbid"
    }  # where a configuration's document holds one

    extent: tuple[float, float] = (16.0, 30.0)
    winterbottom: float = 0.12
    cut_twins: float = 0.06
    twins: float = 0.1
    rods: float = 0.08
    platelets: float = 0.08
    texture: float = 0.1
    phase_range: float = 5 * math.pi
    phase_skew: float = 1.5
    relaxed: float = 0.25
    relaxation_depth: tuple[float, float] = (1.0, 4.0)
    dislocations: float = 0.12
    off_centre: float = 0.3
    sub_voxel: float = 0.5
    partially_coherent: float = 0.25
    coherence_length: tuple[float, float] = (20.0, 80.0)
    log10_peak: tuple[float, float] = (3.0, 7.0)
    background: float = 0.3
    log10_background: tuple[float, float] = (-3.0, -0.5)
    hot_pixels: float = 0.15
    gaps: float = 0.25
    off_centre_voxels: int = 1
    rough: float = 0.0
    roughness: tuple[float, float] = (0.3, 1.2)
    hollow: float = 0.0
    wall: tuple[float, float] = (3.0, 6.0)
    core_shell: float = 0.0
    shell: tuple[float, float] = (2.0, 5.0)
    shell_amplitude: tuple[float, float] = (0.65, 1.0)
    mismatch: float = 0.5
    blurred: float = 0.0
    blur_px: tuple[float, float] = (0.0, 1.0)
    drifting: float = 0.0
    drift_px: tuple[float, float] = (0.0, 0.6)
    neighbours: float = 0.0
    neighbour_distance: tuple[float, float] = (28.0, 48.0)
    log10_neighbour: tuple[float, float] = (-2.0, 0.0)
    saturated: float = 0.0
    saturation: tuple[float, float] = (0.1, 0.9)
    peak_gaps: float = 0.0
    completion: tuple[float, float] = (0.5, 1.0)
    background_known: float = 0.0

    def __post_init__(self) -> None:
        shapes = ("winterbottom", "cut_twins", "twins", "rods", "platelets")
        shares = (
            *shapes,
            "relaxed",
            "dislocations",
            "off_centre",
            "partially_coherent",
            "background",
            "hot_pixels",
            "gaps",
            "rough",
            "hollow",
            "core_shell",
            "blurred",
            "drifting",
            "neighbours",
            "saturated",
            "peak_gaps",
            "background_known",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"The population's '{name}' is a share: give a number from 0 to 1.")
        if sum(getattr(self, name) for name in shapes) > 1 + 1e-9:
            raise InputError(f"The population's shares of {', '.join(shapes)} add up to more than 1.")
        for name, low, high in (
            ("extent", 8, OBJECT - 2),
            ("relaxation_depth", 0.5, OBJECT),
            ("coherence_length", 1, math.inf),
            ("log10_peak", 0, 12),
            ("log10_background", -12, 6),
            ("roughness", 0, 4),
            ("wall", 1, OBJECT),
            ("shell", 0.5, OBJECT),
            ("shell_amplitude", 0.6, 1.5),  # below a half nobody calls it the crystal
            ("blur_px", 0, 5),
            ("drift_px", 0, OBJECT),
            ("neighbour_distance", 16, 2 * OBJECT - 1),
            ("log10_neighbour", -12, 0),
            ("saturation", 1e-6, 1),
            ("completion", 0, 1),
        ):
            pair = getattr(self, name)
            if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
                raise InputError(
                    f"The population's '{name}' is a range: give two numbers from {low} to {high}."
                )
        for name, high in (
            ("texture", 1),
            ("phase_range", math.inf),
            ("phase_skew", 100),
            ("sub_voxel", 0.5),
            ("off_centre_voxels", OBJECT // 2),
            ("mismatch", math.pi),
        ):
            if not 0 <= getattr(self, name) <= high:
                raise InputError(f"The population's '{name}' has to lie between 0 and {high}.")


def uniform(g: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return uniform random numbers."""
    return torch.rand(shape, generator=g, device=g.device) * (high - low) + low


def normal(g: torch.Generator, *shape: int) -> Tensor:
    """Return normal random numbers."""
    return torch.randn(shape, generator=g, device=g.device)


def choose(g: torch.Generator, batch: int, share: float) -> Tensor:
    """Return bool (B,), True with probability `share`."""
    return torch.rand(batch, generator=g, device=g.device) < share


def axis(device: torch.device | str) -> Tensor:
    """Return the voxel coordinates (32,) along one side of the object's box; 0 at index 16."""
    return torch.arange(OBJECT, device=device, dtype=torch.float32) - OBJECT // 2


def outer(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return Σₖ xₖ(i) yₖ(j) zₖ(l) of factors (B, K, n), as (B, n, n, n): how a separable function is cheaply laid out."""
    plane = (x[..., :, None] * y[..., None, :]).flatten(2)
    side = x.shape[-1]
    return (plane.transpose(1, 2) @ z).reshape(-1, side, side, side)


def of_some(chosen: Tensor, work: Callable[..., Tensor], volumes: Tensor, *more: Tensor) -> Tensor:
    """Return volumes (B, D, H, W) with what `work` makes of some of them, and of as much `more`, in their place.

    On a CPU the others are spared, and `volumes` are written to.  A GPU does the work for all: it would have to be waited for to
    know which are `chosen`, bool (B,).
    """
    if chosen.device.type == "cpu":
        rows = torch.nonzero(chosen).flatten()
        if len(rows):
            volumes[rows] = work(volumes[rows], *(one[rows] for one in more))
        return volumes
    return torch.where(chosen.view(-1, 1, 1, 1), work(volumes, *more), volumes)
