"""bcdi's configuration files as the source of a geometry: the flat ``key: value`` lines of its YAML, and nothing more of that."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from ..scan import InputError

_LINE = re.compile(r"^(\w+)\s*:\s*(.*?)\s*(#.*)?$")
_BEAMLINES = {"34ID": "34-ID-C", "SIXS_2018": "SIXS 2019", "SIXS_2019": "SIXS 2019", "SIXS_2022": "SIXS 2022",
              "NANOMAX": "NanoMAX", "P10_SAXS": "P10 SAXS"}  # fmt: skip
"""bcdi's names of beamlines where they are not ours."""
_PIXELS_UM = {
    "maxipix": 55.0,
    "timepix": 55.0,
    "merlin": 55.0,
    "merlinsixs": 55.0,
    "lambda": 55.0,
    "eiger2m": 75.0,
    "eiger4m": 75.0,
}
"""Of bcdi's detectors."""


def settings(path: Path) -> dict[str, Any]:
    """Return the plain settings of a configuration file: numbers, lists of them, texts; None where it says None.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The configuration {path} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from None
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or not match[2]:
            continue
        word = match[2].removesuffix(",")
        try:
            found[match[1]] = ast.literal_eval(word)
        except (ValueError, SyntaxError):
            found[match[1]] = (
                None
                if word.lower() in ("null", "~")
                else {"true": True, "false": False}.get(word.lower(), word)
            )
    return found


def geometry_in(path: Path) -> dict[str, Any]:
    """Return the fields of a geometry that a configuration of bcdi holds.

    Its ``outofplane_angle`` and ``inplane_angle`` are those of the Bragg peak, not of a direct beam's pixel.

    Raises
    ------
    InputError
        If the file is no such configuration.
    """
    known = settings(path)
    if "sdd" not in known or "beamline" not in known:
        raise InputError(
            f"{path} is no configuration of bcdi (it has no sdd and no beamline); give a JSON document."
        )
    name = str(known["beamline"])
    found: dict[str, Any] = {"beamline": _BEAMLINES.get(name.upper(), name)}
    size = _PIXELS_UM.get(str(known.get("detector")).lower())
    if size is not None:
        found["pixel_size_um"] = [size, size]
    if known.get("energy"):
        found["energy_kev"] = known["energy"] / 1e3
    if known["sdd"]:
        found["distance_m"] = known["sdd"]
    if known.get("custom_pixelsize"):
        found["pixel_size_um"] = [known["custom_pixelsize"] * 1e6] * 2
    if known.get("tilt_angle"):
        found["rocking_step_deg"] = known["tilt_angle"]
    if known.get("reflection"):
        found["reflection"] = known["reflection"]
    return found | _angles(known, found["beamline"])


def grid_in(path: Path) -> tuple[tuple[int, int, int], tuple[int, int, int] | None]:
    """Return the binning before phasing, and the shape of the phased grid where a configuration of bcdi says it."""
    known = settings(path)
    phasing, before = (known.get(key) or (1, 1, 1) for key in ("phasing_binning", "preprocessing_binning"))
    binning = tuple(int(a) * int(b) for a, b in zip(phasing, before, strict=True))
    whole = known.get("original_size")
    shape = tuple(int(n) // int(b) for n, b in zip(whole, phasing, strict=True)) if whole else None
    return binning, shape  # type: ignore[return-value]


def is_flipped(path: Path) -> bool:
    """Whether a configuration of bcdi says that the twin of what was phased is the crystal."""
    return bool(settings(path).get("flip_reconstruction"))


def _angles(known: dict[str, Any], name: str) -> dict[str, Any]:
    from ..geometry import find_beamline

    beamline = find_beamline(name)
    inplane, outofplane = known.get("inplane_angle"), known.get("outofplane_angle")
    found: dict[str, Any] = {"sample_angles_deg": [0.0] * len(beamline.sample)}
    rocking = {"outofplane": "x", "inplane": "y"}.get(str(known.get("rocking_angle")))
    circles = [
        n
        for n, circle in enumerate(beamline.sample)
        if rocking is not None and str(circle.axis)[0] == rocking
    ]
    if circles:
        found["rocking_circle"] = circles[-1] if rocking == "x" else circles[0]
    if inplane is not None and outofplane is not None and len(beamline.arm) == 2:
        found["detector_angles_deg"] = [inplane, outofplane]
    return found
