"""A single run of a prepared scan, and what it is judged by."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from .. import preparation
from ..progress import relayed
from ..recipe import PRELUDE, Recipe, parse
from ..recipe.plans import going_on
from ..reconstruction import Progress, Reconstruction
from ..scan import InputError
from .enough import (
    UNIFORM,
    is_blurred,
    is_doubtful,
    is_enough,
    is_uneven,
    may_be_blurred,
    may_be_mixed,
    may_be_parted,
    merit,
)
from .outcome import Run, finished, near_starts, starts_alike
from .stopwatch import Stopwatch

if TYPE_CHECKING:
    import torch

    from ..network import Model
    from ..phasing import Blur, Diffraction, Phased, Shape, Starts
    from ..preparation import Prepared

COMPARED = 4
"""So many of the best starts of a run are compared at most."""
PARTINGS = 3
"""So often at most phasing goes on from what an attempt may be a mixture of."""
PARTED = "What was found may have been mixed with its twin: it was parted, and phasing went on."
"""What is said where that was the better one."""


def single(
    prepared: Prepared, recipe: Recipe, model: Model | None, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Phase a scan once, and once more with more starts, and in search of a blur, if the outcome explains too little and the
    recipe lets it (`Refinement.retry`).

    Where the middle of the peak is missing that is done with care, at once if nothing tells what it was: phasing begins with what
    the surroundings of the peak say of it taken as measured (`PRELUDE`), so that the modes which nothing measured, the widest of
    the object, are about right; then these are free.  Random starts go beside a guess.

    Where what began with a guess, or was found in light that is blurred, may be mixed with its twin, phasing first goes on from
    it, and from what it would be a mixture of (`phasing.parted`), as long as that makes it better: it takes little, and often
    suffices.  If it does not, but a blur was found that is one, the second attempt begins with that.

    A blur that wrong objects ask for too (see `enough.is_doubtful`) is held against what is found as if the light were coherent.
    """
    careful, complete = prepared.doubtful, prepared.shown is prepared.counts
    found = yield from _attempt(prepared, recipe, model, device, stage, careful=careful)
    if not recipe.refine.retry:
        return found
    # more starts find no more in next to nothing
    tells = prepared.counts.sum(where=prepared.good) >= preparation.FEW_PHOTONS
    parts = tells and complete and may_be_parted(recipe, found)
    if parts:
        found = yield from _unmixed(found, prepared, recipe, device, stage)
    tried, said, more, doubted = recipe, "", recipe.with_more_starts(), may_be_blurred(recipe, found)
    ways = {"with more starts": more != recipe, "in search of partly coherent light": doubted}
    how = [way for way, is_taken in ways.items() if is_taken] if complete or is_uneven(found) else []
    if tells and not is_enough(found, complete):
        if how:
            tried = more
            why = (
                "left the amplitude inside uneven"
                if is_uneven(found)
                else "explained too little of the light"
            )
            said = f"A first attempt {why}: begun anew, {' and '.join(how)}."
        elif not complete and not careful and recipe.refine.algorithm:
            careful = True
            said = "The middle of the Bragg peak was not measured, and a first attempt did not explain the rest: "
            said += "begun anew, with random starts."
    if said:
        before = found.blur if doubted and is_blurred(found) and not careful else None
        again = yield from _attempt(
            prepared, tried, model, device, stage, careful=careful, doubted=doubted, before=before
        )
        if parts:
            again = yield from _unmixed(again, prepared, tried, device, stage)
        kept = min(found, again, key=merit)
        found = replace(kept, notes=(*kept.notes, said))
    if not is_doubtful(found, recipe, careful, complete):
        return found
    coherent = tried.with_settings({"model.coherence": "off"})
    again = yield from _attempt(prepared, coherent, model, device, stage, careful=careful)
    if merit(again) > merit(found):
        return found
    sought = "A blur was found" if found.blur else "A blur was tried on the way"
    why = f"{sought}, but the scan is explained as well without it: the light counts as coherent."
    return replace(again, notes=(*again.notes, *filter(None, [said]), why))


