"""A result from a notebook in napari."""

from __future__ import annotations

import napari
import pytest
from napari.components import ViewerModel
from viewer_doubles import make_reconstruction

from napari_autophase.viewer import show as module
from napari_autophase.viewer.model.result.results import results


@pytest.fixture
def viewer():
    return ViewerModel()


def test_a_result_goes_to_the_viewer_that_is_open(viewer, monkeypatch):
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    assert make_reconstruction().show() is viewer
    assert make_reconstruction().show() is viewer
    assert len(results(viewer)) == 2


def test_a_viewer_is_opened_where_there_is_none(viewer, monkeypatch):
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)
    monkeypatch.setattr(module, "_has_screen", lambda: True)
    assert make_reconstruction().show() is viewer
    assert [layer.name.rsplit(" ", 1)[-1] for layer in viewer.layers] == ["isosurface"]
