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
        Share of measurements whose centring missed the peak by up to a voxel along each axis.
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
