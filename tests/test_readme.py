"""What the README promises is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from napari_autophase import cli, formats
from napari_autophase.simulation import simulate

TEXT = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_first_block_is_the_two_commands():
    assert BLOCKS[0] == ("", "make demo\nmake test\n")


def test_the_python_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    formats.write_scan(simulate(1, 32).scan, "scan.h5")
    (code,) = (block for language, block in BLOCKS if language == "python")
    exec(code, {})
    assert "chi2" in capsys.readouterr().out
    assert formats.read("result.cxi").shape == (32, 32, 32)


COMMANDS = [
    line for _, block in BLOCKS for line in block.splitlines() if line.startswith("napari-autophase ")
]


def test_every_command_is_shown():
    commands = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    groups = {group.name for group in cli.app.registered_groups}
    assert {shlex.split(line)[1] for line in COMMANDS} == commands | groups


@pytest.mark.parametrize("line", COMMANDS)
def test_every_option_shown_exists(line, capsys):
    _, *command = shlex.split(line)
    arguments = command[1:]
    deeper = command[0] in {group.name for group in cli.app.registered_groups} and command[1][0] != "-"
    assert cli.main([*command[: 2 if deeper else 1], "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (argument for argument in arguments if argument.startswith("-")):
        assert option in shown


def test_the_files_it_points_to_exist():
    root = Path(__file__).resolve().parents[1]
    for target in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (root / target).exists(), target
