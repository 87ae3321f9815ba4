"""JSON documents of ours that are taken for a scan or a result: what they are, and what takes them."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import h5py

from . import nexus
from .links import local

_LARGEST = 2**25
"""Bytes of a document, at most; a scan may be JSON for all that we know."""
_NEIGHBOURS = 50
"""So many results in the folder of a report are looked at."""


def report_in(path: Path) -> dict[str, Any] | None:
    """Return the report of a reconstruction that a file holds, or None."""
    document = _document(path)
    return document if document is not None and {"recipe", "verdict"} <= document.keys() else None


def result_of(report: dict[str, Any], path: Path) -> Path | None:
    """Return the result that a report is of, where it lies in the report's folder."""
    beside = sorted(path.parent.glob("*.cxi"), key=lambda each: (each.stem != path.stem, each.name))
    return next((each for each in islice(beside, _NEIGHBOURS) if _is_of(report, each)), None)


def in_words(path: Path) -> str:
    """Return what a document of ours is and what takes it, in a sentence; empty: it is none."""
    document, name = _document(path), path.name
    if document is None:
        return ""
    if (report := report_in(path)) is not None:
        result = result_of(report, path)
        where = "the .cxi file that was written with it" if result is None else str(result)
        return (
            f"{path} is the report of a reconstruction of {report.get('name') or 'a scan'}, which holds no crystal: "
            f"open {where}; napari-autophase info {name} shows it, repeat {name} makes the result again, and reconstruct "
            f"takes its recipe (--recipe {name})."
        )
    if {"preset", "refine"} & document.keys():
        return f"{path} is a recipe, not a scan: it goes beside the scan (--recipe {name})."
    if {"energy_kev", "beamline", "detector_angles_deg"} & document.keys():
        return f"{path} is a geometry, not a scan: it goes beside the scan (--geometry {name})."
    return ""


def _document(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):  # UnicodeDecodeError and JSONDecodeError are such
        if path.is_file() and path.stat().st_size <= _LARGEST:
            with path.open("rb") as file:
                if not file.read(64).lstrip().startswith(b"{"):
                    return None
            found = json.loads(path.read_text(encoding="utf-8-sig"))
            return found if isinstance(found, dict) else None
    return None


def _is_of(report: dict[str, Any], result: Path) -> bool:
    with suppress(OSError, KeyError, ValueError), h5py.File(result) as file:
        process = local(file, "entry_1/image_1/process_1")
        if isinstance(process, h5py.Group):
            said = nexus.scalar(local(process, "configuration/verdict"))
            chi2 = nexus.scalar(local(process, "results/chi2"))
            return bool((said, chi2) == (report.get("verdict"), report.get("chi2")))
    return False
