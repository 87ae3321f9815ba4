"""One judge for all engines: the likelihood of pixels that no fit has seen, and what is known of the crystal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft
from scipy.special import xlogy

from napari_autophase import Scan, analysis, geometry, phasing, preparation, simulation


@dataclass(frozen=True, eq=False)
class Case:
    """A scan as every engine gets it, and what it is judged by.

    Parameters
    ----------
    name
        In tables and files.
    scan
        As it was measured or simulated.
    counts, good, free
        Prepared for phasing: photons, usable pixels, pixels held out; the peak in the middle.
    floor
        Photons: the least that is expected of a pixel.
    truth, support
        Of a simulated crystal.
    reference
        A reconstruction to compare with, where there is no truth.
    edges_nm
        Of the voxels that are found; None: without a geometry.
    """

    name: str
    scan: Scan
    counts: np.ndarray
    good: np.ndarray
    free: np.ndarray
    floor: float
    truth: np.ndarray | None = None
    support: np.ndarray | None = None
    reference: np.ndarray | None = None
    edges_nm: tuple[float, ...] | None = None

    @classmethod
    def of(cls, name: str, scan: Scan, **known: np.ndarray) -> Case:
        """Prepare a scan by the defaults, and hold out the pixels that the default recipe holds out."""
        prepared = preparation.prepare(scan)
        data = phasing.Diffraction(prepared.counts, prepared.good)
        free = np.fft.fftshift(data.is_held_out.numpy())
        edges = None
        if prepared.geometry is not None:
            steps, _ = geometry.frame(prepared.geometry, prepared.peak, prepared.counts.shape)
            edges = tuple(np.linalg.norm(steps, axis=0).tolist())
        return cls(name, scan, prepared.counts, prepared.good, free, data.floor, **known, edges_nm=edges)

    @classmethod
    def simulated(cls, **arguments: Any) -> Case:
        """Simulate a crystal."""
        crystal = simulation.simulate(**arguments)
        truth, support = analysis.normalise(crystal.object, crystal.support)
        name = f"{arguments['size']}-{arguments['seed']}"
        return cls.of(name, crystal.scan, truth=truth, support=support)

    def write(self, folder: Path) -> Path:
        """Write the file that engines read, and return its name."""
        file = folder / f"{self.name}.npz"
        mask = np.zeros(self.scan.shape, bool) if self.scan.mask is None else self.scan.mask
        np.savez(file, counts=self.counts, good=self.good, free=self.free, raw=self.scan.counts, mask=mask)
        return file

    def free_llk(self, found: np.ndarray, kernel: np.ndarray | None = None) -> float:
        """Return the held-out likelihood of an object: the mean Poisson deviance over the held-out pixels.

        A `kernel`, centred and of the counts' shape, blurs the intensity.  It is that of `Phased.figures`, but the object is
        first scaled to the photons of the fitted pixels (which is the likeliest scale), because engines leave theirs in units of
        their own.
        """
        expected = np.abs(fft.fftshift(fft.fftn(fft.ifftshift(found)))) ** 2
        if kernel is not None:
            spectrum = fft.rfftn(fft.ifftshift(kernel / kernel.sum()))
            expected = np.maximum(fft.irfftn(fft.rfftn(expected) * spectrum, s=expected.shape), 0)
        fitted = self.good & ~self.free
        power = expected[fitted].sum(dtype=np.float64)
        if not (np.isfinite(power) and power > 0):
            return float("inf")
        expected = expected[self.free] * (self.counts[fitted].sum(dtype=np.float64) / power)
        expected, counts = np.maximum(expected, self.floor), self.counts[self.free]
        return float((expected - counts + xlogy(counts, counts / expected)).mean(dtype=np.float64))

    def coherence_length_nm(self, sigma_px: Iterable[float]) -> list[float | None]:
        """Return the coherence lengths that go with a blur of the counts: N·edge/2πσ along each edge of the voxels."""
        pairs = zip(self.counts.shape, self.edges_nm or (), sigma_px, strict=False)
        return [n * edge / (2 * np.pi * sigma) if sigma else None for n, edge, sigma in pairs]

    def figures(self, found: np.ndarray, kernel: np.ndarray | None = None) -> dict[str, float]:
        """Return the held-out likelihood, as `free_llk` does, and the agreement with the truth or the reference."""
        if self.truth is not None and self.support is not None:
            agreement = analysis.compare_with_truth(found, self.truth, self.support)
        elif self.reference is not None:
            agreement = analysis.compare(found, self.reference, threshold=0.3)
        else:
            agreement = {}
        return {"free_llk": self.free_llk(found, kernel), **agreement}


def first_below(points: Iterable[tuple[float, float]], level: float) -> float | None:
    """Return the least seconds of the points (seconds, likelihood) whose likelihood is at most `level`, or None."""
    return min((seconds for seconds, value in points if value <= level), default=None)
