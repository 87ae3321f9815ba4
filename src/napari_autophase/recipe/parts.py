"""The parts of a recipe, each with its settings: what they are called and in which unit, what they may be, and what they do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from .algorithm import parse, readable, tail
from .plans import FINISH, POLISH
from .settings import as_numbers

Side = Annotated[int, Field(ge=16)]
Block = Annotated[int, Field(ge=1)]
Width = Annotated[float, Field(ge=0, le=5)]
Index = Annotated[float, Field(ge=0, lt=0.1)]
Window = Literal["gaussian", "hann", "blackman"]
Photons = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Algorithm = Annotated[str, AfterValidator(readable)]
"""Iterations in the language of `algorithm`."""


class Part(BaseModel):
    """Settings that belong together; none can be changed, and none that is unknown is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Preparation(Part):
    """Counts to what phasing needs."""

    hot_pixels: bool = Field(
        True, title="Mask hot pixels", description="Mask isolated voxels and constantly lit pixels (aliens)."
    )
    other_peaks: bool = Field(
        True, title="Mask other peaks", description="Mask the Bragg peaks of other crystals in the scan."
    )
    saturation: float | None = Field(
        None,
        gt=0,
        title="Saturated from",
        json_schema_extra={"unit": "counts"},
        description="Counts at and above this value are saturated: lower bounds.",
    )
    background: float = Field(
        0.0,
        ge=0,
        title="Detector offset",
        json_schema_extra={"unit": "counts/voxel"},
        description="Counts per voxel subtracted before anything else, such as a detector's offset; light that is not the "
        "crystal's belongs into the forward model.",
    )
    centre: Literal["peak", "mass", "none"] = Field(
        "peak", title="Centre on", description="What comes to the middle (by a lossless roll)."
    )
    binning: tuple[Block, Block, Block] = Field(
        (1, 1, 1),
        title="Binning",
        json_schema_extra={"unit": "voxels"},
        description="Blocks of voxels summed, per axis.",
    )
    crop: tuple[Side, Side, Side] | Literal["auto"] | None = Field(
        None,
        title="Crop to",
        json_schema_extra={"unit": "voxels"},
        description="Voxels of reciprocal space kept about its centre, per axis, or auto: as far as light is seen "
        "(this changes the voxel size).",
    )
    pad: Literal["none", "fast"] = Field(
        "none", title="Padding", description="Pad to FFT-friendly sizes (this changes the voxel size)."
    )


class ForwardModel(Part):
    """What lies between the crystal and the counts."""

    coherence: Literal["off", "estimate"] | tuple[Width, Width, Width] = Field(
        "estimate",
        title="Coherence",
        description="How coherent the light is: off (fully), estimate, or the widths in pixels, per axis, of the Gaussian that "
        "blurs the intensity.",
    )
    kernel: Literal["gaussian", "oblique", "pseudo-voigt", "free"] = Field(
        "gaussian",
        title="Blur's shape",
        description="What blurs the intensity where the coherence is estimated: a Gaussian along the array's axes, an oblique "
        "one along any, a pseudo-Voigt function with longer tails, or a free kernel, found pixel by pixel.",
    )
    background: Literal["off", "estimate"] | Photons | tuple[Photons, ...] | str = Field(
        "estimate",
        title="Background",
        json_schema_extra={"unit": "photons/voxel"},
        description="Photons per voxel that are not the crystal's: off (none), estimate (from the emptiest parts of the "
        "scan), a number, one per frame, or a file (one per frame, an image of a frame's shape, or a volume of the scan's).",
    )

    _numbers = field_validator("background", mode="before")(as_numbers)


class Guess(Part):
    """Where phasing starts."""

    start: Literal["network", "random", "both"] = Field(
        "network", title="Start from", description="Starting objects."
    )
    weights: str | None = Field(
        None,
        title="Network weights",
        description="The network's weights: a .safetensors, PyTorch or Keras file; None: those that ship with the plugin.",
    )
    candidates: int = Field(
        1,
        ge=1,
        le=48,
        title="Orientations shown",
        description="Symmetry-related network guesses that are tried.",
    )
    keep: int = Field(1, ge=1, title="Guesses kept", description="Network guesses that are refined.")
    starts: int = Field(
        4,
        ge=0,
        title="Random starts in its shape",
        description="Random phases within the predicted shapes, tried beside the predictions.",
    )
    enough: float = Field(
        0.125,
        ge=0,
        title="First look suffices below χ²",
        json_schema_extra={"zero": "never"},
        description="The network's first stage is enough if its polish comes below this chi²; 0: all stages are asked at once.",
    )
    side: int = Field(
        48,
        ge=16,
        le=64,
        title="Search grid",
        json_schema_extra={"unit": "voxels"},
        description="Side of the grid on which guesses are compared and polished, the middle of the network's window.",
    )
    polish: Algorithm = Field(
        POLISH,
        title="Search iterations",
        description="Iterations of a round there, before the scan's own grid.",
    )
    rounds: int = Field(
        1,
        ge=1,
        title="Search rounds",
        description="Rounds of polish, each with half the starts of the last, in bodies outlined anew.",
    )
    outline: float = Field(
        0.4,
        gt=0,
        lt=1,
        title="Outline of bodies",
        description="Fraction of the usual amplitude inside at which a body is outlined.",
    )
    threshold: float = Field(
        0.1,
        gt=0,
        lt=1,
        title="Edge of the first support",
        description="First support of random starts: the amplitude's edge, as a fraction of its maximum.",
    )


