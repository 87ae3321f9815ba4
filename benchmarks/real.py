"""The gold crystal of 34-ID-C (scan S0054) by every preset, against reference reconstructions by PyNX and cohere.

`python benchmarks/real.py [--data FOLDER] [--presets fast,best]` writes `results/real.json` and prints a table.  The scan
is the 200 × 128 × 128 crop; the references are PyNX's best run and cohere's image, the latter conjugated (its transform has the
other sign).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from napari_autophase import Geometry, Recipe, analysis, read, run
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
    **{k: v for k, v in analysis.PRESETS["34-ID-C"].items() if not k.endswith("_names")},
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


def main() -> None:
    """Reconstruct, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each result")
    options = parser.parse_args()
    scan = read(options.data / "scan54_crop_200x128x128.cxi")
    scan = Scan(scan.counts, scan.mask, GEOMETRY, "Au S0054", scan.source)
    compared = references(options.data)
    rows = []
    print(
        "| preset | χ² | held-out | seconds | pynx: amplitude, complex, IoU | cohere: amplitude, complex, IoU |"
    )
    print("|---|---|---|---|---|---|")
    for preset in options.presets.split(","):
        found = run(scan, Recipe.from_preset(preset))
        row = {"preset": preset, **found.figures, "seconds": found.seconds, "iterations": found.iterations}
        row |= {name: analysis.compare(found.object, ref, threshold=0.3) for name, ref in compared.items()}
        row["weights_sha256"] = found.weights_sha256
        rows.append(row)
        cells = [
            f"{row[n]['amplitude_correlation']:.3f}, {row[n]['correlation']:.3f}, {row[n]['support_iou']:.3f}"
            for n in compared
        ]
        print(
            f"| {preset} | {found.figures['chi2']:.4f} | {found.figures['free_llk']:.3f} | "
            f"{found.seconds['total']:.1f} | {cells[0]} | {cells[1]} |",
            flush=True,
        )
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            analysis.draw_picture(found, options.pictures / f"gold_{preset}.png", 0.3)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "real.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
