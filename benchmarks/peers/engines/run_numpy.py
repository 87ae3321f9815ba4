"""The same iterations as one writes them down in NumPy, straight from the papers."""

from __future__ import annotations

import numpy as np
from serve import serve

BETA = 0.9


def load():
    from scipy import ndimage

    class Engine:
        def __init__(self, file):
            self.modulus = np.fft.ifftshift(np.sqrt(file["counts"], dtype=np.float32))
            self.fitted = np.fft.ifftshift(file["good"] & ~file["free"])

        def begin(self, recipe, seed, wrap):
            rng = np.random.default_rng(seed)
            self.steps = [name for name, number in recipe for _ in range(number)]
            self.done, self.wrap = 0, wrap
            box = np.zeros(self.modulus.shape, bool)
            box[tuple(slice(n // 4, n - n // 4) for n in box.shape)] = True
            self.support = np.fft.ifftshift(box)
            self.object = self.support * np.exp(2j * np.pi * rng.random(box.shape, np.float32)).astype(
                np.complex64
            )
            # a fresh object has the power of the data
            power = np.sum(np.abs(np.fft.fftn(self.object)) ** 2)
            self.object *= np.sqrt(np.sum(self.modulus**2) / power)

        def advance(self, number):
            for _ in range(number):
                field = np.fft.fftn(self.object)
                magnitude = np.abs(field)
                field = np.where(self.fitted, self.modulus * field / np.maximum(magnitude, 1e-12), field)
                projected = np.fft.ifftn(field)
                outside = 0 if self.steps[self.done] == "ER" else self.object - BETA * projected
                self.object = np.where(self.support, projected, outside)
                self.done += 1
                if self.wrap and self.done % 20 == 10 and self.done < len(self.steps):
                    self.shrink_wrap()

        def shrink_wrap(self):
            width = 2.0 * 0.5 ** (self.done / len(self.steps))
            blurred = ndimage.gaussian_filter(np.abs(self.object), width, mode="wrap")
            self.support = blurred > 0.15 * blurred.max()

        def result(self):
            return np.fft.fftshift(self.object * self.support).astype(np.complex64)

    return Engine


if __name__ == "__main__":
    serve(load)
