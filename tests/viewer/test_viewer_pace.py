"""How far a run is said to be, and how long it is said to take still."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer.model.pace import Pace, Plan, steps_of


def best_of(voxels: int):
    """Steps of `best` and when each is done, in a machine on which a step of one start takes as long as it has voxels.

    28 starts on 64³ voxels, then 14, then 7, of 120 steps each; then 100 steps of two starts on the scan's own grid.
    """
    now, window = 0.0, 64**3
    for index, starts in enumerate((28, 14, 7)):
        for step in range(120):
            now += starts * window
            yield now, Progress("guess", 120 * index + step + 1, 360)
    for step in range(100):
        now += 2 * voxels
        yield now, Progress("refine", step + 1, 100)


@pytest.mark.parametrize("shape", [(64, 64, 64), (200, 128, 128)])
def test_of_best_the_bar_moves_as_the_time_does(shape):
    voxels = shape[0] * shape[1] * shape[2]
    run = list(best_of(voxels))
    total = run[-1][0]
    seconds = 1e-9 * total  # any machine
    pace, scale = Pace(Plan.of(shape, Recipe.from_preset("best")), 0.0), 20 / total
    assert seconds > 0
    for now, progress in run:
        part, left = pace.follow(progress, now * scale)
        truly = now / total
        assert part == pytest.approx(truly, abs=0.13), (progress, truly)
        if 0.2 < truly < 0.9:
            assert left == pytest.approx(20 * (1 - truly), rel=0.4, abs=1)


@settings(max_examples=50)
@given(
    preset=st.sampled_from(PRESETS),
    told=st.lists(
        st.tuples(
            st.sampled_from(["prepare", "guess", "refine", "analyse"]), st.integers(0, 60), st.floats(0, 3)
        ),
        max_size=40,
    ),
)
def test_the_bar_never_runs_backwards(preset, told):
    pace, now, before = Pace(Plan.of((48, 48, 48), Recipe.from_preset(preset)), 0.0), 0.0, 0.0
    for stage, step, seconds in told:
        now += seconds
        part, left = pace.follow(Progress(stage, step, 60), now)
        assert before <= part <= 1
        assert left is None or left >= 0
        before = part


def test_which_iterations_a_stage_does():
    recipe = Recipe().with_settings(
        {"refine.algorithm": "2*(1*ER+2*HIO)", "guess.polish": "2*ER", "guess.rounds": 2}
    )
    assert steps_of(recipe, Progress("refine", 1, 6)) == ("ER", "HIO", "HIO") * 2
    assert steps_of(recipe, Progress("guess", 1, 4)) == ("ER",) * 4
    assert steps_of(recipe, Progress("refine", 1, 12)) == ("ER", "HIO", "HIO") * 4, "two runs"
    assert steps_of(recipe, Progress("refine", 1, 7)) == (), "nobody knows which"
    assert steps_of(recipe, Progress("prepare", 0, 1)) == ()
