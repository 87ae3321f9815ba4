"""Time from a move of the threshold slider to the redrawn crystal, at 64³ (needs a screen)::

xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/slider.py
"""

from __future__ import annotations

import argparse
import json
import os
import time

import napari
import numpy as np
from common import RESULTS, run, save
from qtpy.QtWidgets import QApplication

from napari_autophase import Recipe
from napari_autophase.simulation import simulate
from napari_autophase.viewer.model.result.results import results
from napari_autophase.viewer.sessions import session_of


def main() -> None:
    """Move the threshold through its range and print the median and the slowest update, repaint included."""
    parser = argparse.ArgumentParser(description="Time of an update of the threshold.")
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    viewer.window.add_plugin_dock_widget("napari-autophase", "Workspace")
    scan = simulate(seed=1, size=options.size).scan
    session_of(viewer).add_result(run(scan, Recipe.from_preset("network")))
    application = QApplication.instance()
    for _ in range(20):
        application.processEvents()
        time.sleep(0.05)
    result = results(viewer)[-1]
    seconds = []
    for threshold in np.linspace(0.15, 0.6, 24):
        begin = time.perf_counter()
        result.set_threshold(float(threshold))
        viewer.window._qt_viewer.canvas.native.repaint()
        application.processEvents()
        seconds.append(time.perf_counter() - begin)
    figures = {
        "size": options.size,
        "median_s": round(float(np.median(seconds)), 4),
        "slowest_s": round(max(seconds), 4),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(figures))
    save(RESULTS / "slider.json", figures)
    viewer.close()


if __name__ == "__main__":
    main()
