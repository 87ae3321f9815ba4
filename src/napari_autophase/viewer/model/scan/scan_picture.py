"""What the diffraction layer of a scan shows, computed once, where it is first asked for: in the thread that reads the scan."""

from __future__ import annotations

import weakref

import numpy as np

from ....painted import came_masked
from ....preparation import find_flagged
from ....scan import Scan

_known: weakref.WeakKeyDictionary[Scan, tuple[np.ndarray, float]] = weakref.WeakKeyDictionary()


def picture(scan: Scan) -> tuple[np.ndarray, float]:
    """Return log10(1 + counts), float32, and its largest value; 0 where counts came masked or flagged."""
    found = _known.get(scan)
    if found is None:
        bad = came_masked(scan)
        counts = scan.counts if bad is None else np.where(bad, scan.counts.dtype.type(0), scan.counts)
        shown = np.log1p(np.where(find_flagged(counts), 0, counts), dtype=np.float32) / np.float32(np.log(10))
        found = _known[scan] = shown, float(shown.max())
    return found
