"""The gold crystal of 34-ID-C (scan S0054) by every preset, against reference reconstructions by PyNX and cohere.

`python benchmarks/real.py [--data FOLDER] [--presets fast,best]` writes `results/real.json` and prints a table.  The scan
is the 200 × 128 × 128 crop; the references are PyNX's best run and cohere's image, the latter conjugated (its transform has the
other sign).
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, run, save, table

from napari_autophase import Geometry, Recipe, analysis, read
from napari_autophase.geometry import BEAMLINES
from napari_autophase.recipe import PRESETS
from napari_autophase.scan import Scan

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data" / "34idc_Au_S0054"
GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.0050000339999999996,
    detector_angles_deg=(32.174, 12.6346),
    sample_angles_deg=(0.22, 90.0, -5.0),
    # the beam meets pixel (256, 256) of the whole detector, of which the crop's first pixel is (62, 63)
    direct_beam_pixel=(194.0, 193.0),
    **{k: v for k, v in BEAMLINES["34-ID-C"].items() if not k.endswith("_names")},
)
"""From the scan's SPEC file."""


def references(folder: Path) -> dict[str, np.ndarray]:
    """Return the reference objects on (rocking, row, column), all in our sign."""
    cohere = np.load(folder / "reference_cohere" / "image_support.npz")["image"]
    return {
        "pynx": read(folder / "reference_pynx" / "best_run.cxi").object,
        # its axes are (column, row, frame)
        "cohere": np.conj(np.transpose(cohere, (2, 1, 0))),
    }


@cache
def measured(folder: Path) -> tuple[Scan, dict[str, np.ndarray]]:
    """Return the scan with its geometry, and the references."""
    scan = read(folder / "scan54_crop_200x128x128.cxi")
    return Scan(scan.counts, scan.mask, GEOMETRY, "Au S0054", scan.source), references(folder)


def measure(folder: Path, recipe: Recipe, picture: Path | None = None) -> dict[str, Any]:
    """Reconstruct the gold crystal and compare it with the references: amplitudes, complex objects, supports."""
    scan, compared = measured(folder)
    found = run(scan, recipe)
    row: dict[str, Any] = {**found.figures, "iterations": found.iterations, "weights": found.weights_sha256}
    row["seconds"] = sum(found.seconds[stage] for stage in ("prepare", "guess", "refine", "analyse"))
    for name, reference in compared.items():
        agreement = analysis.compare(found.object, reference, threshold=0.3)
        row |= {
            f"{name}_amplitude": agreement["amplitude_correlation"],
            f"{name}_correlation": agreement["correlation"],
            f"{name}_iou": agreement["support_iou"],
        }
    if picture is not None:
        analysis.draw_picture(found, picture, 0.3)
    return row


def main() -> None:
    """Reconstruct, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each result")
    options = parser.parse_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    heading = [
        "preset",
        "χ²",
        "held-out",
        "seconds",
        *(f"{n}: amplitude, complex, IoU" for n in ("pynx", "cohere")),
    ]
    rows, lines = [], []
    for preset in options.presets.split(","):
        picture = options.pictures / f"gold_{preset}.png" if options.pictures else None
        row = measure(options.data, Recipe.from_preset(preset), picture)
        rows.append({"preset": preset, **row})
        agreements = [
            ", ".join(f"{row[f'{name}_{figure}']:.3f}" for figure in ("amplitude", "correlation", "iou"))
            for name in ("pynx", "cohere")
        ]
        lines.append(
            [preset, f"{row['chi2']:.4f}", f"{row['free_llk']:.3f}", f"{row['seconds']:.1f}", *agreements]
        )
        print(f"{preset}: {row['seconds']:.1f} s", flush=True)
    save(RESULTS / "real.json", {"rows": rows})
    print(table(heading, lines))


if __name__ == "__main__":
    main()