class ShrinkWrap(Part):
    """Support update by a blurred threshold (Marchesini et al. 2003)."""

    every: int = Field(
        20,
        ge=0,
        title="Update every",
        json_schema_extra={"unit": "iterations", "zero": "never"},
        description="Iterations between updates; 0: the support never changes.",
    )
    start: int = Field(
        10,
        ge=0,
        title="First update after",
        json_schema_extra={"unit": "iterations"},
        description="First iteration that may update.",
    )
    sigma: float = Field(
        2.0,
        ge=0,
        title="Gaussian at first",
        json_schema_extra={"unit": "voxels"},
        description="Width of the Gaussian at the first update, in voxels.",
    )
    sigma_end: float = Field(
        1.0,
        ge=0,
        title="Gaussian at last",
        json_schema_extra={"unit": "voxels"},
        description="Width at the last update; in between it falls geometrically.",
    )
    threshold: float = Field(
        0.2,
        gt=0,
        lt=1,
        title="Support threshold",
        description="Fraction of the maximum of the blurred amplitude; the last updates go by the outline, unless that is 0.",
    )
    outline: float = Field(
        0.5,
        ge=0,
        lt=1,
        title="Outline at last",
        json_schema_extra={"zero": "as before"},
        description="Fraction of the usual amplitude inside at which the last updates outline the crystal, a voxel wider; "
        "0: as the others.",
    )


class Refinement(Part):
    """Iterative phasing."""

    algorithm: Algorithm = Field(
        FINISH, title="Algorithm", description="Such as '3*(20*ER+180*HIO)+20*ER'; '' for none."
    )
    starts: int = Field(
        1,
        ge=1,
        title="Random starts",
        description="Random starts, phased as one batch (start: random or both).",
    )
    beta: float = Field(0.9, gt=0, le=1, title="Feedback β", description="Feedback of HIO and RAAR.")
    rate: float = Field(
        0.01,
        gt=0,
        le=1,
        title="Step of ADAM",
        description="Step of ADAM, a fraction of the largest amplitude.",
    )
    softness: float = Field(
        0.5,
        ge=0,
        le=3,
        title="Softness of the edge (CG)",
        json_schema_extra={"unit": "voxels", "zero": "hard"},
        description="How soft the support's edge is to CG, in voxels; 0: hard.",
    )
    shrink_wrap: ShrinkWrap = ShrinkWrap()
    prune: bool = Field(
        False,
        title="Drop the worse half",
        description="Drop the worse half of several starts, by held-out pixels, wherever ER ends and HIO or RAAR go on.",
    )
    coarse: int = Field(
        0,
        ge=0,
        title="Coarse at first",
        json_schema_extra={"unit": "iterations", "zero": "none"},
        description="First iterations, done on the middle half of reciprocal space: voxels twice as large, a tenth of the time.",
    )
    patience: int = Field(
        0,
        ge=0,
        title="Stop without gain after",
        json_schema_extra={"unit": "iterations", "zero": "never"},
        description="Iterations at the end (ER, ADAM, CG) after which a run stops if held-out pixels gained nothing; 0: never.",
    )
    averaged: int = Field(
        36,
        ge=0,
        title="Average the last of HIO",
        json_schema_extra={"unit": "iterations", "zero": "no mean"},
        description="Last iterations of HIO, RAAR or EHIO the mean of whose objects the final ER or gradient steps begin from, "
        "beside the last object; after 20 steps the better goes on, by held-out pixels. 0: from the last object alone.",
    )
    twin_break: int = Field(
        0,
        ge=0,
        title="Shut half the support at",
        json_schema_extra={"unit": "iterations", "zero": "never"},
        description="Iteration at which half of the support is shut once; 0: never.",
    )
    retry: bool = Field(
        True,
        title="Go on if it is not enough",
        description="Whether an object that explains the scan too little, or may be mixed with its twin, is phased further, and "
        "the scan once more with more starts; otherwise one attempt is all.",
    )
    free_fraction: float = Field(
        0.02,
        ge=0,
        lt=0.5,
        title="Fraction held out",
        json_schema_extra={"zero": "none"},
        description="Pixels held out from the fit to judge it.",
    )

    @property
    def averages(self) -> bool:
        """Whether there are such iterations before the end, and a mean of them is taken."""
        steps = parse(self.algorithm)
        return bool(self.averaged) and 0 < tail(steps) < len(steps)


class Analysis(Part):
    """From the object to what is shown."""

    threshold: float = Field(
        0.3,
        gt=0,
        lt=1,
        title="Threshold of the surface",
        description="Isosurface of the amplitude that bounds phase and strain.",
    )
    apodisation: Literal["off"] | Window = Field(
        "off",
        title="Apodisation",
        description="Window through which the object's transform is seen before phase and strain.",
    )
    apodisation_width: float = Field(
        10.0,
        gt=0,
        title="Width of the window",
        json_schema_extra={"unit": "nm"},
        description="Its width: full width at half maximum of a point, in nm; in voxels without geometry.",
    )
    refraction: Literal["off"] | tuple[Index, Index] | str = Field(
        "off",
        title="Refraction",
        description="Correction for refraction and absorption on the beams' ways through the crystal: off, a material such as "
        "Pt, or δ and β of n = 1 − δ + iβ.",
    )

    _numbers = field_validator("refraction", mode="before")(as_numbers)
