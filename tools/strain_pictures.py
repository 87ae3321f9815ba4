"""Draw the pictures of the guide on measured crystals from results, as the report draws them.

    python tools/strain_pictures.py RESULT NAME FOLDER [MATERIAL H,K,L]

FOLDER/NAME_surface.png, NAME_slices.png, NAME_facets.png and, of several runs, NAME_error.png and NAME_trust.png are written.
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_autophase import files, formats
from napari_autophase.analysis.drawing import png
from napari_autophase.export import Against
from napari_autophase.geometry import indices
from napari_autophase.report import gather

DPI = 72
TITLES = {
    "Surface": "surface",
    "Central slices": "slices",
    "Facets": "facets",
    "Strain and its error": "error",
    "Resolution and trust": "trust",
}


def main(result: str, name: str, folder: str, material: str | None = None, hkl: str | None = None) -> None:
    """Write the pictures, and print what they say."""
    against = Against(material, None if hkl is None else indices(hkl))
    report = gather(formats.read_reconstruction(result), against=against)
    for label, words in report.facts:
        print(f"{label:>14}  {words}")
    for picture in report.pictures:
        if picture.title in TITLES:
            path = Path(folder) / f"{name}_{TITLES[picture.title]}.png"
            files.write(path, png(picture.figure, DPI))
            print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
