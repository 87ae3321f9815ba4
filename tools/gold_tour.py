"""Take the gold crystal of 34-ID-C from its raw frames and SPEC file to a figure, in the window, and keep pictures.

    xvfb-run -a -s "-screen 0 1600x1000x24" python tools/gold_tour.py FRAMES FOLDER [THEME [WIDTHxHEIGHT]]

FRAMES is the folder of TIFF frames, with the SPEC file in it or in the folders above, and ``dark.tif`` and ``whitefield.tif``
two folders above.  What was said on the way is printed; pictures and files go to FOLDER.  As in `tour`, the first thing that
fails ends it with exit code 1.  The pictures of the documentation are those of 1280x800 (``make gold FRAMES=…``).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import image
from tour import RUN_S, Failure, Tour, choose, end, pump

SECTION = "Prepare"
OTHER_CRYSTAL = (160, 62, 102)
"""Frame, row and column of a weak spot beside the peak, which belongs to another crystal."""
PEAK_FRAME = 99
BRUSH = 30
"""How wide it is painted over, in voxels along all three axes."""


class GoldTour(Tour):
    """The steps from frames to strain.

    Parameters
    ----------
    folder, frames
        Where pictures go, and where the frames lie.
    size
        Width and height of the window.
    """

    def __init__(self, folder: Path, frames: Path, size: tuple[int, int] = (1600, 1000)) -> None:
        super().__init__(folder, size)
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

    def paint_over_the_other_crystal(self) -> None:
        """A press of napari's brush on the canvas masks a ball of voxels."""
        self.viewer.dims.set_current_step(0, OTHER_CRYSTAL[0])
        pump(0.5)
        self.button("Paint…").click()
        self.wait(lambda: any(name.endswith("mask") for name in self.names()), "no layer to paint on came")
        layer = self.layer("mask")
        layer.n_edit_dimensions, layer.brush_size = 3, BRUSH  # as in napari's own controls
        self.press(*OTHER_CRYSTAL[1:])
        ball = np.pi / 6 * BRUSH**3
        self.wait(
            lambda: 0.8 * ball < int((np.asarray(layer.data) > 0).sum()) < 1.2 * ball,
            "the brush left no ball of its width",
        )
        self.button("Show what is masked").click()
        self.wait(
            lambda: any("painted" in text for text in self.said()), "nothing is said of what is painted"
        )
        self.until_understood()
        self.picture("04_painted")
        self.button("Show what is masked").click()

    def press(self, row: float, column: float) -> None:
        """Press and let go of the mouse on the canvas, where a voxel of the frame is."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtOpenGLWidgets import QOpenGLWidget
        from qtpy.QtTest import QTest

        canvases = [each for each in self.window.findChildren(QOpenGLWidget) if each.isVisible()]
        canvas, camera = max(canvases, key=lambda each: each.width() * each.height()), self.viewer.camera
        middle = canvas.rect().center()
        across = (column - camera.center[-1]) * camera.zoom
        down = (row - camera.center[-2]) * camera.zoom
        at = QPoint(round(middle.x() + across), round(middle.y() + down))
        mouse: Any = QTest
        mouse.mouseMove(canvas, at)
        pump(0.3)
        left, alone = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        mouse.mousePress(canvas, left, alone, at)
        pump(0.3)
        mouse.mouseRelease(canvas, left, alone, at)
        pump(0.3)

    def crop_to_a_box(self) -> None:
        """A box is drawn and read."""
        self.viewer.dims.set_current_step(0, PEAK_FRAME)
        self.button("Draw…").click()
        self.wait(lambda: "crop" in self.names(), "no box came")
        self.picture("05_box")
        self.button("Crop to this").click()
        self.wait(
            lambda: not self.fact("Shape").startswith("201 × 256 × 256"), "the scan was not cropped", RUN_S
        )
        self.until_understood()
        self.picture("06_cropped")
        self.button(f" {SECTION}").click()

    def name_the_crystal(self) -> None:
        """The measured spacing is compared with that of gold (1 1 1)."""
        from napari_autophase.viewer.widgets.crystal_form import CrystalForm

        head = self.button(" Geometry")
        if not head.isChecked():  # all of it is known from the SPEC file: it stands closed
            head.click()
        form = self.window.findChildren(CrystalForm)[0]
        if not form.isVisible():
            self.button(" Geometry").click()
        form.material.setEditText("Au")
        form.material.settle()
        form.hkl.choose("1 1 1")
        self.wait(
            lambda: any("mean strain" in text for text in self.said()), "the spacing was not compared", RUN_S
        )
        form.window().repaint()
        self.scroll_to(form)
        self.picture("07_crystal")
        self.button(" Arm test of the mount").click()
        self.scroll_to(self.button("Test"))
        self.picture("08_arm")

    def scroll_to(self, widget: Any) -> None:
        """Bring a widget into sight."""
        from qtpy.QtWidgets import QScrollArea

        area: Any = widget
        while not isinstance(area, QScrollArea):
            area = area.parentWidget()
        pump(0.2)
        bar: Any = area.verticalScrollBar()
        bar.setValue(bar.maximum())
        pump(0.2)

    def phase(self) -> None:
        """The crystal arrives in nm."""
        self.turn_to("Reconstruct")
        self.picture("09_before")
        self.button("Reconstruct").click()
        pump(6)
        self.picture("10_running")
        self.wait(
            lambda: any(name.endswith("isosurface") for name in self.seen()),
            "the crystal did not come",
            RUN_S,
        )
        pump(1)
        self.picture("11_done")

    def look_at_the_strain(self) -> None:
        """The crystal by its strain, cut open, and in slices."""
        self.turn_to("Display")
        self.choose("strain")
        self.cut_open(True)
        self.picture("12_strain")
        self.cut_open(False)
        self.button("Slices (2-D)").click()
        self.picture("13_slices")
        self.button("Crystal (3-D)").click()
        self.button(" Export and repeat").click()
        self.scroll_to(self.button("Figure…"))
        self.picture("14_export")

    def cut_open(self, on: bool) -> None:
        """Take half of the crystal away, or give it back."""
        from qtpy.QtWidgets import QGroupBox

        box = next(each for each in self.window.findChildren(QGroupBox) if each.title() == "Cut open")
        box.setChecked(on)
        pump(1)

    def asked(self, name: str) -> Path:
        """Have the next file dialog answered with a name in the folder, which is returned."""
        from qtpy.QtWidgets import QFileDialog

        target = self.folder / name
        QFileDialog.getSaveFileName = staticmethod(lambda *_, **__: (str(target), ""))  # type: ignore[method-assign]
        return target

    def wait_for(self, target: Path) -> None:
        """Wait until the panel says that a file was written, and it is there."""
        said = f"Wrote {target}"
        self.wait(lambda: any(text.startswith(said) for text in self.said()), f"no {target.name} came", RUN_S)
        self.demand(target.is_file() and target.stat().st_size > 0, f"there is no {target}")

    def draw_a_figure_and_a_line(self) -> None:
        """What goes into the logbook: a figure with a line below it."""
        from qtpy.QtWidgets import QApplication

        target = self.asked("figure.png")
        self.button("Figure…").click()
        self.wait_for(target)
        fine = image.imread(target)[..., :3]
        rows, columns = (3 * (length // 3) for length in fine.shape[:2])
        small = fine[:rows, :columns].reshape(rows // 3, 3, columns // 3, 3, 3).mean(axis=(1, 3))
        image.imsave(self.folder / "15_figure.png", np.rint(255 * small).astype(np.uint8))
        self.button("Copy logbook line").click()
        clipboard = QApplication.clipboard()
        line = "" if clipboard is None else clipboard.text()
        self.demand("fast" in line and "χ²" in line, f"the line for the logbook is '{line}'")
        print(f"    {line}", flush=True)
        self.scroll_to(self.button("Copy logbook line"))
        self.picture("16_logbook")

    def write_it(self) -> None:
        """On an orthogonal grid, and as a result."""
        target = self.asked("gold_laboratory.h5")
        self.button("Orthogonalise…").click()
        self.wait_for(target)
        saved = self.asked("gold.cxi")
        self.button("Save…").click()
        self.wait(saved.is_file, "the result was not saved")

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
        self.picture("17_repeated")


def main(frames: Path, folder: Path, theme: str = "dark", size: tuple[int, int] = (1600, 1000)) -> int:
    """Take the tour and return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    tour = GoldTour(folder, frames, size)
    tour.viewer.theme = theme
    steps = (
        tour.read_the_frames,
        tour.correct_the_detector,
        tour.paint_over_the_other_crystal,
        tour.crop_to_a_box,
        tour.name_the_crystal,
        tour.phase,
        tour.look_at_the_strain,
        tour.draw_a_figure_and_a_line,
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
    look, extent = (*sys.argv[3:], *("dark", "1600x1000")[len(sys.argv) - 3 :])
    width, height = map(int, extent.split("x"))
    end(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), look, (width, height)))
