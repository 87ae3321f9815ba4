"""Preset, device and live crystal as they are set on napari's page of settings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_autophase.presets import PRESETS
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.sessions import session_of

settings = pytest.importorskip("napari.settings")
if not hasattr(settings, "get_plugin_settings"):
    pytest.skip("this napari has no page of settings for plugins", allow_module_level=True)


def prefer(monkeypatch, **said):
    page = SimpleNamespace(**{"preset": "fast", "device": "auto", "live": True, **said})
    monkeypatch.setattr(settings, "get_plugin_settings", lambda _name: SimpleNamespace(reconstruct=page))


def test_a_new_window_begins_as_it_is_set(monkeypatch, qtbot):
    prefer(monkeypatch, preset="iterative", device="cpu", live=False)
    viewer = ViewerModel()
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    assert dock.preset.currentData() == "iterative"
    assert dock.recipe().device == "cpu"
    assert dock.recipe().refine.algorithm.count("HIO") == 1
    assert not dock.live.isChecked()
    assert not session_of(viewer).live.enabled


def test_where_nothing_is_set_it_begins_as_always(monkeypatch):
    prefer(monkeypatch)
    assert session_of(ViewerModel()).choices_made == {}

    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr(settings, "get_plugin_settings", unknown)
    session = session_of(ViewerModel())
    assert session.choices_made == {}
    assert session.live.enabled


def test_the_manifest_offers_the_presets_that_there_are():
    page = PluginManifest.from_distribution("napari-autophase").contributions.configurations["reconstruct"]
    assert page.properties["preset"].enum == list(PRESETS)
    assert page.properties["live"].default is True
    assert page.properties["device"].default == "auto"


def test_napari_keeps_what_is_set(tmp_path, monkeypatch):
    from napari.settings._plugin_config_generator import plugin_configuration_generator

    model = plugin_configuration_generator()["napari-autophase"]
    kept = model(config_path=tmp_path / "kept.yaml")
    assert (kept.reconstruct.preset, kept.reconstruct.live) == ("fast", True)
    kept.reconstruct.preset = "best"
    kept.save()
    again = model(config_path=tmp_path / "kept.yaml")
    monkeypatch.setattr(settings, "get_plugin_settings", lambda _name: again)
    assert session_of(ViewerModel()).choices_made["preset"] == "best"
