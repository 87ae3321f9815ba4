"""What is done to an object before phase and strain are read from it, where a recipe asks for it; never silently.

Refraction and absorption
-------------------------
In a crystal of refractive index n = 1 − δ + iβ a wave exp(ik·r) goes on as exp(ink·r): on a way of length L it gains the factor
exp(−ikδL − kβL) over the wave outside, with k = 2π/λ (Als-Nielsen and McMorrow, *Elements of Modern X-ray Physics*, chapter 3).
What voxel r scatters has come along the incoming beam and leaves along the outgoing one, both inside the crystal.  With the sign
of `reconstruction` (the field at the detector is Σ ρ exp(−iq·r), the wave is exp(ik·r)) its density was found as
ρ·exp(−ik(δ − iβ)L), L = L_in + L_out, and is given back the inverse factor exp(ikδL + kβL).  That is the correction of Harder et
al., Phys. Rev. B 76, 115425 (2007).

Apodisation
-----------
The object's transform is multiplied by a window that falls with the frequency from the Bragg peak on, the same in all directions
of the laboratory.  Each has fallen to ½ where a Gaussian does whose image of a point has the given full width at half maximum.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import fft

from ..evidence import Correction
from ..faults import InputError
from ..recipe import Analysis, Recipe, Window
from ..reconstruction import Reconstruction
from ..scan import Geometry
from .paths import path_lengths
from .phase import ramp
from .quantities import robust_maximum
from .trust.resolution import frequencies

_BEAM = np.array([0.0, 0.0, 1.0])
"""The direct beam in the laboratory, x, y, z."""
_HALF = 2 * np.log(2) / np.pi
"""Frequency at which a Gaussian's transform is ½, times its full width at half maximum."""
_BLACKMAN_HALF = 0.4053
"""The part of its way to 0 at which Blackman's window is ½."""
_MOST_ABSORBED = 20.0
"""kβL above which nothing of the light is left: exp(−20) of the amplitude."""


def corrected(found: Reconstruction) -> Reconstruction:
    """Return a result as its recipe wants it analysed, with what was done among its `corrections`.

    Raises
    ------
    InputError
        If the refraction cannot be corrected: the geometry or the material is unknown, or the numbers leave no light.
    """
    choice = found.recipe.analyse
    if found.corrections or (choice.refraction == "off" and choice.apodisation == "off"):
        return found
    said = []
    if choice.refraction != "off":
        object, how = _refracted(found, choice)
        found = replace(found, object=object)
        said.append(how)
    if choice.apodisation != "off":
        unit = "voxels" if found.voxel_steps_nm is None else "nm"
        object = apodised(found.object, choice.apodisation, choice.apodisation_width, found.voxel_steps_nm)
        found = replace(found, object=np.where(found.support, object, 0))
        said.append(
            Correction(
                f"apodised ({choice.apodisation}, {choice.apodisation_width:g} {unit})",
                f"before phase and strain, by a {choice.apodisation} window of {choice.apodisation_width:g} {unit} (full width "
                "at half maximum of a point)",
            )
        )
    return replace(found, corrections=tuple(said))


def with_corrections(
    found: Reconstruction, apodise: str | None = None, refraction: str | None = None
) -> Reconstruction:
    """Return a result to be analysed otherwise than its recipe says.

    Parameters
    ----------
    found
        A result.
    apodise
        ``off``, or a window and its width such as ``gaussian:12``; None: as its recipe says.
    refraction
        ``off``, a material, or δ,β; None: as its recipe says.

    Raises
    ------
    InputError
        If either is not understood.
    """
    settings: dict[str, str] = {}
    if apodise is not None:
        window, _, width = apodise.partition(":")
        settings["analyse.apodisation"] = window
        if width:
            settings["analyse.apodisation_width"] = width
    if refraction is not None:
        settings["analyse.refraction"] = refraction
    if not settings:
        return found
    recipe: Recipe = found.recipe.with_settings(settings)
    return replace(found, recipe=recipe)


def window(kind: Window, frequency: np.ndarray, width: float) -> np.ndarray:
    """Return the values of a window at spatial frequencies (without 2π), ½ at 0.441 over the width.

    Parameters
    ----------
    kind
        ``gaussian``; ``hann`` and ``blackman``, which end at 0.88 and 1.09 over the width.
    frequency, width
        In units that are inverse to each other.
    """
    part = frequency * (width / _HALF)  # 1 where it is to be ½
    if kind == "gaussian":
        return np.exp2(-(part**2))
    last = 2.0 if kind == "hann" else 1 / _BLACKMAN_HALF
    angle = np.pi * np.minimum(part / last, 1)
    if kind == "hann":
        return 0.5 + 0.5 * np.cos(angle)
    return 0.42 + 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle)


