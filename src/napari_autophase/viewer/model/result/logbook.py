"""A result in a line for a logbook."""

from __future__ import annotations

from ....reconstruction import Reconstruction
from ..crystal.quantity import in_words
from ..words.run_words import quality
from .results import ResultLayers


def logbook_line(result: ResultLayers) -> str:
    """Return name, recipe, figures and sizes of a result in one line."""
    found, quantities = result.reconstruction, result.quantities
    changes = found.recipe.changes()
    edited = f" (with {', '.join(changes)} changed)" if changes else ""
    low, high = zip(*(result.extent(axis) for axis in range(3)), strict=True)
    size = " × ".join(f"{b - a:.0f}" for a, b in zip(low, high, strict=True))
    unit = "nm" if result.unit == "nm" else "voxels"
    name, _, amount = in_words("strain", quantities.strain_limit, quantities).partition(" ")
    parts = [
        f"{found.title} {found.said}".strip(),
        f"{found.recipe.preset}{edited}, seed {found.seed}, {found.iterations} iterations on {found.device}",
        *quality(found.figures),
        f"{size} {unit} at amplitude ≥ {result.threshold:.2f}",
        f"{name} ± {amount} (99 %)",
        *_version(found),
    ]
    return "; ".join(parts)


def _version(found: Reconstruction) -> list[str]:
    version = found.versions.get("napari-autophase")
    return [f"AutoPhase {version}"] if version else []
