"""What is shipped: metadata that breaks nobody's napari, and a wheel that holds what the plugin needs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def base_requirements() -> list[Requirement]:
    every = [Requirement(text) for text in metadata.requires("napari-autophase") or []]
    return [need for need in every if need.marker is None or need.marker.evaluate({"extra": ""})]


def test_the_base_pulls_no_qt_and_no_napari():
    names = {need.name.lower() for need in base_requirements()}
    assert {"numpy", "torch", "h5py", "qtpy"} <= names  # the metadata is really this package's
    assert not {name for name in names if name.startswith(("pyqt5", "pyqt6", "pyside"))}
    assert not {name for name in names if name == "napari" or name.startswith("napari-")}


def test_the_base_downgrades_nothing():
    for need in base_requirements():
        assert need.url is None, need
        assert not {spec.operator for spec in need.specifier} & {"<", "<=", "==", "===", "~="}, need


def test_the_pins_are_plain():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split("\n")
    for line in filter(None, lines):
        need = Requirement(line)  # no options, no hosts, no paths
        assert need.url is None, line
        assert [spec.operator for spec in need.specifier] == ["=="], line
    assert lines[:-1] == sorted(lines[:-1], key=str.lower)


def test_the_pins_hold_every_direct_dependency():
    pinned = {Requirement(line).name.lower() for line in (ROOT / "constraints.txt").read_text().split()}
    assert {need.name.lower() for need in base_requirements()} <= pinned
    assert {"napari", "pyqt6", "pytest", "ruff", "mypy"} <= pinned


def test_the_command_is_installed():
    (entry,) = metadata.entry_points(group="console_scripts", name="napari-autophase")
    from napari_autophase.cli import program

    assert entry.load() is program


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_sdist_holds_all_that_belongs_to_a_checkout(built):
    if not (ROOT / ".git").exists():
        pytest.skip("nobody says here what belongs to it")
    (sdist,) = built.glob("napari_autophase-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = ["git", "-c", "core.quotePath=false", "ls-files"]
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(tracked) > 400
    assert set(tracked) <= names, sorted(set(tracked) - names)


@pytest.mark.slow
def test_the_wheel_holds_what_the_plugin_needs(built):
    (wheel,) = built.glob("napari_autophase-*-py3-none-any.whl")
    assert wheel.stat().st_size < 40e6
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        name.removeprefix("napari_autophase/") for name in names if name.startswith("napari_autophase/")
    }
    assert {"napari.yaml", "py.typed", "cli/commands.py", "viewer/__init__.py"} <= package
    weights = {name for name in package if name.startswith("network/weights/")}
    assert any(name.endswith(".safetensors") for name in weights)
    assert any(name.endswith((".md", ".json")) for name in weights)
    assert {
        f"sample_data/{scan.name}" for scan in (ROOT / "sample_data").iterdir() if scan.is_file()
    } <= package
    assert any(name.endswith((".h5", ".cxi")) for name in package)
    assert not {name for name in names if "__pycache__" in name or name.startswith("tests")}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
