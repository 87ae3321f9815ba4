"""cohere by its NumPy or torch back end (the program's argument), with the settings that its documentation begins with.

It has no free pixels: those without a measurement are zero to it, and the held-out ones it gets like all others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from serve import scipy_threads, serve

BACK_END = sys.argv[1] if len(sys.argv) > 1 else "np"


def load():
    from cohere_core.controller import phasing

    if BACK_END == "torch":
        import torch

    class Engine:
        def __init__(self, file):
            self.folder = tempfile.TemporaryDirectory()
            self.amplitudes = Path(self.folder.name) / "amplitudes.npy"
            np.save(self.amplitudes, np.sqrt(file["counts"], dtype=np.float32))

        def begin(self, recipe, seed, wrap):
            np.random.seed(seed)  # noqa: NPY002 (cohere draws from this one)
            if BACK_END == "torch":
                torch.manual_seed(seed)
            settings = {
                "algorithm_sequence": "+".join(f"{number}*{name}" for name, number in recipe),
                "hio_beta": 0.9,
                "initial_support_area": [0.5, 0.5, 0.5],
            }
            if wrap:
                settings |= {
                    "twin_trigger": [2],
                    "shrink_wrap_trigger": [10, 1],
                    "shrink_wrap_type": "GAUSS",
                    "shrink_wrap_threshold": 0.1,
                    "shrink_wrap_gauss_sigma": 1.0,
                }
            self.rec = phasing.create_rec(settings, str(self.amplitudes), BACK_END, -1, debug=True)
            self.operations = iter(self.rec.flow)
            self.pending = next(self.operations)

        def advance(self, number):
            # an iteration is what lies between two operations `next`
            for _ in range(number):
                self.pending()
                for operation in self.operations:
                    if operation == self.rec.next:
                        self.pending = operation
                        break
                    operation()

        def result(self):
            # its transform to the detector is the inverse one: in our sign its objects are the conjugate ones
            return np.conj(np.asarray(self.rec.get_image()) * np.asarray(self.rec.get_support())).astype(
                np.complex64
            )

    return Engine


if __name__ == "__main__":
    with scipy_threads():
        serve(load)
