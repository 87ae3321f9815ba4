"""A beamline that a person names, and files that are from another one: it is said which they are from."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest
from beamline_trees import bliss, cristal, dxchange, id27, nanomax, sixs
from test_formats_beamlines import write_34, write_id01, write_p10
from written_logs import counts

from napari_autophase import cli, formats
from napari_autophase.geometry import beamlines

FILES = {
    "34-ID-C": lambda folder: write_34(folder, counts((20, 48, 64)), (100, 64, 30, 48)),
    "ID01": lambda folder: bliss(folder).parent / "S1/S1_0001/S1_0001.h5",
    "ID01 with EDF": lambda folder: write_id01(folder, counts((16, 32, 32))),
    "P10": lambda folder: write_p10(folder, counts((20, 48, 64)), 2),
    "SIXS 2019": lambda folder: sixs(folder / "a_00012.nxs", 2019),
    "SIXS 2022": lambda folder: sixs(folder / "a_00012.nxs", 2022),
    "CRISTAL": lambda folder: cristal(folder / "a_00012.nxs"),
    "NanoMAX": lambda folder: nanomax(folder / "000012.h5"),
    "ID27": lambda folder: id27(folder / "S1.h5"),
    "20-ID-E": lambda folder: dxchange(folder / "a_0012.h5"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_another_beamline_than_was_said_are_said_to_be_so(tmp_path, kind):
    """Every file against every beamline: one sentence that names both, and no geometry with the wrong circles."""
    path, own = FILES[kind](tmp_path), kind.removesuffix(" with EDF")
    right = formats.read_scan(path)
    for name in list(beamlines())[:: 1 if kind == "P10" else 3]:
        scan = formats.read_scan(path, beamline=name)
        said = [
            note
            for note in scan.notes
            if re.search(rf"is from {own}, by what it names, (and not|but read as) from ", note)
        ]
        if name == own:
            assert not said
            assert (scan.geometry, scan.metadata) == (right.geometry, right.metadata)
        else:
            assert len(said) == 1, (name, scan.notes)
            assert f"from {name}, as was said" in said[0]
            assert scan.geometry is None
            assert ("sample_circles" in scan.metadata) == ("but read as" in said[0])


def test_the_command_line_says_whose_files_they_are_before_what_is_lacking(tmp_path, capsys):
    """The energy that it asks for stands in the log that was not used."""
    path = FILES["34-ID-C"](tmp_path)
    assert cli.main(["info", str(path), "--beamline", "ID01"]) == 2
    said = capsys.readouterr().err
    assert re.search(
        r"is from 34-ID-C, by what it names, and not from ID01, as was said: .* energy_kev", said
    )


def test_a_beamline_of_one_s_own_is_taken_as_it_is_said(tmp_path):
    path = FILES["34-ID-C"](tmp_path)
    own = json.loads(json.dumps(asdict(beamlines()["34-ID-C"]))) | {"name": "mine", "aliases": []}
    (tmp_path / "mine.json").write_text(json.dumps(own))
    scan = formats.read_scan(path, beamline=str(tmp_path / "mine.json"))
    assert scan.geometry.beamline == "mine"
    assert not any("as was said" in note for note in scan.notes)
