"""What a window holds after many runs."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
from qtpy.QtWidgets import QApplication
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import Recipe
from napari_autophase.viewer.docks.display_dock import DisplayDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.crystal.drawing import draw

ARRAYS = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)


def in_arrays():
    """Return how many bytes all arrays hold."""
    QApplication.processEvents()
    gc.collect()
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ARRAYS]).traces)


def test_twenty_runs_in_one_window_hold_no_more_than_three(viewer, session, launch, qtbot):
    for dock in (DisplayDock(viewer), ReconstructDock(viewer)):
        qtbot.addWidget(dock)
    session.add_scan(make_scan(size=16))
    tracemalloc.start()
    try:
        held = []
        for number in range(1, 21):
            session.reconstruct(Recipe(), replace_last=True)
            run = launch.job.run
            run.on_done(draw(make_reconstruction(size=16)))
            run.on_stopped()
            del run
            if number in (3, 12, 20):
                held.append(in_arrays())
    finally:
        tracemalloc.stop()
    assert len(viewer.layers) == 2
    assert max(held[1:]) <= 1.05 * held[0], held
