"""Every choice of a reconstruction, validated: the `Recipe`, one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ..faults import InputError
from ..presets import PRESETS
from .devices import KINDS, Device
from .parts import Analysis, ForwardModel, Guess, Part, Preparation, Refinement
from .plans import GENTLE, ITERATIVE, PLANS, THOROUGH
from .schema import SCHEMA, migrated
from .settings import as_table, fault, salvaged, settings, value_of, written


class Recipe(Part):
    """Every choice of one reconstruction; the same recipe on the same machine gives the same result."""

    version: int = Field(SCHEMA, ge=SCHEMA, le=SCHEMA, description="Schema of this document.")
    preset: str = Field("fast", description="The preset this recipe began as.")
    prepare: Preparation = Preparation()
    model: ForwardModel = ForwardModel()
    guess: Guess = Guess()
    refine: Refinement = Refinement()
    analyse: Analysis = Analysis()
    device: Device = Field(
        "auto",
        title="Device",
        examples=list(KINDS),
        description="Where to compute; auto: a GPU where there is one; cuda:1: the second of several.",
    )
    backend: Literal["auto", "torch", "compiled"] = Field(
        "auto",
        title="Backend",
        description="What computes on a CPU; auto: compiled functions once they are made and pass their check, torch until then.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, title="Seed", description="Of all random numbers.")
    runs: int = Field(
        1,
        ge=1,
        le=64,
        title="Runs averaged",
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
        refine |= {"starts": max(4, self.refine.starts), "algorithm": ITERATIVE}
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
            return cls.from_json(Path(path).read_text(encoding="utf-8-sig"))
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
                close = get_close_matches(key, list(_names(self.model_dump())), 1, 0.7)
                meant = f" (did you mean {close[0]}?)" if close else ""
                raise InputError(
                    f"A recipe has no setting '{key}'{meant}; the page Recipe of the documentation lists them all."
                )
            if key == "preset" and value != self.preset:
                raise InputError(
                    f"'preset' only tells what a recipe began as, here {self.preset}, and '{value}' would change nothing else: "
                    "choose a preset with --preset, or Recipe.from_preset in Python."
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


def _names(part: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the settings of a recipe as they are written."""
    for key, value in part.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{key}.")
