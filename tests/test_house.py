"""The house keeps its rules: light imports, one direction, small modules, clean style."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = (
    "torch",
    "qtpy",
    "PyQt6",
    "PySide6",
    "PyQt5",
    "napari",
    "magicgui",
    "superqt",
    "pyqtgraph",
    "matplotlib",
    "numba",
)


def python(code: str) -> str:
    """Run `code` in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heavy_after(code: str) -> set[str]:
    """Return which of the heavy packages a fresh interpreter has loaded after `code`."""
    return set(
        python(f"{code}\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))").split()
    )


LIGHT = (
    "",
    ".scan",
    ".geometry",
    ".recipe",
    ".reconstruction",
    ".reconstruct",
    ".formats",
    ".preparation",
    ".analysis",
    ".cli",
)
"""What needs neither a window nor a GPU."""


def test_importing_what_needs_no_window_and_no_gpu_loads_neither():
    code = f"""
import importlib, sys
for name in {LIGHT}:
    importlib.import_module("napari_autophase" + name)
    print(name, *(heavy for heavy in {HEAVY} if heavy in sys.modules))
from napari_autophase import Scan, Recipe, Reconstruction, InputError, read, write, run
print("lazy", *(heavy for heavy in {HEAVY} if heavy in sys.modules))
"""
    assert python(code).splitlines() == [f"{name} ".rstrip() if name else "" for name in (*LIGHT, "lazy")]


def test_reading_the_manifest_loads_no_torch_and_no_qt():
    manifest = "from npe2 import PluginManifest\nPluginManifest.from_distribution('napari-autophase')"
    assert heavy_after(manifest) == set()


def test_asking_for_help_loads_nothing_heavy():
    code = "from napari_autophase.cli import main\nassert main(['reconstruct', '--help']) == 0"
    assert not {"torch", "numba", "scipy"} & set(
        python(f"{code}\nimport sys\nprint(*sys.modules)").rpartition("╯")[2].split()
    )


def test_a_list_of_scans_loads_no_more_than_files_need(tmp_path):
    list_it = f"""
import h5py
with h5py.File({str(tmp_path / "many.h5")!r}, "w") as file:
    for number in (1, 2):
        file[f"{{number}}.1/measurement/diode"] = [1.0, 2.0]
from napari_autophase.cli import main
assert main(["info", {str(tmp_path / "many.h5")!r}]) == 0
import sys
print("loaded:", *sys.modules)"""
    loaded = set(python(list_it).rpartition("loaded:")[2].split())
    assert "h5py" in loaded
    assert not {"torch", "numba", "scipy", "skimage", "psutil"} & loaded


def test_property_tests_draw_the_same_examples_whatever_was_loaded_before(tmp_path):
    property_test = """
        from hypothesis import given, strategies as st

        @given(st.integers(), st.floats())
        def test_anything(whole, real):
            with open("drawn.txt", "a") as file:
                print(whole, real, file=file)
        """
    drawn = []
    for before in ("", "import napari_autophase.simulation"):
        folder = tmp_path / f"run{len(drawn)}"
        folder.mkdir()
        (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text(encoding="utf-8"))
        (folder / "test_it.py").write_text(before + textwrap.dedent(property_test))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "-q"],
            cwd=folder, capture_output=True, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        drawn.append((folder / "drawn.txt").read_text())
    assert len(set(drawn[0].splitlines())) > 20
    assert drawn[0] == drawn[1]


def test_a_name_that_is_not_there():
    import napari_autophase

    with pytest.raises(AttributeError, match="reconstuct"):
        napari_autophase.reconstuct  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_module_is_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400
