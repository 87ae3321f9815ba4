"""How much light each frame was given, as far as a log says it of monitor, attenuators and exposure times."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from .logs import ScanLog

_WEAK, _BRIGHTER = 2 / 3, 0.8
"""A beam that has less than this part of its usual light is said to be weak; in so many parts of the frames it has no more."""
_CHANGES = 0.05
"""Attenuators and exposure times that differ by this part of the largest did not stay as they were."""
_JITTER = 0.1
"""What usually changes by so much of its whole range from frame to frame is the noise of a reading."""
_NAMED = re.compile(
    r"(?:^|[_\W])(?:att(?:en\w*)?\d*|curratt\d*|transm\w*|filt(?:er\w*)?\d*|absorber\w*|abs|expo\w*|seconds|count_?time\d*|acq_?time\w*)$",
    re.IGNORECASE,
)
"""What columns are called that hold an attenuator, a transmission or an exposure time."""


def uneven(log: ScanLog, monitor: np.ndarray | None, points: np.ndarray) -> Iterator[str]:
    """Say what of the light that frames were given was not the same for all.

    Parameters
    ----------
    log, monitor
        The scan, and its beamline's monitor at every point; None: there is none.
    points
        Which of its points each frame belongs to.
    """
    if monitor is not None:
        yield from _weak(monitor[points], log.path.name)
    for name, column in log.columns.items():
        if not _NAMED.search(name):
            continue
        values = column[points]
        least, most = float(np.nanmin(values)), float(np.nanmax(values))
        usually = float(np.nanmedian(np.abs(np.diff(values)))) if len(values) > 1 else 0.0
        if most - least > _CHANGES * max(abs(least), abs(most)) and usually < _JITTER * (most - least):
            yield (
                f"{name} of {log.path.name} changed within the scan, from {least:g} to {most:g}, and frames are taken as they "
                "are: if their light changed with it, bring their counts to those of the others, or mask those that differ."
            )
            return


def _weak(monitor: np.ndarray, log: str) -> Iterator[str]:
    """Say so if the incoming beam was much weaker in some frames than in the others."""
    known = monitor[np.isfinite(monitor)]
    if known.size and np.median(known) < 0:  # a current that is read the other way round
        monitor, known = -monitor, -known
    lit = known[known > 0]  # it may have read 0 in most of them
    if not lit.size:
        return
    usual = float(np.quantile(lit, _BRIGHTER))
    weak = np.flatnonzero(monitor < _WEAK * usual)
    if len(weak):
        least = int(weak[np.argmin(monitor[weak])])
        yield (
            f"By the monitor in {log} the beam was weaker in {len(weak)} of {len(monitor)} frames (in frame {least} it had "
            f"{monitor[least] / usual:.0%} of what it usually had), and frames are taken as they are: if their light dropped, "
            "give these frames a --mask."
        )
