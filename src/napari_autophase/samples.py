"""Where the sample scans lie: inside the installed package, or beside the sources of an editable checkout."""

from __future__ import annotations

from pathlib import Path

from .scan import InputError

SAMPLES = ("faceted_64.h5", "strained_96x80x88.cxi")
"""Small scans that this project simulated (see ``sample_data/make_samples.py``)."""


def sample_path(name: str) -> Path:
    """Return the path of a sample scan.

    Raises
    ------
    InputError
        If there is no such sample.
    """
    package = Path(__file__).parent
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"There is no sample '{name}' in this installation; the samples are {', '.join(SAMPLES)}."
    )
