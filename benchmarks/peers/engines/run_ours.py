"""This package: iterations as `phasing.refine` does them, and whole reconstructions as a person asks for them."""

from __future__ import annotations

import numpy as np
from serve import serve


def load():
    import torch

    from napari_autophase import Recipe, phasing, run
    from napari_autophase.recipe import Refinement, ShrinkWrap
    from napari_autophase.scan import Scan

    class Engine:
        def __init__(self, file):
            self.counts, self.good = file["counts"], file["good"]
            self.scan = Scan(file["raw"], file["mask"])

        def begin(self, recipe, seed, wrap):
            assert not wrap, "whole reconstructions are made by `solve`"
            text = "+".join(f"{number}*{name}" for name, number in recipe)
            data = phasing.Diffraction(self.counts, self.good)
            starts = phasing.random_starts(data, 1, 0.1, seed)
            self.job = phasing.refine(
                data, starts, Refinement(algorithm=text, shrink_wrap=ShrinkWrap(every=0))
            )

        def advance(self, number):
            for _ in range(number):
                next(self.job)

        def solve(self, preset, settings):
            recipe = Recipe.from_preset(preset).with_settings(settings)
            self.found = run(self.scan, recipe, report=lambda _: None)
            return {"iterations": self.found.iterations, "sigma_px": self.found.coherence.sigma_px}

        def settle(self):
            phasing.load_when_ready("cpu", lambda: True)

        def result(self):
            return self.found.object

        def kernel(self):
            """Return what blurs the intensity, its middle in the middle."""
            shape = self.found.object.shape
            blur = phasing.Blur.of(self.found.coherence) or phasing.Blur((0.0, 0.0, 0.0))
            degree = blur.degree(shape, torch.device("cpu")).numpy()
            return np.fft.fftshift(np.fft.irfftn(degree, s=shape, axes=(0, 1, 2)))

    return Engine


if __name__ == "__main__":
    serve(load)
