"""How strain was obtained, in words: what a reader has to know before comparing it with another."""

from __future__ import annotations

import math

import numpy as np

from ..evidence import Trust
from ..reconstruction import Reconstruction
from .lattice import Lattice
from .orthogonal import FRAMES
from .trust import REPRODUCES

_RELATIVE = (
    "maps of strain and displacement are relative to the mean lattice of the crystal: "
    "the linear part of the phase is taken out"
)


def method(
    found: Reconstruction, threshold: float | None = None, lattice: Lattice | None = None
) -> list[tuple[str, str]]:
    """Return labels and words, a line each, on strain, its sign, frame, reference, grid, smoothing and what speaks for it.

    Parameters
    ----------
    found
        The result.
    threshold
        Of the amplitude, as a fraction of the largest, that bounds the crystal; None: the recipe's.
    lattice
        The mean lattice, with what it is held against; None: unknown.
    """
    threshold = found.recipe.analyse.threshold if threshold is None else threshold
    known = found.voxel_steps_nm is not None and found.q_bragg_per_nm is not None
    rows = [
        ("strain", _strain(known)),
        (
            "sign",
            "phase = −Q·u, fft leading from the object to the detector",
        ),
        (
            "twin",
            "an object and its twin (conjugate, inverted) explain the counts alike, with the same strain at inverted places; "
            f"which of the two is shown is a convention{_twin(found.trust)}",
        ),
        ("frame", _frame(found) if known else "axes of the phased array: rocking angle, rows, columns"),
        ("reference", _reference(lattice) if known else f"{_RELATIVE}; absolute ones need the geometry"),
        ("voxels", _voxels(found)),
        (
            "crystal",
            f"where the amplitude is {threshold:g} or more of its largest (the 99th percentile), the largest piece that hangs "
            "together",
        ),
        ("smoothing", _smoothing(found)),
        ("corrections", _corrections(found)),
        (
            "dislocations",
            "strain within 1.5 voxels of a line about which the phase winds, or within the width of a smoothed map, is left out: "
            "there it has no meaning",
        ),
    ]
    if found.seconds:
        rows += [("held-out pixels", _held_out(found)), ("runs", _runs(found))]
    return rows


def _strain(known: bool) -> str:
    how = "phase steps between neighbouring voxels, the mean of both sides, one side only at the surface; nothing is unwrapped"
    if not known:
        return f"relative: the phase step along axis 1 times −1, in rad per voxel, as Q and the voxels are unknown; from {how}"
    return f"the slope along Q of the displacement u along Q; positive where lattice planes are farther apart; from {how}"


def _twin(trust: Trust | None) -> str:
    likeness = math.nan if trust is None else trust.figures.get("twin_likeness", math.nan)
    return "" if math.isnan(likeness) else f"; it correlates to {likeness:.3f} with its own twin"


def _frame(found: Reconstruction) -> str:
    assert found.q_bragg_per_nm is not None
    at = ", ".join(f"{each:.3f}" for each in found.q_bragg_per_nm)
    words = FRAMES.get(found.frame, "as its file says")
    return f"{found.frame}, right-handed ({words}); Q ({at}) 1/nm along x, y, z at the reference voxel"


def _reference(lattice: Lattice | None) -> str:
    if lattice is None:
        return f"{_RELATIVE}; the mean lattice itself is not known"
    of_mean = f"{_RELATIVE} (d {lattice.spacing_nm:.6f} nm, weighted by the amplitude)"
    if lattice.reference is None:
        return f"{of_mean}; no other one was given"
    return (
        f"{of_mean}; strain called absolute is against {lattice.reference.spacing_nm:.6f} nm ({lattice.reference.words}), and "
        f"differs by the mean, {100 * (lattice.strain or 0.0):+.4f} %"
    )


def _voxels(found: Reconstruction) -> str:
    size = found.voxel_size_nm
    if size is None or found.voxel_steps_nm is None:
        return "of the phased array, of unknown size"
    cube = float(abs(np.linalg.det(found.voxel_steps_nm)) ** (1 / 3))
    edges = " × ".join(f"{edge:.2f}" for edge in size)
    on_cubes = (
        f"maps on cubes of the same volume, {cube:.2f} nm, unless said otherwise, to which the complex object without its ramp "
        "was interpolated linearly"
    )
    if found.seconds or found.geometry is not None:
        return f"phased on a sheared grid of {edges} nm (rocking angle, row, column); {on_cubes}"
    return f"{edges} nm in the file; {on_cubes}"


def _smoothing(found: Reconstruction) -> str:
    trust, plain = found.trust, "strain is that of single voxels, neither smoothed nor regularised"
    width = math.nan if trust is None else trust.figures.get("strain_resolution", math.nan)
    if trust is None or math.isnan(width):
        return plain
    reproduces = trust.figures["strain_correlation"] >= REPRODUCES
    why = (
        f"the least at which that of two halves of the photons correlates to {REPRODUCES:g}"
        if reproduces
        else f"at no width does that of two halves of the photons correlate to {REPRODUCES:g}"
    )
    voxel = 1.0 if found.voxel_steps_nm is None else abs(np.linalg.det(found.voxel_steps_nm)) ** (1 / 3)
    wide = f"of the complex object smoothed to {width:.3g} {trust.unit} (full width at half maximum)"
    if math.isclose(width, voxel, rel_tol=1e-3):
        wide = f"not smoothed beyond its voxels of {width:.3g} {trust.unit}"
    return f"{plain}; strain with an error (strain_averaged) is {wide}: {why}"


def _corrections(found: Reconstruction) -> str:
    choice = found.recipe.analyse
    refraction = (
        "refraction and absorption are not corrected"
        if choice.refraction == "off"
        else f"refraction and absorption are corrected for {choice.refraction}"
    )
    unit = "voxels" if found.voxel_steps_nm is None else "nm"
    window = (
        "no apodisation"
        if choice.apodisation == "off"
        else f"apodised by a {choice.apodisation} window of {choice.apodisation_width:g} {unit}"
    )
    return f"{refraction}; {window}"


def _held_out(found: Reconstruction) -> str:
    share = 100 * found.recipe.refine.free_fraction
    unseen, noise = (found.figures.get(name, math.nan) for name in ("free_llk", "noise_llk"))
    if not share or not math.isfinite(unseen):
        return "none"
    alone = f", {noise:.3g} of it by photon noise alone" if math.isfinite(noise) else ""
    return (
        f"{share:g} % of the pixels, the same for every result of the scan, took no part in the fit; their Poisson likelihood is "
        f"{unseen:.3g}{alone}"
    )


def _runs(found: Reconstruction) -> str:
    trust = found.trust
    if trust is None:
        return "one: nothing tells how far another one would differ"
    whole = [run for run in trust.runs if not run["share"]]
    kept = sum(bool(run["kept"]) for run in whole)
    if trust.of_starts:
        return f"one; {kept} of its starts are compared, and two halves of the photons were phased from it"
    halves = sum(run["share"] in (1, 2) for run in trust.runs)
    return (
        f"{kept} of {len(whole)} are averaged, those whose held-out likelihood is within 1.5 times the best one's; {halves} more "
        "phased two halves of the photons, which were drawn apart"
    )
