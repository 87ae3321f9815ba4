"""The one verb: from a `Scan` and a `Recipe` to a `Reconstruction`, the whole job on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import analysis, formats, geometry, memory, preparation, progress
from .light import Coherence
from .placement import doubts_of, placed
from .recipe import Recipe
from .reconstruction import BEGUN_WITH, UNKNOWN_GEOMETRY, Progress, Reconstruction
from .runs import attempts, averaging
from .runs.stopwatch import Clock, Stopwatch
from .scan import InputError, Scan, fingerprint
from .version import full_version

if TYPE_CHECKING:
    from .phasing import Blur
    from .runs.outcome import Run


def reconstruct(
    scan: Scan,
    recipe: Recipe | None = None,
    *,
    background: preparation.Background | None = None,
    begin: Reconstruction | None = None,
    clock: Clock = time.perf_counter,
) -> Generator[Progress, None, Reconstruction]:
    """Reconstruct the crystal that scattered `scan`, as `recipe` says.

    A generator: it yields `Progress` and returns the `Reconstruction` (``run`` drives it to the end).  Closing it cancels: it is
    never busy for longer than one iteration, or a few hundredths of a second, before it yields.

    Parameters
    ----------
    scan, recipe
        What was measured, and every choice; None: the preset ``fast``.
    background
        Photons of the scan that are not the crystal's, where they are known already; None: as the recipe says.
    begin
        A result of the same scan to go on from: its object and support are refined, and nothing is guessed.  The result's
        ``iterations`` and ``errors`` are then of both.
    clock
        By which the result says how long it took: one that stands still while the caller lets it rest leaves that out.

    Raises
    ------
    InputError
        If the scan cannot be phased, its geometry contradicts itself, the weights are missing or altered, or memory would not
        suffice; if the result to go on from has another shape than the scan once it is prepared.
    """
    with memory.or_say(f"phasing {' × '.join(map(str, scan.shape))} voxels", scan.shape):
        return (yield from _reconstruct(scan, recipe or Recipe(), background, begin, Stopwatch(clock)))


def _reconstruct(
    scan: Scan,
    recipe: Recipe,
    background: preparation.Background | None,
    begin: Reconstruction | None,
    stage: Stopwatch,
) -> Generator[Progress, None, Reconstruction]:
    # torch costs a second, and importing this module alone does not need it
    from . import network, phasing

    device, notes = phasing.pick_device(recipe.device)
    phasing.check_memory(scan.shape, recipe, device)

    analysis.check_refraction(recipe.analyse, scan.geometry)
    with stage("prepare"):
        yield Progress("prepare", 0, 1)
        dark = formats.background(recipe.model.background, scan) if background is None else background
        prepared = preparation.prepare(scan, recipe.prepare, dark)
        notes = (*notes, *prepared.notes)
        steps, q_bragg = geometry.frame(prepared.geometry, prepared.peak, prepared.counts.shape)
        if prepared.geometry is None:
            notes = (*notes, UNKNOWN_GEOMETRY)
        yield Progress("prepare", 1, 1, voxel_steps_nm=steps)

    guesses = begin is None and recipe.guess.start != "random"
    model = network.load(recipe.guess.weights, device) if guesses else None
    if begin is not None:
        found = yield from attempts.further(prepared, recipe, begin, device, stage)
        yield Progress("analyse", 0, 1)
        notes = (*notes, f"Went on from a result of {begin.iterations} iterations.")
    elif recipe.runs == 1:
        found = yield from attempts.single(prepared, recipe, model, device, stage)
        found = yield from averaging.of_starts(found, prepared, recipe, steps, q_bragg, device, stage)
    else:
        found = yield from averaging.several(prepared, recipe, model, device, stage, steps, q_bragg)

    with stage("analyse"):
        notes = (
            *notes,
            *doubts_of(prepared.geometry, prepared.peak, found.support),
            *_doubts_of_light(recipe, found),
        )
        verdict = analysis.trust.verdict(found.figures, found.trust, found.shells)

    seconds = {**stage.seconds, "total": sum(stage.seconds.values())}
    return Reconstruction(
        object=found.object,
        support=found.support,
        recipe=recipe,
        figures=found.figures,
        errors=found.errors,
        iterations=found.iterations,
        seconds=seconds,
        geometry=prepared.phased_geometry,
        scan_geometry=scan.geometry,
        voxel_steps_nm=steps,
        q_bragg_per_nm=q_bragg,
        peak=prepared.peak,
        name=scan.name,
        source=scan.source,
        device=found.device,
        backend=found.backend,
        weights_sha256=None if model is None else model.sha256,
        versions=versions(),
        notes=(*notes, *found.notes),
        origin=scan.origin,
        used_sha256={
            **used_sha256(scan, dark),
            **found.judged_by,
            **({} if begin is None else {BEGUN_WITH: fingerprint(begin.object)}),
        },
        good=prepared.good,
        coherence=_coherence(recipe, found.blur),
        background=preparation.said_background(dark, prepared.background, prepared.background_known),
        verdict=verdict,
        trust=found.trust,
        shells=found.shells,
        scan_shape=scan.shape,
    )


def _coherence(recipe: Recipe, blur: Blur | None) -> Coherence:
    """Return what is said of the light."""
    if blur is not None:
        return blur.said()
    return Coherence("none" if recipe.model.coherence == "estimate" else "off")


def _doubts_of_light(recipe: Recipe, found: Run) -> tuple[str, ...]:
    """Say what a scan that is not explained leaves in doubt of the light: what was found of it, and what was given.

    Any blur explains a wrong object better, and a wrong blur or background leaves no object that explains the scan.
    """
    figures, model, trust = found.figures, recipe.model, analysis.trust
    # of these none is stated
    sure = figures.get("confidence", 0.0 if trust.is_wrong(figures) or trust.is_noise(figures) else 1.0)
    poor = found.shells is not None and "poor" in analysis.trust.bands(found.shells)
    said = {"model.coherence": model.coherence, "model.background": model.background}
    named = [name for name, value in said.items() if value != "estimate"]
    if named and (poor or sure < analysis.trust.LOW):
        return (
            f"The light is taken as the recipe says ({' and '.join(named)}); if that is wrong, no object explains the scan: "
            f"compare with {' '.join(f'{name}=estimate' for name in named)}.",
        )
    if sure >= analysis.trust.LOW or model.coherence != "estimate" or found.blur is None:
        return ()
    how = (
        f"with a confidence of {100 * sure:.0f} % that the object is the crystal"
        if "confidence" in figures
        else "with an object that does not explain the scan"
    )
    return (f"The blur of the light was estimated {how}: its widths say little of the light.",)


def used_sha256(scan: Scan, background: preparation.Background = "off") -> dict[str, str]:
    """Return the SHA-256 of the ``counts`` of a scan, of its ``mask`` if it masks anything, and of a ``background`` if that is
    given per frame or per voxel.
    """
    found = {"counts": fingerprint(scan.counts)}
    if scan.mask is not None and scan.mask.any():
        found["mask"] = fingerprint(scan.mask)
    if isinstance(background, np.ndarray):
        found["background"] = fingerprint(background)
    return found


def with_geometry_of(scan: Scan, found: Reconstruction) -> Reconstruction:
    """Return what was found in `scan` as if its present geometry had been known then; nothing is phased anew.

    Parameters
    ----------
    scan
        What `found` was made from, with the same or another geometry.
    found
        Its `peak` must be known, otherwise it is returned as it is.

    Raises
    ------
    InputError
        If the geometry contradicts itself.
    """
    if found.peak is None or found.scan_geometry == scan.geometry:
        return found
    return placed(found, scan.geometry, scan_shape=scan.shape)


def run(
    scan: Scan | np.ndarray | str | Path,
    recipe: Recipe | str | None = None,
    report: Callable[[Progress], object] | None = None,
    begin: Reconstruction | None = None,
) -> Reconstruction:
    """Reconstruct a scan.

    Parameters
    ----------
    scan
        A `Scan`; a file or folder, which `formats.read_scan` reads; or an array of counts (frames, rows, columns).
    recipe
        A `Recipe`, or the name of a preset; None: ``fast``.
    report
        Called with every `Progress`; None: a progress bar is shown in a notebook and in a terminal.
    begin
        A result of the scan to go on from (see `reconstruct`).

    Raises
    ------
    InputError
        As `reconstruct`, and if the scan cannot be read or there is no such preset.
    """
    if report is None:
        with progress.shown() as bar:
            return run(scan, recipe, bar, begin)
    if begin is not None and not isinstance(begin, Reconstruction):
        raise InputError(f"A {type(begin).__name__} is nothing to begin from; give a result of this scan.")
    return progress.driven(reconstruct(_as_scan(scan), _as_recipe(recipe), begin=begin), report)


def _as_recipe(recipe: Recipe | str | None) -> Recipe | None:
    if isinstance(recipe, str):
        return Recipe.from_preset(recipe)
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    raise InputError(
        f"A {type(recipe).__name__} is no recipe; give a Recipe, such as Recipe.from_file(FILE), or the name of a preset."
    )


def _as_scan(scan: Scan | np.ndarray | str | Path) -> Scan:
    if isinstance(scan, Scan):
        return scan
    if isinstance(scan, str | Path):
        return formats.read_scan(scan)
    if isinstance(scan, np.ndarray):
        return Scan.from_array(scan)
    raise InputError(f"A {type(scan).__name__} is no scan; give a Scan, a file, or an array of counts.")


def versions() -> dict[str, str]:
    """Return the versions of the packages that a result depends on."""
    return {"napari-autophase": full_version(), **_others()}


@cache
def _others() -> dict[str, str]:
    found = {}
    for name in ("torch", "numpy", "scipy", "numba"):
        with suppress(metadata.PackageNotFoundError):  # phasing does without numba
            found[name] = metadata.version(name)
    return found
