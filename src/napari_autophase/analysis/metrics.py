"""Figures of quality: how well a reconstruction explains the data, and how well it agrees with another one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from .align import align
from .phase import remove_ramp
from .strain import strain


def chi2(
    modulus: np.ndarray, measured: np.ndarray, good: np.ndarray | None = None, *, scaled: bool = False
) -> float:
    """Return Σ(|F| − |F_m|)² / Σ|F_m|² over the good pixels.

    Parameters
    ----------
    modulus, measured
        Moduli (square roots of counts), same shape and scale.
    good
        bool, same shape; None: all.
    scaled
        Multiply `modulus` by the factor that makes the result smallest: its scale counts for nothing then.
    """
    if good is not None:
        modulus, measured = modulus[good], measured[good]
    if scaled:
        energy = float(np.sum(np.square(modulus, dtype=np.float64)))
        overlap = float(np.sum(np.multiply(modulus, measured, dtype=np.float64)))
        modulus = modulus * (overlap / energy if energy > 0 else 0.0)
    power = float(np.sum(np.square(measured, dtype=np.float64)))
    return (
        float(np.sum(np.square(np.subtract(modulus, measured, dtype=np.float64)))) / power
        if power > 0
        else 0.0
    )


def support_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return |a ∩ b| / |a ∪ b| of two boolean supports; 1 if both are empty."""
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else 1.0


def level(amplitude: np.ndarray) -> float:
    """Return the amplitude of a crystal's bulk, Σ|ρ|³ / Σ|ρ|²; 0 if there is nothing.

    The mean weighted by intensity: what the amplitude is where the crystal is, whatever the size of the array; unlike the
    maximum it does not hang on one bright voxel.
    """
    power = np.square(amplitude, dtype=np.float64)
    total = float(power.sum())
    return float((power * amplitude).sum()) / total if total > 0 else 0.0


def unevenness(object: np.ndarray, support: np.ndarray, depth: int = 2) -> float:
    """Return how much the amplitude differs inside a crystal: its standard deviation over its mean.

    Parameters
    ----------
    object, support
        Complex and bool, 3-D, same shape.
    depth
        Voxels by which the crystal (amplitudes above 0.3 of its bulk's, in the support) is eroded, as the resolution blurs its
        surface; fewer where nothing would be left.

    Returns
    -------
    float
        0 of a uniform crystal; NaN where there is nothing inside.
    """
    amplitude = np.abs(object)
    inside = amplitude[_core(support & (amplitude > 0.3 * level(amplitude)), depth)].astype(float)
    return float(inside.std() / inside.mean()) if len(inside) else float("nan")


def amplitude_ssim(
    a: np.ndarray, b: np.ndarray, window: int = 7, scale: Callable[[np.ndarray], float] = np.max
) -> float:
    """Return the mean windowed structural similarity of two amplitudes, each first divided by its maximum.

    Parameters
    ----------
    a, b
        Real, 3-D, same shape, aligned.
    window
        Odd side of the cubic window in voxels.
    scale
        What each is divided by instead of its maximum, such as `level`.

    Notes
    -----
    Wang et al., IEEE Trans. Image Process. 13, 600 (2004), in 3-D with a data range of 1, as scikit-image computes it.
    """
    from skimage.metrics import structural_similarity

    one, two = (np.asarray(x, np.float32) / (float(scale(x)) or 1.0) for x in (a, b))
    return float(structural_similarity(one, two, win_size=window, data_range=1.0))


def phase_error(a: np.ndarray, b: np.ndarray, mask: np.ndarray, *, ramp: bool = False) -> float:
    """Return the mean absolute phase difference in `mask`, in radians, after the offset that makes it smallest in the mean.

    Parameters
    ----------
    a, b
        Complex objects, same shape, aligned to the voxel.
    mask
        bool: usually the intersection of the two supports.
    ramp
        Also remove the linear ramp between the two.

    Returns
    -------
    float
        Between 0 and π, the differences being taken on the circle; NaN if the mask is empty.
    """
    if not mask.any():
        return float("nan")
    # unit phasors: every voxel of the crystal counts alike
    difference = np.where(mask, np.exp(1j * (np.angle(a) - np.angle(b))), 0)
    difference = (
        remove_ramp(difference, mask) if ramp else difference * np.exp(-1j * np.angle(difference[mask].sum()))
    )
    return float(np.abs(np.angle(difference[mask])).mean())


def compare(
    object: np.ndarray, reference: np.ndarray, threshold: float = 0.1, *, ramp: bool = True
) -> dict[str, float]:
    """Align `object` with `reference` and return the figures of their agreement.

    Parameters
    ----------
    object, reference
        Complex, 3-D, centred; the shapes may differ.
    threshold
        Supports are where the amplitude is above this fraction of its maximum.
    ramp
        Ignore a linear phase ramp between the two.

    Returns
    -------
    dict
        ``correlation`` (of the complex objects), ``amplitude_correlation``, ``amplitude_ssim``, ``support_iou`` and
        ``phase_error`` (radians, in the intersection of the supports).
    """
    aligned, score = align(object, reference, ramp=ramp)
    one, two = np.abs(aligned), np.abs(reference)
    inside, within = one > threshold * one.max(), two > threshold * two.max()
    product = float(np.linalg.norm(one) * np.linalg.norm(two))
    return {
        "correlation": abs(score),
        "amplitude_correlation": float(np.vdot(one, two)) / product if product > 0 else 0.0,
        "amplitude_ssim": amplitude_ssim(one, two),
        "support_iou": support_iou(inside, within),
        "phase_error": phase_error(aligned, reference, inside & within, ramp=ramp),
    }


