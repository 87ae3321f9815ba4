"""The workflows for a public CI: whole YAML, every step a script that is here, and what they promise to cover."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TESTS = ROOT / ".github/workflows/tests.yml"


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_whole(path):
    found = read(path)
    # YAML takes a bare "on" for true
    assert {"name", True, "permissions", "jobs", "defaults"} <= set(found)
    assert found["permissions"] == {"contents": "read"}
    assert found["defaults"]["run"]["shell"] == "bash"
    for name, job in found["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        matrix = job.get("strategy", {}).get("matrix", {})
        used = set(re.findall(r"matrix\.(\w+)", str(job)))
        assert used == set(matrix), name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert set(step) <= {"uses", "run", "with", "env", "if", "name"}, step
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_is_a_target_or_a_script_that_is_here(path):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for step in steps(path):
        if "run" not in step or "if" in step:  # what is printed after a failure
            continue
        program, *arguments = step["run"].split()
        if program == "make":
            assert set(arguments) <= targets
        else:
            script = ROOT / program
            assert script.parent == ROOT / "tools"
            assert script.exists()
            assert os.name == "nt" or os.access(script, os.X_OK)


@pytest.mark.parametrize("script", sorted((ROOT / "tools").glob("*.sh")), ids=lambda path: path.name)
@pytest.mark.skipif(os.name == "nt", reason="bash is elsewhere")
def test_the_scripts_can_be_read_by_bash(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_systems_pythons_and_versions_that_are_promised_are_tested():
    jobs = read(TESTS)["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["system"]] == ["ubuntu", "macos", "windows"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert matrix["python"] == re.findall(r"Python :: (3\.\d+)\"", project)
    assert f'requires-python = ">={matrix["python"][0]}"' in project
    script = (ROOT / "tools/test_with.sh").read_text(encoding="utf-8")
    for kind in jobs["versions"]["strategy"]["matrix"]["kind"]:
        assert (
            re.search(rf"^  .*\b{kind.partition('-')[0]}\b.*\)", script, re.MULTILINE)
            or "napari-*)" in script
        )
        assert f"tools/test_with.sh {kind}" in script or kind.startswith("napari-")
    tours = (ROOT / "tools/tours.sh").read_text(encoding="utf-8")
    assert f"tours=({' '.join(jobs['tours']['strategy']['matrix']['tour'])})" in tours
    assert "cron" in str(read(ROOT / ".github/workflows/prerelease.yml")[True]["schedule"])


def test_python_3_11_is_stated_everywhere():
    for page in ("README.md", "docs/install.md"):
        assert "Python 3.11 or later is needed" in (ROOT / page).read_text(encoding="utf-8")
    assert 'python_version = "3.11"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_every_dependency_has_a_lower_bound_which_is_what_the_oldest_are():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/oldest.py")], capture_output=True, text=True, check=True
    )
    pins = dict(line.split("==") for line in done.stdout.split())
    assert pins["h5py"] == "3.12.1"
    assert {"numpy", "torch", "numba", "pydantic", "qtpy"} <= set(pins)
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in pins.values())


def test_the_tour_of_the_gold_crystal_begins_as_the_other_tour_does(monkeypatch, tmp_path):
    """It needs a screen and the measured frames, so that nothing else would notice."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    gold_tour = importlib.import_module("gold_tour")
    with mock.patch.object(gold_tour.Tour, "__init__", autospec=True, return_value=None) as begun:
        gold_tour.GoldTour(tmp_path, tmp_path)
    begun.assert_called_once()
