"""What is written of a result, or of a scan: work for a thread, each with a sentence that says what was done."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ....reconstruction import Reconstruction
from ....scan import InputError, Scan

FIGURES = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"
REPORTS = "HTML, one page (*.html);;PDF (*.pdf)"
GRIDS = "NeXus (*.h5);;NumPy (*.npz)"
PROGRAMS = (
    "ParaView, volumes (*.vti);;ParaView, surface (*.vtp);;NeXus (*.nxs);;NumPy (*.npz);;MATLAB (*.mat);;"
    "ImageJ (*.tif);;STL, surface (*.stl);;PLY, coloured surface (*.ply);;CXI, whole (*.cxi);;Curves of trust, a table (*.csv)"
)
"""Name filters of the file dialogs."""
FRAMES_PER_SECOND = 15
"""Of films."""
_COLOURS = 255
"""Of a GIF's pictures; one is left for what does not change."""


def films() -> str:
    """Return the name filter of films: GIF, and MP4 where something is installed that makes it."""
    return "GIF (*.gif);;MP4 (*.mp4)" if find_spec("imageio_ffmpeg") else "GIF (*.gif)"


def write_film(pictures: Sequence[np.ndarray], path: str) -> str:
    """Write pictures, uint8 (rows, columns, 3), as a film that begins anew, and say what was written.

    Raises
    ------
    InputError
        If the name ends otherwise than .gif or .mp4, nothing makes that here, or the place cannot be written.
    """
    from .... import files

    kind = Path(path).suffix.lower()
    if kind == ".gif":
        content = _gif(pictures)
    elif kind == ".mp4" and find_spec("imageio_ffmpeg"):
        content = _mp4(pictures)
    elif kind == ".mp4":
        raise InputError(
            "MP4 needs a package more: pip install imageio-ffmpeg; or choose a name that ends in .gif."
        )
    else:
        raise InputError(
            f"A film cannot be written as {Path(path).name}; choose a name that ends in .gif or .mp4."
        )
    files.write(Path(path), content)
    return f"Wrote {path}: {len(pictures)} pictures, {len(content) / 1e6:.1f} MB."


def _gif(pictures: Sequence[np.ndarray]) -> bytes:
    from PIL import Image

    # one palette for all, of pictures all around: colours that flicker would be read as numbers that change
    some = Image.fromarray(np.concatenate(pictures[:: max(len(pictures) // 4, 1)]))
    palette = some.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    first, *others = (
        Image.fromarray(each).quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures
    )
    out = io.BytesIO()
    milliseconds = round(1000 / FRAMES_PER_SECOND)
    first.save(out, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)
    return out.getvalue()


def _mp4(pictures: Sequence[np.ndarray]) -> bytes:
    import imageio.v3 as imageio

    even = [
        each[: each.shape[0] // 2 * 2, : each.shape[1] // 2 * 2] for each in pictures
    ]  # as H.264 wants it
    return imageio.imwrite(
        "<bytes>", np.stack(even), extension=".mp4", plugin="FFMPEG", fps=FRAMES_PER_SECOND
    )


def draw_figure(found: Reconstruction, path: str, threshold: float) -> str:
    """Draw a result, and say where."""
    from .... import analysis

    analysis.draw_picture(found, path, threshold=threshold, dpi=300)
    return f"Wrote {path}."


def write_report(found: Reconstruction, path: str, scan: Scan | None, threshold: float) -> str:
    """Write the report of a result, with its data if the scan is known, and say where."""
    from .... import report

    report.write_report(found, path, scan=scan, threshold=threshold)
    return f"Wrote {path}{'' if scan is not None else ', without data: the scan is not open'}."


def write_maps(
    found: Reconstruction, path: str, frame: Any, voxel_size_nm: float | None, threshold: float
) -> str:
    """Write a result as other programs open it, and say where."""
    from .... import export

    export.export(found, path, threshold=threshold, voxel_size_nm=voxel_size_nm, frame=frame)
    return f"Wrote {path}, at amplitude ≥ {threshold:.2f}, in the {frame} frame."


def orthogonalise(found: Scan | Reconstruction, frame: Any, voxel_size: float | None, path: str) -> str:
    """Write a volume on an orthogonal grid, and say what was written."""
    from .... import orthogonal

    made = orthogonal.orthogonalise(found, frame, voxel_size)
    orthogonal.write(made, path)
    sides = " × ".join(map(str, made.data.shape))
    return f"Wrote {path}: {sides} voxels of {made.voxel_size:.4g} {made.unit} along z, y, x of the {frame} frame."


def reread(result: Reconstruction) -> Scan:
    """Read the scan of a result again, if all that the result came from is what it was."""
    from ....repeat import Record, check_weights, reread

    known = Record.of(result)
    scan = reread(known)
    check_weights(known)
    return scan
