"""PyNX on the CPU, with the support updates that its own script makes by default.

With the argument ``opencl`` it is its code for GPUs that runs, on the CPU: only that knows partial coherence (``psf``), of which
the script says: "with some partial coherence: pseudo-voigt,1,0.05,20", from 66 % of the iterations of HIO on.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from serve import scipy_threads, serve

OPENCL = "opencl" in sys.argv
os.environ["PYNX_PU"] = "opencl" if OPENCL else "cpu"
PERIOD = 50
"""Iterations from one update of the support to the next."""
PSF_MODEL, PSF_PERIOD, PSF_FROM = {"model": "pseudo-voigt", "fwhm": 1, "eta": 0.05}, 20, 0.66


def load():
    if OPENCL:
        import pyopencl
        from pynx.processing_unit import default_processing_unit

        # it would look for GPUs only
        device = pyopencl.get_platforms()[0].get_devices()[0]
        default_processing_unit.set_device(device, test_fft=False, verbose=False)
    from pynx import cdi
    from scipy.fft import fftshift, irfftn

    class Engine:
        def __init__(self, file):
            self.counts, self.masked, self.free = (
                fftshift(volume) for volume in (file["counts"], ~file["good"], file["free"])
            )

        def begin(self, recipe, seed, wrap, psf=False):
            np.random.seed(seed)  # noqa: NPY002 (PyNX draws from this one)
            self.steps = [name for name, number in recipe for _ in range(number)]
            self.done, self.wrap = 0, wrap
            # the iteration from which on it is partly coherent; never: behind the last
            others = [at for at, name in enumerate(self.steps) if name != "ER"]
            self.blurred = others[int(PSF_FROM * len(others))] if psf else len(self.steps)
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
                if self.done < self.blurred:
                    stop = min(stop, self.blurred)
                elif self.done == self.blurred:
                    self.cdi = cdi.InitPSF(**PSF_MODEL) * self.cdi
                name, at = self.steps[self.done], self.done
                while self.done < stop and self.steps[self.done] == name:
                    self.done += 1
                update = PSF_PERIOD if at >= self.blurred else 0
                operator = (
                    cdi.HIO(beta=0.9, update_psf=update) if name == "HIO" else cdi.ER(update_psf=update)
                )
                self.cdi = operator ** (self.done - at) * self.cdi
                if self.wrap and self.done % PERIOD == 0 and self.done < len(self.steps):
                    self.cdi = self.update * self.cdi

        def result(self):
            return fftshift(self.cdi.get_obj() * self.cdi.get_support())

        def kernel(self):
            """Return what blurs the intensity, its middle in the middle."""
            self.cdi.get_obj()  # all comes from the device with it
            return fftshift(irfftn(self.cdi._psf_f, s=self.counts.shape))

    return Engine


if __name__ == "__main__":
    with scipy_threads():
        serve(load)
