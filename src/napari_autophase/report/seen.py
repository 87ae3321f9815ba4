"""What the detector saw and what the model expects there: slices through the peak, the rocking curve, the course of phasing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from .. import analysis
from ..analysis.drawing import INK, new_page, styled
from ..light import Coherence
from ..preparation import Background, prepare
from ..reconstruction import Reconstruction
from ..scan import Scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Plane = tuple[np.ndarray, tuple[float, float, float, float], tuple[str, str]]
"""A slice, its ends along both axes, and what they are called."""
DATA, MODEL = "#20242b", "#d0743c"
_OFF = 5.0
"""Standard deviations of the noise at which the colours of what is unexplained end."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the detector saw and what the model expects, on one grid.

    Parameters
    ----------
    model, data
        Photons on the phased grid, the peak in the middle: |FFT|² of the object, blurred as its `coherence` says, on its
        background, and what was measured; None: the data are not at hand.
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
    def of(cls, found: Reconstruction, scan: Scan | None, background: Background | None = None) -> Seen:
        """Return both for a result and its scan.

        Parameters
        ----------
        found, scan
            The result, and what it was found in.
        background
            Light of the scan that is not the crystal's, where it differs from voxel to voxel; None: the mean that the result
            says.
        """
        grid = found.phased_shape or found.shape
        steps = None
        if found.voxel_steps_nm is not None:
            steps = 2 * np.pi * np.linalg.inv(found.voxel_steps_nm).T / np.array(grid)
        light, how = _light(found, grid)
        dark: np.ndarray | float = found.background.photons_per_voxel
        data = good = None
        if scan is None:
            said = f"Computed from the crystal alone: {how}; the scan is not at hand."
        else:
            kind = found.background.kind
            given = background if kind in ("frames", "volume") else "estimate" if kind == "varying" else None
            prepared = prepare(scan, found.recipe.prepare, "off" if given is None else given)
            dark = dark if given is None else prepared.background
            if prepared.counts.shape == light.shape:
                data, good = prepared.counts, prepared.good
                said = f"Measured, and expected by the model on one scale: {how}."
            else:
                said = (
                    f"Computed from the crystal alone: {how}; the scan that was given is of another shape than the phased "
                    "grid."
                )
        if data is not None and good is not None:
            apart = np.sqrt(np.maximum(data - dark, 0)[good])
            light = light * (float(np.sum(np.sqrt(light[good]) * apart)) / float(np.sum(light[good]))) ** 2
            if steps is not None:
                said += " Slices through the peak along two axes of the laboratory’s q."
            said += (
                f" Below, what is left, in standard deviations of photon noise (signed root of the deviance; colours end at "
                f"±{_OFF:g})."
            )
        return cls((light + dark).astype(np.float32), data, good, steps, found.q_bragg_per_nm, said)

    @property
    def unexplained(self) -> np.ndarray:
        """Signed root of the deviance of every voxel, NaN where nothing was measured."""
        if self.data is None or self.good is None:
            return np.full(self.model.shape, np.nan)
        expected = np.maximum(self.model, 1e-3)
        logs = self.data * np.log(np.maximum(self.data, 1e-30) / expected)
        root = np.sqrt(np.maximum(2 * (expected - self.data + logs), 0))
        return np.where(self.good, np.copysign(root, self.data - expected), np.nan)


