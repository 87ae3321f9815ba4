"""The command palette offers every command of the manifest: none of them may fail when it is called by itself."""

from __future__ import annotations

from importlib import import_module, resources

import napari
import pytest
from app_model.registries import CommandsRegistry
from in_n_out import Store
from npe2 import PluginManifest
from qtpy.QtWidgets import QFileDialog
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import Recipe, formats
from napari_autophase.viewer import palette, sessions
from napari_autophase.viewer.model import commands
from napari_autophase.viewer.model.result.results import RESULT
from napari_autophase.viewer.model.run.choices import choices_of

MANIFEST = PluginManifest.from_file(str(resources.files("napari_autophase") / "napari.yaml"))
BY_ARGUMENT = [
    each
    for each in MANIFEST.contributions.commands
    if each.python_name.partition(":")[0].endswith(("palette", "reader", "writer"))
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


@pytest.mark.parametrize("command", BY_ARGUMENT, ids=lambda command: command.id)
def test_commands_can_be_called_as_the_palette_calls_them(current, said, monkeypatch, qapp, command):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("", "")))
    offered = CommandsRegistry(Store.create(f"palette of {command.id}"))
    module, name = command.python_name.split(":")
    offered.register_command(command.id, getattr(import_module(module), name), command.title)
    assert not offered.execute_command(command.id).result()
    assert len(current.layers) == 0


def test_a_file_is_asked_for_and_opened(current, monkeypatch, qapp):
    opened = []
    monkeypatch.setattr(type(current), "open", lambda self, path, plugin: opened.append((path, plugin)))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: ("scan.cxi", "")))
    palette.open_file()
    assert opened == [("scan.cxi", "napari-autophase")]


def test_the_result_whose_layer_is_selected_is_saved(current, session, said, monkeypatch, tmp_path, qapp):
    palette.save_result()
    assert said[-1].startswith("There is no result to save yet: reconstruct a scan")
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


def test_a_run_is_started_held_and_cancelled_from_anywhere(current, session, launch, said):
    palette.reconstruct()
    assert said[-1] == "Load a scan first."
    session.add_scan(make_scan())
    session.choices_made = choices_of(
        Recipe.from_preset("iterative").with_settings({"seed": 7}), "iterative", True
    )
    palette.reconstruct()
    assert (launch.job.recipe.preset, launch.job.recipe.seed) == ("iterative", 7)
    palette.reconstruct()
    assert said[-1] == "A reconstruction is running."
    assert len(launch.jobs) == 1
    palette.hold()
    assert launch.job.held == [True]
    palette.hold()
    assert launch.job.held == [True, False]
    palette.cancel()
    assert launch.job.quits == 1
    palette.cancel()
    assert said[-1] == "Nothing is being reconstructed."


def test_results_and_the_diffraction_are_gone_through_from_anywhere(current, session, said):
    for command in (palette.next_result, palette.previous_result):
        command()
        assert said[-1] == "There is no result yet."
    session.add_scan(make_scan())
    results = [session.add_result(make_reconstruction(name)) for name in ("one", "two", "three")]
    for command, at in ((palette.next_result, 0), (palette.next_result, 1), (palette.previous_result, 0)):
        command()
        assert [result.shown for result in results] == [index == at for index in range(3)]
    palette.toggle_diffraction()
    assert session.diffraction_shown
    palette.toggle_diffraction()
    assert results[0].shown


def test_the_keys_of_the_viewer_do_the_same(viewer, said):
    session = sessions.session_of(viewer)
    told = []
    commands.bind(session, told.append)
    by_name = {str(key): function for key, function in viewer.keymap.items()}
    assert len(by_name) == len(commands.KEYS)
    for key in commands.KEYS:
        (match,) = [
            f for name, f in by_name.items() if name.replace("+", "-").replace("Ctrl", "Control") == key
        ]
        match(viewer)
    assert "Load a scan first." in told
    assert "Nothing was deleted." in told
