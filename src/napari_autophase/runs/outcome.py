"""What a run found, and how far it explains the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import analysis, geometry
from ..analysis import trust
from ..analysis.trust.resolution import cut
from ..evidence import Shells, Trust
from ..reconstruction import JUDGED
from ..scan import fingerprint

if TYPE_CHECKING:
    from ..phasing import Blur, Diffraction, Phased
    from ..preparation import Prepared

OUTLIER = 1.5
"""Runs whose held-out likelihood is so many times the best one's are not averaged, nor starts compared."""


@dataclass(frozen=True, eq=False)
class Run:
    """What was found.

    Parameters
    ----------
    object, support
        complex64 and bool, shift, phase and twin chosen as `analysis.normalise` does.
    figures, errors, iterations, notes
        As in `Phased`, with ``noise_llk`` among the figures.
    device, backend
        Where it was computed in the end, and by what.
    blur, blurred
        What makes the light's coherence partial, and whether anything was taken to on the way.
    judged_by
        SHA-256 of the held-out pixels and their counts, by its name in `Reconstruction.used_sha256`; empty if none are.
    trust
        Of several runs.
    shells
        How well it explains the counts at every resolution.
    starts
        As `near_starts` gives them, of a thorough search; None: of another, or a mean.
    """

    object: np.ndarray
    support: np.ndarray
    figures: dict[str, float]
    errors: np.ndarray
    iterations: int
    notes: tuple[str, ...]
    device: str
    backend: str
    blur: Blur | None
    judged_by: dict[str, str]
    trust: Trust | None = None
    shells: Shells | None = None
    starts: np.ndarray | None = None
    blurred: bool = False


def finished(phased: Phased, prepared: Prepared, data: Diffraction) -> Run:
    """Return what phasing ended with as it is shown: normalised, and judged by pixels that no fit has seen."""
    object, support = analysis.normalise(phased.object, phased.support)
    unseen = data.held_out_pixels()
    data = data.explained(phased.blur)
    figures, judged = dict(phased.figures), {}
    explained, figures["deviance_ratio"] = shells(phased.object, prepared, data)
    figures |= over_background(phased.object, phased.support, prepared, data)
    if unseen.any():
        figures["noise_llk"] = trust.noise_level(prepared.counts, prepared.good, unseen)
        figures["free_photons"] = float(prepared.counts[unseen].mean(dtype=np.float64))
        judged = {JUDGED: fingerprint(np.where(unseen, prepared.counts, np.float32(-1)))}
    figures |= sureness(figures, explained, object, support, phased.blur, phased.iterations > 0)
    return Run(
        object=object,
        support=support,
        figures=figures,
        errors=phased.errors,
        iterations=phased.iterations,
        notes=phased.notes,
        device=str(data.device),
        backend=data.backend.name,
        blur=phased.blur,
        judged_by=judged,
        shells=explained,
        blurred=phased.blurred,
    )


def sureness(
    figures: dict[str, float],
    shells: Shells,
    object: np.ndarray,
    support: np.ndarray,
    blur: Blur | None,
    refined: bool,
) -> dict[str, float]:
    """Return with which confidence it is the crystal; nothing where no pixel was held out."""
    uneven = analysis.unevenness(object, support)
    found = trust.confidence(figures, shells, int(support.sum()), blur is not None, uneven, refined)
    return {} if found is None else {"confidence": found}


def over_background(
    object: np.ndarray, support: np.ndarray, prepared: Prepared, data: Diffraction
) -> dict[str, float]:
    """Return by how much an object explains the counts better than the background alone: the deviance that it takes away, per
    real number that it has; nothing where there is no background.
    """
    from .. import phasing

    if data.forward.background is None:
        return {}
    good, nothing = prepared.good, np.zeros_like(object)
    counts = prepared.counts[good].astype(np.float64)
    alone, model = (
        np.maximum(phasing.expected(each, data)[good].astype(np.float64), data.floor)
        for each in (nothing, object)
    )
    gain = 2 * np.sum(alone - model + counts * np.log(model / alone))
    return {"over_background": float(gain / (2 * max(int(support.sum()), 1)))}


def near_starts(phased: Phased, uniform: float = 0.0) -> np.ndarray:
    """Return the starts that explain the scan about as well as the best, that one first: complex64 (K, M0, M1, M2), cropped about
    the centre.

    They are compared by what the best was chosen by, `uniform` as for `phasing.refine`.
    """
    scores = [one.get("free_llk", one["chi2"]) for one in phased.kept_figures]
    if uniform:
        kept = zip(phased.kept.objects, phased.kept.supports, strict=True)
        uneven = np.array([analysis.unevenness(each, support) for each, support in kept])
        scores = (np.array(scores) * np.nan_to_num(1 + uneven**2, nan=np.inf) ** uniform).tolist()
    near = [one for one, score in enumerate(scores) if one == 0 or score <= OUTLIER * scores[0]]
    return cut(phased.kept.objects[near], np.any(phased.kept.supports[near], axis=0))


def starts_alike(phased: Phased, uniform: float = 0.0) -> dict[str, float]:
    """Return how many starts explain the scan about as well as the best, and the lowest correlation of one with it; or nothing.

    Two that explain it as well and differ are a mixture of twins, say, or a local minimum: the counts do not tell which is right.
    """
    objects = near_starts(phased, uniform)
    if len(objects) < 2:
        return {}
    others = trust.aligned(list(objects[1:]), objects[0]).agreements
    return {"starts_alike": min(1.0, *others), "starts_compared": float(len(objects))}


def shells(object: np.ndarray, prepared: Prepared, data: Diffraction) -> tuple[Shells, float]:
    """Return how well an object explains the counts, shell by shell and altogether."""
    from .. import phasing

    steps, _ = geometry.frame(prepared.geometry, prepared.peak, prepared.counts.shape)
    return trust.explained(
        prepared.counts,
        phasing.expected(object, data),
        prepared.good,
        data.held_out_pixels(),
        data.floor,
        steps,
    )
