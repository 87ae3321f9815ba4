"""How sure a result is: what it goes by, and that it is right about as often as it says."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_autophase.analysis import trust
from napari_autophase.evidence import Shells
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import _doubts_of_light

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def shells(photons: float, deviance: float, expected: float = 1.0) -> Shells:
    """Two shells of 1000 voxels each."""
    both = np.ones(2)
    return Shells(
        both, 1000 * both, photons * both, deviance * both, expected * both, both, both, both, both, "voxels"
    )


def test_what_it_goes_by():
    """Off by e times the noise; 2000 voxels whose deviance is 0.4 too large; 500 voxels; amplitudes that differ by a fifth."""
    found = trust.evidence({"free_llk": math.e, "noise_llk": 1.0}, shells(10.0, 1.4), 500, True, 0.2)
    assert found == pytest.approx(
        [1.0, math.log(0.4 * 2000 / 4 / 20_000 + 1e-5), math.log10(40), 1.0, math.log(0.2)]
    )


@pytest.mark.parametrize(
    ("figures", "explained", "inside"),
    [
        ({}, shells(10.0, 1.0), 500),
        ({"free_llk": 1.0, "noise_llk": math.nan}, shells(10.0, 1.0), 500),
        ({"free_llk": 1.0, "noise_llk": 1.0}, None, 500),
        ({"free_llk": 1.0, "noise_llk": 1.0}, shells(10.0, 1.0), 0),
        ({"free_llk": 1.0, "noise_llk": 1.0}, shells(0.0, 0.0), 500),
    ],
    ids=["nothing held out", "no noise", "no shells", "no support", "no light"],
)
def test_where_nothing_tells_nothing_is_said(figures, explained, inside):
    assert trust.confidence(figures, explained, inside, False, 0.1, True) is None


def test_more_unexplained_light_is_less_sure_where_photons_are_many():
    figures = {"free_llk": 1.3, "noise_llk": 1.0}
    for photons in (100.0, 1e4):
        sure = [
            trust.confidence(figures, shells(photons, 1 + 4 * photons * share), 500, False, 0.12, True)
            for share in (1e-4, 1e-3, 1e-2, 0.1)
        ]
        assert all(0 < each < 1 for each in sure)
        assert sure == sorted(sure, reverse=True)
    assert sure[0] > 0.9
    assert sure[-1] < 0.25


def test_an_uneven_crystal_is_less_sure():
    figures, explained = {"free_llk": 1.3, "noise_llk": 1.0}, shells(100.0, 1.0)
    sure = [
        trust.confidence(figures, explained, 500, False, uneven, True)
        for uneven in (0.03, 0.1, 0.3, math.nan)
    ]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == 0.99, "82 crystals prove no more"
    assert sure[2] < 0.5


def test_it_is_right_about_as_often_as_it_says():
    """The table of crystals that took no part in the fit, in which a row of few crystals may be off by chance."""
    text = (RESULTS / "confidence.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 10
    for name, band, crystals, stated, found in rows:
        chance = 2 * math.sqrt(0.01 * float(stated) * (1 - 0.01 * float(stated)) / float(crystals))
        assert abs(float(stated) - float(found)) <= max(10, 100 * chance), (name, band)


def test_it_is_said_where_the_scan_is_explained():
    figures = {"chi2": 0.01, "free_llk": 1.2, "noise_llk": 1.0, "free_photons": 10.0, "confidence": 0.94}
    assert "Confidence that it is the crystal: 94 %." in trust.verdict(figures)


@pytest.mark.parametrize(("ratio", "word"), [(5.0, "Doubtful"), (20.0, "Not converged")])
def test_a_verdict_and_a_confidence_that_differ_are_one_sentence(ratio, word):
    """Of 27 results that did not converge but were stated at ½ or more 23 were the crystal: they are not to be thrown away."""
    figures = {"chi2": 0.01, "free_llk": ratio, "noise_llk": 1.0, "free_photons": 10.0}
    likely = trust.verdict({**figures, "confidence": 0.93})
    assert likely.startswith(f"{word}, though probably the crystal (confidence 93 %): pixels")
    assert "do not use it" not in likely
    unlikely = trust.verdict({**figures, "confidence": 0.12})
    assert unlikely.startswith(f"{word}: pixels")
    assert unlikely.endswith("(confidence 12 % that it is the crystal).")
    for words in (likely, unlikely, trust.verdict(figures)):
        assert words.count("onfidence") == ("%" in words)
        assert words.count(". ") == 0


def test_a_result_that_explains_the_scan_but_is_rather_not_the_crystal_says_so_at_once():
    figures = {"chi2": 0.01, "free_llk": 1.2, "noise_llk": 1.0, "free_photons": 10.0, "confidence": 0.31}
    words = trust.verdict(figures)
    assert words.startswith("Converged, but rather not to the crystal (confidence 31 %): pixels")
    assert words.endswith("refine it further, or compare several runs.")
    assert words.count(". ") == 0


def test_nothing_is_stated_of_what_no_simulated_crystal_was_like():
    """Neither of an object that leaves the fitted pixels themselves unexplained, nor of noise: both are not to be used."""
    explained, figures = shells(100.0, 1.0), {"free_llk": 1.3, "noise_llk": 1.0}
    known = trust.confidence(figures, explained, 500, False, 0.03, True)
    assert known is not None
    assert known > 0.9
    for refused in ({"chi2": 0.7, "deviance_ratio": 40.0}, {"over_background": 0.2}):
        assert trust.verdict({**figures, **refused}).endswith("do not use it.")
        assert trust.confidence({**figures, **refused}, explained, 500, False, 0.03, True) is None


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({"confidence": 0.9}, ""),
        ({"confidence": 0.12}, "with a confidence of 12 % that the object is the crystal"),
        ({"chi2": 0.7, "deviance_ratio": 40.0}, "with an object that does not explain the scan"),
        ({}, ""),
    ],
)
def test_a_blur_of_what_is_not_the_crystal_is_doubted(figures, says):
    found = SimpleNamespace(figures=figures, shells=None, blur=object())
    notes = _doubts_of_light(Recipe(), found)
    assert [says in note for note in notes] == [True] * bool(says)
