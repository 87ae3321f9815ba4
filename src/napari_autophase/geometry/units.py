"""Units however files and people spell them: by how much each is of keV, nm (a wavelength), m and degrees."""

from __future__ import annotations

import re
from math import pi

KEV = {"kev": 1.0, "ev": 1e-3, "j": 6.241509074460763e15, "mev": 1e3, "gev": 1e6}
NM = {"a": 0.1, "nm": 1.0, "pm": 1e-3, "m": 1e9}
"""Wavelengths."""
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "a": 1e-10, "pm": 1e-12}
DEGREES = {"deg": 1.0, "mdeg": 1e-3, "udeg": 1e-6, "rad": 180 / pi, "mrad": 0.18 / pi, "urad": 0.18e-3 / pi,
           "arcmin": 1 / 60, "arcsec": 1 / 3600}  # fmt: skip

_PREFIXES = {
    "pico": "p",
    "nano": "n",
    "micro": "u",
    "milli": "m",
    "centi": "c",
    "kilo": "k",
    "mega": "m",
    "giga": "g",
    "": "",
}
_NAMES = {"metre": "m", "meter": "m", "electronvolt": "ev", "joule": "j", "degree": "deg", "radian": "rad"}
_OTHERS = {
    "°": "deg",
    "degré": "deg",
    "winkelgrad": "deg",
    "arcminute": "arcmin",
    "arcsecond": "arcsec",
    "å": "a",
    "ang": "a",
    "angstrom": "a",
    "angström": "a",
    "ångström": "a",
    "micron": "um",
}
_SHORT = {*KEV, *METRES, *DEGREES}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d_].*|°)?\s*")


def plain(unit: str) -> str:
    """Return a unit's short name in lower case (metres: m, µm: um, electron_volts: ev); what is not known as it is."""
    text = re.sub(r"[\s_-]", "", unit.replace("µ", "u").replace("μ", "u")).lower()
    if text in _SHORT:
        return text
    for one in (text, text.removesuffix("s")):
        if one in _OTHERS:
            return _OTHERS[one]
        for prefix, letter in _PREFIXES.items():
            if one.startswith(prefix) and one[len(prefix) :] in _NAMES:
                return letter + _NAMES[one[len(prefix) :]]
    return text


def quantity_in(text: str) -> tuple[float, str] | None:
    """Return the number that a text is, and the unit after it ("": there is none); None where it is no number.

    1,5 is none, of which the 1 would be wrong.
    """
    match = _QUANTITY.fullmatch(text)
    return None if match is None else (float(match[1]), (match[2] or "").strip())


def restated(value: float, given: str, own: str) -> float | None:
    """Return a number in the unit `own` that was given in another; None where that is no unit of the same kind known here."""
    before, after = plain(given), plain(own)
    for units in (KEV, NM, METRES, DEGREES):
        if before in units and after in units:
            return value * units[before] / units[after]
    return None
