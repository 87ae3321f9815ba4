"""Whether the figures of two results may be compared."""

from __future__ import annotations

import math

from ...reconstruction import JUDGED, Reconstruction


def incomparable(one: Reconstruction, other: Reconstruction) -> str | None:
    """Return why the held-out likelihoods of two results may not be compared; None if they may.

    They may if both were judged by the same counts in the same pixels: the same scan, mask, preparation and fraction held out.
    """
    judged = one.used_sha256.get(JUDGED), other.used_sha256.get(JUDGED)
    if None in judged:
        return "a result does not say by which pixels it was judged (an older version wrote it, or nothing was held out)"
    if judged[0] == judged[1]:
        return None
    reasons = []
    if one.used_sha256.get("counts") != other.used_sha256.get("counts"):
        reasons.append("they are of different scans, or of different parts of one")
    if one.used_sha256.get("mask") != other.used_sha256.get("mask"):
        reasons.append("their masks differ")
    before, now = one.recipe.prepare.model_dump(), other.recipe.prepare.model_dump()
    changed = [f"{name} {before[name]} and {now[name]}" for name in before if before[name] != now[name]]
    if changed:
        reasons.append(f"they were prepared differently ({'; '.join(changed)})")
    fractions = one.recipe.refine.free_fraction, other.recipe.refine.free_fraction
    if fractions[0] != fractions[1]:
        reasons.append(f"{fractions[0]:g} and {fractions[1]:g} of the pixels were held out")
    return "; ".join(reasons) or "they were judged by different pixels"


def ranked_in_words(one: Reconstruction, other: Reconstruction) -> str:
    """Return the held-out likelihoods of two results and which is the better, or why they cannot be ranked.

    Empty where one of them has none, as a result of another program.
    """
    values = [each.figures.get("free_llk", math.nan) for each in (one, other)]
    if not all(map(math.isfinite, values)):
        return ""
    both = f"{values[0]:.4g} and {values[1]:.4g}"
    if reason := incomparable(one, other):
        return f"{both}, which cannot be ranked: {reason}"
    if values[0] == values[1]:
        return f"{both} in the same pixels"
    return f"{both} in the same pixels: {(one if values[0] < values[1] else other).name} explains them better"
