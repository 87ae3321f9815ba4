"""What figures say, in words: converged or not, and how far several runs agree."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...evidence import Shells, Trust, percent
from .assess import ITS_TWIN, REPRODUCES
from .shells import GOOD, POOR

CONVERGED, DOUBTFUL = 3.0, 8.0
"""Held-out likelihood in units of what photon noise leaves: below the first a result has converged, above the second it has not.
Of simulated crystals (64³, 0.3 to 6 rad, 1e4 to 1e6 photons at the peak) the truth has 1.1, what is found right 1.3 to 2.5."""
FAITHFUL = 0.002
"""Share of the held-out light that is unexplained below which a result has converged, however little noise there is: with 1e8
photons at the peak, a crystal that is found to 0.999 is hundreds of times further off than they are noisy."""
WRONG = 0.5
"""χ² above which a result has not converged, though held-out pixels with hardly a photon may agree: an empty volume has 1.  But
where counts are few, photon noise alone leaves as much: a model that explains all pixels within noise is not wrong."""
NOISE = 0.5
"""Deviance that an object takes from the background alone, for each of its numbers, below which it is noise: of flat noise (1 to
30 counts a voxel, 32³ and 48³, twelve scans) 0.26 at most, of crystals that were found to 0.6 and less 0.7."""
_CHANCE = 2.0
"""Standard deviations by which a shell may be off by chance."""
LOW = 0.5
"""Confidence below which a result is rather not the crystal, though it explains the scan."""
AGREE = 0.95
"""Correlation of runs from which they are called the same."""


def verdict(figures: Mapping[str, float], trust: Trust | None = None, shells: Shells | None = None) -> str:
    """Return one sentence or two on a result; empty where there is nothing to judge it by.

    Parameters
    ----------
    figures
        ``chi2``, ``free_llk``, ``noise_llk``, what photon noise alone would leave of it, and ``free_photons`` a pixel;
        ``confidence``; ``starts_alike`` and ``starts_compared``, if several starts were.
    trust
        Of several runs.
    shells
        How well it explains the counts at every resolution.
    """
    if is_noise(figures):
        return (
            "No crystal: the background alone explains the counts, and the object takes no more from its deviance than noise "
            f"gives it ({figures['over_background']:.2g} for each of its numbers; a crystal {NOISE:g} or more); do not use it."
        )
    judged = shells if shells is not None and len(shells.frequency) else None
    if judged is not None and _is_explained_in_part(figures, judged):
        said = [_in_part(figures, judged), _sure(figures)]
    else:
        said = [_explained(figures), _sure(figures), "" if judged is None else shells_in_words(judged)]
    if trust is None:
        said.append(_starts_agreed(figures))
    else:
        said += [_agreed(trust), strain_in_words(trust)]
    return " ".join(each for each in said if each)


def explains(figures: Mapping[str, float], within: float = CONVERGED, faithful: float = FAITHFUL) -> bool:
    """Whether unseen pixels are off by less than so many times photon noise, or a smaller share of their light than `faithful`
    is unexplained; yes if there are none.

    Never if the fitted pixels themselves are wrong.
    """
    if is_wrong(figures):
        return False
    ratio, unexplained = _off(figures)
    return not (ratio >= within and unexplained >= faithful)


def is_noise(figures: Mapping[str, float]) -> bool:
    """Whether the object takes no more from the deviance than noise gives it: there is no crystal then."""
    return figures.get("over_background", math.inf) < NOISE


def is_wrong(figures: Mapping[str, float]) -> bool:
    """Whether the fitted pixels themselves are not explained: nothing else then speaks for a result."""
    within_noise = figures.get("deviance_ratio", math.inf) < CONVERGED
    return figures.get("chi2", 0.0) > WRONG and not within_noise


def _off(figures: Mapping[str, float]) -> tuple[float, float]:
    """Return how far unseen pixels are off: in units of what noise leaves, and as a share of their light; NaN if there are none.

    The deviance of many photons is 2(√q − √n)², so that half of what exceeds the noise is the light in the wrong place.
    """
    noise, unseen = figures.get("noise_llk", math.nan), figures.get("free_llk", math.nan)
    if not (noise > 0 and math.isfinite(unseen)):
        return math.nan, math.nan
    photons = figures.get("free_photons", math.nan)
    return unseen / noise, max(unseen - noise, 0.0) / (2 * photons) if photons > 0 else math.inf


def bands(shells: Shells) -> np.ndarray:
    """Return a word for every shell: good, fair or poor.

    However little noise there is, a shell with hardly any unexplained light is good; and one of few voxels may be off by chance.
    """
    least = shells.ratio - _CHANCE * shells.expected_error / np.maximum(shells.expected, 1e-30)
    ratio = np.where(shells.unexplained < FAITHFUL, np.minimum(least, 1), least)
    return np.where(ratio < GOOD, "good", np.where(ratio < POOR, "fair", "poor"))


def shells_in_words(shells: Shells) -> str:
    """Return one sentence on how well a model explains the counts, and at which resolutions it does not."""
    ratio, found = shells.ratio, bands(shells)
    if not (found == "poor").any():
        how, most = ("well", GOOD) if (found == "good").all() else ("fairly", POOR)
        above = (
            f", above {most:g} only where few voxels or little light differ" if ratio.max() >= most else ""
        )
        return (
            f"The model explains the data {how} at every resolution: the deviance is {plain(ratio.min(), 2)} to "
            f"{plain(ratio.max(), 2)} times what photon noise leaves{above}."
        )
    return (
        f"The model explains the data poorly at a resolution of {_poor_at(shells)}: the deviance is up to "
        f"{plain(ratio.max(), 2)} times what photon noise leaves (good below {GOOD:g}, poor above {POOR:g})."
    )


def _is_explained_in_part(figures: Mapping[str, float], shells: Shells) -> bool:
    """Whether unseen pixels, which mostly hold few photons, count as explained, but the light of some resolutions does not."""
    return not math.isnan(_off(figures)[0]) and explains(figures) and bool((bands(shells) == "poor").any())


def _in_part(figures: Mapping[str, float], shells: Shells) -> str:
    """Say of both in one sentence what holds, and where it does not."""
    poor, ratio = bands(shells) == "poor", _off(figures)[0]
    light = (shells.voxels * shells.photons)[poor]
    off_there = float(light @ shells.unexplained[poor] / max(light.sum(), 1e-30))
    unexplained = f"{100 * off_there:.2g} % of the light is not explained, and " if off_there < 1 else ""
    seen = figures.get("free_photons", math.nan)
    number = plain(seen, 2)
    hold = "" if math.isnan(seen) else f" ({number} photon{'' if number == '1' else 's'} each in the mean)"
    another = _to_another(figures)
    return (
        f"Converged{another}, {'and not at' if another else 'but for'} a resolution of {_poor_at(shells)}: on the whole, "
        f"pixels that no fit has seen{hold} are off by {ratio:.2g} times what photon noise does, but there the model explains "
        f"the data poorly: {unexplained}the deviance is up to {plain(shells.ratio[poor].max(), 2)} times what photon noise "
        f"leaves (good below {GOOD:g}, poor above {POOR:g}){_then(figures)}."
    )


def _poor_at(shells: Shells) -> str:
    """Return the resolutions at which a model is poor, with their unit."""
    wrong = shells.frequency[bands(shells) == "poor"]
    ends = [plain(1 / wrong.min(), 3), plain(1 / wrong.max(), 3)]
    return f"{' to '.join(dict.fromkeys(ends))} {shells.unit}"


def plain(value: float, digits: int) -> str:
    """Write a number with so many digits that count, and without a power of ten up to a million: 7,800 for 7834."""
    return f"{float(f'{value:.{digits}g}'):,g}"


def _explained(figures: Mapping[str, float]) -> str:
    """Say whether it has converged, in one sentence with its confidence where the two do not say the same."""
    ratio, unexplained = _off(figures)
    if math.isnan(ratio):
        return ""
    if is_wrong(figures):
        return (
            f"Not converged: χ² is {figures['chi2']:.3g} (a result that has converged stays below {WRONG:g}, "
            "an empty volume has 1); do not use it."
        )
    what = f"pixels that no fit has seen are off by {ratio:.2g} times what photon noise does"
    if explains(figures):
        if ratio >= CONVERGED:
            what = f"of the light in pixels that no fit has seen {100 * unexplained:.2g} % is not explained"
        return f"Converged{_to_another(figures)}: {what}{_then(figures)}."
    what += f" (a result that has converged stays below {CONVERGED:g})"
    told = f"confidence {percent(figures['confidence'])} %" if "confidence" in figures else ""
    if figures.get("confidence", 0.0) >= LOW:
        word, then = ("Doubtful", "try") if ratio < DOUBTFUL else ("Not converged", "before you use it, try")
        return (
            f"{word}, though probably the crystal ({told}): {what}, so that its finer details may be wrong; {then} other seeds "
            "or more iterations."
        )
    told = f" ({told} that it is the crystal)" if told else ""
    if ratio < DOUBTFUL:
        return f"Doubtful: {what}; try other seeds or more iterations{told}."
    return f"Not converged: {what}; do not use it{told}."


def _to_another(figures: Mapping[str, float]) -> str:
    """Say of a result that has converged that it is rather not the crystal, going on from the word; empty if it may be."""
    if figures.get("confidence", 1.0) >= LOW:
        return ""
    return f", but rather not to the crystal (confidence {percent(figures['confidence'])} %)"


def _then(figures: Mapping[str, float]) -> str:
    """Say what to do about that, at the end of the sentence."""
    return (
        "; wrong objects explain them as well: refine it further, or compare several runs"
        if _to_another(figures)
        else ""
    )


def _sure(figures: Mapping[str, float]) -> str:
    """Say with which confidence it is the crystal, where that is not said already."""
    if figures.get("confidence", 0.0) < LOW or not explains(figures):
        return ""
    apart = figures.get("starts_alike", 1.0) < AGREE
    what = ", though other starts differ: of simulated crystals with such starts as many were right as stated"
    return f"Confidence that it is the crystal: {percent(figures['confidence'])} %{what if apart else ''}."


def _starts_agreed(figures: Mapping[str, float]) -> str:
    if "starts_alike" not in figures or not explains(figures):
        return ""
    alike, number = figures["starts_alike"], figures["starts_compared"]
    if alike >= AGREE:
        return (
            f"{number:g} starts explain the scan about as well, and agree (correlation {alike:.3f} or more)."
        )
    return (
        f"{number:g} starts explain the scan about as well, but do not agree (correlation down to {alike:.3f}): phase the scan "
        "several times (runs) before you believe details."
    )


def _agreed(trust: Trust) -> str:
    if trust.of_starts:
        number = sum(bool(run["kept"]) for run in trust.runs if not run["share"])
        return (
            f"{number} starts of this run explain the scan about as well, and agree (correlation "
            f"{trust.figures['agreement']:.3f}); they share the search, and its pixels, so that runs say more (runs)."
        )
    value, kept = trust.figures["agreement"], sum(run["kept"] for run in trust.runs if not run["share"])
    asked = sum(not run["share"] for run in trust.runs)
    if not math.isfinite(value):
        return f"Of {asked} runs one only explains the scan: nothing is known of how well it reproduces."
    same = "agree" if value >= AGREE else "do not agree"
    return f"{kept:g} of {asked} runs were averaged; they {same} (correlation {value:.3f})."


def strain_in_words(trust: Trust) -> str:
    """Return from which resolution on the strain of several runs reproduces, or that it does not."""
    figures = trust.figures
    value, width = figures["strain_correlation"], figures["strain_resolution"]
    halves = "two halves of the photons, phased from it," if trust.of_starts else "two halves of the photons"
    text = f"The strain of {halves} correlates to {value:.2f} at {width:.3g} {trust.unit}"
    doubt = ""
    if is_nearly_its_twin(trust):
        doubt = (
            f" The crystal is nearly its own twin (correlation {figures['twin_likeness']:.3f}): parts of its phase may be the "
            "other twin's in all runs; the error allows for what of it was found, and may be too small where photons are few "
            "(1e4 at the peak)."
        )
    if value < REPRODUCES:
        return f"No strain stands above its error: {text[0].lower()}{text[1:]}, and less at any other resolution.{doubt}"
    return f"{text} (single voxels: {figures['strain_correlation_per_voxel']:.2f}).{doubt}"


def is_nearly_its_twin(trust: Trust) -> bool:
    """Whether a crystal is nearly its own twin, so that its errors may be too small."""
    return trust.figures.get("twin_likeness", 0.0) > ITS_TWIN


def resolved_in_words(trust: Trust) -> str:
    """Return at which resolution a map of the strain of several runs is, and how far it reproduces there; empty if unknown."""
    value, width = (trust.figures.get(f"strain_{name}", math.nan) for name in ("correlation", "resolution"))
    if not math.isfinite(value) or not math.isfinite(width):
        return ""
    text = f"at a resolution of {width:.3g} {trust.unit}, where that of two halves of the photons correlates to {value:.2f}"
    return text if value >= REPRODUCES else f"{text}: none of it stands above its error"