def further(
    prepared: Prepared, recipe: Recipe, begin: Reconstruction, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Go on with what was found in the same scan.

    Raises
    ------
    InputError
        If it has another shape than the scan as it is prepared now.
    """
    from .. import phasing

    if begin.object.shape != prepared.counts.shape:
        then, now = (" × ".join(map(str, shape)) for shape in (begin.object.shape, prepared.counts.shape))
        raise InputError(
            f"The result to go on from has {then} voxels, but the scan, prepared as the recipe says, has {now}; "
            "go on with the preparation that it was found with."
        )
    with stage("refine"):
        data = diffraction(prepared, recipe, device).explained(phasing.Blur.of(begin.coherence))
        starts = phasing.Starts(begin.object[None], begin.support[None])
        phased = yield from phasing.refine(data, starts, recipe.refine, coherence=_mode(recipe))
        phased = yield from phasing.reshape(data, phased, _shape(recipe))
    found = finished(phased, prepared, data)
    return replace(
        found,
        errors=np.concatenate([begin.errors, found.errors]).astype(np.float32),
        iterations=begin.iterations + found.iterations,
    )


def _attempt(
    prepared: Prepared,
    recipe: Recipe,
    model: Model | None,
    device: torch.device,
    stage: Stopwatch,
    careful: bool = False,
    doubted: bool = False,
    before: Blur | None = None,
) -> Generator[Progress, None, Run]:
    from .. import phasing

    with stage("guess"):
        yield Progress("guess", 0, 1)
        data = diffraction(prepared, recipe, device)
        choice = recipe
        if careful:
            choice = phasing.with_room(prepared.counts.shape, recipe.with_random_starts(), device)
        if careful and choice.refine.algorithm:
            first = phasing.Diffraction(
                prepared.shown,
                held_out_pixels=data.held_out_pixels(),
                device=device,
                background=prepared.background,
                backend=recipe.backend,
            )
            first, starts = yield from _begin(model, first, prepared, choice, doubted)
            data = data.explained(first.blur)
            refining = _in_turn(first, data, starts, choice)
            del first
        else:
            data, starts = yield from _begin(model, data, prepared, choice, doubted, before)
            refining = phasing.refine(data, starts, choice.refine, coherence=_mode(recipe), compare=COMPARED)
        del starts  # they are nowhere else, so that phasing can let them go

    with stage("refine"):
        phased = yield from refining
        uniform = UNIFORM if careful and choice.refine.algorithm else 0.0
        alike = starts_alike(phased, uniform)
        near = near_starts(phased, uniform) if recipe.guess.keep > 1 else None
        phased = yield from phasing.reshape(data, phased, _shape(recipe))
    found = finished(phased, prepared, data)
    return replace(found, figures={**found.figures, **alike}, starts=near)


def _unmixed(
    found: Run, prepared: Prepared, recipe: Recipe, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Part what was found in counts that are complete from its twin, as often as that makes it better."""
    for _ in range(PARTINGS):
        mixed = may_be_mixed(found) or not is_enough(found, True)
        if not mixed or not found.support.any():
            break
        last, found = found, (yield from _parted(found, prepared, recipe, device, stage))
        if found is last:
            break
    return found


def _parted(
    found: Run, prepared: Prepared, recipe: Recipe, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Go on from what was found and from what it may be a mixture of, and return what is best of all three."""
    import torch

    from .. import phasing

    with stage("refine"):
        data = diffraction(prepared, recipe, device).explained(found.blur)
        both = recipe.with_settings({"guess.start": "random", "refine.starts": 2})
        room = phasing.with_room(prepared.counts.shape, both, device).refine.starts
        crystal = phasing.parted(torch.from_numpy(found.object), torch.from_numpy(found.support)).numpy()
        objects = np.stack([found.object, crystal])[-room:]
        starts = phasing.Starts(objects, np.stack([found.support] * room))
        algorithm = going_on(recipe.refine.algorithm)
        plan = recipe.refine.model_copy(
            update={"algorithm": algorithm, "coarse": 0, "prune": False, "twin_break": 0}
        )
        refining = phasing.refine(data, starts, plan, coherence=_mode(recipe))
        phased = yield from _shifted(refining, found.iterations, 0)
        phased = yield from phasing.reshape(data, phased, _shape(recipe))
    again = finished(phased, prepared, data)
    again = replace(
        again,
        errors=np.concatenate([found.errors, again.errors]).astype(np.float32),
        iterations=found.iterations + again.iterations,
        notes=tuple(dict.fromkeys((*found.notes, *again.notes, PARTED))),
        starts=found.starts,
        blurred=found.blurred or again.blurred,
    )
    return min(found, again, key=merit)


def diffraction(prepared: Prepared, recipe: Recipe, device: torch.device) -> Diffraction:
    """Return the counts as phasing needs them, with the pixels held out that all results of a scan are judged by."""
    from .. import phasing

    # not the recipe's seed: all results of a scan are judged by the same pixels
    return phasing.Diffraction(
        prepared.counts,
        prepared.good,
        recipe.refine.free_fraction,
        device=device,
        background=prepared.background,
        backend=recipe.backend,
        bounded=True,
    )


def _mode(recipe: Recipe) -> Literal["given", "gaussian"]:
    """Return what phasing does about the light's coherence."""
    return "gaussian" if recipe.model.coherence == "estimate" else "given"


def _shape(recipe: Recipe) -> Shape:
    """Return the shape of the blur that is sought at last."""
    return recipe.model.kernel if recipe.model.coherence == "estimate" else "gaussian"


def _begin(
    model: Model | None,
    data: Diffraction,
    prepared: Prepared,
    recipe: Recipe,
    doubted: bool = False,
    before: Blur | None = None,
) -> Generator[Progress, None, tuple[Diffraction, Starts]]:
    """Return the data with what is known of the light, and what phasing starts from: guesses, random objects, or both."""
    from .. import network, phasing

    starts, refinement, coherence = [], recipe.refine, recipe.model.coherence
    if not isinstance(coherence, str):
        data = data.explained(phasing.Blur(coherence))
    if model is not None:
        guessed = network.guess(
            model,
            prepared.shown,
            prepared.known & ~data.held_out_pixels(),  # nobody has seen what the result is judged by
            prepared.oversampling,
            recipe.guess,
            refinement.free_fraction,
            recipe.seed,
            recipe.backend,
            coherence,
            prepared.background,
            doubted,
            before,
        )
        found = yield from guessed
        starts.append(found.starts)
        data = data.explained(found.blur)
        data.notes = (*found.notes, *data.notes)
    if recipe.guess.start != "network":
        starts.append(phasing.random_starts(data, refinement.starts, recipe.guess.threshold, recipe.seed))
    return data, phasing.join(starts)


def _in_turn(
    first: Diffraction, data: Diffraction, starts: Starts, recipe: Recipe
) -> Generator[Progress, None, Phased]:
    """Phase all starts on the completed counts, and go on with those that were measured."""
    from .. import phasing

    before = len(parse(PRELUDE))
    after = len(parse(recipe.refine.algorithm))
    prelude = recipe.refine.model_copy(
        update={"algorithm": PRELUDE, "averaged": 0, "prune": False, "coarse": 0, "twin_break": 0}
    )
    begun = yield from _shifted(phasing.refine(first, starts, prelude, keep=len(starts)), 0, after)
    going_on = phasing.refine(
        data, begun.kept, recipe.refine, coherence=_mode(recipe), uniform=UNIFORM, compare=COMPARED
    )
    found = yield from _shifted(going_on, before, 0)
    return replace(
        found,
        errors=np.concatenate([begun.errors, found.errors]).astype(np.float32),
        iterations=begun.iterations + found.iterations,
        notes=tuple(dict.fromkeys((*begun.notes, *found.notes))),
    )


def _shifted(
    job: Generator[Progress, None, Phased], before: int, after: int
) -> Generator[Progress, None, Phased]:
    """Do a job whose steps come after so many others, and before others."""
    return relayed(job, lambda now: replace(now, step=before + now.step, total=before + now.total + after))
