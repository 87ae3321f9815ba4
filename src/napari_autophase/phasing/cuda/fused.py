"""The passes between the transforms as kernels of triton, each of which reads and writes every number once."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from ..iterations import Relaxation
from ..pattern import BOUND, TINY, wide

_AT_A_TIME = 1024
"""Numbers that a block of a kernel works on."""


@triton.jit
def _impose(fields, modulus, misses, voxels, of_each, scale, bound, tiny, AT_A_TIME: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN
    block, start = tl.program_id(0), tl.program_id(1).to(tl.int64)
    at = block * AT_A_TIME + tl.arange(0, AT_A_TIME)
    here = at < voxels
    place = fields + 2 * (start * voxels + at)
    real, imaginary = tl.load(place, mask=here, other=0.0), tl.load(place + 1, mask=here, other=0.0)
    measured = tl.load(modulus + start * of_each + at, mask=here, other=0.0)
    amplitude = tl.sqrt(real * real + imaginary * imaginary)
    wanted = tl.where(measured >= 0, measured, tl.maximum(amplitude, measured * bound))
    factor = wanted / tl.maximum(amplitude, tiny) * scale
    tl.store(place, real * factor, mask=here)
    tl.store(place + 1, imaginary * factor, mask=here)
    miss = tl.where(here, amplitude - wanted, 0.0)
    tl.store(misses + start * tl.num_programs(0) + block, tl.sum(miss * miss, 0))


@triton.jit
def _relax(objects, projected, supports, numbers, keep, add, AT_A_TIME: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN
    at = tl.program_id(0).to(tl.int64) * AT_A_TIME + tl.arange(0, AT_A_TIME)
    here = at < numbers
    inside = tl.load(supports + at // 2, mask=here, other=0) != 0
    new = tl.load(projected + at, mask=here, other=0.0)
    old = tl.load(objects + at, mask=here, other=0.0)
    tl.store(objects + at, tl.where(inside, new, keep * old + add * new), mask=here)


class FusedPasses:
    """See `iterations.Passes`."""

    def impose(self, fields: torch.Tensor, modulus: torch.Tensor, scale: float) -> torch.Tensor:
        """Impose the modulus."""
        voxels = fields[0].numel()
        blocks = -(-voxels // _AT_A_TIME)
        misses = torch.empty((len(fields), blocks), dtype=torch.float32, device=fields.device)
        of_each = voxels if modulus.ndim > 3 else 0
        _impose[(blocks, len(fields))](
            torch.view_as_real(fields), modulus, misses, voxels, of_each, scale, -1 / BOUND, math.sqrt(TINY),
            AT_A_TIME=_AT_A_TIME,
        )  # fmt: skip
        return misses.sum(1, dtype=wide(fields.device))

    def relax(
        self, objects: torch.Tensor, projected: torch.Tensor, supports: torch.Tensor, rule: Relaxation
    ) -> None:
        """Relax outside the supports."""
        numbers = 2 * objects.numel()
        _relax[(-(-numbers // _AT_A_TIME),)](
            torch.view_as_real(objects), torch.view_as_real(projected), supports.view(torch.uint8), numbers,
            rule.keep, rule.add, AT_A_TIME=_AT_A_TIME,
        )  # fmt: skip
