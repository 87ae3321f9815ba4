"""How far a run is said to be, and how long it is said to take still."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.recipe.algorithm import parse
from napari_autophase.recipe.plans import ALIGNING, COMPARING, PRELUDE, settled
from napari_autophase.reconstruction import Progress
from napari_autophase.viewer.model.run.further import MORE, further
from napari_autophase.viewer.model.run.pace import Pace, Plan, rate, steps_of

OBJECTS = 4  # which `best` keeps


def best_of(voxels: int):
    """Steps of `best` and when each is done, in a machine on which a step of one start takes as long as it has voxels.

    28 starts on 64³ voxels, then 14, then 7, of 180 steps each; then 40 steps of four starts on the scan's own grid, and 60 of
    twice as many, which go on from means too; last the four are brought onto the best, upright and as twins, 140 steps are done
    of one start with each half of the photons, 60 of each of three simulations, and these five are brought there too.
    """
    now, window = 0.0, 64**3
    for index, starts in enumerate((28, 14, 7)):
        for step in range(180):
            now += starts * window
            yield now, Progress("guess", 180 * index + step + 1, 540)
    for step in range(140):
        now += (4 if step < 100 else 8) * voxels
        yield now, Progress("refine", step + 1, 140)
    steps, done = 2 * 140 + 3 * 60, 0
    whole = steps + ALIGNING * (2 * OBJECTS + 5 + COMPARING)
    yield now, Progress("analyse", 0, 1)
    for each in (*(2 * ALIGNING,) * OBJECTS, *(1,) * steps, *(ALIGNING,) * 5):
        now += each * voxels
        done += each
        yield now, Progress("analyse", done, whole)
    now += ALIGNING * COMPARING * voxels
    yield now, None


@pytest.mark.parametrize("shape", [(64, 64, 64), (200, 128, 128)])
def test_of_best_the_bar_moves_as_the_time_does(shape):
    voxels = shape[0] * shape[1] * shape[2]
    run = list(best_of(voxels))
    total = run.pop()[0]
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


def test_the_last_iterations_that_are_done_from_two_objects_are_reckoned_twice():
    recipe = Recipe.from_preset("fast").with_settings({"refine.algorithm": "30*HIO+20*ER"})
    plan = Plan.of((64, 64, 64), recipe)
    once = Plan.of((64, 64, 64), recipe.with_settings({"refine.averaged": 0}))
    assert plan.work["refine"] == pytest.approx(once.work["refine"] * 70 / 50)
    pace, now = Pace(plan, 0.0), 0.0
    for step in range(50):
        now += 0.1 if step < 30 else 0.2
        _, left = pace.follow(Progress("refine", step + 1, 50), now)
        if step > 4:
            assert left == pytest.approx(7 - now + 0.4, abs=0.05), "and four iterations' worth of analysis"
    assert plan.place(Progress("refine", 80, 100))[1] == pytest.approx((70 + 30) / 140), "two runs"


def test_which_iterations_a_stage_does():
    recipe = Recipe().with_settings(
        {"refine.algorithm": "2*(1*ER+2*HIO)", "guess.polish": "2*ER", "guess.rounds": 2}
    )
    assert steps_of(recipe, Progress("refine", 1, 6)) == ("ER", "HIO", "HIO") * 2
    assert steps_of(recipe, Progress("guess", 1, 4)) == ("ER",) * 4
    assert steps_of(recipe, Progress("refine", 1, 12)) == ("ER", "HIO", "HIO") * 4, "two runs"
    assert steps_of(recipe, Progress("refine", 1, 7)) == (), "nobody knows which"
    assert steps_of(recipe, Progress("prepare", 0, 1)) == ()


def test_which_iterations_a_stage_does_that_does_more_than_its_recipe_says():
    recipe, middle = Recipe().with_settings({"refine.algorithm": "20*HIO+30*ER"}), parse(PRELUDE)
    whole = ("HIO",) * 20 + ("ER",) * 30
    assert settled(whole) == (*whole, *("ER",) * 10)  # in partly coherent light
    assert steps_of(recipe, Progress("refine", 1, 60)) == settled(whole)
    assert steps_of(recipe, Progress("refine", 1, len(middle) + 50)) == (*middle, *whole)


# what is learned


def slow_network(plan, look_s=4.0, search_s=8.0, refine_s=30.0, analyse_s=3.0):
    """Steps of a run in which every phase takes as long as it likes, whatever its constants say, and when each is done."""
    now = 0.5
    yield now, Progress("prepare", 0, 1)
    yield now, Progress("guess", 0, 1)
    for step in range(4):  # each orientation that the network sees
        now += look_s / 4
        yield now, Progress("guess", step + 1, 4)
    total = plan.polish * plan.rounds
    weights = [2.0 ** -(step // plan.polish) for step in range(total)]
    for step in range(total):
        now += search_s * weights[step] / sum(weights)
        yield now, Progress("guess", step + 1, total)
    for step in range(140):
        now += refine_s / 180 * (1 if step < 100 else 2)  # the last are done from two objects
        yield now, Progress("refine", step + 1, 140)
    yield now, Progress("analyse", 0, 1)
    for step in range(10):
        now += analyse_s / 10
        yield now, Progress("analyse", step + 1, 10)
    yield now, None


def followed(pace, run):
    """Return when, how much, and for how long each step says, and the end."""
    said = []
    for now, progress in run:
        if progress is None:
            pace.finish(now)
            return said, now
        said.append((progress, now, *pace.follow(progress, now)))
    raise AssertionError


def test_what_a_run_took_is_known_to_the_next():
    plan, known = Plan.of((96, 96, 96), Recipe.from_preset("best")), {}
    followed(Pace(plan, 0.0, known), slow_network(plan))
    said, end = followed(Pace(plan, 0.0, known), slow_network(plan))
    for progress, now, part, left in said:
        assert left == pytest.approx(end - now, rel=0.05, abs=0.6), progress
        assert part == pytest.approx(now / end, abs=0.03), progress


def test_a_computer_that_is_twice_as_busy_is_heard_of_at_once():
    plan, known = Plan.of((96, 96, 96), Recipe.from_preset("best")), {}
    followed(Pace(plan, 0.0, known), slow_network(plan))
    twice = [(2 * now, progress) for now, progress in slow_network(plan)]
    said, end = followed(Pace(plan, 0.0, known), twice)
    for progress, now, _, left in said:
        if progress.stage == "refine" or (
            progress.stage == "guess" and progress.total > 4 and progress.step > 20
        ):
            assert left == pytest.approx(end - now, rel=0.15, abs=1), progress


def test_of_a_first_run_a_phase_is_known_once_it_has_begun():
    plan = Plan.of((96, 96, 96), Recipe.from_preset("best"))
    analyse_s = (
        30 * plan.work["assess"] / plan.work["refine"]
    )  # its iterations take as long as those of the refinement
    said, end = followed(Pace(plan, 0.0), slow_network(plan, analyse_s=analyse_s))
    for progress, now, _, left in said:
        if progress.stage == "refine" and progress.step > 5:
            assert left == pytest.approx(end - now, rel=0.1, abs=0.7), progress


def test_the_bar_is_not_full_before_what_was_found_is_assessed():
    shape = (200, 128, 128)
    run = list(best_of(200 * 128 * 128))
    end = run.pop()[0]
    pace = Pace(Plan.of(shape, Recipe.from_preset("best")), 0.0)
    said = {(now.stage, now.step): (pace.follow(now, 60 * at / end)[0], at / end) for at, now in run}
    assert max(part for part, _ in said.values()) < 0.97
    for step, (part, truly) in said.items():
        if step[0] == "guess":
            continue
        assert part == pytest.approx(truly, abs=0.05)


def test_going_on_from_a_result_of_best_is_a_short_run():
    """Nothing is guessed, one start is refined, and nothing is assessed."""
    recipe = further(Recipe.from_preset("best"), MORE)
    plan = Plan.further((64, 64, 64), recipe)
    assert plan.work["refine"] == 50 * 64**3
    pace = Pace(plan, 0.0, {"look": 1e-8, "search": 1e-8, "refine": 1e-8, "assess": 1e-8})
    pace.follow(Progress("prepare", 0, 1), 0.0)
    for step in range(50):
        part, left = pace.follow(Progress("refine", step + 1, 50), 0.0026 * (step + 5))
        assert left == pytest.approx(0.0026 * (53 - step), abs=0.02)
    assert part > 0.9


def test_an_analysis_alone_tells_nothing_of_an_assessment_and_a_random_start_nothing_of_the_network():
    """`fast` is over quickly at its end, and so is a random start: `best` then is said to take no hours, nor no time at all."""
    shape, known = (64, 64, 64), {}
    for preset, steps in (("fast", 140), ("iterative", 620)):
        pace = Pace(Plan.of(shape, Recipe.from_preset(preset)), 0.0, known)
        pace.follow(Progress("prepare", 0, 1), 0.0)
        pace.follow(Progress("guess", 0, 1), 0.5)
        for step in range(steps):
            pace.follow(Progress("refine", step + 1, steps), 1 + 0.01 * step)
        pace.follow(Progress("analyse", 0, 1), 1 + 0.01 * steps)
        pace.finish(2 + 0.01 * steps)  # a second, for four iterations' worth
    plan = Plan.of(shape, Recipe.from_preset("best"))
    assert rate("assess", plan.work, {}, known) == pytest.approx(0.01 / 64**3, rel=0.5)
    assert rate("look", plan.work, {}, known) * plan.work["look"] < 5
    # a look that took ten times as long does not let iterations take so long
    assert rate("refine", plan.work, {"look": 10 * known["look"]}, known) == known["refine"]


def test_the_network_s_looks_are_no_steps_of_the_search():
    plan = Plan.of((96, 96, 96), Recipe.from_preset("best"))
    assert plan.place(Progress("guess", 4, 4)) == ("look", 1.0)
    assert plan.place(Progress("guess", 0, 1)) == ("look", 0.0)
    phase, within = plan.place(Progress("guess", plan.polish, plan.polish * 3))
    assert (phase, within) == ("search", pytest.approx(4 / 7))
    assert plan.place(Progress("guess", 10, 50))[0] == "settle"
