"""What the README promises is what the program does, and its figures are those of the results files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from napari_autophase import formats
from napari_autophase.simulation import simulate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_first_block_is_the_two_commands():
    assert BLOCKS[0] == ("", "make demo\nmake test\n")


def test_the_tour_has_ten_lines():
    tour = TEXT.partition("## A tour in ten lines")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. .+$", tour, flags=re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_the_python_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    formats.write_scan(simulate(1, 32).scan, "scan.h5")
    (code,) = (block for language, block in BLOCKS if language == "python")
    exec(code, {})
    assert "chi2" in capsys.readouterr().out
    assert formats.read("result.cxi").shape == (32, 32, 32)


def test_the_files_it_points_to_exist():
    targets = re.findall(r"\]\((?!http)([^)]+)\)", TEXT)
    assert "docs/pictures/window.png" in targets
    for target in targets:
        assert (ROOT / target).exists(), target


def network(row: str, method: str) -> dict:
    return json.loads((RESULTS / "network.json").read_text(encoding="utf-8"))["rows"][row][method]


def found(row: dict) -> str:
    return "{} of {}".format(*row["found"])


def iterations_at(side: int) -> float:
    rows = json.loads((RESULTS / "scaling.json").read_text(encoding="utf-8"))["rows"]
    return next(row["iterative_s"] for row in rows if row["side"] == side)


def times_of(engine: str, size: str) -> str:
    """Return by how much an engine is slower in the table of a size: what stands in bold in its rows."""
    table = (RESULTS / "peers.md").read_text(encoding="utf-8").partition(f"| {size} | threads |")[2]
    return re.search(rf"^\| {engine} \|.*\*\*([\d.]+)\*\*", table, re.MULTILINE).group(1)


FIGURES = {
    "the network alone": lambda: (
        f"χ² {network('alone', 'network')['chi2'][1]:.2g}, {found(network('alone', 'network'))} crystals found"
    ),
    "`fast`, 64³": lambda: (
        f"{found(network('refined', '`fast`'))} crystals found, in {network('refined', '`fast`')['seconds'][1]:.2g} s"
    ),
    "`best`, 64³": lambda: f"{found(network('high', '`best`'))} found",
    "620 iterations at 128³": lambda: f"{iterations_at(128):.2g} s",
    "an iteration by PyNX": lambda: f"{times_of('PyNX', '64³')} times as long",
}


@pytest.mark.parametrize("what", FIGURES)
def test_its_figures_are_those_of_the_results(what):
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f"| {what}"))
    assert line.split("|")[2].strip() == FIGURES[what]()


def test_it_has_no_other_figures():
    rows = re.findall(r"^\| (?!---|what)(.+?) \|", TEXT.partition("## Measured")[2], flags=re.MULTILINE)
    assert len(rows) == len(FIGURES) == 5
