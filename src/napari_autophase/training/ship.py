"""Make weights ship: copy them into the package with a model card made from what the run itself wrote."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .. import files, network
from ..network.weights import CARD, SHIPPED, packed_weights
from ..scan import InputError
from . import checkpoint, curves
from .config import TrainingConfig

DATA = (
    "Crystals simulated on the fly by napari_autophase.training.crystals: Wulff, Winterbottom, cut, scattered and prismatic "
    "shapes, rods, platelets, twins; polynomial, Gaussian, periodic and correlated phase fields, relaxed facets, dislocations; "
    "Poisson noise on the intensity, background, hot pixels, gaps, partial coherence. No measured data, and nothing made by "
    "others, was used."
)
"""What the shipped network was trained on, as its card says it."""


def ship(folder: str | Path, file: Path = SHIPPED, card: Path = CARD, remarks: str = "") -> dict[str, Any]:
    """Write the weights of the last checkpoint in a run's folder, and their card.

    Parameters
    ----------
    folder
        Of a run, finished or not.
    file, card
        Where to write; by default into the package.
    remarks
        What the run's own files do not say, such as a configuration changed on the way.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    InputError
        If the folder holds no checkpoint, or a file cannot be written: then both stay as they were.
    """
    folder = Path(folder)
    saved = checkpoint.load(folder)
    if saved is None:
        raise InputError(
            f"There is no training run in {folder}; give the folder that its configuration names."
        )
    state = saved.document
    config = TrainingConfig(**state["config"])
    model = network.build(config.network)
    model.load_state_dict(saved.part("mean"))
    recipe = config.model_dump(exclude={"folder"})
    weights = packed_weights(model, config.network, {**recipe, "steps_done": state["step"]})
    curve = curves.read(folder)
    content = {
        "name": f"napari-autophase {config.network}",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "licence": "BSD-3-Clause",
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": {"description": DATA, "population": asdict(config.drawn())},
        "recipe": {**recipe, "steps_done": state["step"], "crystals_seen": state["batches"] * config.batch,
                   "minutes_trained": round(state["elapsed"] / 60, 1), "torch": torch.__version__},
        "scores": {"on": "validation streams of the training generator, phase range uniform in 0..5π; medians",
                   **{k: v for k, v in curve[-1].items() if k.startswith(("chi2", "correlation", "iou"))},
                   "validated_at_step": curve[-1]["step"]},
    }  # fmt: skip
    if remarks:
        content["remarks"] = remarks
    files.make_folder(file.parent)
    files.write_together([(file, weights), (card, json.dumps(content, indent=1, ensure_ascii=False) + "\n")])
    return content