def compare_with_truth(
    object: np.ndarray, truth: np.ndarray, support: np.ndarray, *, twins: bool = True
) -> dict[str, float]:
    """Align `object` with a crystal that is known, and return how far it is from it.

    Stricter than `compare`, which judges two reconstructions: the phase is asked for in all of the crystal, also where the
    object is missing, and amplitudes are relative to their `level`.

    Parameters
    ----------
    object, truth
        Complex, 3-D, centred; the shapes may differ.
    support
        bool, shape of `truth`: the crystal.
    twins
        Take the twin that agrees better; False: take `object` as it is (`symmetries.normalise` chooses between the twins
        without a look at the truth).

    Returns
    -------
    dict
        ``correlation`` of the complex objects; ``amplitude_ssim`` of the amplitudes relative to their levels;
        ``support_iou`` of where the amplitude is above half its level; ``phase_error`` in radians: the mean in the crystal,
        differences on the circle, without offset and linear ramp.
    """
    aligned, found = align(object, truth, ramp=True, twins=twins)
    amplitude = np.abs(aligned)
    return {
        "correlation": abs(found),
        "amplitude_ssim": amplitude_ssim(amplitude, np.abs(truth), scale=level),
        "support_iou": support_iou(amplitude > 0.5 * level(amplitude), support),
        "phase_error": phase_error(aligned, truth, support, ramp=True),
    }


def strain_error(
    object: np.ndarray,
    truth: np.ndarray,
    support: np.ndarray,
    voxel_steps_nm: np.ndarray | None = None,
    q_bragg_per_nm: np.ndarray | None = None,
    *,
    smoothing: float = 1.5,
    core: int = 3,
) -> dict[str, float]:
    """Compare the strain in the core of a crystal with the truth, where twin, shift and phase ramp are settled.

    The correlation of two objects hides what a physicist looks at: mixtures of a crystal with its twin correlate with it to 0.95,
    while their strain may have the wrong sign.

    Parameters
    ----------
    object, truth
        Complex, 3-D, centred; the shapes may differ.
    support
        bool, shape of `truth`: the crystal.
    voxel_steps_nm, q_bragg_per_nm
        As in `Reconstruction`; None: the strain is relative, in radians per voxel.
    smoothing
        Both complex objects are first blurred by a Gaussian of so many voxels; 0: not at all.
    core
        Voxels by which the crystal is eroded; fewer where nothing would be left.

    Returns
    -------
    dict
        ``strain_correlation``: Pearson's, in the core; ``strain_rms``: root mean square of the difference without its mean,
        in the strain's own unit; NaN where the crystal has no core, or the correlation where the truth has no strain.
    """
    aligned, _ = align(object, truth, ramp=True)
    inside = _core(support, core)
    if not inside.any():
        return {"strain_correlation": float("nan"), "strain_rms": float("nan")}
    found, known = (
        strain(_smoothed(one, smoothing), np.ones_like(support), voxel_steps_nm, q_bragg_per_nm)[
            inside
        ].astype(float)
        for one in (aligned, truth)
    )
    found, known = found - found.mean(), known - known.mean()
    power = float(np.sqrt((found @ found) * (known @ known)))
    return {
        "strain_correlation": float(found @ known) / power if power > 0 else float("nan"),
        "strain_rms": float(np.sqrt(np.square(found - known).mean())),
    }


def _core(support: np.ndarray, depth: int) -> np.ndarray:
    for voxels in range(depth, 0, -1):
        inside = ndimage.binary_erosion(support, iterations=voxels)
        if inside.any():
            return inside
    return np.zeros_like(support)


def _smoothed(object: np.ndarray, sigma: float) -> np.ndarray:
    if sigma == 0:
        return object
    real, imaginary = (ndimage.gaussian_filter(part, sigma) for part in (object.real, object.imag))
    return real + 1j * imaginary


def fourier_shell_correlation(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of two aligned objects shell by shell in Fourier space.

    Parameters
    ----------
    a, b
        Complex, 3-D, same shape, aligned.

    Returns
    -------
    frequency, correlation
        float64: centres of the shells in cycles per voxel, from 0 to 0.5, and Re Σ F_a F_b* / √(Σ|F_a|² Σ|F_b|²) in each
        (van Heel and Schatz, J. Struct. Biol. 151, 250 (2005)); as many shells as half the shortest side has voxels.
    """
    shells = min(a.shape) // 2
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in a.shape), indexing="ij", sparse=True)
    radius = np.sqrt(sum(f**2 for f in frequencies))
    index = np.rint(radius * 2 * shells).astype(int).ravel()
    one, two = np.fft.fftn(a).ravel(), np.fft.fftn(b).ravel()

    def per_shell(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values, minlength=shells + 1)[: shells + 1]

    power = np.sqrt(per_shell(np.abs(one) ** 2) * per_shell(np.abs(two) ** 2))
    cross = per_shell((one * np.conj(two)).real)
    return np.arange(shells + 1) / (2 * shells), cross / np.where(power > 0, power, 1)
