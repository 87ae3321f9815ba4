"""Make the sample scans of this folder: ``python sample_data/make_samples.py``.  Same program, same scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_autophase.formats import write_scan
from napari_autophase.samples import SAMPLES
from napari_autophase.simulation import simulate

ARGUMENTS: dict[str, dict[str, Any]] = {
    "faceted_64.h5": {
        "seed": 7,
        "size": 64,
        "kind": "wulff",
        "oversampling": (3.0, 2.7, 2.9),
        "phase_range": 2.0,
        "peak": 1e5,
    },
    "strained_96x80x88.cxi": {
        "seed": 12,
        "size": (96, 80, 88),
        "kind": "winterbottom",
        "oversampling": (3.6, 2.6, 3.0),
        "phase_range": 6.0,
        "peak": 3e5,
        "gaps": True,
        "hot_pixels": 6,
    },
}


def main() -> None:
    """Write every sample beside this file."""
    folder = Path(__file__).parent
    for name in SAMPLES:
        path = folder / name
        write_scan(replace(simulate(**ARGUMENTS[name]).scan, name=path.stem, source=name), path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
