"""The command palette offers every command of the manifest: none of them may fail when it is called by itself."""

from __future__ import annotations

from importlib import import_module, resources

import napari
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QFileDialog
from viewer_doubles import make_reconstruction

from napari_autophase import formats
from napari_autophase.viewer import palette
from napari_autophase.viewer.model.results import RESULT

MANIFEST = PluginManifest.from_file(str(resources.files("napari_autophase") / "napari.yaml"))
BY_ARGUMENT = [
    each for each in MANIFEST.contributions.commands if each.id.split(".")[-1] in ("read", "refuse", "write")
]


@pytest.fixture
def current(viewer, session, monkeypatch):
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    return viewer


@pytest.fixture
def said(monkeypatch):
    told = []
    for name in ("show_error", "show_info", "show_warning"):
        monkeypatch.setattr(palette, name, told.append)
    return told


@pytest.mark.parametrize("command", BY_ARGUMENT, ids=lambda command: command.id)
def test_commands_do_nothing_where_nothing_is_chosen(current, said, monkeypatch, qapp, command):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("", "")))
    module, name = command.python_name.split(":")
    assert not getattr(import_module(module), name)()
    assert len(current.layers) == 0
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    assert not getattr(import_module(module), name)()


def test_a_file_is_asked_for_and_opened(current, monkeypatch, qapp):
    opened = []
    monkeypatch.setattr(type(current), "open", lambda self, path, plugin: opened.append((path, plugin)))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("scan.cxi", "")))
    palette.open_file()
    assert opened == [("scan.cxi", "napari-autophase")]


def test_the_result_whose_layer_is_selected_is_saved(current, session, said, monkeypatch, tmp_path, qapp):
    for name in ("one", "two"):
        session.add_result(make_reconstruction(name))
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *arguments: (str(tmp_path / arguments[2]), ""))
    )
    current.layers.selection = set()
    palette.save_result()
    assert "Select a layer" in said[-1]
    current.layers.selection = {next(layer for layer in current.layers if layer.name.startswith("one · 1"))}
    palette.save_result()
    assert formats.read(tmp_path / "one_result1.cxi").name == "one"
    assert "one_result1.cxi" in said[-1]
    for layer in list(current.layers):
        if layer.metadata[RESULT].group == 1:
            current.layers.remove(layer)
    current.layers.selection = set()
    palette.save_result()
    assert (tmp_path / "two_result2.cxi").is_file(), "there is only one"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(tmp_path / "x.tif"), ""))
    )
    palette.save_result()
    assert "cxi" in said[-1]
