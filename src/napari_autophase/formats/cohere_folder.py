"""A folder of cohere's results as one kind of file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..reconstruction import Reconstruction
from . import cohere
from .common import Dataset
from .paths import damage
from .registry import Format, register


@register
class CohereFolder(Format):
    """One result a folder."""

    name, title = "cohere", "a folder of cohere's results"
    holds_results = True

    def matches(self, path: Path) -> bool:
        """Look for the image and the support."""
        return cohere.is_folder(path)

    def lists(self, path: Path) -> list[Dataset]:
        """Return the image, in cohere's order of axes reversed."""
        with damage(path):
            image = np.load(path / cohere.IMAGE, mmap_mode="r", allow_pickle=False)
        return [Dataset("", image.shape[::-1], image.dtype)]

    def reads(self, path: Path, dataset: Dataset) -> np.ndarray:  # noqa: ARG002
        """Return the image as it is used here."""
        return cohere.read(path).object

    def glimpse(self, path: Path, dataset: Dataset) -> np.ndarray | None:  # noqa: ARG002
        """Return None: it is no scan."""
        return None

    def declares(self, path: Path) -> bool:  # noqa: ARG002
        """Say yes: only results are matched."""
        return True

    def reads_result(self, path: Path, dataset: Dataset) -> Reconstruction:  # noqa: ARG002
        """Return the crystal."""
        return cohere.read(path)
