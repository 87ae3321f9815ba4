"""How one goes on from a result: recipes that do more of the same, polish it, or try another start."""

from __future__ import annotations

from ....recipe import Recipe
from ....reconstruction import Reconstruction

MORE = "50*ER"
POLISH = "30*CG"


def further(recipe: Recipe, algorithm: str) -> Recipe:
    """Return a recipe that refines what another has found by these iterations; its support stays as sharp as it has become."""
    return recipe.with_settings(
        {
            "runs": 1,
            "refine.algorithm": algorithm,
            "refine.coarse": 0,
            "refine.prune": False,
            "refine.twin_break": 0,
            "refine.shrink_wrap.sigma": recipe.refine.shrink_wrap.sigma_end,
        }
    )


def another_seed(recipe: Recipe) -> Recipe:
    """Return a recipe that begins with other random numbers."""
    return recipe.with_settings({"seed": (recipe.seed + 1) % 2**63})


def is_ours(found: Reconstruction) -> bool:
    """Return whether this program found it, in any version: then it holds the recipe that it was found with."""
    return "napari-autophase" in found.versions


def hindrance(found: Reconstruction, is_here: bool) -> str:
    """Return why one cannot go on from a result, or not in every way; empty: one can.

    Parameters
    ----------
    found
        The result.
    is_here
        Whether its scan is open.
    """
    if not is_ours(found):
        return "It holds no recipe, so that one cannot go on from it."
    if not is_here and not (found.source or found.origin):
        return "It does not say which scan it was found in, so that one cannot go on from it."
    if not is_here:
        return "Its scan is not open."
    if found.peak is None:
        return "An older version wrote it, without its place in the scan: it can be phased again, but not refined further."
    return ""
