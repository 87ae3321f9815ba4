"""Small stand-ins for the viewer's tests: a scan, a result, and jobs that the test drives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from qtpy.QtCore import QEvent, Qt, QThreadPool
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_autophase.geometry import find_beamline
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress, Reconstruction
from napari_autophase.scan import Geometry, Scan
from napari_autophase.viewer.model.crystal.drawing import draw

GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.02,
    detector_angles_deg=(0.5, 35.4),
    sample_angles_deg=(0.0, 17.5, 0.0),
    **find_beamline("ID01").conventions(),
)

TYPED = replace(
    GEOMETRY,
    sample_circles=("y-", "x-", "y-"),
    sample_angles_deg=(0.3, 17.5, 0.0),
    rocking_circle=1,
    pixel_directions=("y-", "x+"),
    beamline="ID01",
    detector="mpx1x4",
)
"""A geometry of ID01, to be typed."""


def enter(dock, field, text, key=Qt.Key.Key_Return):
    """Type `text` into a line of the geometry as a person does; without a key the line is not left."""
    line = dock.geometry_box.form.lines[field]
    line.clear()
    QTest.keyClicks(line, text)
    if key is not None:
        QTest.keyClick(line, key)


def fill_in(dock, geometry):
    """Type a whole geometry of the beamline ID01."""
    form = dock.geometry_box.form
    form.beamline.setCurrentText("ID01")
    form.beamline.activated.emit(form.beamline.currentIndex())
    for field, line in form.lines.items():
        value = getattr(geometry, field)
        if value is not None:
            enter(dock, field, " ".join(map(str, value)) if isinstance(value, tuple) else str(value))
        assert line.isEnabled()


def threads_are_over():
    """Wait until no thread of Qt's works, then deliver what they said and delete what was to go."""
    assert QThreadPool.globalInstance().waitForDone(120_000)
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def make_scan(name="crystal", size=24, geometry=GEOMETRY, seed=0):
    """The Poisson counts of a box, with its peak in the middle."""
    box = np.zeros((size,) * 3, np.complex64)
    middle = slice(size // 2 - size // 6, size // 2 + size // 6)
    box[middle, middle, middle] = 1
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(box)))) ** 2
    counts = np.random.default_rng(seed).poisson(1e4 * intensity / intensity.max()).astype(np.int32)
    return Scan(counts, geometry=geometry, name=name)


def make_reconstruction(name="crystal", size=24, nm=True):
    box = np.zeros((size,) * 3, np.complex64)
    middle = slice(size // 4, 3 * size // 4)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)[:, None, None] ** 2
    box[middle, middle, middle] = np.exp(1j * np.broadcast_to(ramp, box.shape)[middle, middle, middle])
    return Reconstruction(
        object=box,
        support=box != 0,
        recipe=Recipe(),
        figures={"chi2": 0.0123, "free_llk": 1.5},
        iterations=50,
        seconds={"total": 3.2},
        voxel_steps_nm=np.diag([5.0, 6.0, 7.0]) if nm else None,
        q_bragg_per_nm=np.array([0.0, 0.0, 26.7]) if nm else None,
        name=name,
        notes=("a note to read",),
        versions={"napari-autophase": "0.2.0"},
    )


class FakeJob:
    """A reconstruction that does what the test says, when the test says it."""

    def __init__(self, scan, recipe, run):
        self.scan, self.recipe, self.run = scan, recipe, run
        self.quits = self.waits = 0
        self.held: list[bool] = []

    def quit(self):
        self.quits += 1

    def hold(self, held):
        self.held.append(held)

    def wait(self, seconds):
        self.waits += 1
        return True

    def done(self, reconstruction):
        self.run.on_done(draw(reconstruction))

    def refine(self, step, total=50, errors=()):
        self.run.on_progress(Progress("refine", step, total), tuple(errors))


class FakeLaunch:
    def __init__(self):
        self.jobs = []

    def __call__(self, scan, recipe, run):
        self.jobs.append(FakeJob(scan, recipe, run))
        return self.jobs[-1]

    @property
    def job(self):
        return self.jobs[-1]
