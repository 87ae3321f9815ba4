"""How often the truth lies within the error that is given: `python benchmarks/error_coverage.py [--crystals 6] [--runs 2]`.

Crystals of `napari_autophase.simulation` (48³, weakly and strongly strained, peaks of 1e4 and 1e5 photons), of seeds that no test
has, are phased several times.  The strain of the true crystal, smoothed to the resolution at which the map reproduces, is held
against the map and its error, voxel by voxel: of errors that are right two cover 95 %.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import machine, table

from napari_autophase import Recipe, analysis, simulation
from napari_autophase import run as reconstruct
from napari_autophase.analysis import trust
from napari_autophase.reconstruction import Reconstruction

FIRST_SEED = 9_100_000
SIDE, OVERSAMPLING = 48, (2.5, 2.5, 2.5)
KINDS = tuple((phase_range, peak) for phase_range in (0.5, 3.0) for peak in (1e4, 1e5))
"""Phase range in rad, and photons in the brightest voxel."""


def covered(found: Reconstruction, truth: np.ndarray) -> dict[str, float]:
    """Return how the true strain lies about the map of a result, both at the map's resolution and without their means."""
    assert found.trust is not None
    steps, width = found.voxel_steps_nm, found.trust.figures["strain_resolution"]
    voxel = float(abs(np.linalg.det(steps)) ** (1 / 3))
    moved, likeness = analysis.align(truth, found.object, ramp=True)
    level = analysis.remove_ramp(moved)
    smooth = trust.smoothed(level, width if width > 1.01 * voxel else 0.0, steps)
    inside = np.isfinite(found.trust.strain)
    true = analysis.strain(smooth, inside, steps, found.q_bragg_per_nm)
    known = inside & np.isfinite(true) & np.isfinite(found.trust.strain_error)
    off = (found.trust.strain - true)[known]
    off -= off.mean()
    error = found.trust.strain_error[known]
    return {
        "object": abs(likeness),
        "resolution": width / voxel,
        "strain": float(np.corrcoef(found.trust.strain[known], true[known])[0, 1]),
        "made": float(np.sqrt(np.mean(off**2))),
        "told": float(np.sqrt(np.mean(error**2))),
        "within": float(np.mean(np.abs(off) < 2 * error)),
    }


def main() -> None:
    """Reconstruct, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=6)
    parser.add_argument("--kinds", type=int, default=len(KINDS), help="of each crystal, of four")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--preset", default="fast")
    options = parser.parse_args()
    recipe = Recipe.from_preset(options.preset).with_settings({"runs": options.runs, "device": "cpu"})
    print(machine())
    rows, shares = [], []
    for turn in range(options.kinds):
        for number in range(options.crystals):
            phase_range, peak = KINDS[(number + turn) % len(KINDS)]
            made = simulation.simulate(
                FIRST_SEED + number, SIDE, phase_range=phase_range, peak=peak, oversampling=OVERSAMPLING
            )
            found = reconstruct(made.scan, recipe, lambda _: None)
            assert found.trust is not None
            one, figures = covered(found, made.object), found.trust.figures
            shares.append(one["within"])
            rows.append(
                [
                    f"{number}: {phase_range:g} rad, {peak:.0e}",
                    f"{one['object']:.3f}",
                    f"{figures['twin_likeness']:.2f}",
                    f"{one['resolution']:.1f}",
                    f"{figures['strain_correlation']:.2f}",
                    f"{one['strain']:.2f}",
                    f"{1e4 * figures['strain_spread']:.2f}",
                    f"{1e4 * one['made']:.2f}",
                    f"{1e4 * one['told']:.2f}",
                    f"{100 * one['within']:.0f}",
                ]
            )
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
    head = [
        *("crystal", "object", "own twin", "resolution (voxels)", "halves", "truth", "strain (1e-4)"),
        *("error made", "error told", "within 2 errors (%)"),
    ]
    print(table(head, rows))
    good = sum(0.9 <= share <= 0.98 for share in shares)
    print(
        f"mean {100 * np.mean(shares):.1f} %, least {100 * min(shares):.0f} %; {good} of {len(shares)} within 90 to 98 %"
    )


if __name__ == "__main__":
    main()
