"""Several runs of one prepared scan as one result, or several starts: averaged, compared, and simulated."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from .. import analysis, preparation
from ..analysis import trust
from ..progress import relayed
from ..recipe import Recipe, algorithm
from ..recipe.plans import ALIGNING, BOOTSTRAP_STEPS, BOOTSTRAPS, assessment
from ..reconstruction import Progress
from .attempts import diffraction, single
from .enough import judged
from .outcome import OUTLIER, Run, over_background, shells, sureness
from .stopwatch import Stopwatch

if TYPE_CHECKING:
    import torch

    from ..network import Model
    from ..phasing import Diffraction, Phased
    from ..preparation import Prepared

_DOMAIN = 0x2E5EA25E
"""Enters the seed of their photons, so that no random number is used twice."""


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

    The run with the lowest held-out likelihood gives shift, ramp, twin and support; runs much worse than it are left out.  What
    is found is measured in simulations and phased again: see `_bootstrapped`.
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
        yield Progress("analyse", 0, 1)
        return (
            yield from _averaged(
                found, shares, seconds, prepared, recipe, voxel_steps_nm, q_bragg_per_nm, device, stage
            )
        )


def _averaged(
    found: list[Run],
    shares: list[int],
    seconds: list[float],
    prepared: Prepared,
    recipe: Recipe,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
    device: torch.device,
    stage: Stopwatch,
) -> Generator[Progress, None, Run]:
    from .. import phasing

    scores = np.array([judged(run) for run in found])
    least = np.array([scores[np.equal(shares, share)].min() for share in shares])
    kept = scores <= OUTLIER * least
    whole = np.equal(shares, 0)
    best = found[int(np.where(whole, scores, np.inf).argmin())]

    told = _Told(assessment(algorithm.parse(recipe.refine.algorithm), halves=False, objects=len(found)))
    runs = yield from _aligned([run.object for run in found], best.object, told)
    rows = [
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
    ]
    mean = runs.objects[whole & kept].mean(0) * best.support
    mean, support = mean.astype(np.complex64), best.support
    data = diffraction(prepared, recipe, device).explained(best.blur)
    object, figures = phasing.judged(mean, support, data)
    bootstrapped = yield from _bootstrapped(object, support, prepared, data, recipe, stage, told)
    again = []
    for each, _ in bootstrapped:
        again.append(analysis.align(each, mean, ramp=True, twins=False))
        yield told.did(ALIGNING)
    rows += [
        {**row, "agreement": abs(alike)} for (_, row), (_, alike) in zip(bootstrapped, again, strict=True)
    ]
    objects = np.stack([*runs.objects[kept], *(each for each, _ in again)])
    assessed = trust.assess(
        mean,
        support,
        objects,
        np.array([*np.array(shares)[kept], *[trust.BOOTSTRAPPED] * len(again)]),
        recipe.analyse.threshold,
        voxel_steps_nm,
        q_bragg_per_nm,
    )
    assessed = replace(assessed, runs=tuple(rows), unit="voxels" if voxel_steps_nm is None else "nm")
    explained, figures["deviance_ratio"] = shells(object, prepared, data)
    figures |= over_background(object, support, prepared, data)
    figures = {**best.figures, **figures}
    figures.pop("confidence", None)  # of the best
    figures |= sureness(figures, explained, object, support, best.blur, best.iterations > 0)
    notes = tuple(dict.fromkeys(note for run in found for note in run.notes))
    return replace(
        best, object=object, support=support, figures=figures, notes=notes, trust=assessed, shells=explained
    )


def of_starts(
    found: Run,
    prepared: Prepared,
    recipe: Recipe,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
    device: torch.device,
    stage: Stopwatch,
) -> Generator[Progress, None, Run]:
    """Return a run with what its own starts say of it, where at least two explain the scan as well and agree; else as it is.

    Half of the photons each are phased from what was found, twice, and what was found is bootstrapped: a seventh of what
    several runs take.
    """
    with stage("analyse"):
        yield Progress("analyse", 0, 1)
        if found.starts is None or len(found.starts) < 2 or not trust.explains(found.figures):
            return found
        steps = algorithm.parse(recipe.refine.algorithm)
        told = _Told(assessment(steps, halves=True, objects=len(found.starts)))
        near = yield from _aligned(list(found.starts), found.object, told)
        agreeing = np.flatnonzero(np.array(near.agreements) >= trust.AGREE)
        if len(agreeing) < 2:
            return found
        row = {"seed": float(recipe.seed), "kept": 1.0, "twin": 0.0}
        objects, rows = [], []
        for one in agreeing:
            own = {"agreement": near.agreements[one], "twin": float(near.twins[one])}
            rows.append({**row, "share": 0.0, **own})
            objects.append(near.objects[one])
        for share, half in enumerate(preparation.halves(prepared, recipe.seed), 1):
            data, begun = diffraction(half, recipe, device).explained(found.blur), stage.clock()
            begin = found.object * np.float32(np.sqrt(0.5))
            job = _going_on(data, begin, found.support, recipe, recipe.refine.algorithm)
            phased = yield from told.through(job, len(steps))
            rows.append({**row, "share": float(share), "seconds": stage.clock() - begun, **phased.figures})
            objects.append(phased.object)
        data = diffraction(prepared, recipe, device).explained(found.blur)
        for each, figures in (
            yield from _bootstrapped(found.object, found.support, prepared, data, recipe, stage, told)
        ):
            rows.append(figures)
            objects.append(each)
        for number in range(len(agreeing), len(objects)):
            objects[number], alike = analysis.align(objects[number], found.object, ramp=True, twins=False)
            rows[number]["agreement"] = abs(alike)
            yield told.did(ALIGNING)
        assessed = trust.assess(
            found.object,
            found.support,
            np.stack(objects),
            np.array([int(one["share"]) for one in rows]),
            recipe.analyse.threshold,
            voxel_steps_nm,
            q_bragg_per_nm,
            of_starts=True,
        )
    unit: Literal["nm", "voxels"] = "voxels" if voxel_steps_nm is None else "nm"
    return replace(found, starts=None, trust=replace(assessed, runs=tuple(rows), unit=unit))


def _bootstrapped(
    object: np.ndarray,
    support: np.ndarray,
    prepared: Prepared,
    data: Diffraction,
    recipe: Recipe,
    stage: Stopwatch,
    told: _Told,
) -> Generator[Progress, None, list[tuple[np.ndarray, dict[str, float]]]]:
    """Measure what was found `BOOTSTRAPS` times in a simulation, photon noise, gaps and all, and phase that from what was found.

    What comes of it differs from what was found by the noise, and on the whole by what phasing does to such a crystal whatever
    the noise, which is what no two runs differ by: where a voxel of the pattern has less than a photon its modulus comes out too
    small, and the surface, where the amplitude ends and strain hangs on the finest detail, suffers first.  A network's guess
    alone is of another kind, and nothing is done for it.  This is a parametric bootstrap (Efron, Ann. Statist. 7, 1 (1979)).

    Returns
    -------
    list
        Of each the object, centred, and the row of the table of runs.
    """
    from .. import phasing

    steps = algorithm.parse(recipe.refine.algorithm)
    if not steps:
        return []
    last = steps[-1] if steps[-1] in algorithm.DOWNHILL else "ER"
    unseen = data.held_out_pixels()
    expected = np.nan_to_num(np.maximum(phasing.expected(object, data), 0))
    found = []
    for number in range(BOOTSTRAPS):
        begun = stage.clock()
        counts = np.random.default_rng([recipe.seed, _DOMAIN, number]).poisson(expected)
        if not counts[prepared.good & ~unseen].any():
            continue
        again = phasing.Diffraction(
            np.where(prepared.good, counts, prepared.counts).astype(np.float32),
            prepared.good,
            held_out_pixels=unseen,
            device=data.device,
            background=prepared.background,
            backend=recipe.backend,
            bounded=True,
        ).explained(data.blur)
        job = _going_on(again, object, support, recipe, f"{BOOTSTRAP_STEPS}*{last}")
        phased = yield from told.through(job, BOOTSTRAP_STEPS)
        row = {"seed": float(recipe.seed), "share": float(trust.BOOTSTRAPPED), "kept": 1.0, "twin": 0.0}
        found.append((phased.object, {**row, "seconds": stage.clock() - begun, **phased.figures}))
    return found


def _going_on(
    data: Diffraction, object: np.ndarray, support: np.ndarray, recipe: Recipe, steps: str
) -> Generator[Progress, None, Phased]:
    """Phase from an object, within its support, as the analysis of what was found."""
    from .. import phasing

    still = recipe.refine.shrink_wrap.model_copy(update={"every": 0})
    plan = recipe.refine.model_copy(
        update={
            **{
                "algorithm": steps,
                "averaged": 0,
                "prune": False,
                "coarse": 0,
                "twin_break": 0,
                "patience": 0,
            },
            "shrink_wrap": still,
        }
    )
    return phasing.refine(data, phasing.Starts(object[None], support[None]), plan, coherence="given")


def _aligned(
    objects: Sequence[np.ndarray], reference: np.ndarray, told: _Told
) -> Generator[Progress, None, trust.Aligned]:
    """Bring objects onto another one, as `trust.aligned` does, and tell of each."""
    found = []
    for each in objects:
        found.append(trust.aligned([each], reference))
        yield told.did(2 * ALIGNING)  # upright, and as its twin
    return trust.Aligned(
        np.concatenate([each.objects for each in found]),
        tuple(alike for each in found for alike in each.agreements),
        tuple(turned for each in found for turned in each.twins),
    )


class _Told:
    """Counts what is done of the assessment, in iterations; see `recipe.plans.assessment`."""

    def __init__(self, whole: int) -> None:
        self._whole, self._done = whole, 0

    def did(self, iterations: int) -> Progress:
        """Return how far it is after something that takes so many."""
        self._done += iterations
        return Progress("analyse", self._done, self._whole)

    def through(
        self, job: Generator[Progress, None, Phased], iterations: int
    ) -> Generator[Progress, None, Phased]:
        """Do a job of so many."""
        before = self._done

        def of_all(now: Progress) -> Progress:
            return Progress("analyse", before + round(iterations * now.step / now.total), self._whole)

        found = yield from relayed(job, of_all)
        self._done = before + iterations
        return found


def _share(job: Generator[Progress, None, Run], index: int, jobs: int) -> Generator[Progress, None, Run]:
    """Do one of several jobs; of those after the first only the refinement is reported, as a part of all.  One that is begun anew
    does not go back.
    """
    done = 0.0

    def of_all(now: Progress) -> Progress | None:
        nonlocal done
        if now.stage == "refine":
            done = max(done, now.step / now.total)
            return replace(now, step=round((index + done) * now.total), total=jobs * now.total)
        return now if index == 0 else None

    return relayed(job, of_all)
