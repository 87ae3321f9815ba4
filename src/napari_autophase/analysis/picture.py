"""The crystal on one page: two views of its surface, three slices of amplitude, phase and strain."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..reconstruction import Reconstruction
from .drawing import STYLE, Stage, colour_bar, draw_slice, draw_surface, maps, new_page, save
from .orthogonal import axes_words
from .quantities import Colour, Quantities, quantities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINE = 72
"""Letters of a line below the views of the surface."""


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
        If the result is empty, or the file cannot be written.
    """
    import matplotlib

    reconstruction.check_filled("to draw")
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
        below = "\n".join(textwrap.wrap(caption(reconstruction, shown), _LINE))
        figure.text(0.02, 0.076, below, fontsize=7.5, color="#59606b", va="top")
        colours, stage = maps(shown), Stage.of(shown)
        left = grid[:, 0].subgridspec(2, 1, hspace=0.04)
        surfaces: tuple[Colour, ...] = ("phase", "strain")
        for row, colour in enumerate(surfaces):
            draw_surface(figure.add_subplot(left[row]), shown, colour, colours[colour])
        for column, quantity in enumerate(colours, start=1):
            axes = [figure.add_subplot(grid[row, column]) for row in range(3)]
            for axis, place in enumerate(axes):
                volume = getattr(shown, quantity)
                draw_slice(place, stage, volume, axis, colours[quantity], named=quantity == "amplitude")
            axes[0].set_title(colours[quantity].label, pad=7)
            colour_bar(figure, axes[-1], colours[quantity])
        if path is not None:
            save(figure, Path(path), dpi)
    return figure


def caption(reconstruction: Reconstruction, shown: Quantities) -> str:
    """Return what has to be said below a picture: axes, sign of the phase and of the strain, Q, and how far it reproduces."""
    if shown.relative or shown.q_bragg_per_nm is None:
        return (
            "Axes of the phased array: rocking angle, row, column. Strain: phase step along axis 1 times −1."
        )
    at = ", ".join(f"{each:.2f}" for each in shown.q_bragg_per_nm)
    said = (
        f"{axes_words(shown.frame)}. Phase −Q·u without its linear part; strain along Q ({at}) 1/nm, positive where planes are "
        "farther apart, of single voxels"
    )
    trust = reconstruction.trust
    alike = math.nan if trust is None else trust.figures.get("strain_correlation_per_voxel", math.nan)
    return (
        f"{said}." if math.isnan(alike) else f"{said} (two halves of the photons correlate to {alike:.2f})."
    )


def _headline(figure: Figure, reconstruction: Reconstruction, shown: Quantities) -> None:
    figure.text(0.02, 0.952, reconstruction.title, fontsize=17, fontweight="bold", va="center")
    facts = []
    figures = reconstruction.figures
    if np.isfinite(figures.get("chi2", np.nan)):
        facts.append(f"χ² {figures['chi2']:.3g}")
    if np.isfinite(figures.get("free_llk", np.nan)):
        facts.append(f"held-out likelihood {figures['free_llk']:.3g}")
    if "total" in reconstruction.seconds:
        facts.append(f"{reconstruction.seconds['total']:.1f} s on {reconstruction.device}")
    if reconstruction.seconds:  # otherwise another program phased it, by a recipe of its own
        recipe = reconstruction.recipe
        start = recipe.guess.start
        algorithm = f", {recipe.refine.algorithm}" if recipe.refine.algorithm else ""
        facts.append(f"{recipe.preset}: {start} start{algorithm}")
    voxel = " × ".join(f"{size:.3g}" for size in dict.fromkeys(shown.voxel_size))
    facts.append(f"voxel {voxel} {shown.unit}" if not shown.relative else "geometry unknown")
    facts.append(f"surface at amplitude {shown.threshold:.2f}")
    figure.text(0.02, 0.915, "   ·   ".join(facts), fontsize=9.5, color="#59606b", va="center")
