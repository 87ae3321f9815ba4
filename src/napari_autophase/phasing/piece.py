"""Some starts that are worked on together, in FFT order on one device: what an iteration does to them."""

from __future__ import annotations

import numpy as np
import torch

from . import box, gradient, passes, support
from .algorithm import Feedback, Gradient
from .box import Box, Confined
from .diffraction import AXES, Diffraction
from .even import even_pass
from .figures import figures, misfit
from .sums import sums


class Piece:
    """Objects and supports, complex64 and bool (P, N0, N1, N2).

    On a CPU a run of ER goes on in the boxes around the supports; a run of gradient steps remembers what went before.
    `objects` are up to date all the time.
    """

    def __init__(self, objects: torch.Tensor, supports: torch.Tensor, data: Diffraction) -> None:
        self._objects, self.supports, self._data = objects, supports, data
        self._boxes: list[Box] = []
        self._descent: gradient.Descent | None = None
        self._confined = False  # whether the objects are known to be zero outside their supports
        self._narrow = False  # whether that is so of the boxes
        self._rescale()

    def __len__(self) -> int:
        return len(self.supports)

    @property
    def objects(self) -> torch.Tensor:
        """The objects as they are now."""
        for one in self._boxes:
            if isinstance(one, Confined):
                one.put()
        if self._descent is not None:
            self._descent.put()
        return self._objects

    def begins(self, rule: Feedback | Gradient) -> bool:
        """Say whether the next iteration sets something up that those after it go on with, and takes longer than they do."""
        if isinstance(rule, Gradient):
            return self._descent is None or self._descent.rule != rule
        return self._boxed and (not self._boxes or rule.confines != self._narrow)

    @property
    def _boxed(self) -> bool:
        return self._data.device.type == "cpu" and box.kernels() is not None

    def iterate(self, rule: Feedback | Gradient, count: int = 1, again: bool = True) -> torch.Tensor:
        """Do `count` iterations; returns Σ(|F| − modulus)² before each, float64 (count, P) on the CPU.

        `again` says whether more of the same follow at once.
        """
        if isinstance(rule, Gradient):
            return torch.stack([self._descend(rule) for _ in range(count)]).cpu().double()
        if self._descent is not None:
            self._descent.put()
            self._descent = None
        if self._boxed:
            return self._by_boxes(rule, count, again)
        misfits = torch.stack([self._by_transforms(rule) for _ in range(count)])
        self._confined = rule.confines
        return misfits.cpu().double()  # in this order: not every device knows double precision

    def _by_boxes(self, rule: Feedback, count: int, again: bool) -> torch.Tensor:
        columns, shape = self._data.columns, self._data.shape
        narrow = rule.confines and self._confined
        if not self._boxes or narrow != self._narrow:
            pairs = zip(self._leave_boxes().numpy(), self.supports.numpy(), strict=True)
            self._boxes = [
                Confined(*pair, columns) if narrow else Box(*pair, columns, shape) for pair in pairs
            ]
            self._narrow = narrow
        enters = rule.confines and not narrow  # the first iteration of ER is the last one of the whole volume
        now, more = (1, False) if enters else (count, again)
        misfits = torch.from_numpy(np.stack([one.iterate(rule, now, more) for one in self._boxes], 1))
        self._confined = rule.confines
        return torch.cat([misfits, self._by_boxes(rule, count - 1, again)]) if now < count else misfits

    def _by_transforms(self, rule: Feedback) -> torch.Tensor:
        before = self._objects
        field = torch.fft.fftn(before, dim=AXES)
        misfits = passes.modulus_pass(field, self._data.modulus)
        projected = torch.fft.ifftn(field, dim=AXES, norm="forward")  # not scaled: the pass has divided by N
        del field
        if rule.even:
            even_pass(projected, self.supports)
        self._objects = passes.support_pass(before, projected, self.supports, rule)
        return misfits

    def shrink_wrap(self, sigma: float, threshold: float) -> None:
        """Update the supports from the amplitudes."""
        self._resupport(support.shrink_wrap(self._leave_boxes(), sigma, threshold))
        if self._descent is not None:
            self._descent.confine(self.supports)

    def halve(self) -> None:
        """Empty one half of every support, once."""
        self._leave_boxes().mul_(support.half(self.supports))
        self._descent = None

    def finish(self) -> None:
        """Project the objects onto their supports, which gradient steps may have extended at the end."""
        self._leave_boxes()
        if self._descent is not None:
            self._resupport(self._descent.reach)
            self._descent = None
        self._objects.mul_(self.supports)

    def figures(self) -> list[dict[str, float]]:
        """Return the figures of every object."""
        pairs = zip(self._leave_boxes(), self.supports, strict=True)
        return [figures(one, inside, self._data) for one, inside in pairs]

    def misfits(self) -> list[float]:
        """Return what every object is judged by, cut by its support as `finish` would cut it."""
        supports = self.supports if self._descent is None else self._descent.reach
        return [misfit(one * inside, self._data) for one, inside in zip(self.objects, supports, strict=True)]

    def keep(self, chosen: list[int]) -> None:
        """Go on with some of the objects; the others were part of what gradient steps remember, which begin anew."""
        if len(chosen) < len(self):
            self._objects, self._descent = self._leave_boxes()[chosen], None
            self.supports = self.supports[chosen]

    def _descend(self, rule: Gradient) -> torch.Tensor:
        if self._descent is None or self.begins(rule):
            self._descent = gradient.descent(rule, self._leave_boxes(), self.supports, self._data)
        self._confined = False
        return self._descent.step()

    def _leave_boxes(self) -> torch.Tensor:
        objects, self._boxes = self.objects, []
        return objects

    def _resupport(self, supports: torch.Tensor) -> None:
        self.supports, self._confined = supports, False

    def _rescale(self) -> None:
        """Scale objects so that their moduli fit the measured ones best: by Σ m|F| / Σ |F|² over the fitted pixels."""
        for one in self._objects:
            found = sums(one, self._data)
            if found.power > 0:
                one *= found.overlap / found.power
