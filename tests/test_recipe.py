"""The recipe: presets, JSON round trips, settings by dotted name, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.recipe import (
    ITERATIVE,
    PRESETS,
    Analysis,
    Guess,
    Preparation,
    Recipe,
    Refinement,
    ShrinkWrap,
    finish,
)
from napari_autophase.recipe.algorithm import NAMES, unparse
from napari_autophase.recipe.settings import settings as settings_of
from napari_autophase.scan import InputError

fractions = st.floats(0.01, 0.99)
recipes = st.builds(
    Recipe,
    preset=st.sampled_from(PRESETS),
    prepare=st.builds(
        Preparation,
        hot_pixels=st.booleans(),
        saturation=st.none() | st.floats(1, 1e9),
        background=st.floats(0, 1e3),
        centre=st.sampled_from(["peak", "mass", "none"]),
        binning=st.tuples(*[st.integers(1, 8)] * 3),
        crop=st.none() | st.just("auto") | st.tuples(*[st.integers(16, 999)] * 3),
        pad=st.sampled_from(["none", "fast"]),
    ),
    guess=st.builds(
        Guess,
        start=st.sampled_from(["network", "random", "both"]),
        weights=st.none() | st.text(),
        candidates=st.integers(1, 48),
        keep=st.integers(1, 9),
        threshold=fractions,
        starts=st.integers(0, 99),
        rounds=st.integers(1, 9),
        outline=fractions,
    ),
    refine=st.builds(
        Refinement,
        algorithm=st.lists(st.sampled_from(NAMES), max_size=9).map(lambda steps: unparse(tuple(steps))),
        starts=st.integers(1, 99),
        beta=fractions,
        shrink_wrap=st.builds(
            ShrinkWrap, every=st.integers(0, 99), sigma=st.floats(0, 9), threshold=fractions
        ),
        prune=st.booleans(),
        coarse=st.integers(0, 999),
        patience=st.integers(0, 99),
        twin_break=st.integers(0, 99),
        free_fraction=st.floats(0, 0.49),
    ),
    analyse=st.builds(Analysis, threshold=fractions),
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:1", "mps"]),
    seed=st.integers(0, 2**63 - 1),
)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"prepare": {"crop": [8, 3]}}, "prepare.crop=[8,3] (it takes 3 whole numbers of at least 16, auto or null)"),
        ({"prepare": {"binning": [2, "x", 2]}}, 'prepare.binning=[2,"x",2] (it takes 3 whole numbers of at least 1)'),
        ({"refine": {"beta": 2}}, "refine.beta=2 (it takes a number above 0 and at most 1)"),
        ({"refine": {"shrink_wrap": {"every": -1}}}, "refine.shrink_wrap.every=-1 (it takes a whole number of at least 0)"),
        ({"guess": {"start": "oracle"}}, "guess.start=oracle (it takes network, random or both)"),
        ({"guess": {"side": 99}}, "guess.side=99 (it takes a whole number from 16 to 64)"),
        ({"prepare": {"hot_pixels": "perhaps"}}, "prepare.hot_pixels=perhaps (it takes true or false)"),
        ({"model": {"background": [-1, 2]}}, "model.background=[-1,2] (it takes off or estimate, a number of at least 0, "
         "several numbers of at least 0 or text)"),
        ({"refine": {"bta": 1}}, "'refine.bta': there is no such setting"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_a_person_writes_it(document, said):
    with pytest.raises(InputError) as caught:
        Recipe.from_document(document)
    assert str(caught.value) == f"The recipe is not usable: {said}."


def test_a_recipe_prints_as_what_differs_from_its_preset():
    assert repr(Recipe()) == "Recipe(fast)"
    recipe = Recipe.from_preset("best").with_settings({"refine.beta": 0.5, "prepare.crop": [32, 32, 48]})
    assert str(recipe) == "Recipe(best, prepare.crop=[32,32,48], refine.beta=0.5)"


def test_a_notebook_shows_every_setting_and_those_that_differ_in_bold():
    shown = Recipe().with_settings({"guess.weights": "<b>", "refine.beta": 0.5})._repr_html_()
    for key, _ in settings_of(Recipe):
        assert f"<code>{key}</code>" in shown
    assert "<b>0.5</b>" in shown
    assert "<b>&lt;b&gt;</b>" in shown
    assert shown.count("<td><b>") == 2


@given(recipes)
@settings(max_examples=50)
def test_a_recipe_survives_its_json(recipe):
    assert Recipe.from_json(recipe.model_dump_json()) == recipe
    assert Recipe.from_json(json.dumps(recipe.model_dump(mode="json"))) == recipe


@given(recipes)
@settings(max_examples=20)
def test_setting_everything_by_its_dotted_name_copies_a_recipe(recipe):
    def leaves(document, path=""):
        for key, value in document.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{path}{key}.")
            else:
                yield f"{path}{key}", value

    as_text = {key: json.dumps(value) for key, value in leaves(recipe.model_dump(mode="json"))}
    del as_text["preset"]  # what it began as
    assert Recipe(preset=recipe.preset).with_settings(as_text) == recipe


def test_a_preset_is_not_chosen_by_its_name_alone():
    with pytest.raises(InputError, match="choose a preset with --preset"):
        Recipe.from_preset("network").with_settings({"preset": "best"})
    assert Recipe.from_preset("best").with_settings({"preset": "best", "seed": 1}).seed == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_which_it_is(preset):
    assert Recipe.from_preset(preset).preset == preset


def test_the_presets_do_what_their_names_say():
    assert Recipe.from_preset("network").refine.algorithm == ""
    assert Recipe.from_preset("fast") == Recipe()
    assert Recipe.from_preset("fast").refine.algorithm == "25*HIO+75*RAAR+40*ER"
    assert Recipe.from_preset("iterative").guess.start == "random"
    assert Recipe.from_preset("iterative").refine.algorithm == ITERATIVE
    best = Recipe.from_preset("best")
    assert best.guess.candidates > Recipe().guess.candidates
    assert best.guess.starts > best.guess.candidates
    assert best.guess.rounds > 1


def test_settings_are_read_as_json_or_else_as_text():
    recipe = Recipe().with_settings(
        {
            "refine.algorithm": "20*ER+180*HIO",
            "prepare.binning": "[1, 2, 2]",
            "prepare.hot_pixels": "false",
            "refine.shrink_wrap.every": 0,
            "guess.weights": "null",
        }
    )
    assert recipe.refine.algorithm == "20*ER+180*HIO"
    assert recipe.prepare.binning == (1, 2, 2)
    assert recipe.prepare.hot_pixels is False
    assert recipe.refine.shrink_wrap.every == 0
    assert recipe.guess.weights is None
    assert Recipe().refine.algorithm == "25*HIO+75*RAAR+40*ER"  # the recipe it came from is untouched


@pytest.mark.parametrize(
    "key", ["shrinkwrap", "refine.algoritm", "refine.shrink_wrap.sigmas", "refine.beta.value", ""]
)
def test_an_unknown_setting_is_named(key):
    with pytest.raises(InputError, match=f"'{key}'"):
        Recipe().with_settings({key: "1"})


@given(st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda key: key not in Refinement.model_fields))
@settings(max_examples=20)
def test_an_unknown_key_of_the_document_is_named(key):
    with pytest.raises(InputError, match=rf"refine\.{key}"):
        Recipe.from_json(json.dumps({"refine": {key: 1}}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("refine.beta", 0),
        ("refine.beta", 1.1),
        ("refine.free_fraction", 0.5),
        ("refine.starts", 0),
        ("prepare.binning", [2, 2]),
        ("prepare.saturation", -1),
        ("guess.start", "oracle"),
        ("device", "tpu"),
        ("device", "cuda:one"),
        ("device", "cpu:1"),
        ("seed", -1),
        ("analyse.threshold", "high"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(key, value):
    with pytest.raises(InputError, match=key.replace(".", r"\.")) as caught:
        Recipe().with_settings({key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 99}', "refine: 50*ER"])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(InputError):
        Recipe.from_json(text)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(InputError, match="network, fast, iterative, best"):
        Recipe.from_preset("quick")


def test_a_recipe_file(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text(Recipe.from_preset("best").model_dump_json(), encoding="utf-8")
    assert Recipe.from_file(path) == Recipe.from_preset("best")
    with pytest.raises(InputError, match="cannot be read"):
        Recipe.from_file(tmp_path / "none.json")


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().refine.beta = 0.5


@pytest.mark.parametrize(
    ("count", "algorithm"),
    [(0, ""), (1, "1*ER"), (3, "2*RAAR+1*ER"), (140, "25*HIO+75*RAAR+40*ER"), (141, "25*HIO+75*RAAR+41*ER")],
)
def test_what_follows_a_guess_has_as_many_iterations_as_asked(count, algorithm):
    assert finish(count) == algorithm


def test_more_starts_are_those_of_best_where_there_are_more():
    best = Recipe.from_preset("best")
    assert best.with_more_starts() == best
    assert Recipe.from_preset("fast").with_more_starts().guess == best.guess.model_copy(update={"keep": 1})
    for preset in ("network", "iterative"):
        recipe = Recipe.from_preset(preset)
        assert recipe.with_more_starts() is recipe


def test_random_starts_are_added_where_a_guess_is_refined():
    for preset in PRESETS:
        recipe = Recipe.from_preset(preset)
        more = recipe.with_random_starts()
        if preset in ("network", "iterative"):
            assert more is recipe
            continue
        assert (more.guess.start, more.refine.starts, more.refine.algorithm) == ("both", 4, ITERATIVE)
        assert more.refine.shrink_wrap.threshold == 0.15
        assert more.number_of_starts == recipe.guess.keep + 4
        assert Recipe.model_validate(more.model_dump()) == more


def test_what_a_recipe_refuses_ends_in_one_full_stop():
    with pytest.raises(InputError, match=r"device=gpu: There is no device 'gpu'; .* as cuda:1\.$"):
        Recipe().with_settings({"device": "gpu"})
