"""What a training run is told: one JSON document, validated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..scan import InputError


class TrainingConfig(BaseModel):
    """One training run.

    The learning rate warms up, then falls along a cosine that ends with the run, set by `steps` or `minutes`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["compact", "autophasenn"] = "compact"
    objective: Literal["supervised", "unsupervised"] = "supervised"
    folder: str = Field("runs/compact", description="Where checkpoints, curves and weights go.")
    steps: int | None = Field(None, ge=1, description="Length of the run in batches.")
    minutes: float | None = Field(
        None, gt=0, description="Length of the run in minutes of training, over all slices."
    )
    batch: int = Field(16, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    warm_up: float = Field(0.03, ge=0, lt=1, description="Part of the run in which the learning rate rises.")
    ease_in: float = Field(
        0.3, ge=0, lt=1, description="Part of the run in which the phase range grows to its full value."
    )
    phase_range: float = Field(15.7, gt=0, description="Largest peak-to-peak phase of a crystal in rad.")
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
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = Field(0, ge=0)

    @classmethod
    def from_file(cls, path: str | Path) -> TrainingConfig:
        """Read a run's JSON document.

        Raises
        ------
        InputError
            If it cannot be read or a key is wrong.
        """
        try:
            config = cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"The training configuration {path} cannot be read: {error.strerror}.") from None
        except ValidationError as error:
            fault = error.errors()[0]
            raise InputError(
                f"The training configuration is not usable at '{'.'.join(map(str, fault['loc']))}': {fault['msg']}."
            ) from None
        if (config.steps is None) == (config.minutes is None):
            raise InputError("Give a training run either 'steps' or 'minutes'.")
        return config
