"""How far a result is to be trusted, drawn: what the model explains at every resolution, and where runs and halves agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..analysis import trust
from ..analysis.drawing import INK, PALE, new_page, styled
from ..evidence import Curve, Shells
from ..reconstruction import Reconstruction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOUND, UNSEEN = "#3b6fb6", "#d0743c"
_BANDS = (("good", "#e3f1e6"), ("fair", "#fbf1d9"), ("poor", "#f8e2de"))


@styled
def curves(found: Reconstruction) -> Figure | None:
    """Draw the deviance, and where several runs are known FSC and PRTF, over q; None where nothing is known."""
    shells = found.shells if found.shells is not None and len(found.shells.frequency) else None
    of_runs = [] if found.trust is None else [(found.trust.fsc, "FSC"), (found.trust.prtf, "PRTF")]
    known = [(curve, name) for curve, name in of_runs if curve is not None and len(curve.frequency)]
    number = (shells is not None) + len(known)
    if not number:
        return None
    figure = new_page(12, 4.0)
    room = {"left": 0.065, "right": 0.985, "top": 0.8, "bottom": 0.15, "wspace": 0.25}
    places = list(figure.subplots(1, max(number, 2), squeeze=False, gridspec_kw=room)[0])
    for spare in places[number:]:
        spare.set_axis_off()
    if shells is not None:
        _deviances(places.pop(0), shells)
    for (curve, name), axes in zip(known, places, strict=False):
        assert found.trust is not None
        _curve(axes, curve, name, found.trust.unit)
    return figure


def _deviances(axes: Axes, shells: Shells) -> None:
    q = _q(shells.frequency, shells.unit)
    unseen = np.isfinite(shells.free_ratio)
    ratios = np.concatenate([shells.ratio, shells.free_ratio[unseen]])
    low, high = min(0.2, 0.6 * float(ratios.min())), max(6.0, 1.4 * float(ratios.max()))
    edges = (low, trust.GOOD, trust.POOR, high)
    for (word, colour), bottom, top in zip(_BANDS, edges[:-1], edges[1:], strict=True):
        axes.axhspan(bottom, top, color=colour, linewidth=0)
        axes.text(0.985, np.sqrt(bottom * top), word, transform=axes.get_yaxis_transform(), ha="right", va="center",
                  color=PALE, fontsize=8.5)  # fmt: skip
    axes.axhline(1, color=PALE, linewidth=0.8)
    chance = 2 * shells.expected_error / shells.expected
    axes.errorbar(q, shells.ratio, chance, fmt="o-", color=FOUND, markersize=3.5, linewidth=1.1, elinewidth=0.8,
                  label="fitted voxels")  # fmt: skip
    axes.plot(q[unseen], shells.free_ratio[unseen], "o", color=UNSEEN, markerfacecolor="white", markersize=4,
              label="held-out voxels")  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 1e4) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("deviance over that of noise")
    axes.legend(frameon=False, loc="lower left", fontsize=8)
    _finish(axes, q, shells.unit, "Model and data")


def _curve(axes: Axes, curve: Curve, name: str, unit: str) -> None:
    q = _q(curve.frequency, unit)
    axes.plot(q, curve.value, color=FOUND, linewidth=1.3, label=name)
    label = "half-bit" if name == "FSC" else "1/e"
    axes.plot(q, curve.threshold, "--", color=UNSEEN, linewidth=1, label=label)
    axes.set_ylim(0, 1.04)
    axes.set_ylabel({"FSC": "correlation of two halves", "PRTF": "transfer of the phases"}[name])
    if curve.reached and np.isfinite(curve.resolution):
        at = float(_q(np.array([1 / curve.resolution]), unit)[0])
        axes.axvline(at, color=INK, linewidth=0.7)
        right = at < 0.6 * q[-1]
        axes.text(
            at, 0.94, f" {curve.resolution:.3g} {unit} ", ha="left" if right else "right", fontweight="bold"
        )
    axes.legend(frameon=False, loc="lower left", fontsize=8)
    _finish(axes, q, unit, f"{name}: {words(curve, unit)}")


def words(curve: Curve, unit: str) -> str:
    """Return the resolution that a curve gives."""
    if not np.isfinite(curve.resolution):
        return "no resolution"
    return f"{curve.resolution:.3g} {unit}" if curve.reached else f"{curve.resolution:.3g} {unit} or better"


def _q(frequency: np.ndarray, unit: str) -> np.ndarray:
    """Return 2π times a frequency in 1/nm; one in 1/voxel as it is."""
    return frequency * (2 * np.pi if unit == "nm" else 1)


def _finish(axes: Axes, q: np.ndarray, unit: str, title: str) -> None:
    """Name the axes, the resolution above."""
    per_cycle = 2 * np.pi if unit == "nm" else 1.0
    axes.set_xlim(0, 1.02 * float(q[-1]))
    axes.set_xlabel("q (1/nm)" if unit == "nm" else "frequency (1/voxel)")
    axes.spines["right"].set_visible(False)
    above = axes.secondary_xaxis("top")
    steps = [step for power in range(-3, 5) for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)]
    shown = [step for step in steps if 0.12 * q[-1] < per_cycle / step <= q[-1]]
    finest = per_cycle / float(q[-1])
    if len(shown) < 3:
        shown = [finest * factor for factor in (1, 1.5, 2.5, 5)]
    above.set_xticks([per_cycle / step for step in shown], [f"{step:.3g}" for step in shown])
    above.set_xlabel(f"resolution ({unit})", fontsize=8, color=PALE)
    above.tick_params(labelsize=8, colors=PALE)
    above.spines["top"].set_color(PALE)
    axes.set_title(title, fontsize=10, pad=10)
