"""From the intensity of coherent light to the counts that are expected, and what projections aim at on the way back.

Expected are K·I + b photons: the coherent intensity I, blurred by what `coherence` describes, on a background b that is known.
Likelihoods are of that, and so are their derivatives.  Projections need a modulus of coherent light.  It comes of the counts by
the steps of Richardson and Lucy (see `blurring`), which begin either at the counts less the background or at the intensity of an
object that is known already.

All arrays are in FFT order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .blur import Blur
from .blurring import FLOOR, Blurring, Transformed, Unblurred
from .coherence import middle, put_middle

Blurs = Callable[[Blur, tuple[int, ...]], Blurring]
"""What makes a blur of volumes of some shape ready: a backend's `blurring`."""
LEAST_SEEN = 0.1
"""The least share of a pixel's light that tells anything of it."""
RENEWING = (1.4, 2.6, 1.0)
"""How far the steps from the intensity of an object go.  While changes are small, they leave (1 − 1.4g²)(1 − 2.6g²)(1 − g²) of
what a degree of coherence g dims: less than five plain steps do, (1 − g²)⁵, where g² is below 0.4, and less than 0.05 beyond."""


@dataclass(frozen=True, eq=False)
class Forward:
    """What lies between the coherent intensity and the counts.

    Parameters
    ----------
    blur
        What partly coherent light does; None: nothing.
    background
        Photons per pixel that are not the crystal's, float32, of the pattern's shape or one number (no axes); None: none.
    sides
        Those of the middle that is blurred, where hardly any photons are beyond it; None: all is.
    """

    blur: Blur | None = None
    background: torch.Tensor | None = None
    sides: tuple[int, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the coherent intensity itself is expected."""
        return self.blur is None and self.background is None

    def __call__(self, intensity: torch.Tensor) -> torch.Tensor:
        """Return the counts that are expected of a coherent intensity (..., N0, N1, N2), never negative."""
        return self.above(self.blurred(intensity))

    def blurred(self, volume: torch.Tensor) -> torch.Tensor:
        """Return a volume (..., N0, N1, N2) blurred: the part that is linear, and its own adjoint."""
        if self.blur is None:
            return volume
        if self.sides is None:
            return self.blur(volume)
        found = volume.clone()
        put_middle(found, self.blur(middle(volume, self.sides)))
        return found

    def above(self, light: torch.Tensor) -> torch.Tensor:
        """Return the counts that are expected of what `blurred` returned, never negative."""
        light = light.clamp(min=0)
        return light if self.background is None else light.add_(self.background)

    def apart(self, counts: torch.Tensor) -> torch.Tensor:
        """Return counts less the background, never negative."""
        return counts if self.background is None else (counts - self.background).clamp_(min=0)

    def on(self, device: torch.device) -> Forward:
        """Return the same on another device."""
        return Forward(self.blur, None if self.background is None else self.background.to(device), self.sides)

    def within(self, sides: tuple[int, ...]) -> Forward:
        """Return what it is in the `middle` of a pattern."""
        dark = self.background
        return Forward(self.blur, dark if dark is None or dark.ndim == 0 else middle(dark, sides))


class Sharpening:
    """Steps of Richardson and Lucy to the coherent intensity that explains counts, ready to be taken often: see `blurring`.

    Parameters
    ----------
    counts, fitted
        float32 and bool (N0, N1, N2): photons, and where they are to be explained.
    forward
        What lies between.
    blurs
        What makes blurs ready; None: torch does.
    """

    def __init__(
        self, counts: torch.Tensor, fitted: torch.Tensor, forward: Forward, blurs: Blurs | None = None
    ) -> None:
        self.forward, self._fitted, self._whole = forward, fitted, bool(fitted.all())
        self._blurring = _ready(forward.blur, tuple(counts.shape), counts.device, blurs)
        share = None if self._whole else self._blurring(fitted.to(counts.dtype)).clamp_(min=LEAST_SEEN)
        self._seen, self._share = torch.where(fitted, counts, 0), share

    def sharpened(self, steps: Sequence[float]) -> torch.Tensor:
        """Return what steps of such lengths make of the counts less the background, float32 (N0, N1, N2).

        They begin at what is around where counts are not known. Few steps leave the noise alone.
        """
        light = torch.where(self._fitted, self.forward.apart(self._seen), 0)
        if not self._whole:
            light = torch.where(self._fitted, light, _surroundings(light, self._fitted))
        return self._after(light + FLOOR / 4, steps)

    def renewed(self, intensity: torch.Tensor) -> torch.Tensor:
        """Return the coherent intensity that projections aim at from an object: nearer to what explains the counts than its own.

        Clark et al. (Nat. Commun. 3, 993 (2012)) take the object's intensity times measured over expected counts.  Without a
        blur that is a step of expectation and maximisation; with one it hands on the noise of single pixels, which no coherent
        intensity can explain.  Richardson and Lucy's steps raise the likelihood, each of them.

        Parameters
        ----------
        intensity
            float32 (..., N0, N1, N2): |F|² of the object, on the scale of the counts.
        """
        return self._after(intensity, RENEWING if self.forward.blur else (1.0,))

    def _after(self, light: torch.Tensor, steps: Sequence[float]) -> torch.Tensor:
        return self._blurring.explain(light, self._seen, self.forward.background, self._share, steps)


def _ready(blur: Blur | None, shape: tuple[int, ...], device: torch.device, blurs: Blurs | None) -> Blurring:
    """Return a blur that is ready to be done often, even if there is none."""
    if blur is None:
        return Unblurred()
    return blurs(blur, shape) if blurs is not None else Transformed(blur, shape, device)


def _surroundings(seen: torch.Tensor, fitted: torch.Tensor) -> torch.Tensor:
    """Return the mean of the known pixels around, which are weighed by a Gaussian of two pixels."""
    wide = Blur((2.0, 2.0, 2.0))
    return wide(seen).clamp_(min=0) / wide(fitted.to(seen.dtype)).clamp_(min=0.01)
