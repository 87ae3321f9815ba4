"""What earlier versions wrote opens for ever: one recipe of each schema, and what becomes of settings that are no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_autophase import cli, formats
from napari_autophase.recipe import Recipe, schema
from napari_autophase.repeat import recipe_of
from napari_autophase.scan import InputError

RELEASED = Path(__file__).parent / "released"


def test_there_is_a_recipe_of_every_schema():
    found = {int(re.search(r"\d+", path.name).group()) for path in RELEASED.glob("recipe_schema_*.json")}
    assert found == set(range(1, schema.SCHEMA + 1))


@pytest.mark.parametrize("path", sorted(RELEASED.glob("recipe_schema_*.json")), ids=lambda path: path.stem)
def test_a_recipe_of_every_schema_is_read(path):
    recipe = recipe_of(path)
    assert recipe.version == schema.SCHEMA
    assert recipe.preset == "best"
    assert recipe.seed == 7
    assert recipe.prepare.crop == (24, 24, 24)
    assert recipe.refine.shrink_wrap.sigma == 1.5
    # what its words do not say is as the preset had it then
    assert recipe.guess.rounds == 3


def test_a_result_of_the_first_version_opens_and_gives_its_recipe(capsys):
    path = RELEASED / "result_0.1.0.cxi"
    found = formats.read_reconstruction(path)
    assert found.shape == (16, 16, 16)
    assert found.versions["napari-autophase"] == "0.1.0"
    assert found.figures["chi2"] == pytest.approx(0.0667, abs=1e-4)
    assert found.recipe == recipe_of(path)
    assert (found.recipe.preset, found.recipe.refine.algorithm) == ("iterative", "4*ER+4*HIO")
    assert found.recipe_as_written is None
    assert cli.main(["info", str(path)]) == 0
    assert "4*ER+4*HIO" in capsys.readouterr().out


def test_a_recipe_of_the_first_schema_means_what_it_meant():
    """Light was taken for coherent then, and other peaks were left in; today's own recipes do otherwise."""
    old = Recipe.from_document({"version": 1, "preset": "fast"})
    assert old.model.coherence == "off"
    assert old.prepare.other_peaks is False
    assert Recipe.from_document({"preset": "fast"}) == Recipe.from_document({"version": 5}) == Recipe()
    before: dict[str, object] = {"refine.averaged": 0}
    assert Recipe.from_document({"version": 4}).changes() == before
    before["refine.shrink_wrap.outline"] = 0
    assert Recipe.from_document({"version": 3}).changes() == before
    before["model.background"] = "off"
    assert Recipe.from_document({"version": 2}).changes() == before
    assert Recipe().model.coherence == "estimate"
    # what such a document says all the same is believed
    assert (
        Recipe.from_document({"version": 1, "model": {"coherence": "estimate"}}).model.coherence == "estimate"
    )
    assert formats.read_reconstruction(RELEASED / "result_0.1.0.cxi").recipe.model.coherence == "off"
    with pytest.raises(InputError, match="'model'"):
        Recipe.from_document({"version": 1, "model": 3})


@pytest.fixture
def later(monkeypatch):
    """A version of this program in which two settings have other names."""
    monkeypatch.setattr(schema, "SCHEMA", 3)
    one = schema.renamed("refine.old_name", "refine.shrink_wrap.every")
    monkeypatch.setattr(schema, "STEPS", {1: (one,), 2: (schema.renamed("chance", "seed"),)})


def test_settings_that_were_renamed_go_to_their_places(later):
    old = {"version": 1, "refine": {"old_name": 5, "beta": 0.8}, "chance": 11}
    assert schema.migrated(old) == {
        "version": 3,
        "refine": {"beta": 0.8, "shrink_wrap": {"every": 5}},
        "seed": 11,
    }
    assert old["chance"] == 11  # what was given is as it was
    assert schema.migrated({"version": 2, "refine": {"old_name": 5}, "chance": 2}) == {
        "version": 3,
        "refine": {"old_name": 5},
        "seed": 2,
    }
    assert schema.migrated({"version": 9, "chance": 2}) == {"version": 9, "chance": 2}
    assert schema.migrated({"version": 1, "refine": 3}) == {"version": 3, "refine": 3}


def with_recipe(path: Path, change) -> Path:
    """Return a copy of the first version's result, whose recipe was changed."""
    path.write_bytes((RELEASED / "result_0.1.0.cxi").read_bytes())
    with h5py.File(path, "r+") as file:
        place = file["entry_1/image_1/process_1/configuration"]
        document = json.loads(place["recipe"][()])
        change(document)
        del place["recipe"]
        place["recipe"] = json.dumps(document)
    return path


def foreign(document):
    document["refine"]["temperature"] = 2.5
    document["prepare"]["crop"] = [1, 2]
    document["wings"] = {"left": 1}


def test_a_result_whose_recipe_is_not_known_whole_opens_and_says_so(tmp_path, capsys):
    path = with_recipe(tmp_path / "r.cxi", foreign)
    found = formats.read_reconstruction(path)
    assert found.recipe.refine.algorithm == "4*ER+4*HIO"  # the rest is as it was
    assert found.recipe.prepare.crop is None
    (note,) = (note for note in found.notes if "Another version" in note)
    for setting in ("refine.temperature=2.5", "prepare.crop=[1,2]", 'wings={"left":1}'):
        assert setting in note
    # what was written is kept, shown and written again
    written = found.report()["recipe"]
    assert (written["wings"], written["refine"]["temperature"]) == ({"left": 1}, 2.5)
    assert cli.main(["info", str(path)]) == 0
    assert '"temperature":2.5' in capsys.readouterr().out.replace(": ", ":")
    formats.write(found, tmp_path / "again.cxi")
    again = formats.read_reconstruction(tmp_path / "again.cxi")
    assert again.report()["recipe"] == written
    assert again.notes == found.notes
    assert np.array_equal(again.object, found.object)


def test_a_recipe_that_is_not_known_whole_is_not_computed_with(tmp_path):
    path = with_recipe(tmp_path / "r.cxi", foreign)
    with pytest.raises(InputError, match=r"'refine\.temperature'|prepare\.crop=\[1,2\]|'wings'"):
        recipe_of(path)


def test_a_result_of_a_later_schema_opens_but_does_not_repeat(tmp_path):
    path = with_recipe(tmp_path / "r.cxi", lambda document: document.update(version=99))
    found = formats.read_reconstruction(path)
    assert any("version=99" in note for note in found.notes)
    with pytest.raises(InputError, match="schema 99, which a later version"):
        recipe_of(path)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "null"])
def test_a_result_whose_recipe_is_no_recipe_opens_all_the_same(tmp_path, text):
    path = with_recipe(tmp_path / "r.cxi", lambda document: None)
    with h5py.File(path, "r+") as file:
        place = file["entry_1/image_1/process_1/configuration"]
        del place["recipe"]
        place["recipe"] = text
    found = formats.read_reconstruction(path)
    assert found.recipe == Recipe()
    assert any("Another version" in note for note in found.notes)
