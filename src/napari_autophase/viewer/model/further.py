"""How one goes on from a result: recipes that do more of the same, polish it, or try another start."""

from __future__ import annotations

from ...recipe import Recipe

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
