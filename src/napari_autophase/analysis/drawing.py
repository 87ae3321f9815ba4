"""How a crystal is drawn: its surface from a side, slices through its middle, colour bars, scale bars, files."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..scan import InputError
from .colours import phase_rgb
from .isosurface import Surface
from .quantities import Colour, Quantities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#20242b", "#8a919c"
"""Colours of text, and of the lines of axes."""
TOWARDS_VIEWER = np.array([1.0, 0.45, 0.6]) / np.linalg.norm([1.0, 0.45, 0.6])
"""Unit vector from the crystal to the eye, as (z, y, x)."""
# upwards on the page, across the line of sight
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
"""How figures look: settings of matplotlib."""


def styled(draw: Any) -> Any:
    """Return a function that draws in our `STYLE`."""

    @functools.wraps(draw)
    def drawn(*arguments: Any, **keys: Any) -> Any:
        import matplotlib

        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **keys)

    return drawn


class Colours:
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


def maps(shown: Quantities) -> dict[str, Colours]:
    """Return how amplitude, phase and strain of a crystal become colours."""
    limit = shown.strain_limit
    return {**plain_maps(), "strain": strain_map(shown.relative, limit)}


def plain_maps() -> dict[str, Colours]:
    """Return how amplitude and phase become colours."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return {
        "amplitude": Colours("amplitude", colormaps["gray_r"].copy(), 0, 1, [0, 0.5, 1], ["0", "0.5", "1"]),
        "phase": Colours(
            "phase (rad)", ListedColormap(phase_rgb()), -np.pi, np.pi, [-np.pi, 0, np.pi], ["−π", "0", "π"]
        ),
    }


def strain_map(relative: bool, limit: float) -> Colours:
    """Return how the strain against the mean lattice becomes colours; `relative`: it is in radians per voxel."""
    unit, factor = ("rad/voxel", 1.0) if relative else ("%", 100.0)
    label = f"strain ({unit}), relative to the mean"
    return diverging(label, limit, factor)


def diverging(label: str, limit: float, factor: float = 1.0) -> Colours:
    """Return blue, white and red from -limit to limit; the numbers shown are `factor` times the values."""
    from matplotlib import colormaps

    names = [f"{x * factor:.2g}".replace("-", "−") for x in (-limit, 0, limit)]
    return Colours(label, colormaps["RdBu_r"].copy(), -limit, limit, [-limit, 0, limit], names)


def draw_surface(
    axes: Axes, shown: Quantities, quantity: Colour, colours: Colours, view: np.ndarray = VIEW
) -> None:
    """Draw the surface as `view` sees it (see `VIEW`), without perspective so that the scale bar holds everywhere.

    Back faces are dropped and the rest painted from the farthest to the nearest, with colours interpolated inside each
    triangle; light from the upper left darkens them a little.
    """
    surface = shown.surface(quantity)
    draw_faces(axes, shown, surface, colours.mappable.to_rgba(surface.values)[:, :3], view)


def draw_faces(
    axes: Axes, shown: Quantities, surface: Surface, rgb: np.ndarray, view: np.ndarray = VIEW
) -> np.ndarray:
    """Draw a surface in the colours of its points (V, 3) or of its triangles (F, 3).

    Returns
    -------
    np.ndarray
        (3,) what lies in the middle of the picture, right, up and towards the viewer, in the unit of the surface.
    """
    from matplotlib.collections import PolyCollection, TriMesh
    from matplotlib.tri import Triangulation

    axes.set_axis_off()
    if len(surface.faces) == 0:
        return np.zeros(3)
    points = surface.vertices @ view.T
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    points -= middle
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
    shade = 0.74 + 0.26 * lit

    front = outward[:, 2] > 0
    order = np.argsort(triangles[front][:, :, 2].mean(axis=1), kind="stable")
    faces = surface.faces[front][order]
    if len(rgb) == len(points):
        mesh = TriMesh(Triangulation(points[:, 0], points[:, 1], faces))
        mesh.set_facecolor(np.clip(rgb * shade[:, None], 0, 1))
        axes.add_collection(mesh)
    else:
        lit_faces = rgb[front][order] * shade[faces].mean(axis=1)[:, None]
        outlines = points[faces][:, :, :2]
        axes.add_collection(
            PolyCollection(outlines, facecolors=lit_faces, edgecolors=lit_faces, linewidths=0.3)
        )
    half = 1.06 * float(np.abs(points[:, :2]).max())
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    scale_bar(axes, half, shown.unit)
    _triad(axes, half, shown, view)
    return middle


