from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.phasing.iterations import relaxation
from napari_autophase.recipe import ITERATIVE, Recipe
from napari_autophase.recipe.algorithm import NAMES, parse, unparse
from napari_autophase.scan import InputError


def test_the_reference_recipe_has_620_iterations():
    steps = parse(ITERATIVE)
    assert len(steps) == 620
    assert steps[:20] == ("ER",) * 20
    assert steps[20:200] == ("HIO",) * 180
    assert steps[-20:] == ("ER",) * 20


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("   ", ()),
        ("ER", ("ER",)),
        (" 2 * ( er + hio )+RAAR", ("ER", "HIO", "ER", "HIO", "RAAR")),
        ("2*3*ER", ("ER",) * 6),
        ("0*ER", ()),
        ("((HIO))", ("HIO",)),
    ],
)
def test_what_texts_mean(text, steps):
    assert parse(text) == steps


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("20*FR", 4),
        ("20 ER", 4),
        ("20*ER+", 7),
        ("(ER+HIO", 8),
        ("ER)", 3),
        ("ER HIO", 4),
        ("*ER", 1),
        ("20*ER-5*HIO", 6),
        ("20*(", 5),
        ("1.5*ER", 2),
        ("3*(20*ER+180*HIO)+20*ERR", 22),
        ("²*ER", 1),
    ],
)
def test_wrong_text_is_pointed_at(text, character):
    with pytest.raises(InputError, match=rf"at character {character} "):
        parse(text)


def test_an_algorithm_without_iterations_is_none():
    assert Recipe().with_settings({"refine.algorithm": "0*(HIO+ER)"}) == Recipe().with_settings(
        {"refine.algorithm": ""}
    )


def test_endless_algorithms_are_refused():
    with pytest.raises(InputError, match="iterations"):
        parse("99999999*99999999*ER")


@given(st.lists(st.sampled_from(NAMES), max_size=30))
@settings(max_examples=50)
def test_writing_and_reading_is_the_identity(steps):
    assert parse(unparse(tuple(steps))) == tuple(steps)


@given(
    st.recursive(
        st.sampled_from(NAMES),
        lambda inner: st.tuples(st.integers(0, 3), st.lists(inner, min_size=1, max_size=3)),
    )
)
@settings(max_examples=50)
def test_nested_texts_mean_what_they_spell(tree):
    def spell(node):
        return node if isinstance(node, str) else f"{node[0]} *( {' + '.join(map(spell, node[1]))})"

    def count(node):
        return (node,) if isinstance(node, str) else sum(map(count, node[1]), ()) * node[0]

    assert parse(spell(tree)) == count(tree)


@given(st.floats(0.1, 1), st.complex_numbers(max_magnitude=5), st.complex_numbers(max_magnitude=5))
@settings(max_examples=30)
def test_raar_is_the_relaxed_reflector_of_luke(beta, rho, p):
    rule = relaxation("RAAR", beta)
    for inside in (True, False):
        reflect_m = 2 * p - rho
        reflect_s = reflect_m if inside else -reflect_m
        luke = beta / 2 * (reflect_s + rho) + (1 - beta) * p
        ours = p if inside else rule.keep * rho + rule.add * p
        np.testing.assert_allclose(ours, luke, atol=1e-12)


@pytest.mark.parametrize("setting", ["refine.algorithm", "guess.polish"])
def test_a_recipe_with_an_algorithm_that_nobody_can_read_is_refused_and_an_old_result_still_opens(setting):
    with pytest.raises(InputError) as refused:
        Recipe().with_settings({setting: "20*ER+5*HOI"})
    assert str(refused.value).startswith(f"The recipe is not usable: {setting}=20*ER+5*HOI: ")
    assert "at character 9 ('HOI') of the algorithm; write for example" in str(refused.value)

    part, name = setting.split(".")
    recipe, lost = Recipe.recovered({"version": Recipe().version, part: {name: "20*ER+5*HOI"}})
    assert recipe == Recipe()
    assert lost == (f"{setting}=20*ER+5*HOI",)
