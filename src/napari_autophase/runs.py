"""Runs of one prepared scan: a single one, or several that are averaged and compared."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import analysis, preparation
from .analysis import trust
from .outcome import OUTLIER, Run, finished, shells, starts_alike, sureness
from .progress import relayed
from .recipe import PRELUDE, Recipe, parse
from .reconstruction import Progress, Reconstruction
from .scan import InputError
from .stopwatch import Stopwatch

if TYPE_CHECKING:
    import torch

    from .network import Model
    from .phasing import Diffraction, Phased, Shape, Starts
    from .preparation import Prepared

COMPARED = 4
"""So many of the best starts of a run are compared at most."""

CLOSELY, BLURRED = 2.0, 1.5
"""A first attempt on a saturated peak, or in partly coherent light, is enough if pixels that no fit has seen are off by less than
so many times the noise; any other one if it counts as converged, and see `COHERENT` and `trust.leaves_light`.

In light blurred by 0.3 to 0.8 pixels simulated crystals that are found right are off by 1.1 to 1.5, a measured one by 1.2;
mixtures with their twins by 1.2 to 1.6, so that some are not noticed; in coherent light it is 1.3 to 3, and more than 4 where
crystals are not found."""
SHARP = 0.25
"""Pixels: a blur narrower than this along an axis may be one that a wrong object asked for."""
COHERENT = 1.6, 0.005
"""A first attempt in coherent light is not enough if they are off by more than so many times the noise and more than such a share
of their light is unexplained.

Of 186 simulated crystals that `fast` found right at once (correlation 0.98 or more; 1e4 to 1e7 photons) 4 are; of one on a
background of 1 that it found to 0.960 the noise is exceeded 1.75 times."""
NOISE, UNEVEN = 1.15, 0.1
"""A first attempt is not enough if unseen pixels are off by more than so many times the noise and the amplitude inside differs
by more than such a part of its mean, see `analysis.unevenness`."""
UNIFORM = 2.0
"""Where the middle of the peak was not measured, and among attempts, held-out likelihoods are divided by this power of how
uniform amplitudes are.

Of a crystal whose whole central fringe was missing, an object that agreed with the truth to 0.54 had a likelihood 7 % lower than
one that did to 0.91, but a uniformity of 0.43 against 0.64. The power was chosen on that crystal."""


def single(
    prepared: Prepared, recipe: Recipe, model: Model | None, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Phase a scan once, and once more with more starts, and in search of a blur, if the outcome explains too little.

    Where the middle of the peak is missing that is done with care, at once if nothing tells what it was: phasing begins with what
    the surroundings of the peak say of it taken as measured (`PRELUDE`), so that the modes which nothing measured, the widest of
    the object, are about right; then these are free.  Random starts go beside a guess.

    A blur that wrong objects ask for too (see `_is_doubtful`) is held against what is found as if the light were coherent.
    """
    careful, complete = prepared.doubtful, prepared.shown is prepared.counts
    found = yield from _attempt(prepared, recipe, model, device, stage, careful=careful)
    tried, said, more = recipe, "", recipe.with_more_starts()
    doubted = complete and _may_be_blurred(recipe, found)
    ways = {"with more starts": more != recipe, "in search of partly coherent light": doubted}
    how = [way for way, is_taken in ways.items() if is_taken]
    if not is_enough(found, complete):
        if complete and how:
            tried = more
            said = f"A first attempt explained too little of the light: begun anew, {' and '.join(how)}."
        elif not complete and not careful and recipe.refine.algorithm:
            careful = True
            said = "The middle of the Bragg peak was not measured, and a first attempt did not explain the rest: "
            said += "begun anew, with random starts."
    if said:
        again = yield from _attempt(prepared, tried, model, device, stage, careful=careful, doubted=doubted)
        found = replace(min(found, again, key=_merit), notes=(*found.notes, said))
    if not _is_doubtful(found, recipe, careful):
        return found
    coherent = tried.with_settings({"model.coherence": "off"})
    again = yield from _attempt(prepared, coherent, model, device, stage, careful=careful)
    if _merit(again) > _merit(found):
        return found
    said = "A blur was found, but the scan is explained as well without it: the light counts as coherent."
    return replace(again, notes=(*found.notes, said))