def apodised(object: np.ndarray, kind: Window, width: float, voxel_steps_nm: np.ndarray | None) -> np.ndarray:
    """Return an object whose transform was multiplied by a `window` about its mean frequency.

    Parameters
    ----------
    object
        Complex (N0, N1, N2), zero around the crystal.
    kind, width
        See `window`; the width in nm, or in voxels without steps.
    voxel_steps_nm
        As in `Reconstruction`.
    """
    ramps = [
        np.exp(1j * step * (np.arange(n) - n // 2)).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, step) in enumerate(zip(object.shape, ramp(object), strict=True))
    ]
    level = object * np.conj(ramps[0]) * np.conj(ramps[1]) * np.conj(ramps[2])
    values = window(kind, frequencies(object.shape, voxel_steps_nm), width)
    smooth = fft.ifftn(fft.fftn(level) * values)
    return (smooth * ramps[0] * ramps[1] * ramps[2]).astype(np.complex64)


def index_of_refraction(refraction: str | tuple[float, float], energy_kev: float) -> tuple[float, float, str]:
    """Return δ and β of n = 1 − δ + iβ, and where they are from.

    Parameters
    ----------
    refraction
        A material's formula, which xrayutilities knows at that energy, or δ and β.
    energy_kev
        Of the light.

    Raises
    ------
    InputError
        If the material is not known.
    """
    if not isinstance(refraction, str):
        return (*refraction, "as given")
    try:
        from xrayutilities import materials
    except ImportError:
        raise InputError(
            f"δ and β of {refraction} are looked up by xrayutilities, which is not installed: install "
            "napari-autophase[beamline], or give both numbers, such as 4e-5,3e-6."
        ) from None
    known = getattr(materials, refraction, None)
    if not isinstance(known, materials.Material):
        raise InputError(
            f"xrayutilities knows no material '{refraction}'; write its formula, such as Pt, or give δ and β, such as 4e-5,3e-6."
        )
    delta, beta = float(known.delta(1e3 * energy_kev)), float(known.ibeta(1e3 * energy_kev))
    return delta, beta, f"{refraction} at {energy_kev:g} keV, xrayutilities"


def check_refraction(choice: Analysis, geometry: Geometry | None) -> None:
    """Make sure that the refraction of a scan can be corrected, before it is phased.

    Raises
    ------
    InputError
        If it cannot.
    """
    if choice.refraction != "off":
        if geometry is None:
            raise InputError(_NO_GEOMETRY)
        index_of_refraction(choice.refraction, geometry.energy_kev)


_NO_GEOMETRY = (
    "Refraction is corrected along the beams, which a geometry says: give one, or leave the refraction off "
    "(analyse.refraction=off)."
)


def _refracted(found: Reconstruction, choice: Analysis) -> tuple[np.ndarray, Correction]:
    """Return the object without what the crystal did to the light on its way, and what was done."""
    stood = found.geometry or found.scan_geometry
    steps, q = found.voxel_steps_nm, found.q_bragg_per_nm
    if stood is None or steps is None or q is None:
        raise InputError(f"{found.name}: {_NO_GEOMETRY}")
    delta, beta, source = index_of_refraction(choice.refraction, stood.energy_kev)
    amplitude = np.abs(found.object) * found.support
    inside = amplitude >= choice.threshold * robust_maximum(amplitude)
    wave = 2 * np.pi / stood.wavelength_nm
    incoming, outgoing = (
        path_lengths(inside, found.support, steps, way) for way in (-_BEAM, wave * _BEAM + q)
    )
    lengths = incoming + outgoing
    longest = float(lengths.max(initial=0))
    if wave * beta * longest > _MOST_ABSORBED:
        raise InputError(
            f"β = {beta:.3g} leaves no light on a way of {longest:.0f} nm; give δ and β of n = 1 − δ + iβ, such as 4e-5,3e-6."
        )
    factor = np.exp((1j * delta + beta) * wave * lengths)
    words = (
        f"and absorption: {source}; ways of up to {longest:.0f} nm inside amplitude {choice.threshold:g} turn the phase "
        f"by {wave * delta * longest:.2g} rad"
    )
    said = Correction(f"corrected for refraction (δ {delta:.3g}, β {beta:.3g})", words)
    return (found.object * factor).astype(np.complex64), said
