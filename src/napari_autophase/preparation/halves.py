"""Counts dealt out into two halves that know nothing of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .prepare import Prepared


def halves(prepared: Prepared, seed: int = 0) -> tuple[Prepared, Prepared]:
    """Return a prepared scan twice, each with half of its photons: every photon goes to the one or the other by a coin.

    Two halves of a Poisson number by binomial thinning are independent Poisson numbers of half the expectation.  Counts that are
    no whole numbers (scaled, or less a background) are dealt out as the whole numbers next to them, and the rest is shared.

    Parameters
    ----------
    prepared
        The whole.
    seed
        Of the coins.
    """
    whole = np.rint(np.maximum(prepared.counts, 0)).astype(np.int64)
    heads = np.random.default_rng(seed).binomial(whole, 0.5)
    rest = (prepared.counts - whole) / 2
    first, second = (
        np.where(prepared.good, np.maximum(part + rest, 0), prepared.counts / 2).astype(np.float32)
        for part in (heads, whole - heads)
    )
    return _with(prepared, first), _with(prepared, second)


def _with(prepared: Prepared, counts: np.ndarray) -> Prepared:
    shown = counts
    if prepared.shown is not prepared.counts:
        shown = np.where(prepared.good, counts, prepared.shown / 2)
    return replace(prepared, counts=counts, shown=shown, background=prepared.background / 2)
