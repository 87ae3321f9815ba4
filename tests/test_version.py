"""One version, with the commit where it is known, in everything that is written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import pytest

import napari_autophase
from napari_autophase import formats, version
from napari_autophase.recipe import Recipe
from napari_autophase.simulation import simulate

ROOT = Path(__file__).resolve().parents[1]


def test_it_stands_in_one_place():
    assert napari_autophase.__version__ == version.VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.VERSION)
    said = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert version.VERSION not in said
    assert 'dynamic = ["version"]' in said
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M).group(1) in (
        version.VERSION,
        "Unreleased",
    )


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A repository of its own with one file, that this package seems to stand in; the answer is not kept."""
    folder = tmp_path / "checkout"
    (folder / "src/napari_autophase").mkdir(parents=True)
    (folder / "file").write_text("one")
    git(folder, "init", "-q")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "one")
    monkeypatch.setattr(version, "_PACKAGE", folder / "src/napari_autophase")
    monkeypatch.setattr(version, "_BUILT_FROM", folder / "src/napari_autophase/commit.txt")
    return folder


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_told_and_whether_files_were_changed(checkout):
    commit = git(checkout, "rev-parse", "HEAD")[:7]
    version.full_version.cache_clear()
    assert version.full_version() == f"{version.VERSION}+g{commit}"
    git(checkout, "tag", "v9.9.9")  # tags say nothing
    (checkout / "file").write_text("two")
    version.full_version.cache_clear()
    assert version.full_version() == f"{version.VERSION}+g{commit}.dirty"
    version.full_version.cache_clear()


def test_somebody_elses_repository_is_not_asked(checkout, monkeypatch):
    inside = checkout / "venv/lib/site-packages/napari_autophase"
    inside.mkdir(parents=True)
    monkeypatch.setattr(version, "_PACKAGE", inside)
    monkeypatch.setattr(version, "_BUILT_FROM", inside / "commit.txt")
    assert version.commit() is None
    (inside / "commit.txt").write_text("abc1234\n")
    assert version.commit() == "abc1234"


def test_without_git_there_is_a_version_all_the_same(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    version.full_version.cache_clear()
    assert version.full_version() == version.VERSION
    version.full_version.cache_clear()


def test_every_result_says_which_version_made_it(tmp_path):
    made = napari_autophase.run(
        simulate(1, 24).scan, Recipe.from_preset("iterative").with_settings({"refine.algorithm": "4*ER"})
    )
    assert made.versions["napari-autophase"] == version.full_version()
    formats.write(made, tmp_path / "r.cxi")
    with h5py.File(tmp_path / "r.cxi") as file:
        assert file["entry_1/image_1/process_1/version"][()].decode() == version.full_version()


@pytest.mark.slow
def test_a_copy_without_git_builds_and_one_with_a_commit_carries_it(tmp_path):
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "__pycache__", "runs", "build", "benchmarks", "released", "commit.txt"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "tests/released").mkdir()
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(copy)]

    def wheel() -> zipfile.ZipFile:
        done = subprocess.run([*build, "--wheel"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return zipfile.ZipFile(tmp_path / f"napari_autophase-{version.VERSION}-py3-none-any.whl")

    assert "napari_autophase/commit.txt" not in wheel().namelist()
    git(copy, "init", "-q")
    git(copy, "add", "LICENSE")
    git(copy, "commit", "-q", "-m", "one")
    commit = git(copy, "rev-parse", "HEAD")[:7]
    assert wheel().read("napari_autophase/commit.txt").decode().strip() == commit
    done = subprocess.run([*build, "--sdist"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(tmp_path / f"napari_autophase-{version.VERSION}.tar.gz") as archive:
        place = f"napari_autophase-{version.VERSION}/src/napari_autophase/commit.txt"
        assert archive.extractfile(place).read().decode().strip() == commit
