"""What the window is about to do, as a command line that does the same."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import asdict
from pathlib import Path

from ....presets import PRESETS
from ....recipe import Recipe
from ....recipe.settings import written
from ....scan import Geometry, InputError, Scan
from .request import Request

_PROGRAM = "napari-autophase"


def command(scan: Scan, recipe: Recipe, placed: bool = False) -> str:
    """Return the command that reconstructs `scan` by `recipe`, ready to be pasted into a shell.

    Parameters
    ----------
    scan, recipe
        What would be phased, and how.
    placed
        Whether the scan's geometry was given by a person: else its files have it.

    Raises
    ------
    InputError
        If the scan, its mask, or what is painted over it, comes from no file.
    """
    origin = scan.origin
    if origin is None:
        raise InputError(
            f"{scan.name} comes from no file, so that no command can read it; save it as a file and open that."
        )
    arrays = sorted(set(origin.sha256) - set(origin.options))
    if arrays:
        raise InputError(
            f"The {' and '.join(arrays)} of {scan.name} is in no file, so that no command can read it; save it as a file."
        )
    if origin.painted:
        raise InputError(
            f"What is painted over {scan.name} is in no file, so that no command can read it: save the result, which keeps it, "
            f"and use  {_PROGRAM} repeat RESULT.  Or save its layer, which Paint… brings, as a file, and choose that as the mask."
        )
    said = Request.of(scan)
    first = f"{said.path}::{said.dataset}" if said.dataset else said.path
    words = [_PROGRAM, "reconstruct", *(_absolute(each) for each in (first, *said.repeats))]
    if said.repeats:
        words.append("--sum")
        words += [] if said.least is None else ["--least", repr(said.least)]
    beamline = origin.options.get("beamline")
    corrections = scan.corrections if beamline is None else {**scan.corrections, "beamline": str(beamline)}
    for name, value in corrections.items():
        there = _absolute(value) if name in ("mask", "dark", "white", "spec") else value
        words += [f"--{name.replace('_', '-')}", there]
    words += ["--preset", recipe.preset if recipe.preset in PRESETS else "fast"]
    for key, value in recipe.changes().items():
        if key not in ("preset", "version"):
            words += ["--set", written(key, _absolute(value) if key == "guess.weights" and value else value)]
    if placed and scan.geometry is not None:
        words += _geometry(origin.uncropped(scan.geometry))
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _geometry(geometry: Geometry) -> list[str]:
    words = []
    for key, value in asdict(geometry).items():  # what is not known too: the file may say something else
        words += ["--set", f"geometry.{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return words


def _absolute(source: str) -> str:
    path, mark, inside = source.partition("::")
    return f"{Path(path).absolute()}{mark}{inside}"
