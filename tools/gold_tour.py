"""Take the gold crystal of 34-ID-C from its raw frames and SPEC file to its strain, in the window, and keep pictures.

    xvfb-run -a -s "-screen 0 1600x1000x24" python tools/gold_tour.py FRAMES FOLDER [THEME]

FRAMES is the folder of TIFF frames, with the SPEC file in it or in the folders above, and ``dark.tif`` and ``whitefield.tif``
two folders above.  What was said on the way is printed; pictures and files go to FOLDER.  As in `tour`, the first thing that
fails ends it with exit code 1.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from tour import RUN_S, Failure, Tour, choose, pump

SECTION = "Mask, crop, binning and how to read"
SIZE = 1600, 1000
"""The window, in pixels."""


class GoldTour(Tour):
    """The steps from frames to strain.

    Parameters
    ----------
    folder, frames
        Where pictures go, and where the frames lie.
    """

    def __init__(self, folder: Path, frames: Path) -> None:
        super().__init__(folder, SIZE)
        self.frames = frames
        self.mask = folder / "detector_mask.npy"

    def said(self) -> list[str]:
        """Return all words that can be seen in the panels."""
        from qtpy.QtWidgets import QLabel

        return [
            label.text() for label in self.window.findChildren(QLabel) if label.isVisible() and label.text()
        ]

    def fact(self, caption: str) -> str:
        """Return what stands beside a caption."""
        return self.field(caption).text()

    def until_understood(self) -> None:
        """Wait until the facts are there."""
        self.wait(
            lambda: "…" not in self.fact("Lattice") and "Reading" not in " ".join(self.said()),
            "no facts came",
            RUN_S,
        )
        pump(0.5)

    def read_the_frames(self) -> None:
        """Geometry comes from the SPEC file."""
        choose(self.window, "Plugins", "AutoPhase", "Workspace")
        self.turn_to("Load")
        self.picture("01_empty")
        self.field("Scan").choose(str(self.frames))
        self.wait(lambda: len(self.seen()) == 1, "no scan came", RUN_S)
        self.until_understood()
        self.picture("02_loaded")
        self.demand(self.fact("Shape").startswith("201 × 256 × 256"), f"the scan has {self.fact('Shape')}")
        self.demand("unknown" not in self.fact("Voxel size"), "the SPEC file was not found")

    def correct_the_detector(self) -> None:
        """Mask of the detector, dark and white field."""
        import tifffile

        above = self.frames.parents[1]
        white = tifffile.imread(above / "whitefield.tif")
        np.save(self.mask, (white <= 0).astype(np.uint8))
        self.button(f" {SECTION}").click()
        for caption, path in (
            ("Mask", self.mask),
            ("Dark field", above / "dark.tif"),
            ("White field", above / "whitefield.tif"),
        ):
            self.field(caption).choose(str(path))
            self.wait(lambda: "Reading" not in " ".join(self.said()), f"{caption} was not read", RUN_S)
        self.until_understood()
        self.picture("03_corrected")

    def crop_to_a_box(self) -> None:
        """A box is drawn and read."""
        self.button("Draw…").click()
        self.wait(lambda: "crop" in self.names(), "no box came")
        self.picture("04_box")
        self.button("Crop to this").click()
        self.wait(
            lambda: not self.fact("Shape").startswith("201 × 256 × 256"), "the scan was not cropped", RUN_S
        )
        self.until_understood()
        self.picture("05_cropped")
        self.button(f" {SECTION}").click()

    def name_the_crystal(self) -> None:
        """The measured spacing is compared with that of gold (1 1 1)."""
        from napari_autophase.viewer.widgets.crystal_form import CrystalForm

        form = self.window.findChildren(CrystalForm)[0]
        form.material.setEditText("Au")
        form.material.settle()
        form.hkl.choose("1 1 1")
        self.wait(
            lambda: any("mean strain" in text for text in self.said()), "the spacing was not compared", RUN_S
        )
        form.window().repaint()
        self.scroll_to(form)
        self.picture("06_crystal")
        self.button(" Arm test of the mount").click()
        self.scroll_to(self.button("Test"))
        self.picture("07_arm")

    def scroll_to(self, widget: object) -> None:
        """Bring a widget into sight."""
        from qtpy.QtWidgets import QScrollArea

        area = widget
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        pump(0.2)
        area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
        pump(0.2)

    def phase(self) -> None:
        """The crystal arrives in nm."""
        self.turn_to("Reconstruct")
        self.picture("08_before")
        self.button("Reconstruct").click()
        pump(6)
        self.picture("09_running")
        self.wait(
            lambda: any(name.endswith("isosurface") for name in self.seen()),
            "the crystal did not come",
            RUN_S,
        )
        pump(1)
        self.picture("10_done")

    def look_at_the_strain(self) -> None:
        """The crystal by its strain, cut open, and in slices."""
        self.turn_to("Display")
        self.choose("strain")
        self.picture("11_strain")
        self.button("Slices (2-D)").click()
        self.picture("12_slices")
        self.button("Crystal (3-D)").click()
        self.button(" Export and repeat").click()
        self.picture("13_export")

    def write_it(self) -> None:
        """On an orthogonal grid, and as a result."""
        from qtpy.QtWidgets import QFileDialog

        target = self.folder / "gold_laboratory.h5"
        QFileDialog.getSaveFileName = staticmethod(lambda *_, **__: (str(target), ""))
        self.button("Orthogonalise…").click()
        self.wait(
            lambda: any(text.startswith("Wrote ") for text in self.said()), "nothing was written", RUN_S
        )
        self.picture("14_written")
        QFileDialog.getSaveFileName = staticmethod(lambda *_, **__: (str(self.folder / "gold.cxi"), ""))
        self.button("Save…").click()
        self.wait((self.folder / "gold.cxi").is_file, "the result was not saved")

    def come_back(self) -> None:
        """The saved result is opened alone, and brings scan and recipe back."""
        self.viewer.layers.clear()
        pump(0.5)
        self.viewer.open(str(self.folder / "gold.cxi"), plugin="napari-autophase")
        self.wait(lambda: any(name.endswith("isosurface") for name in self.seen()), "the result did not open")
        self.button("Repeat from its file").click()
        self.wait(
            lambda: len([name for name in self.names() if name.endswith("isosurface")]) == 2,
            "it was not phased again",
            RUN_S,
        )
        pump(2)
        self.picture("15_repeated")


def main(frames: Path, folder: Path, theme: str) -> int:
    """Take the tour and return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    tour = GoldTour(folder, frames)
    tour.viewer.theme = theme
    steps = (
        tour.read_the_frames,
        tour.correct_the_detector,
        tour.crop_to_a_box,
        tour.name_the_crystal,
        tour.phase,
        tour.look_at_the_strain,
        tour.write_it,
        tour.come_back,
        tour.close,
    )
    for step in steps:
        name = step.__name__.replace("_", " ")
        print(f"  {name}", flush=True)
        try:
            step()
            tour.demand(True, "")
        except Exception as error:
            reason = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            print(f"FAILED: {name}: {tour.troubles[0] if tour.troubles else reason}", flush=True)
            print("\n".join(tour.said()), flush=True)
            with suppress(Exception):
                tour.picture("failed")
                tour.viewer.close()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), (sys.argv[3:] or ["dark"])[0]))
