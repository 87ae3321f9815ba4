"""The figures of a report that show the crystal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import analysis
from ..analysis import Quantities
from ..analysis.drawing import (
    PALE,
    Colours,
    Stage,
    colour_bar,
    diverging,
    draw_faces,
    draw_slice,
    draw_surface,
    maps,
    new_page,
    strain_map,
    styled,
)
from ..analysis.quantities import Colour
from ..reconstruction import Reconstruction
from .tables import ANGSTROM_PER_NM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VIEWS = {
    "from downstream": np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]),
    "from outboard": np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "from above": np.array([[0, 0, 1.0], [-1, 0, 0], [0, 1, 0]]),
}
"""Right, up and towards the viewer as (z, y, x): see `drawing.VIEW`."""
_NAMES = {"from downstream": "along axis 0", "from outboard": "along axis 2", "from above": "along axis 1"}
"""What the views are called without geometry."""
_TURNED = {"from downstream": "along z", "from outboard": "along x", "from above": "along y"}
"""What they are called in another frame than the laboratory's."""
BULK, SURFACE = "#3b6fb6", "#d0743c"
_LUMA = np.array([0.299, 0.587, 0.114])
"""What red, green and blue add to how light a colour is (ITU-R BT.601)."""


def _called(view: str, shown: Quantities) -> str:
    if shown.relative:
        return _NAMES[view]
    return view if shown.frame == "laboratory" else _TURNED[view]


@styled
def surfaces(shown: Quantities) -> Figure:
    """Draw the surface from three directions, by strain and by phase."""
    figure, colours = new_page(12, 8.2), maps(shown)
    grid = figure.add_gridspec(2, 3, left=0.01, right=0.9, top=0.94, bottom=0.02, wspace=0.02, hspace=0.06)
    rows: tuple[Colour, ...] = ("strain", "phase")
    for row, colour in enumerate(rows):
        for column, (name, view) in enumerate(VIEWS.items()):
            axes = figure.add_subplot(grid[row, column])
            draw_surface(axes, shown, colour, colours[colour], view)
            if row == 0:
                axes.set_title(_called(name, shown), fontsize=10)
        box = figure.axes[-1].get_position()
        place = figure.add_axes((0.92, box.y0 + 0.12 * box.height, 0.012, 0.7 * box.height))
        _standing_bar(figure, place, colours[colour])
    return figure


@styled
def facets(shown: Quantities, found: Sequence[analysis.Facet]) -> Figure:
    """Draw the facets from three directions, each in the colour of its mean strain, with its number."""
    strain = "relative_strain" if shown.relative else "strain"
    surface = shown.surface("strain")
    means = np.array([each.values[strain][0] for each in found])
    colours = strain_map(shown.relative, float(np.abs(means).max()) or 1.0)
    labels = analysis.face_labels(found, len(surface.faces))
    of_each = colours.mappable.to_rgba(np.append(0.0, means))[:, :3]
    of_each[0] = 0.8  # what is in none
    figure = new_page(12, 4.2)
    grid = figure.add_gridspec(1, 3, left=0.01, right=0.9, top=0.9, bottom=0.02, wspace=0.02)
    for column, (name, view) in enumerate(VIEWS.items()):
        axes = figure.add_subplot(grid[0, column])
        middle = draw_faces(axes, shown, surface, of_each[labels], view)
        axes.set_title(_called(name, shown), fontsize=10)
        for number, each in enumerate(found, 1):
            if view[2] @ each.normal[::-1] > 0.25:
                across, high, _ = view @ (each.centre[::-1] + _centre(shown)) - middle
                ink = "black" if of_each[number] @ _LUMA > 0.4 else "white"
                axes.text(across, high, str(number), ha="center", va="center", fontsize=8, color=ink)
    box = figure.axes[-1].get_position()
    place = figure.add_axes((0.92, box.y0 + 0.12 * box.height, 0.012, 0.66 * box.height))
    _standing_bar(figure, place, colours)
    return figure


def _centre(shown: Quantities) -> np.ndarray:
    return np.array(shown.amplitude.shape) // 2 * np.array(shown.voxel_size)


def _standing_bar(figure: Figure, place: Axes, colours: Colours) -> None:
    bar = figure.colorbar(colours.mappable, cax=place, ticks=colours.ticks)
    bar.ax.set_yticklabels(colours.names)
    bar.ax.set_title(colours.label.replace(", ", ",\n"), fontsize=8, pad=8)
    bar.outline.set_linewidth(0.5)


@styled
def slices(shown: Quantities) -> Figure:
    """Draw three slices of every map."""
    colours = maps(shown)
    columns: list[tuple[np.ndarray, Colours]] = [
        (shown.amplitude, colours["amplitude"]),
        (shown.phase, colours["phase"]),
    ]
    displacement = shown.displacement_nm
    if displacement is not None:
        limit = _limit(displacement)
        columns.append((displacement, diverging("displacement (Å)", limit, ANGSTROM_PER_NM)))
    columns.append((shown.strain, colours["strain"]))
    if shown.spacing_nm is not None:
        columns.append((shown.spacing_nm, _spacings(shown.spacing_nm)))
    return _three_slices(shown, columns)


