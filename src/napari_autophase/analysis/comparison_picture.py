"""Two results on one page: slices of both and of their difference, in amplitude, phase and strain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .comparison import Comparison
from .drawing import (
    STYLE,
    Colours,
    Stage,
    axis_names,
    colour_bar,
    diverging,
    draw_slice,
    new_page,
    plain_maps,
    save,
    strain_map,
)
from .isosurface import bounding_box
from .orthogonal import reach, regridded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDE, _LINE = 24, 110
"""So many letters of a name fit above a column, and of the title into a line."""
_LINEAR, _NEAREST = 1, 0
"""A map keeps its values: between voxels without one there is nothing to interpolate."""


def draw_comparison(
    found: Comparison, names: tuple[str, str], path: str | Path | None = None, dpi: int = 160
) -> Figure:
    """Draw what `compare_results` found.

    Parameters
    ----------
    found
        The comparison; with geometry it is drawn on the laboratory's axes.
    names
        What the two are called.
    path, dpi
        As for `draw_picture`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import matplotlib

    over, title = names, " and ".join(names)
    if max(map(len, names)) > _WIDE:
        over = ("A", "B")
        title = " and ".join(f"{letter}: {name}" for letter, name in zip(over, names, strict=True))
    rows, stage = _rows(found, over)
    with matplotlib.rc_context(STYLE):
        figure = new_page(17.5, 7.6)
        size = 15 * min(1, _LINE / len(title))
        figure.text(0.015, 0.955, title, fontsize=size, fontweight="bold", va="center")
        figure.text(0.015, 0.915, _facts(found), fontsize=9.5, color="#59606b", va="center")
        grid = figure.add_gridspec(
            3, 11, width_ratios=(1, 1, 1, 0.12, 1, 1, 1, 0.12, 1, 1, 1),
            left=0.02, right=0.985, top=0.845, bottom=0.085, wspace=0.05, hspace=0.06,
        )  # fmt: skip
        for block, (label, columns) in enumerate(rows):
            for column, (title, volume, colours) in enumerate(columns):
                axes = [figure.add_subplot(grid[axis, 4 * block + column]) for axis in range(3)]
                for axis, place in enumerate(axes):
                    draw_slice(place, stage, volume, axis, colours, named=block == column == 0)
                axes[0].set_title(title, pad=6, fontsize=8.5)
                if column != 1:
                    colour_bar(figure, axes[-1], colours)
                if column == 1:
                    box = axes[0].get_position()
                    figure.text(box.x0 + box.width / 2, 0.882, label, ha="center", fontsize=10.5)
        if path is not None:
            save(figure, Path(path), dpi)
    return figure


def _facts(found: Comparison) -> str:
    figures, words = found.figures, []
    for key, name in (
        ("correlation", "objects correlate"),
        ("amplitude_correlation", "amplitudes"),
        ("phase_correlation", "phases"),
        ("strain_correlation", "strain"),
        ("strain_correlation_smoothed", "strain blurred by a voxel"),
    ):
        if np.isfinite(figures.get(key, np.nan)):
            words.append(f"{name} {figures[key]:.3f}")
    if "phase_error" in figures and np.isfinite(figures["phase_error"]):
        words.append(f"phase {figures['phase_error']:.2f} rad apart")
    words.append(f"{figures['core_voxels']:.0f} common voxels")
    return "   ·   ".join(words)


def _rows(
    found: Comparison, names: tuple[str, str]
) -> tuple[list[tuple[str, list[tuple[str, np.ndarray, Colours]]]], Stage]:
    """Return for each quantity its label and, for both and their difference, title, volume and colours."""
    to_laboratory = _to_laboratory(found)
    nothing = np.float32(np.nan)
    one, other = (to_laboratory(each, _LINEAR) for each in (found.one, found.other))
    inside, within, core = (
        to_laboratory(each.astype(np.float32), _NEAREST) > 0.5
        for each in (found.inside, found.within, found.core)
    )
    strains = [to_laboratory(each, _NEAREST) for each in (found.strain_one, found.strain_other)]
    strains = [np.where(known, each, nothing) for known, each in zip((inside, within), strains, strict=True)]
    phases = [np.where(known, np.angle(each), nothing) for known, each in ((inside, one), (within, other))]
    amplitudes = [np.abs(each) for each in (one, other)]
    difference = np.where(core, np.angle(one * np.conj(other)), nothing)
    relative = found.q_bragg_per_nm is None
    limit = max(_limit(each) for each in strains)
    colours = plain_maps()
    strain = strain_map(relative, limit)
    apart = _limit(difference)
    box = bounding_box(within | inside, margin=1)
    size = _voxel(found)
    stage = Stage.around(
        amplitudes[1], _edge(found), box, (size,) * 3, "pixel" if relative else "nm", axis_names(relative)
    )
    titles = (*names, "difference")
    return [
        ("amplitude", list(zip(titles, (*amplitudes, np.where(inside | within, amplitudes[0] - amplitudes[1], nothing)),
                               (colours["amplitude"], colours["amplitude"], diverging("", 0.5)), strict=True))),
        (colours["phase"].label, list(zip(titles, (*phases, difference),
                                          (colours["phase"], colours["phase"], diverging("", apart)), strict=True))),
        (strain.label, list(zip(titles, (*strains, np.where(core, strains[0] - strains[1], nothing)),
                                (strain, strain, strain), strict=True))),
    ], stage  # fmt: skip


def _edge(found: Comparison) -> float:
    return float(np.abs(found.other)[found.within].min(initial=1.0))


def _limit(values: np.ndarray) -> float:
    values = np.abs(values[np.isfinite(values)])
    return (float(np.percentile(values, 99)) if values.size else 0.0) or 1.0


def _voxel(found: Comparison) -> float:
    return 1.0 if found.q_bragg_per_nm is None else float(abs(np.linalg.det(found.steps)) ** (1 / 3))


def _to_laboratory(found: Comparison) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return what takes a volume, with a spline of some order, to the laboratory's (z, y, x); without geometry it stays."""
    if found.q_bragg_per_nm is None:
        return lambda volume, _: volume
    voxel = _voxel(found)
    filled = np.argwhere(found.inside | found.within)
    half = reach(filled.min(0), filled.max(0), np.array(found.one.shape) // 2, found.steps, voxel) + 2
    new_steps, shape = np.diag([voxel] * 3)[::-1], tuple(int(n) for n in 2 * half + 1)
    return lambda volume, order: regridded(volume, found.steps, new_steps, shape, order=order)
