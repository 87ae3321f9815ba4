"""The figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import analysis
from ..analysis import Quantities
from ..analysis.drawing import (
    INK,
    PALE,
    STYLE,
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
)
from ..analysis.quantities import Colour
from ..preparation import prepare
from ..reconstruction import Reconstruction
from ..scan import Scan

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
Plane = tuple[np.ndarray, tuple[float, float, float, float], tuple[str, str]]
"""A slice, its ends along both axes, and what they are called."""
BULK, SURFACE, DATA, MODEL = "#3b6fb6", "#d0743c", "#20242b", "#d0743c"


def _styled(draw: Any) -> Any:
    import functools

    @functools.wraps(draw)
    def drawn(*arguments: Any, **keys: Any) -> Any:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **keys)

    return drawn


@_styled
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
                axes.set_title(_NAMES[name] if shown.relative else name, fontsize=10)
        box = figure.axes[-1].get_position()
        place = figure.add_axes((0.92, box.y0 + 0.12 * box.height, 0.012, 0.7 * box.height))
        _standing_bar(figure, place, colours[colour])
    return figure


@_styled
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
        axes.set_title(_NAMES[name] if shown.relative else name, fontsize=10)
        for number, each in enumerate(found, 1):
            if view[2] @ each.normal[::-1] > 0.25:
                across, high, _ = view @ (each.centre[::-1] + _centre(shown)) - middle
                axes.text(across, high, str(number), ha="center", va="center", fontsize=8)
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


@_styled
def slices(shown: Quantities) -> Figure:
    """Draw three slices of every map."""
    colours = maps(shown)
    columns: list[tuple[np.ndarray, Colours]] = [
        (shown.amplitude, colours["amplitude"]),
        (shown.phase, colours["phase"]),
    ]
    displacement = shown.displacement_nm
    if displacement is not None:
        limit = float(np.nanpercentile(np.abs(displacement), 99)) or 1.0
        columns.append((displacement, diverging("displacement (pm)", limit, 1e3)))
    columns.append((shown.strain, colours["strain"]))
    if shown.spacing_nm is not None:
        columns.append((shown.spacing_nm, _spacings(shown.spacing_nm)))
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

    low, high = (float(each) for each in np.nanpercentile(values, (1, 99)))
    if not high > low:
        low, high = low * (1 - 1e-6), high * (1 + 1e-6)
    ticks = [low, high]
    return Colours(
        "d (nm), absolute", colormaps["viridis"].copy(), low, high, ticks, [f"{x:.5f}" for x in ticks]
    )


@_styled
def histograms(shown: Quantities) -> Figure:
    """Draw how amplitude and strain are distributed."""
    figure = new_page(12, 3.8)
    left, right = figure.subplots(
        1, 2, gridspec_kw={"left": 0.06, "right": 0.985, "top": 0.93, "bottom": 0.16, "wspace": 0.2}
    )
    values = shown.amplitude[shown.amplitude > 0.02]
    left.hist(values, 120, color="#9aa3af", log=True)
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
            label = f"{name}: σ {spread:.3g}"
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
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


@dataclass(frozen=True, eq=False)
class Seen:
    """What the detector saw and what the crystal makes of it, on one grid.

    Parameters
    ----------
    model, data
        Counts on the phased grid, the peak in the middle; None: the data are not at hand.
    good
        Where they were measured.
    steps_per_nm, q_per_nm
        Steps of q along the grid's axes (3 × 3, columns), and Q of its centre; None without geometry.
    words
        What is seen, and where the data are if they are not.
    """

    model: np.ndarray
    data: np.ndarray | None
    good: np.ndarray | None
    steps_per_nm: np.ndarray | None
    q_per_nm: np.ndarray | None
    words: str

    @classmethod
    def of(cls, found: Reconstruction, scan: Scan | None) -> Seen:
        """Return both for a result and its scan."""
        grid = found.phased_shape or found.shape
        object = analysis.fitted(np.where(found.support, found.object, 0), grid)
        model = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(object)))) ** 2
        steps = None
        if found.voxel_steps_nm is not None:
            steps = 2 * np.pi * np.linalg.inv(found.voxel_steps_nm).T / np.array(grid)
        data = good = None
        words = "Computed from the crystal alone: |FFT|² of the object inside its support"
        if scan is None:
            words += "; the scan is not at hand."
        else:
            prepared = prepare(scan, found.recipe.prepare)
            if prepared.counts.shape == model.shape:
                data, good = prepared.counts, prepared.good
                words = "Measured, and |FFT|² of the object inside its support, on one scale"
            else:
                words += "; the scan that was given is of another shape than the phased grid."
        if data is not None and good is not None:
            amplitude = np.sqrt(model[good])
            model = model * (float(np.sum(amplitude * np.sqrt(data[good]))) / float(np.sum(model[good]))) ** 2
            words += (
                ". Slices through the peak along two axes of the laboratory’s q."
                if steps is not None
                else "."
            )
        return cls(model, data, good, steps, found.q_bragg_per_nm, words)


@_styled
def diffraction(seen: Seen) -> Figure:
    """Draw slices through the peak, of data and model: in the laboratory's q with geometry, else in the detector's voxels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    planes = {
        name: each for name, each in (("measured", seen.data), ("|FFT|²", seen.model)) if each is not None
    }
    top = max(float(each.max()) for each in planes.values())
    floor = 0.1 if seen.data is not None else top * 1e-6
    norm = LogNorm(floor, top)
    shown = ScalarMappable(norm, "inferno")
    figure = new_page(12.2, 4.1 * len(planes) + 0.3)
    grid = figure.add_gridspec(
        len(planes), 3, left=0.065, right=0.9, top=0.94, bottom=0.08, wspace=0.3, hspace=0.22
    )
    for row, (name, each) in enumerate(planes.items()):
        for column, (values, ends, labels) in enumerate(_planes(seen, name, each)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(
                np.where(np.isfinite(values), np.maximum(values, floor), np.nan),
                origin="lower",
                extent=ends,
                norm=norm,
                cmap=shown.cmap,
                interpolation="nearest",
                aspect="auto" if seen.steps_per_nm is None else "equal",
            )
            axes.set_facecolor("#d7dade")
            axes.set(xlabel=labels[0], ylabel=labels[1])
            axes.set_title(name, fontsize=9)
    bar = figure.colorbar(shown, cax=figure.add_axes((0.925, 0.2, 0.012, 0.6)))
    bar.set_label("photons" if seen.data is not None else "intensity")
    bar.outline.set_linewidth(0.5)
    return figure


def _planes(seen: Seen, name: str, volume: np.ndarray) -> list[Plane]:
    """Return the three slices through the peak, with their ends and what their axes are called."""
    shown = np.where(seen.good, volume, np.nan) if name == "measured" and seen.good is not None else volume
    if seen.steps_per_nm is None:
        names, size = ("frame", "row", "column"), np.ones(3)
    else:
        shown, step = _in_laboratory(seen.steps_per_nm, shown)
        names, size = ("q$_z$ (1/nm)", "q$_y$ (1/nm)", "q$_x$ (1/nm)"), np.full(3, step)
    centre = np.zeros(3) if seen.q_per_nm is None else np.asarray(seen.q_per_nm)[::-1]
    found = []
    for axis, (across, up) in {0: (2, 1), 1: (2, 0), 2: (0, 1)}.items():
        plane = shown.take(shown.shape[axis] // 2, axis=axis)
        plane = plane if across > up else plane.T
        left, right, bottom, high = (
            float(centre[a] + size[a] * (edge - shown.shape[a] // 2 - 0.5))
            for a in (across, up)
            for edge in (0, shown.shape[a])
        )
        found.append((plane, (left, right, bottom, high), (names[across], names[up])))
    return found


def _in_laboratory(steps: np.ndarray, volume: np.ndarray) -> tuple[np.ndarray, float]:
    """Return intensities on an orthogonal grid along z, y, x of q, NaN where nothing was measured, and the grid's step."""
    step = float(abs(np.linalg.det(steps)) ** (1 / 3))
    last = np.array(volume.shape) - 1
    half = np.minimum(analysis.reach(np.zeros(3), last, np.array(volume.shape) // 2, steps, step), 160)
    known = np.isfinite(volume)
    weight = analysis.resampled(known.astype(np.float32), steps, step, half)
    found = analysis.resampled(np.where(known, volume, 0).astype(np.float32), steps, step, half)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.5, found / weight, np.nan), step


@_styled
def curves(found: Reconstruction, seen: Seen) -> Figure | None:
    """Draw photons per frame, and χ² in the course of phasing; None where neither is known."""
    drawn = []
    if seen.data is not None and seen.good is not None:
        drawn.append("rocking")
    if len(found.errors) > 1:
        drawn.append("errors")
    if not drawn:
        return None
    figure = new_page(12, 3.4)
    room = {"left": 0.07, "right": 0.985, "top": 0.93, "bottom": 0.17, "wspace": 0.22}
    places = figure.subplots(1, len(drawn), squeeze=False, gridspec_kw=room)[0]
    for axes, what in zip(places, drawn, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        if what == "rocking" and seen.data is not None and seen.good is not None:
            for values, colour, name, line in (
                (seen.data, DATA, "measured", "o"),
                (seen.model, MODEL, "|FFT|²", "-"),
            ):
                frames = np.sum(values, axis=(1, 2), where=seen.good)
                axes.plot(frames, line, color=colour, label=name, markersize=2.5, linewidth=1)
            axes.set(xlabel="frame of the phased grid", ylabel="photons in good pixels", yscale="log")
            axes.legend(frameon=False)
        else:
            axes.plot(np.arange(1, len(found.errors) + 1), found.errors, color=INK, linewidth=1)
            axes.set(xlabel="iteration", ylabel="χ²", yscale="log")
    return figure
