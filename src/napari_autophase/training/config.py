"""What a training run is told: one JSON document, validated."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from ..network.weights import NETWORKS
from ..recipe.devices import Device
from ..scan import InputError
from .crystals import Population


class TrainingConfig(BaseModel):
    """One training run.

    The learning rate warms up, then falls along a cosine that ends with the run, set by `steps` or `minutes`.  The first is
    exact: the same run in one piece and in many ends with the same weights, bit for bit on a CPU.  The second follows the
    clock (its reading is in the checkpoint), so that two runs of it differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = Field("compact", description="A name that `network.build` knows.")
    objective: Literal["supervised", "unsupervised"] = "supervised"
    folder: str = Field("runs/compact", description="Where checkpoints, curves and weights go.")
    steps: int | None = Field(None, ge=1, description="Length of the run in batches.")
    minutes: float | None = Field(
        None, gt=0, description="Length of the run in minutes of training, over all slices."
    )
    slice_minutes: float | None = Field(
        None,
        gt=0,
        description="Stop with a checkpoint before a batch would end after this time, though not without one; the same command "
        "goes on.",
    )
    from_weights: str | None = Field(
        None, description="Weights file to begin with: parameters are copied where name and shape fit."
    )
    batch: int = Field(16, ge=1, description="Crystals per batch of each process.")
    learning_rate: float = Field(2e-3, gt=0)
    optimizer: Literal["muon", "adamw"] = Field("muon", description="See `training.muon`.")
    warm_up: float = Field(0.03, ge=0, lt=1, description="Part of the run in which the learning rate rises.")
    ease_in: float = Field(
        0.3, ge=0, lt=1, description="Part of the run in which the phase range grows to its full value."
    )
    phase_range: float = Field(15.7, gt=0, description="Largest peak-to-peak phase of a crystal in rad.")
    population: dict[str, Any] = Field(
        {}, description="Fields of `crystals.Population` that differ from its defaults."
    )
    published: str | None = Field(
        None, description="Folder of 32³ complex .npy files to train on instead of simulated crystals."
    )
    modulus_weight: float = Field(
        0.2, ge=0, description="Weight of the diffraction's error beside the supervised loss."
    )
    averaging: float = Field(
        0.995, ge=0, lt=1, description="Decay of the running mean of the weights that is kept."
    )
    validate_every: int = Field(250, ge=1, description="Batches between validations.")
    validation_crystals: int = Field(96, ge=8)
    checkpoint_minutes: float = Field(5, gt=0)
    threads: int | None = Field(None, ge=1, description="CPU threads; None: torch's choice.")
    device: Device = Field("auto", description="Where to train; of several processes each takes a GPU.")
    bfloat16: bool | None = Field(
        None, description="Convolve in bfloat16; None: where the device itself computes in it."
    )
    compile: bool | None = Field(None, description="Compile the network; None: on CUDA.")
    seed: int = Field(0, ge=0)

    @field_validator("population")
    @classmethod
    def _check_population(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = {field.name for field in dataclasses.fields(Population)}
        for name in given:
            if name == "phase_range":
                raise ValueError("the run's own 'phase_range' says it")
            if name not in known:
                raise ValueError(f"there is no '{name}'; choose from {', '.join(sorted(known))}")
        try:
            TypeAdapter(Population).validate_python(given)
        except ValidationError as error:
            fault = error.errors()[0]
            raise ValueError(f"'{fault['loc'][0]}': {fault['msg']}") from None
        return given

    @field_validator("network")
    @classmethod
    def _check_network(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(f"there is no network '{name}'; choose from {', '.join(sorted(NETWORKS))}")
        return name

    def drawn(self, phase_range: float | None = None) -> Population:
        """Return what is drawn, with phases up to `phase_range` rad (default: the run's own)."""
        population = TypeAdapter(Population).validate_python(self.population)
        return dataclasses.replace(population, phase_range=phase_range or self.phase_range)

    @classmethod
    def from_file(cls, path: str | Path) -> TrainingConfig:
        """Read a run's JSON document.

        Raises
        ------
        InputError
            If it cannot be read or a key is wrong.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise InputError(f"The training configuration {path} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise InputError(f"The training configuration {path} is no JSON document: {error}.") from None
        return cls.from_document(document, path)

    @classmethod
    def from_document(cls, document: Any, path: str | Path) -> TrainingConfig:
        """Check the fields that were read from `path`.

        Raises
        ------
        InputError
            If one is wrong.
        """
        try:
            config = cls.model_validate(document)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"])) or "the document"
            text = fault["msg"].removeprefix("Value error, ")
            raise InputError(
                f"The training configuration {path} is not usable at '{where}': {text}."
            ) from None
        if (config.steps is None) == (config.minutes is None):
            raise InputError("Give a training run either 'steps' or 'minutes'.")
        return config
