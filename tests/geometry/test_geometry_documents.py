"""Geometries as documents, and beamlines as data: templates, what fills them in, and what is said when they lack something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_autophase import geometry
from napari_autophase.geometry import (
    BEAMLINES,
    Geometry,
    beamlines,
    complete,
    find_beamline,
    mean_step,
    template,
)
from napari_autophase.geometry.beamline import from_file
from napari_autophase.scan import InputError

SHIPPED = sorted((Path(geometry.__file__).parent / "beamlines").glob("*.json"))
FILLED = {
    "energy_kev": 9,
    "distance_m": 0.5,
    "pixel_size_um": [55, 55],
    "rocking_step_deg": 0.005,
    "direct_beam_pixel": [194, 193],
}


@pytest.mark.parametrize("name", sorted(beamlines()))
def test_a_template_that_was_filled_in_is_the_beamlines_geometry(name):
    beamline = beamlines()[name]
    for detector in beamline.detectors:
        document = json.loads(json.dumps(template(beamline, detector.name)))
        fields = {key for key in document if not key.startswith("#")}
        assert fields == set(Geometry.__dataclass_fields__)
        assert all(document[f"# {key}"] for key in fields), "each key is explained"
        document |= {
            **FILLED,
            "sample_angles_deg": [float(n) for n, _ in enumerate(beamline.sample)],
            "detector_angles_deg": [10.0 + n for n, _ in enumerate(beamline.arm)],
        }
        found = complete(document)
        assert found.pixel_directions == detector.directions
        assert found.sample_circles == tuple(circle.axis for circle in beamline.sample)
        assert found.rocking_circle == [c.motor for c in beamline.sample].index(beamline.rocking[0])
        assert (found.beamline, found.detector) == (name, detector.name)


def test_an_empty_template_names_everything_that_is_missing_at_once():
    with pytest.raises(InputError) as caught:
        complete(template(find_beamline("ID01")), "g.json")
    said = str(caught.value)
    for key in (
        "energy_kev",
        "distance_m",
        "rocking_step_deg",
        "sample_angles_deg",
        "detector_angles_deg",
    ):
        assert key in said
    assert "pixel_size_um" not in said, "the beamline's usual detector has it"
    assert "\n" not in said


def test_motors_may_stand_by_their_names():
    found = complete(
        {
            **FILLED,
            "beamline": "id01",
            "mu": 0.5,
            "eta": 17.5,
            "phi": 3,
            "nu": 0.5,
            "delta": 35.4,
            "rocking_circle": "phi",
        }
    )
    assert found.sample_angles_deg == (0.5, 17.5, 3)
    assert found.detector_angles_deg == (0.5, 35.4)
    assert found.rocking_circle == 2
    assert found.pixel_directions == ("y-", "x+")
    with pytest.raises(InputError, match=r"lacks mu, phi, delta;"):
        complete({**FILLED, "beamline": "id01", "eta": 17.5, "nu": 0.5})


def test_what_a_document_says_counts_more_than_the_beamline():
    said = {
        "pixel_directions": ["y-", "x-"],
        "sample_angles_deg": [0, 17.5, 0],
        "detector_angles_deg": [0, 35],
    }
    assert complete({**FILLED, "beamline": "ID01", **said}).pixel_directions == ("y-", "x-")


def test_numbers_may_have_a_unit():
    said = {
        "energy_kev": "9000 eV",
        "distance_m": "85 centimetres",
        "pixel_size_um": "0.055mm",
        "rocking_step_deg": "10 mdeg",
    }
    found = complete(
        {**FILLED, **said, "sample_angles_deg": ["17.5°"], "detector_angles_deg": [30, "12 degrees"]}
    )
    assert (found.energy_kev, found.distance_m, found.pixel_size_um) == (9.0, 0.85, (55.0, 55.0))
    assert (found.rocking_step_deg, found.sample_angles_deg, found.detector_angles_deg) == (
        0.01,
        (17.5,),
        (30.0, 12.0),
    )
    with pytest.raises(
        InputError, match="energy_kev reads '9 m', whose unit is none of an energy; give it in keV"
    ):
        complete({**FILLED, "energy_kev": "9 m"})


@pytest.mark.parametrize(
    ("text", "degrees"), [("17,5 degrés", None), ("17.5 degrés", 17.5), ("63000 arcsec", 17.5), ("1050 arcminutes", 17.5),
                          ("17.5 Winkelgrad", 17.5), ("17.5 grad", None)]
)  # fmt: skip
def test_angles_have_names_in_other_languages(text, degrees):
    """But `grad` is a degree to some, and a four hundredth of a turn to others."""
    said = {**FILLED, "sample_angles_deg": [text], "detector_angles_deg": [30, 12]}
    if degrees is None:
        with pytest.raises(InputError):
            complete(said)
    else:
        assert complete(said).sample_angles_deg == pytest.approx((degrees,))


def test_p10s_chi_reads_90_where_it_stands_at_zero():
    angles = {"mu": 0, "om": 0, "chi": 90, "phi": 0, "gam": 0, "del": 30}
    assert complete({**FILLED, "beamline": "P10", **angles}).sample_offsets_deg == (0, 0, 90, 0)


def test_one_number_is_a_square_pixel_and_angles_may_take_the_place_of_a_step():
    document = {**FILLED, "pixel_size_um": 55, "detector_angles_deg": [30, 12], "sample_angles_deg": [0]}
    del document["rocking_step_deg"]
    found = complete({**document, "rocking_angles_deg": [359.98, 359.99, 0.0, 0.01]})
    assert found.rocking_step_deg == pytest.approx(0.01)  # the reading begins again after a whole turn
    assert found.rocking_angles_deg == pytest.approx((-0.02, -0.01, 0.0, 0.01))
    found = complete({**document, "rocking_angles_deg": [0.1, 0.12, 0.13, 0.16]})
    assert found.pixel_size_um == (55, 55)
    assert found.rocking_step_deg == pytest.approx(
        0.019
    )  # (-1.5 · 0.1 - 0.5 · 0.12 + 0.5 · 0.13 + 1.5 · 0.16) / 5
    energies = complete({**document, "energy_step_kev": 0.001})
    assert (energies.rocking_step_deg, energies.energy_step_kev) == (0, 0.001)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"enrgy_kev": 9}, "unknown key 'enrgy_kev' (did you mean energy_kev?)"),
        ({"energy_kev": "high"}, "'energy_kev'"),
        ({"energy_kev": "high", "distance_m": "far"}, "'distance_m'"),
        ({"energy_kev": 9000}, "in eV"),
        ({"detector_angles_deg": [30]}, "one angle per circle"),
        ({"pixel_directions": ["up", "x+"]}, "names no axis"),
        ({"sample_circles": [[0, 0, 0]], "sample_angles_deg": [0]}, "is no direction"),
        ({"sample_circles": ["x-"], "sample_angles_deg": None}, "lacks sample_angles_deg"),
        ({"beamline": "ID99"}, "There is no beamline 'ID99'"),
        ({"beamline": "ID01", "detector": "film"}, "no detector 'film'; choose one of mpx1x4"),
        ({"beamline": "ID01", "rocking_circle": "theta"}, "no sample circle 'theta'"),
    ],
)
def test_what_is_wrong_with_a_document_is_said(change, says):
    with pytest.raises(InputError) as caught:
        complete({**FILLED, "detector_angles_deg": [30, 12], "sample_angles_deg": [0], **change})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spelt", ["34-ID-C", "34idc", "34 id c", "aps_34idc"])
def test_a_beamline_is_found_however_it_is_spelt(spelt):
    assert find_beamline(spelt).name == "34-ID-C"


def test_no_two_beamlines_answer_to_one_name():
    names = [
        "".join(letter for letter in name.lower() if letter.isalnum())
        for beamline in beamlines().values()
        for name in {beamline.name, *beamline.aliases}
    ]
    assert len(set(names)) == len({(n, i) for i, n in enumerate(dict.fromkeys(names))})
    for beamline in beamlines().values():
        for name in (beamline.name, *beamline.aliases):
            assert find_beamline(name) is beamline


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_beamlines_that_come_along_would_pass_as_those_of_a_person(path):
    checked = from_file(path)
    assert repr(beamlines()[checked.name]) == repr(checked)  # numbers of the same type, too
    assert beamlines()[checked.name] == checked


def test_where_sources_disagree_the_beamline_says_who():
    assert "x- (cohere for mpxgaas, pyCXIM)" in find_beamline("ID01").detector("mpxgaas").disputed
    assert "x+ (cohere" in find_beamline("P10").detector("e4m").disputed
    assert all(beamline.sources for beamline in beamlines().values())


def test_orientation_is_a_property_of_beamline_and_detector():
    nanomax = find_beamline("NanoMAX")
    assert nanomax.conventions("merlin")["pixel_directions"] == ("y-", "x+")
    assert nanomax.conventions("Eiger500k")["pixel_directions"] == ("y-", "x-")


def test_a_circle_that_carries_both_stands_in_both_lists():
    sixs = find_beamline("SIXS 2019")
    assert sixs.sample[0] == sixs.arm[0]


def test_presets_hold_fields_of_a_geometry_and_names():
    assert list(BEAMLINES) == list(beamlines())
    for preset in BEAMLINES.values():
        fields = {key for key in preset if not key.endswith("_names")}
        assert fields <= set(Geometry.__dataclass_fields__)
        assert len(preset["sample_names"]) == len(preset["sample_circles"])
        assert len(preset["detector_names"]) == len(preset["detector_circles"])


def test_a_persons_own_beamline_is_a_file(tmp_path):
    path = tmp_path / "mine.json"
    document = {
        "name": "Mine",
        "facility": "home",
        "sample": [{"motor": "kth", "axis": [0, 0.6, -0.8]}],
        "arm": [{"motor": "tth", "axis": "x-"}],
        "rocking": ["kth"],
        "detectors": [{"name": "a", "shape": None, "pixel_size_um": [55, 55], "directions": ["y-", "x+"]}],
    }
    path.write_text(json.dumps(document))
    assert find_beamline(str(path)).sample[0].axis == (0, 0.6, -0.8)
    found = complete({**FILLED, "beamline": str(path), "kth": 3, "tth": 30})
    assert found.sample_circles == ((0, 0.6, -0.8),)
    # once written, it needs the file no more
    assert complete(dict(vars(found))) == found
    for wrong, says in (
        ("{", "cannot be read"),
        (json.dumps({**document, "motors": []}), "unknown key 'motors'"),
        (json.dumps({**document, "rocking": ["eta"]}), "no sample circle 'eta'"),
        (json.dumps({**document, "detectors": []}), "at least one detector"),
        (json.dumps({**document, "sample": [{"motor": "a"}]}), "sample.0.axis"),
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=says):
            from_file(path)
    with pytest.raises(InputError, match="No such file"):
        from_file(tmp_path / "none.json")


def test_the_step_is_that_of_the_line_through_all_angles_not_of_the_first_and_the_last():
    """Read with an error of a third of a step, NumPy's own fit says the same, and the ends alone are further off."""
    draw = np.random.default_rng(3)
    angles = 17.2 + 0.01 * np.arange(60) + 0.003 * draw.normal(size=60)
    assert mean_step(angles) == pytest.approx(np.polyfit(np.arange(60), angles, 1)[0], rel=1e-9)
    assert abs(mean_step(angles) - 0.01) < abs((angles[-1] - angles[0]) / 59 - 0.01)
    assert mean_step([3.0, 3.5]) == pytest.approx(0.5)


def test_a_motor_that_is_named_by_itself_holds_before_the_angles_of_all():
    """As where a file has the angles, and a person says another of one; it was left out without a word."""
    document = {
        "beamline": "34-ID-C", "energy_kev": 9, "distance_m": 0.5, "rocking_step_deg": 0.005,
        "sample_angles_deg": [0.2, 90, -5], "detector_angles_deg": [32, 12], "delta": 30.5, "phi": 1,
    }  # fmt: skip
    geometry = complete(document)
    assert geometry.detector_angles_deg == (30.5, 12)
    assert geometry.sample_angles_deg == (0.2, 90, 1)
