"""A blur is sought although what was found as if the light were coherent tells of none."""

from __future__ import annotations

import importlib

import pytest

from napari_autophase import network, progress
from napari_autophase.phasing import Blur
from napari_autophase.preparation import prepare
from napari_autophase.recipe import Recipe
from napari_autophase.simulation import simulate

settle = importlib.import_module("napari_autophase.phasing.settle")
NARROW = (0.1, 0.06, 0.09)
"""Pixels: what a mixture with its twin, of light blurred by half a pixel, told of."""


@pytest.mark.parametrize(("doubted", "width"), [(False, None), (True, 0.6)])
def test_a_blur_is_sought_where_it_is_doubted_that_there_is_none(monkeypatch, doubted, width):
    answers, told = [Blur(NARROW)], settle.told
    monkeypatch.setattr(settle, "told", lambda *given: answers.pop() if answers else told(*given))
    scan = prepare(simulate(309, 40, kind="rod", phase_range=2.0, peak=1e5, coherence=0.6).scan)
    job = network.guess(
        network.load(None, "cpu"),
        scan.shown,
        scan.known,
        scan.oversampling,
        Recipe().guess,
        coherence="estimate",
        doubted=doubted,
    )
    found = progress.driven(job, lambda step: None)
    assert not answers
    assert (
        found.blur is None if width is None else found.blur.sigma_px == pytest.approx((width,) * 3, abs=0.1)
    )
