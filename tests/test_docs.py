"""The pages of docs/: what they say can be done, is done here."""

from __future__ import annotations

import re
import shlex
import struct
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from napari_autophase import formats
from napari_autophase.cli import main
from napari_autophase.cli.commands import COMMANDS
from napari_autophase.evidence import MEANINGS
from napari_autophase.formats import registry, whose
from napari_autophase.geometry import beamlines, find_beamline

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/beamlines.md"
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
sys.path.insert(0, str(ROOT / "tests/formats"))
from written_logs import counts, spec_header, spec_scan, tiffs  # noqa: E402


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture
def beamline(tmp_path, monkeypatch) -> Path:
    """The folder of the page's beamline: its log says what the page's does, and the page's file is saved beside."""
    log = {line.split()[0]: line for line in blocks("")[0].splitlines()}
    names = log["#O0"].split("  ")
    names[0] = names[0].split()[1]
    motors = dict(zip(names, map(float, log["#P0"].split()[1:]), strict=True))
    command = log["#S"].split(maxsplit=2)[2]
    table = {"Theta": np.linspace(17.4, 17.6, 21)}
    tiffs(tmp_path / "run/gold_S0012", counts((21, 40, 48)), "gold_S0012_{:05d}.tif")
    (tmp_path / "run/gold.spec").write_text(
        spec_header(motors) + spec_scan(12, command, motors, table, [log["#UDET"]]), encoding="utf-8"
    )
    (tmp_path / "mine.json").write_text(blocks("json")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_on_beamlines_can_be_walked_through(beamline, capsys):
    """Its file, and its commands in their order."""
    for line in (line for block in blocks("sh") for line in block.splitlines()):
        program, *arguments = shlex.split(line)
        assert program == "napari-autophase"
        assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Geometry of My beamline, medipix, from gold.spec, scan 12" in said
    assert "complete: 21 of 21 points" in said
    assert "Masked 96 pixels" in said
    geometry = formats.read_scan("run/gold_S0012", beamline="mine.json").geometry
    assert (geometry.energy_kev, geometry.distance_m) == (pytest.approx(9.2), pytest.approx(0.812))
    assert geometry.detector_angles_deg == (1.5, 35.2)
    assert geometry.sample_angles_deg == pytest.approx((17.5, 0))
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    assert geometry.direct_beam_pixel == (20, 24)


def test_the_format_of_the_page_on_adding_one_is_read(tmp_path, monkeypatch):
    """Its module as it stands there, for a file written byte by byte."""
    page = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    known = registry.formats()
    monkeypatch.setattr(registry, "_FORMATS", [])
    inside = {"__name__": "napari_autophase.formats.mine", "__package__": "napari_autophase.formats"}
    exec(compile(source, "adding.md", "exec"), inside)
    monkeypatch.setattr(registry, "formats", lambda: (*registry._FORMATS, *known))
    frames = np.random.default_rng(0).poisson(3, (16, 20, 24)).astype("<u4")
    (tmp_path / "scan.mydet").write_bytes(b"MYDETECT" + struct.pack("<3I", *frames.shape) + frames.tobytes())
    assert np.array_equal(formats.read_scan(tmp_path / "scan.mydet").counts, frames)


def test_a_beamline_that_comes_with_the_package_is_told_from_the_log(beamline, monkeypatch):
    assert formats.read_scan("run/gold_S0012").geometry is None
    mine = find_beamline("mine.json")
    monkeypatch.setattr(whose, "beamlines", lambda: {**beamlines(), mine.name: mine})
    assert formats.read_scan("run/gold_S0012").geometry.beamline == "My beamline"


def test_every_key_of_the_page_is_one():
    """The table names what a beamline's file may hold, and leaves nothing of `files` out."""
    from napari_autophase.geometry import Files

    table = " ".join(
        line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    )
    named = set(re.findall(r"\w+", table))
    shown = set(re.findall(r'"(\w+)":', blocks("json")[0]))
    assert {each.name for each in fields(Files)} <= named | shown


def test_the_page_on_formats_names_tests_that_exist():
    page = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    links = dict(re.findall(r"^\[(\w+)\]: \.\./(\S+)$", page, re.MULTILINE))
    used = set(re.findall(r"\]\[(\w+)\]", page))
    assert used == set(links)
    for link in links.values():
        file, _, name = link.partition("#")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def commands() -> list[str]:
    """The command lines that stand in the blocks of all pages, as one would type them."""
    found = []
    for page in PAGES:
        for language, block in re.findall(
            r"^```(\S*)[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            if language == "sh" or "%%bash" in block:
                lines = block.replace("\\\n", " ").splitlines()
                found += [line for line in lines if line.startswith("napari-autophase ")]
    return sorted(set(found))


def test_every_command_is_shown():
    assert {shlex.split(line)[1] for line in commands()} == set(COMMANDS)


@pytest.mark.parametrize("line", commands())
def test_every_option_shown_exists(line, capsys):
    _, *words = shlex.split(line, comments=True)
    deeper = COMMANDS[words[0]].endswith(":app") and words[1:2] and words[1][0] != "-"
    assert main([*words[: 2 if deeper else 1], "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (word for word in words[1:] if re.match(r"--?[a-z]", word)):
        assert option in shown


@pytest.mark.parametrize(
    "line", [line for line in commands() if re.search(r" geometry( arm| --b|$)", line) and ">" not in line]
)
def test_commands_without_a_file_of_ones_own_run_as_they_stand(line, capsys):
    assert main(shlex.split(line, comments=True)[1:]) == 0
    assert "Cannot tell" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "spacing_nm"), [("34idc", 0.2335), ("id01", 0.2335)]
)  # λ / (2 sin θ), by hand
def test_the_geometries_shown_are_whole(name, spacing_nm):
    import json

    from napari_autophase.geometry import arm_vector, complete

    known = complete(json.loads((ROOT / f"docs/guide/geometry_{name}.json").read_text(encoding="utf-8")))
    assert 2 * np.pi / np.linalg.norm(arm_vector(known)) == pytest.approx(spacing_nm, abs=2e-4)
    # the page's own example of a region that was read out
    assert known.cropped((0, 62, 63), (201, 256, 256), (200, 128, 128)).direct_beam_pixel == (
        known.direct_beam_pixel[0] - 62,
        known.direct_beam_pixel[1] - 63,
    )


def test_every_setting_and_every_command_is_in_the_generated_pages(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate

    from napari_autophase.recipe import PRESETS, Recipe
    from napari_autophase.recipe.settings import settings

    written = generate.recipe()
    for key, info in settings(Recipe):
        assert f"`{key}`" in written
        assert info.description, key
    assert all(f"`{preset}`" in generate.presets() for preset in PRESETS)
    assert "25*HIO+75*RAAR+40*ER" in generate.presets()
    commands = generate.commands()
    for name in ("reconstruct", "geometry lattice", "network simulate-set", "finetune"):
        assert f"napari-autophase {name}\n" in commands
    assert "`--picture` `OUT.png`" in commands
    assert "`--device` `auto\\|cpu\\|cuda\\|mps`" in commands
    assert r"refine.algorithm=20\*ER+180\*HIO" in commands  # stars that would slant what is between
    assert "Without `-o`, `--report` and `--picture`" in commands  # and dashes that would become one
    house = generate.house()
    assert "…" not in house
    assert house.count("<rect") > 15
    for room in ("phasing", "viewer", "scan"):
        assert f">{room}</text>" in house
    assert ">projections</text>" in generate.house("phasing")
    for room in ("phasing", "viewer"):
        lines = generate.modules(room).splitlines()[2:]
        files = {path.name for path in (ROOT / "src/napari_autophase" / room).rglob("*.py")}
        assert {line.split("`")[1].rsplit("/", 1)[1] or "__init__.py" for line in lines} == files
        assert all(re.fullmatch(r"\| `\S+` \| .+ \|", line) for line in lines)


def test_the_tables_of_the_benchmarks_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate

    text = generate.benchmarks()
    for path in (ROOT / "benchmarks/results").glob("*.md"):
        rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
        assert rows
        assert set(rows) <= set(text.splitlines())


def test_every_page_has_a_place_in_the_contents():
    """Each page but the first stands in a toctree: whatever is written is found."""
    listed = set()
    for page in PAGES:
        for block in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M
        ):
            for entry in (line for line in block.splitlines() if line and not line.startswith(":")):
                listed.add((page.parent / entry).resolve().with_suffix(".md"))
    pages = {page for page in PAGES if "generated" not in page.parts}
    assert pages - listed == {ROOT / "docs/index.md"}
    assert listed <= pages


def test_the_datasets_and_keys_that_are_listed_are_those_of_a_result(tmp_path):
    import h5py

    from napari_autophase.recipe import Recipe
    from napari_autophase.reconstruct import run
    from napari_autophase.simulation import simulate

    page = (ROOT / "docs/guide/files.md").read_text(encoding="utf-8")
    formats.write_scan(simulate(1, 24).scan, tmp_path / "scan.h5")
    quick = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "4*ER"})
    found = run(tmp_path / "scan.h5", quick)
    found.save(tmp_path / "r.cxi")
    listed = page.partition("## The datasets of a result")[2].partition("\nSeveral runs")[0]
    paths = list(re.findall(r"`((?:image|instrument)_1/[^`…]+)`", listed))
    assert len(paths) > 12
    with h5py.File(tmp_path / "r.cxi") as file:
        for path in paths:
            group = file["entry_1"][path.removesuffix("/*")]
            assert not path.endswith("/*") or len(group), path
    keys = page.partition("## The keys of a report")[2].partition("##")[0]
    named = set(re.findall(r"`(\w+)`", keys)) | set(found.figures)
    assert set(found.report()) <= named


def test_every_figure_of_quality_has_its_formula():
    page = (ROOT / "docs/guide/figures.md").read_text(encoding="utf-8")
    assert [name for name in MEANINGS if f"`{name}`" not in page] == []