def further(
    prepared: Prepared, recipe: Recipe, begin: Reconstruction, device: torch.device, stage: Stopwatch
) -> Generator[Progress, None, Run]:
    """Go on with what was found in the same scan.

    Raises
    ------
    InputError
        If it has another shape than the scan as it is prepared now.
    """
    from . import phasing

    if begin.object.shape != prepared.counts.shape:
        then, now = (" × ".join(map(str, shape)) for shape in (begin.object.shape, prepared.counts.shape))
        raise InputError(
            f"The result to go on from has {then} voxels, but the scan, prepared as the recipe says, has {now}; "
            "go on with the preparation that it was found with."
        )
    with stage("refine"):
        data = _diffraction(prepared, recipe, device).explained(phasing.Blur.of(begin.coherence))
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
) -> Generator[Progress, None, Run]:
    from . import phasing

    with stage("guess"):
        yield Progress("guess", 0, 1)
        data = _diffraction(prepared, recipe, device)
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
            first, starts = yield from _begin(model, first, prepared, choice)
            data = data.explained(first.blur)
            refining = _in_turn(first, data, starts, choice)
            del first
        else:
            data, starts = yield from _begin(model, data, prepared, choice, doubted)
            refining = phasing.refine(data, starts, choice.refine, coherence=_mode(recipe), compare=COMPARED)
        del starts  # they are nowhere else, so that phasing can let them go

    with stage("refine"):
        phased = yield from refining
        alike = starts_alike(phased)
        phased = yield from phasing.reshape(data, phased, _shape(recipe))
    found = finished(phased, prepared, data)
    return replace(found, figures={**found.figures, **alike})


def is_enough(run: Run, complete: bool) -> bool:
    """Whether a first attempt explains the scan, or one whose peak is not `complete` the rest.

    A crystal's amplitude is about the same all over its inside; that of a mixture with the twin is not, nor of what was found as
    if the light were coherent where it is not, even if either explains the counts well.

    In light that is blurred along all axes more is left unexplained than in coherent light.  A blur that leaves an axis sharp is
    one that a wrong object asked for: of 216 simulated crystals in coherent light 15 had such a one, of 64 in light that was
    blurred none.
    """
    figures = run.figures
    if complete and not trust.explains(figures, NOISE, 0.0) and _is_uneven(run):
        return False
    if not complete or run.blur is not None:
        enough = trust.explains(figures, BLURRED if complete else CLOSELY)
    else:
        enough = trust.explains(figures) and trust.explains(figures, *COHERENT)
    if not enough or not complete or run.shells is None or (run.blur is not None and all(run.blur.sigma_px)):
        return enough
    return not trust.leaves_light(run.shells, figures["deviance_ratio"])


def _may_be_blurred(recipe: Recipe, run: Run) -> bool:
    """Whether a blur is sought, a guess has told of none, and what was found is not even."""
    return _seeks_blur(recipe) and _is_uneven(run) and (run.blur is None or min(run.blur.sigma_px) < SHARP)


def _is_doubtful(run: Run, recipe: Recipe, careful: bool) -> bool:
    """Whether wrong objects may have asked for a blur: one that leaves an axis sharp, or any where the peak was not measured."""
    if run.blur is None or recipe.model.coherence != "estimate":
        return False
    return careful or (_seeks_blur(recipe) and not all(run.blur.sigma_px))


def _seeks_blur(recipe: Recipe) -> bool:
    """Whether a blur is sought with the guess; random starts are phased once, for as long as was asked."""
    guessed = recipe.guess.start != "random" and bool(recipe.guess.polish and recipe.refine.algorithm)
    return guessed and recipe.model.coherence == "estimate"


def _is_uneven(run: Run) -> bool:
    return analysis.unevenness(run.object, run.support) > UNEVEN


def _merit(run: Run) -> float:
    """Return what one of several attempts is chosen by, the lower the better: how far unseen pixels are off, over the square of
    how uniform the crystal is (see `UNIFORM`), as few photons can hardly tell a crystal from its mixture with the twin.
    """
    uneven = analysis.unevenness(run.object, run.support)
    return _judged(run) * (1 + uneven**2) ** UNIFORM if np.isfinite(uneven) else math.inf


def _judged(run: Run) -> float:
    return run.figures.get("free_llk", run.figures["chi2"])


