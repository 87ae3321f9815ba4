"""PyNX on the CPU, with the support updates that its own script makes by default."""

from __future__ import annotations

import os

import numpy as np
from serve import scipy_threads, serve

os.environ["PYNX_PU"] = "cpu"
PERIOD = 50
"""Iterations from one update of the support to the next."""


def load():
    from pynx import cdi
    from scipy.fft import fftshift

    class Engine:
        def __init__(self, file):
            self.counts, self.masked, self.free = (
                fftshift(volume) for volume in (file["counts"], ~file["good"], file["free"])
            )

        def begin(self, recipe, seed, wrap):
            np.random.seed(seed)  # noqa: NPY002 (PyNX draws from this one)
            self.steps = [name for name, number in recipe for _ in range(number)]
            self.done, self.wrap = 0, wrap
            self.cdi = cdi.CDI(self.counts.copy(), mask=self.masked)
            self.cdi.set_free_pixel_mask(self.free)
            start = cdi.ScaleObj() * cdi.InitObjRandom(src="support", amin=0, amax=1, phirange=2 * np.pi)
            self.cdi = start * cdi.AutoCorrelationSupport(threshold=0.1) * self.cdi
            self.update = cdi.SupportUpdate(
                threshold_relative=0.25,
                method="rms",
                smooth_width=(2, 0.5, 500),
                min_fraction=1e-4,
                max_fraction=0.7,
            )

        def advance(self, number):
            end = self.done + number
            while self.done < end:
                stop = min(end, (self.done // PERIOD + 1) * PERIOD if self.wrap else end)
                name, at = self.steps[self.done], self.done
                while self.done < stop and self.steps[self.done] == name:
                    self.done += 1
                operator = cdi.HIO(beta=0.9) if name == "HIO" else cdi.ER()
                self.cdi = operator ** (self.done - at) * self.cdi
                if self.wrap and self.done % PERIOD == 0 and self.done < len(self.steps):
                    self.cdi = self.update * self.cdi

        def result(self):
            return fftshift(self.cdi.get_obj() * self.cdi.get_support())

    return Engine


if __name__ == "__main__":
    with scipy_threads():
        serve(load)
