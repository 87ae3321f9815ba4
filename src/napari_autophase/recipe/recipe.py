"""Every choice of a reconstruction, validated: the `Recipe`, one JSON document."""

from __future__ import annotations

import json
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..faults import InputError
from ..presets import PRESETS
from .algorithm import readable
from .plans import FINISH, GENTLE, ITERATIVE, PLANS, POLISH, THOROUGH
from .schema import SCHEMA, migrated
from .settings import as_table, fault, salvaged, settings, value_of, written

Side = Annotated[int, Field(ge=16)]
Width = Annotated[float, Field(ge=0, le=5)]
Index = Annotated[float, Field(ge=0, lt=0.1)]
Window = Literal["gaussian", "hann", "blackman"]
Photons = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Algorithm = Annotated[str, AfterValidator(readable)]
"""Iterations in the language of `algorithm`."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preparation(_Part):
    """Counts to what phasing needs."""

    hot_pixels: bool = Field(True, description="Mask isolated voxels and constantly lit pixels (aliens).")
    other_peaks: bool = Field(True, description="Mask the Bragg peaks of other crystals in the scan.")
    saturation: float | None = Field(
        None, gt=0, description="Counts at and above this value are saturated: lower bounds."
    )
    background: float = Field(
        0.0,
        ge=0,
        description="Counts per voxel subtracted before anything else, such as a detector's offset; light that is not the "
        "crystal's belongs into the forward model.",
    )
    centre: Literal["peak", "mass", "none"] = Field(
        "peak", description="What comes to the middle (by a lossless roll)."
    )
    binning: tuple[int, int, int] = Field((1, 1, 1), description="Blocks of voxels summed, per axis.")
    crop: tuple[Side, Side, Side] | Literal["auto"] | None = Field(
        None,
        description="Voxels of reciprocal space kept about its centre, per axis, or auto: as far as light is seen "
        "(this changes the voxel size).",
    )
    pad: Literal["none", "fast"] = Field(
        "none", description="Pad to FFT-friendly sizes (this changes the voxel size)."
    )


class ForwardModel(_Part):
    """What lies between the crystal and the counts."""

    coherence: Literal["off", "estimate"] | tuple[Width, Width, Width] = Field(
        "estimate",
        description="How coherent the light is: off (fully), estimate, or the widths in pixels, per axis, of the Gaussian that "
        "blurs the intensity.",
    )
    background: Literal["off", "estimate"] | Photons | tuple[Photons, ...] | str = Field(
        "estimate",
        description="Photons per voxel that are not the crystal's: off (none), estimate (a flat one, from the emptiest part of "
        "the scan), a number, one per frame, or a file (one per frame, an image of a frame's shape, or a volume of the scan's).",
    )

    @field_validator("background", mode="before")
    @classmethod
    def _as_numbers(cls, value: Any) -> Any:
        """Take text that holds numbers for these: nobody calls a file so."""
        if isinstance(value, str):
            with suppress(ValueError):
                numbers = [float(part) for part in value.replace(",", " ").split()]
                return numbers[0] if len(numbers) == 1 else numbers or value
        return value


class Guess(_Part):
    """Where phasing starts."""

    start: Literal["network", "random", "both"] = Field("network", description="Starting objects.")
    weights: str | None = Field(
        None,
        description="The network's weights: a .safetensors, PyTorch or Keras file; None: those that ship with the plugin.",
    )
    candidates: int = Field(1, ge=1, le=48, description="Symmetry-related network guesses that are tried.")
    keep: int = Field(1, ge=1, description="Network guesses that are refined.")
    starts: int = Field(
        4, ge=0, description="Random phases within the predicted shapes, tried beside the predictions."
    )
    enough: float = Field(
        0.125,
        ge=0,
        description="The network's first stage is enough if its polish comes below this chi²; 0: all stages are asked at once.",
    )
    side: int = Field(
        48,
        ge=16,
        le=64,
        description="Side of the grid on which guesses are compared and polished, the middle of the network's window.",
    )
    polish: Algorithm = Field(POLISH, description="Iterations of a round there, before the scan's own grid.")
    rounds: int = Field(
        1,
        ge=1,
        description="Rounds of polish, each with half the starts of the last, in bodies outlined anew.",
    )
    outline: float = Field(
        0.4, gt=0, lt=1, description="Fraction of the usual amplitude inside at which a body is outlined."
    )
    threshold: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="First support of random starts: the amplitude's edge, as a fraction of its maximum.",
    )


class ShrinkWrap(_Part):
    """Support update by a blurred threshold (Marchesini et al. 2003)."""

    every: int = Field(20, ge=0, description="Iterations between updates; 0: the support never changes.")
    start: int = Field(10, ge=0, description="First iteration that may update.")
    sigma: float = Field(2.0, ge=0, description="Width of the Gaussian at the first update, in voxels.")
    sigma_end: float = Field(
        1.0, ge=0, description="Width at the last update; in between it falls geometrically."
    )
    threshold: float = Field(0.2, gt=0, lt=1, description="Fraction of the maximum of the blurred amplitude.")
    outline: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Fraction of the usual amplitude inside at which the last update outlines the crystal, a voxel wider; "
        "0: as the others.",
    )


class Refinement(_Part):
    """Iterative phasing."""

    algorithm: Algorithm = Field(FINISH, description="Such as '3*(20*ER+180*HIO)+20*ER'; '' for none.")
    starts: int = Field(1, ge=1, description="Random starts, phased as one batch (start: random or both).")
    beta: float = Field(0.9, gt=0, le=1, description="Feedback of HIO and RAAR.")
    rate: float = Field(0.01, gt=0, le=1, description="Step of ADAM, a fraction of the largest amplitude.")
    softness: float = Field(
        0.5, ge=0, le=3, description="How soft the support's edge is to CG, in voxels; 0: hard."
    )
    shrink_wrap: ShrinkWrap = ShrinkWrap()
    prune: bool = Field(
        False,
        description="Drop the worse half of several starts, by held-out pixels, wherever ER ends and HIO or RAAR go on.",
    )
    coarse: int = Field(
        0,
        ge=0,
        description="First iterations, done on the middle half of reciprocal space: voxels twice as large, a tenth of the time.",
    )
    patience: int = Field(
        0,
        ge=0,
        description="Iterations at the end (ER, ADAM, CG) after which a run stops if held-out pixels gained nothing; 0: never.",
    )
    twin_break: int = Field(
        0, ge=0, description="Iteration at which half of the support is shut once; 0: never."
    )
    free_fraction: float = Field(0.02, ge=0, lt=0.5, description="Pixels held out from the fit to judge it.")


class Analysis(_Part):
    """From the object to what is shown."""

    threshold: float = Field(
        0.3, gt=0, lt=1, description="Isosurface of the amplitude that bounds phase and strain."
    )
    apodisation: Literal["off", "gaussian", "hann", "blackman"] = Field(
        "off", description="Window through which the object's transform is seen before phase and strain."
    )
    apodisation_width: float = Field(
        10.0,
        gt=0,
        description="Its width: full width at half maximum of a point, in nm; in voxels without geometry.",
    )
    refraction: Literal["off"] | tuple[Index, Index] | str = Field(
        "off",
        description="Correction for refraction and absorption on the beams' ways through the crystal: off, a material such as "
        "Pt, or δ and β of n = 1 − δ + iβ.",
    )


class Recipe(_Part):
    """Every choice of one reconstruction; the same recipe on the same machine gives the same result."""

    version: int = Field(SCHEMA, ge=SCHEMA, le=SCHEMA, description="Schema of this document.")
    preset: str = Field("fast", description="The preset this recipe began as.")
    prepare: Preparation = Preparation()
    model: ForwardModel = ForwardModel()
    guess: Guess = Guess()
    refine: Refinement = Refinement()
    analyse: Analysis = Analysis()
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where to compute; auto: a GPU where there is one."
    )
    backend: Literal["auto", "torch", "compiled"] = Field(
        "auto",
        description="What computes on a CPU; auto: compiled functions once they are made and pass their check, torch until then.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of all random numbers.")
    runs: int = Field(
        1,
        ge=1,
        le=64,
        description="Runs with seeds one after the other, aligned and averaged; as many more phase two halves of the photons.",
    )

    @property
    def number_of_starts(self) -> int:
        """How many objects are refined side by side."""
        guessed = 0 if self.guess.start == "random" else self.guess.keep
        return guessed + (0 if self.guess.start == "network" else self.refine.starts)

    def with_random_starts(self) -> Recipe:
        """Return a copy for a scan of which too little is known for a guess to be trusted.

        Random starts are phased beside the guess, all for as long as those need; where a guess is not refined it is left alone.
        """
        if self.guess.start != "network" or not self.refine.algorithm:
            return self
        refine = self.refine.model_dump()
        refine["shrink_wrap"] |= GENTLE
        refine |= {"starts": max(2, self.refine.starts), "algorithm": ITERATIVE}
        return self.model_copy(
            update={
                "guess": self.guess.model_copy(update={"start": "both"}),
                "refine": Refinement.model_validate(refine),
            }
        )

    def with_more_starts(self) -> Recipe:
        """Return a copy for a scan that a first guess did not explain: the next begins with as many as that of ``best``.

        Where nothing is guessed, or a guess is not refined, or it was as thorough, it is the same recipe.
        """
        if self.guess.start == "random" or not (self.refine.algorithm and self.guess.polish):
            return self
        return self.model_copy(
            update={"guess": self.guess.model_copy(update={**THOROUGH, "keep": self.guess.keep})}
        )

    @classmethod
    def from_preset(cls, preset: str = "fast") -> Recipe:
        """Return the recipe that `preset` (network, fast, iterative, best) stands for.

        Raises
        ------
        InputError
            If there is no such preset.
        """
        if preset not in PRESETS:
            raise InputError(f"There is no preset '{preset}'; choose one of {', '.join(PRESETS)}.")
        return cls.model_validate({"preset": preset, **PLANS[preset]})

    @classmethod
    def from_document(cls, document: Any) -> Recipe:
        """Return the recipe that a JSON document holds, of this schema or an earlier one.

        Raises
        ------
        InputError
            Naming the first setting that is wrong or unknown.
        """
        if not isinstance(document, dict):
            raise InputError("The recipe is not usable: it must be a JSON object with the settings of one.")
        today = migrated(document)
        schema = today.get("version", SCHEMA)
        if isinstance(schema, int) and schema > SCHEMA:
            raise InputError(
                f"The recipe is of schema {schema}, which a later version of this program wrote; this one knows schemas up to "
                f"{SCHEMA}: install that version, or write the recipe anew."
            )
        try:
            return cls.model_validate(today)
        except ValidationError as error:
            raise InputError(f"The recipe is not usable: {fault(cls, error, today)}.") from None

    @classmethod
    def recovered(cls, document: Any) -> tuple[Recipe, tuple[str, ...]]:
        """Return as much as this version knows of the recipe of a result, whatever version wrote it, and what it does not know.

        Settings that are unknown or out of range are left at their defaults: to open a result, never to repeat one.

        Returns
        -------
        Recipe
            What is known.
        tuple of str
            The settings that are not, as a person writes them; none: the recipe is whole.
        """
        if not isinstance(document, dict):
            return cls(), (str(document),)
        return salvaged(cls, migrated(document))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe from JSON text.

        Raises
        ------
        InputError
            As `from_document`; also if it is no JSON.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InputError(f"The recipe is not usable: it is no JSON ({error}).") from None
        return cls.from_document(document)

    @classmethod
    def from_file(cls, path: str | Path) -> Recipe:
        """Read a recipe from a JSON file."""
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"The recipe {path} cannot be read: {reason}.") from None

    def with_settings(self, settings: dict[str, Any]) -> Recipe:
        """Return a copy with dotted settings changed, e.g. ``{"refine.algorithm": "100*ER"}``.

        Values may be text, which is then read as JSON where it is JSON (``64,64,64`` is a list) and as a string otherwise.

        Raises
        ------
        InputError
            Naming an unknown key or a value out of range.
        """
        document = self.model_dump()
        for key, value in settings.items():
            *path, last = key.split(".")
            part: Any = document
            for step in path:
                part = part.get(step) if isinstance(part, dict) else None
            if not isinstance(part, dict) or last not in part:
                raise InputError(
                    f"A recipe has no setting '{key}'; the page Recipe of the documentation lists them all."
                )
            if isinstance(value, str):
                for text in (value, f"[{value}]" if "," in value else value):
                    with suppress(json.JSONDecodeError):
                        value = json.loads(text)
                        break
            part[last] = value
        try:
            return Recipe.model_validate(document)
        except ValidationError as error:
            raise InputError(f"The recipe is not usable: {fault(Recipe, error, document)}.") from None

    def changes(self) -> dict[str, Any]:
        """Return the settings that are not as the preset has them, by their dotted names."""
        preset = Recipe.from_preset(self.preset if self.preset in PRESETS else "fast")
        found = {key: value_of(self, key) for key, _ in settings(Recipe)}
        return {key: value for key, value in found.items() if value != value_of(preset, key)}

    def __repr__(self) -> str:
        """Return the preset and what differs from it."""
        return f"Recipe({', '.join([self.preset, *(written(*each) for each in self.changes().items())])})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return all settings as a table, those that differ from the preset's in bold."""
        return (
            f"<details><summary>{escape(repr(self))}</summary>{as_table(self, bold=self.changes())}</details>"
        )
