"""The manifest: everything in it exists, and importing what it names is cheap."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

from npe2 import PluginManifest
from typer.testing import CliRunner

MANIFEST = resources.files("napari_autophase") / "napari.yaml"


def test_npe2_imports_everything_in_it():
    from npe2.cli import app

    result = CliRunner().invoke(app, ["validate", str(MANIFEST), "--imports"])
    assert result.exit_code == 0, result.output


def test_every_contribution_names_a_command():
    contributions = PluginManifest.from_file(str(MANIFEST)).contributions
    commands = {command.id for command in contributions.commands}
    used = {
        item.command
        for items in (
            contributions.widgets,
            contributions.readers,
            contributions.writers,
            contributions.sample_data,
        )
        for item in items
    }
    by_themselves = {"run", "hold", "cancel", "diffraction", "next", "previous", "back"}
    assert commands == used | {f"napari-autophase.{name}" for name in by_themselves}
    assert [widget.display_name for widget in contributions.widgets] == [
        "Workspace",
        "Load scan",
        "Reconstruct",
        "Display",
        "Slices",
    ]


def test_importing_the_docks_loads_no_torch():
    modules = ["load_dock", "reconstruct_dock", "display_dock", "slices_dock", "workspace"]
    modules = [*(f"docks.{name}" for name in modules), "reader", "samples"]
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module("napari_autophase.viewer." + module)
    print(module, "torch" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [f"{module} False" for module in modules]