def _triad(axes: Axes, half: float, shown: Quantities, view: np.ndarray) -> None:
    """Draw the directions of the grid's axes in the lower right corner."""
    arrows = view[:2].T * 0.17 * half
    x, y = 0.8 * half, -0.84 * half - min(0.0, float(arrows[:, 1].min()))
    for name, (dx, dy) in zip(axis_names(shown.relative), arrows, strict=True):
        if np.hypot(dx, dy) < 0.03 * half:
            continue  # it points at the reader
        pointer = {"arrowstyle": "->", "color": PALE, "lw": 1, "shrinkA": 0}
        axes.annotate("", (x + dx, y + dy), (x, y), arrowprops=pointer)
        axes.text(x + 1.25 * dx, y + 1.25 * dy, name, color=PALE, ha="center", va="center", fontsize=8)


@dataclass(frozen=True, eq=False)
class Stage:
    """What slices are drawn on: a grid with axes and lengths, and the outline of the crystal.

    Parameters
    ----------
    outline
        Amplitude whose contour at `threshold` is drawn.
    middle
        Index of the voxel that the slices go through.
    half
        Half the side of what is shown, in `unit`.
    voxel_size, unit, names
        Of the axes of the array.
    """

    outline: np.ndarray
    threshold: float
    middle: tuple[int, ...]
    half: float
    voxel_size: tuple[float, float, float]
    unit: str
    names: tuple[str, str, str]

    @classmethod
    def of(cls, shown: Quantities) -> Stage:
        """Return the stage of a crystal: its middle, and as far as it reaches."""
        outline = np.where(shown.support | (shown.amplitude < shown.threshold), shown.amplitude, 0)
        return cls.around(
            outline, shown.threshold, shown.box, shown.voxel_size, shown.unit, axis_names(shown.relative)
        )

    @classmethod
    def around(
        cls,
        outline: np.ndarray,
        threshold: float,
        box: Sequence[slice],
        voxel_size: tuple[float, float, float],
        unit: str,
        names: tuple[str, str, str],
    ) -> Stage:
        """Return the stage for what fills `box`."""
        middle = tuple((s.start + s.stop - 1) // 2 for s in box)
        reach = [
            max(abs(s.start - m), abs(s.stop - 1 - m)) * size
            for s, m, size in zip(box, middle, voxel_size, strict=True)
        ]
        half = 1.25 * max(max(reach), min(voxel_size))
        return cls(outline, threshold, middle, half, voxel_size, unit, names)


def axis_names(relative: bool) -> tuple[str, str, str]:
    """Return what the axes of the array are called: by number where the geometry is unknown."""
    return ("0", "1", "2") if relative else ("z", "y", "x")


def draw_slice(
    axes: Axes, stage: Stage, volume: np.ndarray, axis: int, colours: Colours, *, named: bool = False
) -> None:
    """Draw the slice through the middle of the crystal that is normal to an axis of the array; `named`: with axes and scale."""
    across, up = {0: (2, 1), 1: (2, 0), 2: (0, 1)}[axis]

    def plane(of: np.ndarray) -> np.ndarray:
        taken = of.take(stage.middle[axis], axis=axis)
        return taken.T if across < up else taken

    size, shape = stage.voxel_size, volume.shape
    places = [(np.arange(shape[a]) - stage.middle[a]) * size[a] for a in (across, up)]
    (left, right), (bottom, top) = (
        (p[0] - size[a] / 2, p[-1] + size[a] / 2) for a, p in zip((across, up), places, strict=True)
    )
    axes.imshow(
        plane(volume),
        origin="lower",
        extent=(left, right, bottom, top),
        interpolation="nearest",
        cmap=colours.mappable.cmap,
        norm=colours.norm,
    )
    outline = plane(stage.outline)
    if outline.max() > stage.threshold > outline.min():
        axes.contour(*places, outline, [stage.threshold], colors=INK, linewidths=0.7)
    half = stage.half
    axes.set(xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[])
    if named:
        scale_bar(axes, half, stage.unit)
        axes.set_xlabel(stage.names[across], labelpad=2, color=PALE)
        axes.set_ylabel(stage.names[up], rotation=0, labelpad=8, va="center", color=PALE)


def scale_bar(axes: Axes, half: float, unit: str) -> None:
    """Draw a length in the lower left corner of what reaches from -half to half."""
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


def colour_bar(figure: Figure, below: Axes, colours: Colours) -> None:
    """Draw the colours under an axes."""
    box = below.get_position()
    place = figure.add_axes((box.x0 + 0.12 * box.width, box.y0 - 0.035, 0.76 * box.width, 0.016))
    bar = figure.colorbar(colours.mappable, cax=place, orientation="horizontal", ticks=colours.ticks)
    bar.ax.set_xticklabels(colours.names)
    bar.outline.set_linewidth(0.5)


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
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=dpi)
    return memory.getvalue()


def save(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Write a figure whole or not at all; the suffix says which format.

    Raises
    ------
    InputError
        If matplotlib knows no such format, or the place cannot be written.
    """
    page = io.BytesIO()
    try:
        figure.savefig(page, format=path.suffix[1:].lower() or "png", dpi=dpi)
    except ValueError as error:
        raise InputError(f"The picture {path} cannot be written: {error}.") from None
    files.write(path, page.getbuffer())
