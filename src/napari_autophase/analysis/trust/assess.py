"""Strain that reproduces: at the finest resolution at which two halves of the photons give the same, with its error.

What neighbouring voxels differ by is where runs differ most: the strain of single voxels reproduces hardly at all on a measured
scan, though objects agree to 0.95.  So a map is smoothed until the maps of two halves, which share no photon and no random
number, correlate to `REPRODUCES`.  The mean of both then correlates with the truth to about √(2c/(1+c)) = 0.97.

The error of the map has two estimates.  Half the difference of the halves is it where the halves err apart, as photon noise does.
Where they err together, by what phasing makes of any counts, they agree and are both off: then it is their distance from the map
of all photons, which for photon noise alone is the same again (its variance is that of a half less that of the whole, one half
of a half's).  The squares of both are averaged.  What all three share shows in neither.

Two such parts are known, and their squares are added.  What phasing does to a crystal whatever the noise is seen in bootstraps:
what was found is measured in a simulation and phased again, and what the bootstraps differ from it by in the mean, less what is
left of their noise, is that part.  It is largest at the surface.  And of a crystal that is nearly its own twin the moduli hardly
tell the part of its phase that has another sign in the twin, in any run: either sign is as likely there, so that the mean square
of what the map is off by is twice that part's.

Of a single run its starts take the place of runs, and both halves are phased from what it found, so that they know nothing of
what another search would have found: half the mean square of what other starts differ from the best by is added, which is the
variance of one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ...evidence import Trust
from ...reconstruction import Reconstruction
from ..align import align, fitted
from ..dislocations import find_dislocations, near_lines
from ..phase import ramp, remove_ramp
from ..quantities import robust_maximum
from ..strain import phase_steps, strain
from ..symmetries import twin
from .average import agreement, first_mode
from .resolution import cropped, cut, fsc, prtf, smoothed

REPRODUCES = 0.9
"""Correlation of the strain of two halves from which a map is called reproducible."""
BOOTSTRAPPED = 3
"""The share of a run that phased simulated counts of what was found."""
ITS_TWIN = 0.95
"""Correlation with its own twin from which a crystal is nearly that: the moduli then hardly tell the signs of what differs."""
_FINEST, _STEP, _COARSEST = 1.5, 1.25, 0.35
"""Widths that are tried, full at half maximum: from so many voxels, each so many times the last, to this part of the crystal."""
_CORE = 1.5
"""Voxels around a dislocation, or the width of the map if that is more, in which strain has no meaning and is left out."""
_AROUND = 1.5
"""Errors are averaged over a Gaussian so many times as wide as the map's own, and no narrower than two voxels."""


def assess(
    found: np.ndarray,
    support: np.ndarray,
    runs: np.ndarray,
    shares: np.ndarray,
    threshold: float,
    voxel_steps_nm: np.ndarray | None,
    q_bragg_per_nm: np.ndarray | None,
    of_starts: bool = False,
) -> Trust:
    """Compare runs and halves, and return strain at the resolution at which it reproduces.

    Parameters
    ----------
    found, support
        The mean object, complex64, and its support, bool (N0, N1, N2).
    runs
        complex64 (R, N0, N1, N2): all runs, brought onto `found`, of which what lies inside the support counts.
    shares
        int, one per run: 0 had all photons, 1 and 2 the two halves of them, `BOOTSTRAPPED` those of a simulation of `found`.
    threshold
        Of the amplitude, as a fraction of the largest, that bounds the maps.
    voxel_steps_nm, q_bragg_per_nm
        As in `Reconstruction`.
    of_starts
        Whether all photons were phased by the starts of one run, of which `found` is the best, and the halves from `found`.

    Returns
    -------
    Trust
        Errors are those of `found`, squared and averaged around each voxel (see the module).
    """
    objects = runs * support
    whole = objects[shares == 0]
    oversampling = support.size / max(int(support.sum()), 1)
    halves = np.stack([objects[shares == number].mean(0) for number in (1, 2)])
    alike_in_shells, transferred = (
        fsc(halves[0], halves[1], voxel_steps_nm, oversampling),
        prtf(whole, voxel_steps_nm),
    )
    turned, alike_turned = align(twin(found), found, ramp=True, twins=False)
    figures = {
        "agreement": agreement(whole),
        "first_mode": first_mode(whole),
        "half_agreement": agreement(halves),
        "twin_likeness": abs(alike_turned),
        "fsc_resolution": alike_in_shells.resolution,
        "prtf_resolution": transferred.resolution,
    }

    inside = cut(support[None], support)[0]
    # one ramp for all, so that halves may differ in their mean strain too
    bootstrapped, starts = objects[shares == BOOTSTRAPPED], whole if of_starts else whole[:0]
    flat = _flattened(
        cut(np.stack([found, *halves, turned * support, *bootstrapped, *starts]), support), inside
    )
    scale = robust_maximum(np.abs(flat[0]))
    mask = inside & (np.abs(flat[0]) >= threshold * scale)

    grid = np.eye(3) if voxel_steps_nm is None else np.asarray(voxel_steps_nm, float)
    lines = find_dislocations(phase_steps(flat[0]), mask, np.abs(flat[0]), grid)

    def maps(fwhm: float) -> list[np.ndarray]:
        known = mask & ~near_lines(
            lines, mask.shape, grid, max(_CORE * np.linalg.norm(grid, axis=0).max(), fwhm)
        )
        slopes = (
            strain(smoothed(each, fwhm, voxel_steps_nm), mask, voxel_steps_nm, q_bragg_per_nm)
            for each in flat
        )
        return [np.where(known, each, np.float32(np.nan)) for each in slopes]

    voxel = 1.0 if voxel_steps_nm is None else float(abs(np.linalg.det(voxel_steps_nm)) ** (1 / 3))
    coarsest = _COARSEST * voxel * int(mask.sum()) ** (1 / 3)
    resolved, strains = voxel, maps(0.0)
    alike = figures["strain_correlation_per_voxel"] = _alike(strains[1], strains[2])
    fwhm = _FINEST * voxel
    while alike < REPRODUCES and fwhm <= max(coarsest, _FINEST * voxel):
        wider = maps(fwhm)
        if (now := _alike(wider[1], wider[2])) > alike:
            resolved, strains, alike = fwhm, wider, now
        fwhm *= _STEP
    figures["strain_correlation"], figures["strain_resolution"] = alike, resolved

    width = max(_AROUND * resolved / voxel, 2.0) / np.sqrt(8 * np.log(2))
    smooth = [smoothed(each, resolved, voxel_steps_nm) for each in flat]
    amplitudes = [np.abs(each) / scale for each in smooth]
    phases = [_angle(each * np.conj(smooth[0]), mask) for each in smooth]

    def error(maps: list[np.ndarray]) -> np.ndarray:
        whole, one, two, other, *rest = (each - each[mask & np.isfinite(each)].mean() for each in maps)
        again, others = rest[: len(bootstrapped)], rest[len(bootstrapped) :]
        apart = np.square(one - two) / 4
        together = (np.square(one - whole) + np.square(two - whole)) / 2
        untold = np.square(whole - other) / 2 if figures["twin_likeness"] > ITS_TWIN else 0
        # two starts differ by twice the variance of each, and the best differs from itself by nothing
        sought = sum(np.square(each - whole) for each in others) / max(2 * (len(others) - 1), 1)
        return _local((apart + together) / 2 + untold + _common(whole, again) + sought, mask, width)

    strain_error = error(strains)
    values = strains[0][mask & np.isfinite(strains[0])]
    figures["strain_spread"] = float(values.std()) if values.size else float("nan")
    known = strain_error[np.isfinite(strain_error)]
    figures["strain_error"] = float(np.sqrt(np.mean(known**2))) if known.size else float("nan")
    if of_starts:
        figures["of_starts"] = 1.0
        del figures["fsc_resolution"]
    return Trust(
        strain=_placed(strains[0], support.shape),
        strain_error=_placed(strain_error, support.shape),
        amplitude_error=_placed(error(amplitudes), support.shape),
        phase_error=_placed(error(phases), support.shape),
        figures=figures,
        fsc=None if of_starts else alike_in_shells,
        prtf=transferred,
        objects=cropped(objects, support),
    )


