"""One shot on a scan of any size: to the network's window, through the network, and back to the scan's own grid.

Both ways are Fourier resampling.  The intensity of a crystal of finite size is band-limited, its spectrum being the
autocorrelation; cropping or padding the autocorrelation from N to P voxels gives the same pattern sampled at P points, without
loss as long as P covers twice the crystal.  P is chosen so that the crystal comes to the oversampling the network was trained
on, and then the middle 64 points of reciprocal space are taken.  The guess goes back the same way.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations, product

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..phasing import Diffraction, Starts, keep_best, refine
from ..phasing.crew import cores
from ..preparation import fill_gaps
from ..recipe import Guess, Refinement
from ..reconstruction import Progress
from .physics import WINDOW
from .weights import Model

EXTENT = 24.0
"""Width in window voxels to which a crystal is brought: the middle of the range the network was trained on."""
PROJECTIONS = 10
"""Iterations of error reduction after which candidates are compared."""
_AXES = (-3, -2, -1)


def guess(
    model: Model,
    counts: np.ndarray,
    good: np.ndarray,
    oversampling: tuple[float, float, float],
    choice: Guess,
) -> Generator[Progress, None, Starts]:
    """Predict the object from several orientations of the data, and return the best predictions on the scan's grid.

    The candidates are compared, after a few projections, and the best are polished, in the network's window: that costs the
    same for any scan.  Yields `Progress` on the way; closing cancels.

    Parameters
    ----------
    model
        A loaded network.
    counts, good
        float32 and bool (N0, N1, N2); the Bragg peak at ``shape // 2``.
    oversampling
        N / width of the crystal, per axis.
    choice
        Number of candidates and how many to keep, their polish, and the amplitude (relative to the maximum) that bounds the
        support.

    Returns
    -------
    Starts
        Objects complex64 (kept, N0, N1, N2) of arbitrary scale, centred, and their supports; the best first.
    """
    samples = window_samples(counts.shape, oversampling)
    window = to_window(counts, good, samples, model.device)
    turns = orientations(choice.candidates)
    seen = yield from predict(model, [_turn(window, *turn) for turn in turns])
    found = torch.stack([_turn_back(one, *turn) for one, turn in zip(seen, turns, strict=True)])
    guesses = _fit(found, (WINDOW,) * 3).cpu().numpy()
    data = Diffraction(window.cpu().numpy(), _seen(good, samples), device=model.device)
    best = keep_best(
        data, Starts(guesses, _within(np.abs(guesses), choice.threshold)), choice.keep, PROJECTIONS
    )
    objects, supports = [], []
    for one, support in zip(best.objects, best.supports, strict=True):
        if choice.polish:
            start = Starts(one[None], support[None])
            one = (yield from refine(data, start, Refinement(algorithm=choice.polish), "guess")).object
        inside = _support(np.abs(one), counts.shape, samples, choice.threshold)
        supports.append(inside)
        objects.append(from_window(torch.from_numpy(one), counts.shape, samples).numpy() * inside)
    return Starts(np.stack(objects), np.stack(supports))


def predict(model: Model, windows: list[Tensor]) -> Generator[Progress, None, list[Tensor]]:
    """Return the network's objects (32, 32, 32) for windows (64, 64, 64), with a `Progress` for each.

    A GPU takes them as one batch.  On a CPU each core takes one at a time: threads that share a prediction would wait for each
    other, for long when another program keeps a core busy.
    """

    @torch.inference_mode()
    def ask(batch: list[Tensor]) -> Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=quick_bfloat16(model.device)):
            output = model.network(torch.stack(batch))
        return output[-1] if isinstance(output, list) else output

    if model.device.type != "cpu" or len(windows) == 1:
        found = list(ask(windows))
        yield Progress("guess", len(windows), len(windows))
        return found
    found = []
    pool = ThreadPoolExecutor(min(cores(), len(windows)), initializer=torch.set_num_threads, initargs=(1,))
    try:
        for step, one in enumerate(pool.map(ask, [[window] for window in windows]), 1):
            found.append(one[0])
            yield Progress("guess", step, len(windows))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def quick_bfloat16(device: torch.device) -> bool:
    """Say whether the device computes in bfloat16 itself: then convolutions are several times faster, and the guess the same
    to about 1e-4 of its correlation.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def window_samples(shape: tuple[int, ...], oversampling: tuple[float, ...]) -> tuple[int, int, int]:
    """Return the numbers P of samples of the measured q range that bring the crystal to the network's oversampling."""
    wanted = (round(n / s * WINDOW / EXTENT) for n, s in zip(shape, oversampling, strict=True))
    return tuple(max(8, p) for p in wanted)  # type: ignore[return-value]