@styled
def averaged(found: Reconstruction, shown: Quantities) -> Figure:
    """Draw three slices of the strain that several runs give, of its error, and of how far it stands above that."""
    from matplotlib import colormaps

    known = analysis.trusted(found, shown)
    strain, error = known["strain_averaged"].values, known["strain_error"].values
    unit, factor = ("rad/voxel", 1.0) if shown.relative else ("%", 100.0)
    limit = _limit(strain)
    worst = _limit(error)
    errors = Colours(
        f"its standard error ({unit})",
        colormaps["viridis"].copy(),
        0,
        worst,
        [0.0, worst],
        ["0", f"{factor * worst:.2g}"],
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, strain / error, np.nan)
    return _three_slices(
        shown,
        [
            (strain, strain_map(shown.relative, limit)),
            (error, errors),
            (ratio, _in_errors()),
        ],
    )


def _in_errors() -> Colours:
    """Return how a value over its error becomes colours: grey within two errors."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    most, within = 6.0, 2.0
    steps = np.linspace(-most, most, 121)
    rgba = colormaps["RdBu_r"]((steps + most) / (2 * most))
    rgba[np.abs(steps) < within] = (0.83, 0.83, 0.83, 1)
    ticks = [-most, -within, within, most]
    return Colours("strain over its error", ListedColormap(rgba), -most, most, ticks, ["−6", "−2", "2", "6"])


def _limit(values: np.ndarray) -> float:
    known = np.abs(values[np.isfinite(values)])
    return (float(np.percentile(known, 99)) if known.size else 0.0) or 1.0


def _three_slices(shown: Quantities, columns: list[tuple[np.ndarray, Colours]]) -> Figure:
    """Draw slices across the three axes, a column for each volume."""
    figure, stage = new_page(2.45 * len(columns) + 0.4, 8.2), Stage.of(shown)
    grid = figure.add_gridspec(
        3, len(columns), left=0.03, right=0.99, top=0.93, bottom=0.09, wspace=0.05, hspace=0.06
    )
    for column, (volume, each) in enumerate(columns):
        axes = [figure.add_subplot(grid[axis, column]) for axis in range(3)]
        for axis, place in enumerate(axes):
            draw_slice(place, stage, volume, axis, each, named=column == 0)
        axes[0].set_title(each.label, pad=7, fontsize=9)
        colour_bar(figure, axes[-1], each)
    return figure


def _spacings(values: np.ndarray) -> Colours:
    from matplotlib import colormaps

    known = values[np.isfinite(values)]
    low, high = map(float, np.percentile(known, (1, 99))) if known.size else (0.0, 1.0)
    if not high > low:
        low, high = low * (1 - 1e-6), high * (1 + 1e-6)
    ticks = [low, high]
    return Colours(
        "d (nm), absolute", colormaps["viridis"].copy(), low, high, ticks, [f"{x:.5f}" for x in ticks]
    )


@styled
def histograms(shown: Quantities) -> Figure:
    """Draw how amplitude and strain are distributed."""
    figure = new_page(12, 3.8)
    left, right = figure.subplots(
        1, 2, gridspec_kw={"left": 0.06, "right": 0.985, "top": 0.93, "bottom": 0.16, "wspace": 0.2}
    )
    values = shown.amplitude[shown.amplitude > 0.02]
    left.hist(values, np.linspace(0, max(1.0, float(values.max(initial=0))), 121), color="#9aa3af", log=True)
    left.axvline(shown.threshold, color=SURFACE, linewidth=1.4)
    left.text(
        shown.threshold,
        0.97,
        f" {shown.threshold:.2f}",
        color=SURFACE,
        va="top",
        transform=left.get_xaxis_transform(),
    )
    left.set(xlabel="amplitude over its largest", ylabel="voxels")
    factor, unit = (
        (1.0, "relative strain (rad/voxel)")
        if shown.relative
        else (100.0, "strain, relative to the mean (%)")
    )
    surface, bulk = analysis.surface_and_bulk(shown.support)
    limit = 1.6 * factor * shown.strain_limit
    bins = np.linspace(-limit, limit, 121)
    for name, where, colour in (("bulk", bulk, BULK), ("surface", surface, SURFACE)):
        inside = factor * shown.strain[where]
        inside = inside[np.isfinite(inside)]
        if inside.size:
            spread = analysis.statistics(inside).std
            label = f"{name}: σ {spread:.3g}{'' if shown.relative else ' %'}"
            right.hist(
                inside,
                bins,
                weights=np.full(inside.size, 100 / inside.size),
                histtype="step",
                color=colour,
                label=label,
            )
    right.axvline(0, color=PALE, linewidth=0.8)
    right.set(xlabel=unit, ylabel="% of its voxels", xlim=(-limit, limit))
    if right.patches:
        right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
