"""Compare pictures of the window with those that were looked at and found good, as a person would from some steps away.

    python tools/mosaic.py PICTURES BASELINES [--keep]

A picture is taken down to a mosaic of tiles, each the mean colour of its part.  Another font, or a line that is drawn half a
pixel away, makes no difference then; a panel that is gone, other colours, or a crystal that is turned otherwise do.  The mosaics
lie in BASELINES; ``--keep`` makes them anew from PICTURES, to be looked at before they are committed.  What differs is said, and
ends it with exit code 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib import image

COLUMNS, ROWS = 60, 40
FAR = 40 / 255
"""A tile whose colour is further from that of the baseline, in any channel, is another."""
ALLOWED = 0.02
"""Which part of the tiles may be others: what a run took, and what napari says of it, are never the same."""


def mosaic(picture: np.ndarray) -> np.ndarray:
    """Return mean colours, from 0 to 1, of the tiles of a picture.

    Parameters
    ----------
    picture
        Shape (rows, columns, 3 or 4), from 0 to 1, at least as large as the mosaic.
    """
    colours = picture[..., :3].astype(float)
    for axis, tiles in enumerate((ROWS, COLUMNS)):
        bounds = np.linspace(0, colours.shape[axis], tiles + 1).round().astype(int)
        widths = np.diff(bounds).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        colours = np.add.reduceat(colours, bounds[:-1], axis=axis) / widths
    return colours


def others(picture: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return which tiles of a picture are not those of a baseline, which is a mosaic."""
    return (np.abs(mosaic(picture) - baseline[..., :3]) > FAR).any(axis=-1)


def compare(pictures: Path, baselines: Path) -> list[str]:
    """Return a sentence for each baseline whose picture is missing or differs."""
    told = []
    for path in sorted(baselines.glob("*.png")):
        picture = pictures / path.name
        if not picture.is_file():
            told.append(f"{path.name} was not taken.")
            continue
        wrong = others(image.imread(picture), image.imread(path))
        if wrong.mean() > ALLOWED:
            rows, columns = (np.flatnonzero(wrong.any(axis=axis)) for axis in (1, 0))
            told.append(
                f"{path.name}: {wrong.mean():.0%} of the tiles are others, in rows {rows[0]} to {rows[-1]} of {ROWS} "
                f"and columns {columns[0]} to {columns[-1]} of {COLUMNS}."
            )
    return told


def keep(pictures: Path, baselines: Path) -> None:
    """Make the mosaics of all pictures."""
    baselines.mkdir(parents=True, exist_ok=True)
    for picture in sorted(pictures.glob("*.png")):
        image.imsave(baselines / picture.name, np.rint(255 * mosaic(image.imread(picture))).astype(np.uint8))


if __name__ == "__main__":
    folders = [Path(each) for each in sys.argv[1:3]]
    if "--keep" in sys.argv:
        keep(*folders)
    differ = compare(*folders)
    print("\n".join(differ) or "All pictures are as they were.")
    sys.exit(bool(differ))