def to_window(
    counts: np.ndarray, good: np.ndarray, samples: tuple[int, int, int], device: torch.device
) -> Tensor:
    """Return the counts (64, 64, 64) that the network sees, masked voxels filled in.

    Parameters
    ----------
    counts, good
        float32 and bool (N0, N1, N2).
    samples
        From `window_samples`.
    device
        Where the network is.
    """
    filled = torch.as_tensor(counts if good.all() else fill_gaps(counts, good), device=device)
    pattern = torch.fft.fftshift(
        torch.fft.ifftn(torch.fft.ifftshift(filled, dim=_AXES), dim=_AXES), dim=_AXES
    )
    pattern = _fit(pattern, samples)
    resampled = torch.fft.fftshift(
        torch.fft.fftn(torch.fft.ifftshift(pattern, dim=_AXES), dim=_AXES), dim=_AXES
    )
    return _fit(resampled.real.clamp_min(0), (WINDOW,) * 3)


def from_window(found: Tensor, shape: tuple[int, ...], samples: tuple[int, int, int]) -> Tensor:
    """Return an object (64, 64, 64) of the window on the scan's own grid, complex64 of `shape`."""
    field = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(found, dim=_AXES), dim=_AXES), dim=_AXES)
    field = _fit(field, samples)
    whole = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(field, dim=_AXES), dim=_AXES), dim=_AXES)
    return _fit(whole, shape)


def orientations(number: int) -> list[tuple[tuple[int, int, int], tuple[int, ...]]]:
    """Return the first `number` of the cube's 48 symmetries: (order of the axes, axes to flip); the identity comes first."""
    flips = sorted(product((0, 1), repeat=3), key=lambda f: (sum(f) not in (0, 3), f))
    every = [
        (order, tuple(a for a in range(3) if flip[a])) for order in permutations((0, 1, 2)) for flip in flips
    ]
    return every[:number]  # type: ignore[return-value]


def _turn(volume: Tensor, order: tuple[int, int, int], flips: tuple[int, ...]) -> Tensor:
    turned = volume.permute(order)
    return torch.roll(torch.flip(turned, flips), (1,) * len(flips), flips) if flips else turned


def _turn_back(volume: Tensor, order: tuple[int, int, int], flips: tuple[int, ...]) -> Tensor:
    turned = torch.roll(torch.flip(volume, flips), (1,) * len(flips), flips) if flips else volume
    return turned.permute(tuple(int(a) for a in np.argsort(order)))


def _fit(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Crop or zero-pad the last three axes about the centre (index n // 2 stays the centre)."""
    for axis, want in zip(_AXES, shape, strict=True):
        have = volume.shape[axis]
        if want <= have:
            volume = volume.narrow(axis, have // 2 - want // 2, want)
        else:
            before = want // 2 - have // 2
            volume = torch.nn.functional.pad(volume, [0, 0] * (-1 - axis) + [before, want - have - before])
    return volume


def _seen(good: np.ndarray, samples: tuple[int, int, int]) -> np.ndarray:
    """Return which voxels of the window (64, 64, 64) were measured, by the nearest voxel of the scan."""
    for axis, (n, p) in enumerate(zip(good.shape, samples, strict=True)):
        nearest = np.rint((np.arange(WINDOW) - WINDOW // 2) * n / p).astype(int) + n // 2
        inside = (nearest >= 0) & (nearest < n)
        good = np.take(good, np.clip(nearest, 0, n - 1), axis) & np.expand_dims(
            inside, tuple(a for a in range(3) if a != axis)
        )
    return good


def _within(amplitude: np.ndarray, threshold: float) -> np.ndarray:
    """Return where the amplitude (..., D, H, W) is above a fraction of its maximum (of its 99th percentile inside)."""
    level = [
        threshold * np.percentile(one[one > 0.02 * one.max()], 99)
        for one in amplitude.reshape(-1, *amplitude.shape[-3:])
    ]
    return amplitude > np.reshape(level, (*amplitude.shape[:-3], 1, 1, 1))


def _support(
    amplitude: np.ndarray, shape: tuple[int, ...], samples: tuple[int, int, int], threshold: float
) -> np.ndarray:
    """Return the support on the scan's grid; interpolated linearly, as Fourier resampling rings around an edge."""
    step = np.array([WINDOW / p for p in samples])
    origin = WINDOW // 2 - step * (np.array(shape) // 2)
    return _within(ndimage.affine_transform(amplitude, step, origin, output_shape=shape, order=1), threshold)
