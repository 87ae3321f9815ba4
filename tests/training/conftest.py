"""Crystals are what takes longest in a training of milliseconds: of one stream the trainer draws the same ones, here once."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from napari_autophase.training import crystals, trainer

_kept: dict[tuple, crystals.Batch] = {}


def drawn(batch: int, generator: torch.Generator, population: crystals.Population) -> crystals.Batch:
    """Return what `crystals.simulate` does, of which a test may change its own copy."""
    of = (batch, generator.initial_seed(), repr(population))
    if of not in _kept:
        _kept[of] = crystals.simulate(batch, generator, population)
    return deepcopy(_kept[of])


@pytest.fixture(autouse=True, scope="session")
def drawn_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "simulate", drawn)
        yield