def reassessed(
    found: Reconstruction, voxel_steps_nm: np.ndarray | None, q_bragg_per_nm: np.ndarray | None
) -> Trust | None:
    """Return what the runs of a result say of it in another geometry; None where they are not in its file.

    Parameters
    ----------
    found
        A result, in any geometry.
    voxel_steps_nm, q_bragg_per_nm
        The other geometry, as in `Reconstruction`.
    """
    known = found.trust
    if known is None or known.objects is None:
        return None
    whole = np.stack([fitted(each, found.shape) for each in known.objects])
    now = assess(
        found.object,
        found.support,
        whole,
        known.shares,
        found.recipe.analyse.threshold,
        voxel_steps_nm,
        q_bragg_per_nm,
        known.of_starts,
    )
    return replace(now, runs=known.runs, unit="voxels" if voxel_steps_nm is None else "nm")


def _flattened(objects: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return objects without the ramp and mean phase of the first."""
    found = [remove_ramp(objects[0] * inside)]
    steps = ramp(objects[0] * inside)
    grids = np.meshgrid(*(np.arange(n) - n // 2 for n in inside.shape), indexing="ij", sparse=True)
    back = np.exp(-1j * sum(step * grid for step, grid in zip(steps, grids, strict=True)))
    for each in objects[1:]:
        level = each * inside * back
        found.append(level * np.exp(-1j * np.angle(np.vdot(found[0], level))))
    return np.stack(found).astype(np.complex64)


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two maps where both are known; 0 where there is nothing to correlate."""
    both = np.isfinite(a) & np.isfinite(b)
    if np.count_nonzero(both) < 3:
        return 0.0
    one, two = (values[both].astype(np.float64) - values[both].mean(dtype=np.float64) for values in (a, b))
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norm if norm > 0 else 0.0


def _angle(turned: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the phase of a product against its mean over the mask."""
    mean = turned[mask].sum(dtype=np.complex128)
    return np.angle(turned * np.conj(mean))


def _common(found: np.ndarray, bootstrapped: list[np.ndarray]) -> np.ndarray | float:
    """Return the square of what bootstraps differ from the map itself by in the mean, less what noise leaves of that."""
    if len(bootstrapped) < 2:
        return 0.0
    off = np.stack(bootstrapped) - found
    return np.maximum(np.square(off.mean(0)) - off.var(0, ddof=1) / len(off), 0)


def _local(squares: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Return the root of the mean of squares around each voxel of the mask, NaN outside."""
    known = mask & np.isfinite(squares)
    square = ndimage.gaussian_filter(np.where(known, squares, 0).astype(np.float64), sigma)
    weight = ndimage.gaussian_filter(known.astype(np.float64), sigma)
    return np.where(known, np.sqrt(square / np.maximum(weight, 1e-12)), np.nan).astype(np.float32)


def _placed(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    volume = np.full(shape, np.nan, np.float32)
    volume[
        tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(shape, values.shape, strict=True))
    ] = values
    return volume
