"""The house keeps its rules: light imports, one direction, small modules, clean style."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import pytest

from napari_autophase import formats
from napari_autophase.cli.commands import COMMANDS
from napari_autophase.cli.lazy import Commands
from napari_autophase.simulation import simulate

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


@pytest.mark.skipif(sys.platform == "win32", reason="asks the C library")
@pytest.mark.parametrize(
    ("given", "count"), [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_torchs_threads_do_not_wait_in_long_loops_unless_the_environment_says_how(given, count, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    code = "import ctypes, napari_autophase; get = ctypes.CDLL(None).getenv; get.restype = ctypes.c_char_p\n"
    # what the C library sees is what torch's threads will
    assert python(f"{code}print(get(b'GOMP_SPINCOUNT'))").strip() == str(count and count.encode())


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


ROOM = "napari_autophase.cli."


def loaded_by(*arguments: str) -> set[str]:
    """Return which modules a fresh interpreter has loaded after a command."""
    code = f"""
import sys
from napari_autophase.cli import main
assert main({list(arguments)!r}) == 0
print("loaded:", *sys.modules)"""
    return set(python(code).rpartition("loaded:")[2].split())


def test_asking_for_help_loads_what_words_need():
    heavy = {*HEAVY, "numpy", "scipy", "h5py", "pydantic", "psutil"}
    code = f"""
import sys
from napari_autophase.cli import main
for command in {["", *COMMANDS]}:
    assert main([*filter(None, [command]), "--help"]) == 0
    print("loaded:", command, *{heavy} & set(sys.modules))"""
    said = [line for line in python(code).splitlines() if line.startswith("loaded:")]
    assert [line.split()[1:] for line in said] == [[], *([name] for name in COMMANDS)]


def test_a_command_loads_no_other():
    asked = {each for each in loaded_by("info", "--help") if each.startswith(ROOM)}
    homes = {ROOM + home.partition(":")[0] for home in COMMANDS.values()}
    assert asked & homes == {ROOM + "info"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_where_it_is_looked_for(name):
    made = Commands(COMMANDS)[name]
    assert made.name == name
    assert made.help


def test_a_list_of_scans_loads_no_more_than_files_need(tmp_path):
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in (1, 2):
            file[f"{number}.1/measurement/diode"] = [1.0, 2.0]
    loaded = loaded_by("info", str(tmp_path / "many.h5"))
    assert "h5py" in loaded
    assert not {*HEAVY, "scipy", "skimage", "psutil", "pydantic", "tifffile", "rich", "hdf5plugin"} & loaded
    assert not {"napari_autophase.formats.registry", "napari_autophase.reconstruction"} & loaded, "no reader"


def test_a_reconstruction_loads_nothing_that_takes_long_and_is_not_used(tmp_path):
    formats.write_scan(simulate(3, 32, oversampling=(2.5, 2.5, 2.5)).scan, tmp_path / "scan.h5")
    loaded = loaded_by("reconstruct", str(tmp_path / "scan.h5"), "-o", str(tmp_path / "result.cxi"))
    assert {"torch", "scipy"} <= loaded
    assert not {"scipy.stats", "scipy.spatial", "matplotlib", "napari", "qtpy"} & loaded


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
        (folder / "torch.py").write_text("def manual_seed(seed): pass\n")  # as good here, and there at once
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


def test_every_module_is_small():
    assert len(MODULES) > 300
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert [(str(path), length) for path, length in lengths.items() if length >= 400] == []


def test_every_number_with_a_name_says_what_it_is():
    """A docstring below it, or a comment beside or above it."""

    def is_number(value: ast.expr | None) -> bool:
        if isinstance(value, ast.Tuple):
            return any(map(is_number, value.elts))
        if isinstance(value, ast.Constant):
            return type(value.value) in (int, float)
        return isinstance(value, ast.BinOp | ast.UnaryOp)

    silent = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        lines, body = text.splitlines(), ast.parse(text).body
        for one, below in zip(body, [*body[1:], None], strict=True):
            if not isinstance(one, ast.Assign | ast.AnnAssign) or not is_number(one.value):
                continue
            names = [
                each.id
                for each in ast.walk(one)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            ]
            said = isinstance(below, ast.Expr) and isinstance(getattr(below.value, "value", None), str)
            beside = "#" in lines[one.lineno - 1] or lines[one.lineno - 2].startswith("#")
            if any(re.fullmatch(r"_?[A-Z][A-Z0-9_]+", name) for name in names) and not (said or beside):
                silent.append(f"{path}: {', '.join(names)}")
    assert silent == []


def test_terms_stand_in_the_order_of_the_alphabet():
    page = (Path(__file__).parents[1] / "docs/reference/glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w[^\n:]*)\n  ", page, re.MULTILINE)
    assert len(terms) >= 40
    assert terms == sorted(terms, key=str.casefold)
