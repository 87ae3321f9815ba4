"""Whether an attempt to phase a scan is enough, and which of several is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import analysis
from ..analysis import trust

if TYPE_CHECKING:
    from ..recipe import Recipe
    from .outcome import Run

CLOSELY, BLURRED = 2.0, 1.5
"""A first attempt on a saturated peak, or in partly coherent light, is enough if pixels that no fit has seen are off by less than
so many times the noise; any other one if it counts as converged, and see `COHERENT` and `trust.leaves_light`.

In light blurred by 0.3 to 0.8 pixels simulated crystals that are found right are off by 1.1 to 1.5, a measured one by 1.2;
mixtures with their twins by 1.2 to 1.6, so that some are not noticed; in coherent light it is 1.3 to 3, and more than 4 where
crystals are not found."""
COHERENT = 1.6, 0.005
"""A first attempt in coherent light is not enough if they are off by more than so many times the noise and more than such a share
of their light is unexplained.

Of 186 simulated crystals that `fast` found right at once (correlation 0.98 or more; 1e4 to 1e7 photons) 4 are; of one on a
background of 1 that it found to 0.960 the noise is exceeded 1.75 times."""
UNEVEN, SURE = 0.1, 0.98
"""A first attempt is not enough if its amplitude inside differs by more than such a part of its mean (see `analysis.unevenness`)
and it is the crystal with less than such a confidence.

From 0.08 on a second attempt is still the better one for some simulated crystals, but measured ones are never quite even: the
gold crystal differs by 0.09 however it is phased, and would take four times as long."""
SUSPECT = 0.09
"""A first attempt that is so uneven, and the crystal with less than `SURE`, may be mixed with its twin (see `may_be_mixed`)."""
SHARP = 0.2
"""A blur leaves an axis sharp that is narrower along it, in pixels.

Of 10 simulated crystals in coherent light that were phased from random starts, those that were given a blur had one of less than
0.1 along an axis; of 15 in light blurred by 0.3 to 0.8 one had.
"""
UNIFORM = 2.0
"""Where the middle of the peak was not measured, and among attempts, held-out likelihoods are divided by this power of how
uniform amplitudes are.

Of a crystal whose whole central fringe was missing, an object that agreed with the truth to 0.54 had a likelihood 7 % lower than
one that did to 0.91, but a uniformity of 0.43 against 0.64. The power was chosen on that crystal."""

SURELY = 0.1
"""Among attempts, likelihoods are divided by this power of the confidence that it is the crystal, of one in ten at least.

Of a simulated crystal whose peak wandered, which no blur explains, an object that agreed with the truth to 0.62 (confidence 0.03)
had a likelihood 17 % lower than one that did to 0.96 (0.89), and a uniformity of 0.93 against 0.99."""


def is_enough(run: Run, complete: bool) -> bool:
    """Whether a first attempt explains the scan, or one whose peak is not `complete` the rest.

    A crystal's amplitude is about the same all over its inside; that of a mixture with the twin is not, nor of what was found
    with a blur that is too narrow, even if either explains the counts well.

    In light that is blurred along all axes more is left unexplained than in coherent light.  A blur that leaves an axis sharp is
    one that a wrong object asked for: of 216 simulated crystals in coherent light 15 had such a one, of 64 in light that was
    blurred none.
    """
    figures = run.figures
    if is_uneven(run) and figures.get("confidence", 0.0) < SURE:
        return False
    if not complete or run.blur is not None:
        enough = trust.explains(figures, BLURRED if complete else CLOSELY)
    else:
        enough = trust.explains(figures) and trust.explains(figures, *COHERENT)
    if not enough or not complete or run.shells is None or (run.blur is not None and all(run.blur.sigma_px)):
        return enough
    return not trust.leaves_light(run.shells, figures["deviance_ratio"])


def may_be_mixed(run: Run) -> bool:
    """Whether what explains the scan may be mixed with its twin: it is not quite even, and not surely the crystal."""
    uneven = analysis.unevenness(run.object, run.support) > SUSPECT
    return uneven and run.figures.get("confidence", 0.0) < SURE and trust.explains(run.figures)


def may_be_parted(recipe: Recipe, run: Run) -> bool:
    """Whether phasing may go on after what was asked: from what began with a guess, and from what explains the scan with a blur,
    as random starts often end in a mixture there; in other light they are phased for as long as was asked.
    """
    blurred = run.blur is not None and trust.explains(run.figures)
    return is_guessed(recipe) or (blurred and bool(recipe.refine.algorithm))


def may_be_blurred(recipe: Recipe, run: Run) -> bool:
    """Whether a blur is sought, and what was found is not even: there may be one that nothing told of, or a wider one."""
    return _seeks_blur(recipe) and is_uneven(run)


def is_blurred(run: Run) -> bool:
    """Whether the light was certainly blurred: by a blur that leaves no axis sharp, which explains the scan."""
    return run.blur is not None and min(run.blur.sigma_px) > SHARP and trust.explains(run.figures)


def is_doubtful(run: Run, recipe: Recipe, careful: bool, complete: bool) -> bool:
    """Whether the search for a blur may have misled.

    Wrong objects ask for one that leaves an axis sharp, and for any where the middle of the peak was not measured; and they may
    not recover from one that is gone at last.  An object that was phased without any is what it would be in coherent light.
    """
    if recipe.model.coherence != "estimate" or not recipe.refine.algorithm:
        return False
    if run.blur is None:
        return run.blurred and not is_enough(run, complete)
    return careful or (run.blurred and min(run.blur.sigma_px) < SHARP)


def _seeks_blur(recipe: Recipe) -> bool:
    """Whether a blur is sought with the guess."""
    return is_guessed(recipe) and recipe.model.coherence == "estimate"


def is_guessed(recipe: Recipe) -> bool:
    """Whether phasing begins with a guess, polishes and refines it; random starts are phased for as long as was asked."""
    return recipe.guess.start != "random" and bool(recipe.guess.polish and recipe.refine.algorithm)


def is_uneven(run: Run) -> bool:
    """Whether the amplitude inside differs more than that of crystals that are found right."""
    return analysis.unevenness(run.object, run.support) > UNEVEN


def merit(run: Run) -> float:
    """Return what one of several attempts is chosen by, the lower the better: how far unseen pixels are off, over the square of
    how uniform the crystal is (see `UNIFORM`), as few photons can hardly tell a crystal from its mixture with the twin, and over
    how sure it is (see `SURELY`), as one that is hardly the crystal may explain more of what no model explains.
    """
    uneven = analysis.unevenness(run.object, run.support)
    surely = max(run.figures.get("confidence", 1.0), 0.1) ** SURELY
    return judged(run) * (1 + uneven**2) ** UNIFORM / surely if np.isfinite(uneven) else math.inf


def judged(run: Run) -> float:
    """Return how far unseen pixels are off, or all where none were held out."""
    return run.figures.get("free_llk", run.figures["chi2"])
