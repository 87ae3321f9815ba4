"""Wrong settings are told in words: what was given, and what can be."""

from __future__ import annotations

import pytest

from napari_autophase.geometry import complete
from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("refine.beta", "3", "'refine.beta': 3 must be at most 1."),
        ("refine.beta", "0", "'refine.beta': 0 must be more than 0."),
        ("refine.beta", "much", "'refine.beta': 'much' is no number."),
        ("seed", "1.5", "'seed': 1.5 is no whole number."),
        ("prepare.binning", "2", "'prepare.binning': 2 is no list (write values with commas between)."),
        ("prepare.binning", "2,2", "'prepare.binning': 2 values are given, 3 are needed."),
        ("prepare.binning", "1,1,1,1", "'prepare.binning': 4 values are given, 3 are needed."),
        ("prepare.crop", "3,64,64", "'prepare.crop': 3 must be at least 16 and [3, 64, 64] is not 'auto'."),
        ("prepare.hot_pixels", "perhaps", "'prepare.hot_pixels': 'perhaps' is neither true nor false."),
        ("device", "gpu", "'device': 'gpu' is not 'auto', 'cpu', 'cuda' or 'mps'."),
        ("guess.weights", "3", "'guess.weights': 3 is no text."),
    ],
)
def test_a_recipe_says_what_is_wrong_with_a_setting(setting, value, says):
    with pytest.raises(InputError) as caught:
        Recipe().with_settings({setting: value})
    assert str(caught.value) == f"The recipe is not usable at {says}"


def test_lists_may_be_written_as_on_the_command_line():
    recipe = Recipe().with_settings(
        {"prepare.crop": "64,48,32", "refine.algorithm": "", "prepare.binning": "[1,2,2]"}
    )
    assert (recipe.prepare.crop, recipe.refine.algorithm, recipe.prepare.binning) == (
        (64, 48, 32),
        "",
        (1, 2, 2),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1", "is no JSON"),
        ('{"refine": {"betta": 1}}', "'refine.betta': there is no such setting."),
        ('{"refine": 3}', "'refine': 3 is no object with keys."),
    ],
)
def test_a_recipe_of_a_file_says_it_too(text, says):
    with pytest.raises(InputError) as caught:
        Recipe.from_json(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"energy_kev": "9e3eV"}, "'energy_kev' (Photon energy in keV): '9e3eV' is no number."),
        ({"direct_beam_pixel": 3}, "1 value is given, 2 are needed."),
        ({"direct_beam_pixel": [3, 4, 5]}, "3 values are given, 2 are needed."),
        ({"rocking_step_deg": None}, "lacks rocking_step_deg"),
    ],
)
def test_a_geometry_says_what_is_wrong_with_a_field(change, says):
    good = {
        "energy_kev": 9,
        "distance_m": 1,
        "pixel_size_um": 55,
        "rocking_step_deg": 0.01,
        "detector_angles_deg": [35, 0],
    }
    with pytest.raises(InputError) as caught:
        complete({**good, **change})
    assert says in str(caught.value)


def test_circles_and_angles_that_contradict_each_other_are_told_with_their_sources():
    document = {
        "beamline": "P10", "energy_kev": 9, "distance_m": 1, "pixel_size_um": 75, "rocking_step_deg": 0.01,
        "sample_angles_deg": [17.5, 0], "detector_angles_deg": [1, 30],
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        complete(document, sources={"beamline": "--beamline", "sample_angles_deg": "scan.h5"})
    for part in (
        "4 circles of the sample of P10 (mu, om, chi, phi) (from --beamline)",
        "2 in sample_angles_deg (from scan.h5)",
    ):
        assert part in str(caught.value)
