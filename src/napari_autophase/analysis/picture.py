"""The crystal on one page: two views of its surface, three slices of amplitude, phase and strain."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..reconstruction import Reconstruction
from ..scan import InputError
from .colours import phase_rgb
from .quantities import Colour, Quantities, quantities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#20242b", "#8a919c"
TOWARDS_VIEWER = np.array([1.0, 0.45, 0.6]) / np.linalg.norm([1.0, 0.45, 0.6])
_UP = np.array([0, 1.0, 0]) - TOWARDS_VIEWER[1] * TOWARDS_VIEWER
_UP /= np.linalg.norm(_UP)
VIEW = np.stack([np.cross(TOWARDS_VIEWER, _UP), _UP, TOWARDS_VIEWER])
"""Rows: right, up and towards the viewer, as (z, y, x): y up, seen from downstream, above and outboard."""
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": PALE,
    "axes.linewidth": 0.6,
}


def draw_picture(
    reconstruction: Reconstruction,
    path: str | Path | None = None,
    threshold: float | None = None,
    dpi: int = 160,
) -> Figure:
    """Draw a reconstruction: its surface coloured by phase and by strain, and slices through its middle.

    Parameters
    ----------
    reconstruction
        As `reconstruct` returns it.
    path
        File to write (the suffix says which format), whole or not at all; None: only return the figure.
    threshold
        Amplitude that bounds the crystal; None: the recipe's.
    dpi
        Dots per inch of the file.

    Returns
    -------
    Figure
        A matplotlib figure on the Agg canvas, unknown to pyplot.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import matplotlib

    shown = quantities(reconstruction, threshold)
    with matplotlib.rc_context(STYLE):
        figure = new_page(12.4, 8.4)
        grid = figure.add_gridspec(
            3,
            4,
            width_ratios=(1.52, 1, 1, 1),
            left=0.012,
            right=0.988,
            top=0.86,
            bottom=0.09,
            wspace=0.05,
            hspace=0.09,
        )
        _headline(figure, reconstruction, shown)
        maps = _maps(shown)
        left = grid[:, 0].subgridspec(2, 1, hspace=0.04)
        surfaces: tuple[Colour, ...] = ("phase", "strain")
        for row, colour in enumerate(surfaces):
            _draw_surface(figure.add_subplot(left[row]), shown, colour, maps[colour])
        for column, quantity in enumerate(maps, start=1):
            axes = [figure.add_subplot(grid[row, column]) for row in range(3)]
            for axis, place in enumerate(axes):
                _draw_slice(place, shown, quantity, axis, maps[quantity])
            axes[0].set_title(maps[quantity].label, pad=7)
            _colour_bar(figure, axes[-1], maps[quantity])
        if path is not None:
            _save(figure, Path(path), dpi)
    return figure