def _light(found: Reconstruction, grid: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """Return the crystal's own light on the phased grid, float32, and what it is in words."""
    object = analysis.fitted(np.where(found.support, found.object, 0), grid)
    field = fft.fftn(fft.ifftshift(object))
    light = field.real**2 + field.imag**2
    words = "|FFT|² of the object inside its support"
    if found.coherence.is_partial:
        # in double precision: the single one's error is a part of the peak, more than a dim pixel has photons
        spectrum = fft.rfftn(light.astype(np.float64))
        ends = (fft.fftfreq(grid[0]), fft.fftfreq(grid[1]), fft.rfftfreq(grid[2]))
        along = np.meshgrid(*ends, indexing="ij", sparse=True)
        spectrum *= _degree(found.coherence, grid, along)
        light = np.maximum(fft.irfftn(spectrum, grid), 0)
        widths = " × ".join(f"{sigma:.2f}" for sigma in found.coherence.sigma_px)
        words += f", blurred by {widths} pixels (σ) for partial coherence"
    if found.background.photons_per_voxel:
        words += f", on a background of {found.background.words}"
    return fft.fftshift(light).astype(np.float32), words


def _degree(light: Coherence, grid: tuple[int, ...], along: Sequence[np.ndarray]) -> np.ndarray:
    """Return the degree of coherence at places of the autocorrelation that are fractions of the grid, a half spectrum."""
    if light.kernel is not None:
        kernel = analysis.fitted(light.kernel.astype(np.float64), grid)
        return fft.rfftn(fft.ifftshift(kernel)).real
    widths = [sigma * f for sigma, f in zip(light.sigma_px, along, strict=True)]
    crossed = (
        rho * widths[a] * widths[b]
        for rho, (a, b) in zip(light.correlations, combinations(range(3), 2), strict=True)
        if rho
    )
    far = 2 * np.pi**2 * (sum(w**2 for w in widths) + 2 * sum(crossed))
    share = light.lorentzian
    return (1 - share) * np.exp(-far) + (share * np.exp(-2 * np.sqrt(np.log(2) * far)) if share else 0)


@styled
def diffraction(seen: Seen) -> Figure:
    """Draw slices through the peak, of data, model and what is left: in the laboratory's q with geometry, else in voxels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    if seen.data is None or seen.good is None:
        rows = {"expected": (seen.model, "expected")}
        top = float(seen.model.max())
        floor, unit = top * 1e-6, "intensity"
    else:
        rows = {
            "measured": (np.where(seen.good, seen.data, np.nan), "photons"),
            "expected": (seen.model, "photons"),
            "measured − expected": (seen.unexplained, "noise"),
        }
        top = max(float(seen.data.max(where=seen.good, initial=0)), float(seen.model.max()))
        floor, unit = 0.1, "photons"
    norms = {"light": LogNorm(floor, top), "noise": Normalize(-_OFF, _OFF)}
    figure = new_page(12.2, 4.1 * len(rows) + 0.3)
    grid = figure.add_gridspec(
        len(rows),
        3,
        left=0.065,
        right=0.9,
        top=1 - 0.3 / (4.1 * len(rows)),
        bottom=0.55 / (4.1 * len(rows) + 0.3),
        wspace=0.3,
        hspace=0.22,
    )
    for row, (name, (volume, what)) in enumerate(rows.items()):
        norm = norms["noise" if what == "noise" else "light"]
        colours = ScalarMappable(norm, "RdBu_r" if what == "noise" else "inferno")
        for column, (values, ends, labels) in enumerate(_planes(seen, volume)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(
                values
                if what == "noise"
                else np.where(np.isfinite(values), np.maximum(values, floor), np.nan),
                origin="lower",
                extent=ends,
                norm=norm,
                cmap=colours.cmap,
                interpolation="nearest",
                aspect="auto" if seen.steps_per_nm is None else "equal",
            )
            axes.set_facecolor("#d7dade")
            axes.set(xlabel=labels[0], ylabel=labels[1])
            axes.set_title(name, fontsize=9)
        box = grid[row, 2].get_position(figure)
        bar = figure.colorbar(
            colours, cax=figure.add_axes((0.925, box.y0 + 0.1 * box.height, 0.012, 0.8 * box.height))
        )
        bar.set_label("standard deviations of noise" if what == "noise" else unit)
        bar.outline.set_linewidth(0.5)
    return figure


def _planes(seen: Seen, shown: np.ndarray) -> list[Plane]:
    """Return the three slices of a volume through the peak, with their ends and what their axes are called."""
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
    """Return a volume on an orthogonal grid along z, y, x of q, NaN where nothing was measured, and the grid's step."""
    step = float(abs(np.linalg.det(steps)) ** (1 / 3))
    last = np.array(volume.shape) - 1
    half = np.minimum(analysis.reach(np.zeros(3), last, np.array(volume.shape) // 2, steps, step), 160)
    known = np.isfinite(volume)
    weight = analysis.resampled(known.astype(np.float32), steps, step, half)
    found = analysis.resampled(np.where(known, volume, 0).astype(np.float32), steps, step, half)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.5, found / weight, np.nan), step


@styled
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
                (seen.model, MODEL, "expected", "-"),
            ):
                frames = np.sum(values, axis=(1, 2), where=seen.good)
                axes.plot(frames, line, color=colour, label=name, markersize=2.5, linewidth=1)
            axes.set(xlabel="frame of the phased grid", ylabel="photons in good pixels", yscale="log")
            axes.legend(frameon=False)
        else:
            axes.plot(np.arange(1, len(found.errors) + 1), found.errors, color=INK, linewidth=1)
            axes.set(xlabel="iteration", ylabel="χ²", yscale="log")
    return figure
