"""Wrong settings are told in words: what was given, and what can be."""

from __future__ import annotations

import pytest

from napari_autophase.geometry import complete
from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError


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
    ("change", "says"),
    [
        ({"energy_kev": "nine"}, "'energy_kev' (Photon energy in keV): 'nine' is no number."),
        ({"direct_beam_pixel": 3}, "1 value is given, 2 are needed."),
        ({"direct_beam_pixel": [3, 4, 5]}, "3 values are given, 2 are needed."),
        ({"rocking_step_deg": None}, "lacks rocking_step_deg"),
        (
            {"rocking_circle": 0.5},
            "'rocking_circle' (Which of the sample circles was scanned): 0.5 is no whole number.",
        ),
        ({"beamline": 3}, "'beamline' (Name of the beamline): 3 is no text."),
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