def new_page(width: float, height: float, **options: Any) -> Figure:
    """Return an empty figure in inches, which a notebook shows without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Page(Figure):
        def _repr_png_(self) -> bytes:
            return png(self)

    figure = Page(figsize=(width, height), facecolor="white", **options)
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dpi: int = 72) -> bytes:
    """Return a figure as the content of a PNG file."""
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=dpi)
    return page.getvalue()


class _Map:
    """How one quantity becomes colours."""

    def __init__(
        self, label: str, colours: Any, low: float, high: float, ticks: list[float], names: list[str]
    ) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        self.label, self.ticks, self.names = label, ticks, names
        self.norm = Normalize(low, high)
        self.mappable = ScalarMappable(self.norm, colours)
        self.mappable.set_cmap(self.mappable.cmap.with_extremes(bad="white"))


def _maps(shown: Quantities) -> dict[str, _Map]:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    unit, factor = (
        ("strain (rad/voxel), relative to the mean", 1.0)
        if shown.relative
        else ("strain (%), relative to the mean", 100.0)
    )
    limit = shown.strain_limit
    return {
        "amplitude": _Map("amplitude", colormaps["gray_r"].copy(), 0, 1, [0, 0.5, 1], ["0", "0.5", "1"]),
        "phase": _Map(
            "phase (rad)", ListedColormap(phase_rgb()), -np.pi, np.pi, [-np.pi, 0, np.pi], ["−π", "0", "π"]
        ),
        "strain": _Map(
            unit,
            colormaps["RdBu_r"].copy(),
            -limit,
            limit,
            [-limit, 0, limit],
            [f"{x * factor:.2g}".replace("-", "−") for x in (-limit, 0, limit)],
        ),
    }


def _headline(figure: Figure, reconstruction: Reconstruction, shown: Quantities) -> None:
    figure.text(0.02, 0.952, reconstruction.name, fontsize=17, fontweight="bold", va="center")
    facts = []
    figures = reconstruction.figures
    if "chi2" in figures:
        facts.append(f"χ² {figures['chi2']:.3g}")
    if np.isfinite(figures.get("free_llk", np.nan)):
        facts.append(f"held-out likelihood {figures['free_llk']:.3g}")
    if "total" in reconstruction.seconds:
        facts.append(f"{reconstruction.seconds['total']:.1f} s on {reconstruction.device}")
    recipe = reconstruction.recipe
    start = recipe.guess.start
    facts.append(
        f"{recipe.preset}: {start} start"
        + (f", {recipe.refine.algorithm}" if recipe.refine.algorithm else "")
    )
    voxel = " × ".join(f"{size:.3g}" for size in dict.fromkeys(shown.voxel_size))
    facts.append(f"voxel {voxel} {shown.unit}" if not shown.relative else "geometry unknown")
    facts.append(f"surface at amplitude {shown.threshold:.2f}")
    figure.text(0.02, 0.915, "   ·   ".join(facts), fontsize=9.5, color="#59606b", va="center")


def _draw_surface(axes: Axes, shown: Quantities, quantity: Colour, colours: _Map) -> None:
    """Draw the surface from downstream and above, without perspective so that the scale bar holds everywhere.

    Back faces are dropped and the rest painted from the farthest to the nearest, with colours interpolated inside each
    triangle; light from the upper left darkens them a little.
    """
    from matplotlib.collections import TriMesh
    from matplotlib.tri import Triangulation

    surface = shown.surface(quantity)
    axes.set_axis_off()
    if len(surface.faces) == 0:
        return
    points = surface.vertices @ VIEW.T
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    triangles = points[surface.faces]
    # (z, y, x) is a left-handed order of the laboratory's axes: outward normals come out inverted
    outward = -np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals = np.stack(
        [np.bincount(surface.faces.ravel(), np.repeat(outward[:, i], 3), len(points)) for i in range(3)],
        axis=1,
    )
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = np.array([-0.45, 0.65, 0.62])
    lit = normals @ (light / np.linalg.norm(light))
    rgb = colours.mappable.to_rgba(surface.values)[:, :3] * (0.74 + 0.26 * lit)[:, None]

    front = outward[:, 2] > 0
    order = np.argsort(triangles[front][:, :, 2].mean(axis=1), kind="stable")
    mesh = TriMesh(Triangulation(points[:, 0], points[:, 1], surface.faces[front][order]))
    mesh.set_facecolor(np.clip(rgb, 0, 1))
    axes.add_collection(mesh)
    half = 1.06 * float(np.abs(points[:, :2]).max())
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    _scale_bar(axes, half, shown.unit)
    _triad(axes, half, shown)


def _triad(axes: Axes, half: float, shown: Quantities) -> None:
    """Draw the directions of the grid's axes in the lower right corner."""
    x, y = 0.8 * half, -0.84 * half
    for name, (dx, dy) in zip(_axis_names(shown), VIEW[:2].T * 0.17 * half, strict=True):
        pointer = {"arrowstyle": "->", "color": PALE, "lw": 1, "shrinkA": 0}
        axes.annotate("", (x + dx, y + dy), (x, y), arrowprops=pointer)
        axes.text(x + 1.25 * dx, y + 1.25 * dy, name, color=PALE, ha="center", va="center", fontsize=8)