def several(
    prepared: Prepared,
    recipe: Recipe,
    model: Model | None,
    device: torch.device,
    stage: Stopwatch,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
) -> Generator[Progress, None, Run]:
    """Phase a scan ``recipe.runs`` times and return the mean, and two halves of its photons as often between them.

    The run with the lowest held-out likelihood gives shift, ramp, twin and support; runs much worse than it are left out.
    """
    number = recipe.runs
    parts = [prepared, *preparation.halves(prepared, recipe.seed)]
    shares = [0] * number + [1 + k % 2 for k in range(max(number, 2))]
    found: list[Run] = []
    seconds = []
    for index, share in enumerate(shares):
        begun = stage.clock()
        # no random number is used twice
        seed = (recipe.seed + index) % 2**63
        one = single(parts[share], recipe.model_copy(update={"seed": seed}), model, device, stage)
        found.append((yield from _share(one, index, len(shares))))
        seconds.append(stage.clock() - begun)

    with stage("analyse"):
        return _averaged(found, shares, seconds, prepared, recipe, voxel_steps_nm, q_bragg_per_nm, device)


def _averaged(
    found: list[Run],
    shares: list[int],
    seconds: list[float],
    prepared: Prepared,
    recipe: Recipe,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
    device: torch.device,
) -> Run:
    judged = np.array([_judged(run) for run in found])
    least = np.array([judged[np.equal(shares, share)].min() for share in shares])
    kept = judged <= OUTLIER * least
    whole = np.equal(shares, 0)
    best = found[int(np.where(whole, judged, np.inf).argmin())]

    runs = trust.aligned([run.object for run in found], best.object)
    rows = tuple(
        {
            "seed": float((recipe.seed + index) % 2**63),
            "share": float(share),
            "kept": float(kept[index]),
            "agreement": runs.agreements[index],
            "twin": float(runs.twins[index]),
            "seconds": seconds[index],
            **run.figures,
        }
        for index, (run, share) in enumerate(zip(found, shares, strict=True))
    )
    mean = runs.objects[whole & kept].mean(0) * best.support
    object, support = mean.astype(np.complex64), best.support
    assessed = trust.assess(
        object,
        support,
        runs.objects[kept],
        np.array(shares)[kept],
        recipe.analyse.threshold,
        voxel_steps_nm,
        q_bragg_per_nm,
    )
    assessed = replace(assessed, runs=rows, unit="voxels" if voxel_steps_nm is None else "nm")
    from . import phasing

    data = _diffraction(prepared, recipe, device).explained(best.blur)
    object, figures = phasing.judged(object, support, data)
    explained, figures["deviance_ratio"] = shells(object, prepared, data)
    figures = {**best.figures, **figures}
    figures |= sureness(figures, explained, object, support, best.blur, best.iterations > 0)
    notes = tuple(dict.fromkeys(note for run in found for note in run.notes))
    return replace(
        best, object=object, support=support, figures=figures, notes=notes, trust=assessed, shells=explained
    )


def _diffraction(prepared: Prepared, recipe: Recipe, device: torch.device) -> Diffraction:
    from . import phasing

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
    model: Model | None, data: Diffraction, prepared: Prepared, recipe: Recipe, doubted: bool = False
) -> Generator[Progress, None, tuple[Diffraction, Starts]]:
    """Return the data with what is known of the light, and what phasing starts from: guesses, random objects, or both."""
    from . import network, phasing

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
    from . import phasing

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
    return replace(found, notes=tuple(dict.fromkeys((*begun.notes, *found.notes))))


def _shifted(
    job: Generator[Progress, None, Phased], before: int, after: int
) -> Generator[Progress, None, Phased]:
    """Do a job whose steps come after so many others, and before others."""
    return relayed(job, lambda now: replace(now, step=before + now.step, total=before + now.total + after))


def _share(job: Generator[Progress, None, Run], index: int, jobs: int) -> Generator[Progress, None, Run]:
    """Do one of several jobs; of those after the first only the refinement is reported, as a part of all."""

    def of_all(now: Progress) -> Progress | None:
        if now.stage == "refine":
            return replace(now, step=index * now.total + now.step, total=jobs * now.total)
        return now if index == 0 else None

    return relayed(job, of_all)
