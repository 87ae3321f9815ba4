"""Fixtures of the viewer's tests; those marked ``screen`` need a display (Xvfb is enough)."""

from __future__ import annotations

import os
import sys

import pytest

HAS_SCREEN = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
if not HAS_SCREEN:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# to draw shapes napari would compile at first, which takes long; without this it does by NumPy
sys.modules.setdefault("napari.layers.shapes._accelerated_triangulate_numba", None)

from napari.components import ViewerModel  # noqa: E402
from viewer_doubles import FakeLaunch, make_reconstruction, make_scan  # noqa: E402

from napari_autophase.viewer import sessions, warmup  # noqa: E402
from napari_autophase.viewer.docks import device_and_memory  # noqa: E402
from napari_autophase.viewer.model.session import Session  # noqa: E402


def pytest_collection_modifyitems(items):
    if not HAS_SCREEN:
        skip = pytest.mark.skip(reason="needs a screen: run under xvfb-run")
        for item in items:
            if item.get_closest_marker("screen"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """The engine, not yet loaded; loading it loads nothing, and what it says of the computer is made up."""
    monkeypatch.setattr(warmup, "STEPS", ())
    monkeypatch.setattr(warmup, "rehearse", lambda: None)
    monkeypatch.setattr(warmup, "rehearse_labels", lambda: None)
    monkeypatch.setattr(warmup.engine, "_thread", None)
    monkeypatch.setattr(warmup.engine, "loaded", False)
    monkeypatch.setattr(device_and_memory, "_device_lines", lambda: ["cpu: 2 cores"])
    monkeypatch.setattr(
        device_and_memory,
        "_memory_line",
        lambda shape, recipe: f"{shape} {recipe.refine.algorithm} {recipe.device}",
    )
    yield warmup.engine
    if (thread := warmup.engine._thread) is not None:
        thread.join(120)  # it rehearses after it is ready, with the collector held back


@pytest.fixture
def scan():
    return make_scan()


@pytest.fixture
def reconstruction():
    return make_reconstruction()


@pytest.fixture
def viewer():
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def launch():
    return FakeLaunch()


@pytest.fixture
def session(viewer, launch):
    """The viewer's session, with jobs that the test drives."""
    session = Session(viewer, sessions.QtBackground(launch))
    sessions.keep(session)
    return session