def _axis_names(shown: Quantities) -> tuple[str, str, str]:
    return ("0", "1", "2") if shown.relative else ("z", "y", "x")


def _draw_slice(axes: Axes, shown: Quantities, quantity: str, axis: int, colours: _Map) -> None:
    """Draw the slice through the middle of the crystal that is normal to an axis of the array."""
    across, up = {0: (2, 1), 1: (2, 0), 2: (0, 1)}[axis]
    middle = [(s.start + s.stop - 1) // 2 for s in shown.box]

    def plane(volume: np.ndarray) -> np.ndarray:
        taken = volume.take(middle[axis], axis=axis)
        return taken.T if across < up else taken

    size, shape = shown.voxel_size, shown.amplitude.shape
    places = [(np.arange(shape[a]) - middle[a]) * size[a] for a in (across, up)]
    (left, right), (bottom, top) = (
        (p[0] - size[a] / 2, p[-1] + size[a] / 2) for a, p in zip((across, up), places, strict=True)
    )
    axes.imshow(
        plane(getattr(shown, quantity)),
        origin="lower",
        extent=(left, right, bottom, top),
        interpolation="nearest",
        cmap=colours.mappable.cmap,
        norm=colours.norm,
    )
    outline = plane(np.where(shown.support | (shown.amplitude < shown.threshold), shown.amplitude, 0))
    if outline.max() > shown.threshold > outline.min():
        axes.contour(*places, outline, [shown.threshold], colors=INK, linewidths=0.7)
    half = _half_width(shown, middle)
    axes.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
    if quantity == "amplitude":
        names = _axis_names(shown)
        _scale_bar(axes, half, shown.unit)
        axes.set_xlabel(names[across], labelpad=2, color=PALE)
        axes.set_ylabel(names[up], rotation=0, labelpad=8, va="center", color=PALE)


def _half_width(shown: Quantities, middle: list[int]) -> float:
    """Half the side of the square that holds every slice, in the grid's unit."""
    reach = [
        max(abs(s.start - m), abs(s.stop - 1 - m)) * size
        for s, m, size in zip(shown.box, middle, shown.voxel_size, strict=True)
    ]
    return 1.25 * max(max(reach), min(shown.voxel_size))


def _scale_bar(axes: Axes, half: float, unit: str) -> None:
    length = _round_length(0.6 * half)
    left, bottom = -0.94 * half, -0.94 * half
    axes.plot([left, left + length], [bottom, bottom], color=INK, linewidth=2.2, solid_capstyle="butt")
    plural = "s" if unit == "pixel" and length != 1 else ""
    axes.text(
        left + length / 2,
        bottom + 0.05 * half,
        f"{length:g} {unit}{plural}",
        ha="center",
        va="bottom",
        fontsize=8,
    )


def _round_length(about: float) -> float:
    """Return the largest of 1, 2, 5 × 10ⁿ that is not above `about`."""
    power = 10.0 ** np.floor(np.log10(about))
    return float(max(step * power for step in (1, 2, 5) if step * power <= about))


def _colour_bar(figure: Figure, below: Axes, colours: _Map) -> None:
    box = below.get_position()
    place = figure.add_axes((box.x0 + 0.12 * box.width, box.y0 - 0.035, 0.76 * box.width, 0.016))
    bar = figure.colorbar(colours.mappable, cax=place, orientation="horizontal", ticks=colours.ticks)
    bar.ax.set_xticklabels(colours.names)
    bar.outline.set_linewidth(0.5)


def _save(figure: Figure, path: Path, dpi: int) -> None:
    page = io.BytesIO()
    try:
        figure.savefig(page, format=path.suffix[1:].lower() or "png", dpi=dpi)
    except ValueError as error:
        raise InputError(f"The picture {path} cannot be written: {error}.") from None
    files.write(path, page.getbuffer())
