"""A blur of another shape than a Gaussian along the axes, taken where it explains more.

Object and blur can each take a part of the other upon themselves, the more so the more freedom a blur has: on a measured scan an
oblique Gaussian wandered off while the fitted pixels gained.  So it is found from a result that a Gaussian has explained, with
iterations of its own, and pixels that no fit has seen decide between both.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np

from ..progress import relayed
from ..recipe import Refinement, ShrinkWrap
from ..reconstruction import Progress
from .batch import Starts
from .coherence import Shape
from .diffraction import Diffraction
from .engine import Phased, refine

FURTHER = Refinement(algorithm="60*ER", shrink_wrap=ShrinkWrap(every=0), averaged=0, prune=False, coarse=0)
"""What an object goes through while a blur of another shape is found."""


def reshape(data: Diffraction, found: Phased, shape: Shape) -> Generator[Progress, None, Phased]:
    """Return what was found, with a blur of another shape if that explains unseen pixels better.

    Parameters
    ----------
    data
        The pattern.
    found
        With a Gaussian blur along the axes, or none; then it is returned as it is.
    shape
        Of the blur that is sought.
    """
    if shape == "gaussian" or found.blur is None:
        return found
    before = len(found.errors)
    best = Starts(found.object[None], found.support[None])
    going_on = refine(data.explained(found.blur), best, FURTHER, coherence=shape)
    other = yield from relayed(
        going_on, lambda now: replace(now, step=before + now.step, total=before + now.total)
    )
    if _unseen(other) >= _unseen(found):
        said = f"A blur of the shape {shape} explained pixels that no fit has seen no better than a Gaussian, which was kept."
        return replace(found, notes=(*found.notes, said))
    return replace(
        other,
        errors=np.concatenate([found.errors, other.errors]),
        iterations=found.iterations + other.iterations,
        notes=tuple(dict.fromkeys((*found.notes, *other.notes))),
    )


def _unseen(found: Phased) -> float:
    return found.figures.get("free_llk", found.figures["llk"])
