"""The commands for results that exist: another geometry, other files, pictures, comparisons."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_autophase import formats, geometry
from napari_autophase.analysis import twin
from napari_autophase.cli import main
from napari_autophase.cli.arguments import told_apart
from napari_autophase.cli.targets import write_json
from napari_autophase.placement import placed
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run, with_geometry_of
from napari_autophase.reconstruction import UNKNOWN_GEOMETRY
from napari_autophase.scan import Geometry, InputError
from napari_autophase.simulation import simulate

sys.path.append(str(Path(__file__).parent / "formats"))
import foreign_results as foreign

QUICK = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "20*ER"})


@pytest.fixture(scope="module")
def simulated():
    return simulate(3, 32, oversampling=(2.5, 2.5, 2.5))


@pytest.fixture(scope="module")
def result(tmp_path_factory, simulated):
    """A result of this program whose geometry was not known."""
    found = run(replace(simulated.scan, geometry=None), QUICK)
    path = tmp_path_factory.mktemp("result") / "r.cxi"
    formats.write(found, path)
    return path


def lines(text: str) -> dict[str, str]:
    return {line[:14].strip(): line[16:] for line in text.splitlines()}


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines()))


def test_a_geometry_is_given_afterwards_and_changed(result, simulated, tmp_path, capsys):
    """The same as if it had been known when the scan was phased, and as the window places it."""
    document = {key: value for key, value in vars(simulated.scan.geometry).items() if value is not None}
    (tmp_path / "g.json").write_text(json.dumps(document), encoding="utf-8")
    out = tmp_path / "a.cxi"
    assert main(["analyse", str(result), "--geometry", str(tmp_path / "g.json"), "-o", str(out)]) == 0
    said = lines(capsys.readouterr().out)
    assert "relative to the mean lattice" in said["strain"]
    known = formats.read(out)
    expected = with_geometry_of(simulated.scan, formats.read(result))
    np.testing.assert_allclose(known.voxel_steps_nm, expected.voxel_steps_nm)
    np.testing.assert_allclose(known.q_bragg_per_nm, expected.q_bragg_per_nm)
    np.testing.assert_array_equal(known.object, formats.read(result).object)
    assert UNKNOWN_GEOMETRY not in known.notes
    # changed: half the distance, twice as fine voxels across the beam
    half = tmp_path / "b.cxi"
    distance = simulated.scan.geometry.distance_m / 2
    assert main(["analyse", str(out), "--set", f"geometry.distance_m={distance}", "-o", str(half), "-q"]) == 0
    sizes = np.array(formats.read(half).voxel_size_nm) / known.voxel_size_nm
    assert sizes[1] == pytest.approx(0.5, rel=0.05)
    assert formats.read(half).scan_geometry.distance_m == distance


def test_a_foreign_result_is_placed_by_what_its_file_knows_and_what_is_said(tmp_path, capsys):
    foreign.pynx(tmp_path / "a.cxi")
    settings = ["--beamline", "ID01", "--set", "geometry.detector_angles_deg=0.5,35.4", "--set", "geometry.rocking_step_deg=0.01",
                "--set", "geometry.sample_angles_deg=0,17.7,0"]  # fmt: skip
    assert main(["analyse", str(tmp_path / "a.cxi"), *settings, "-o", str(tmp_path / "b.cxi")]) == 0
    found = formats.read(tmp_path / "b.cxi")
    # energy, distance and pixel size stand in PyNX's file; the closed form of a rocking about eta, k = 2π/(λ D)
    k = 2 * np.pi / (1.239841984 / 9.0)
    q = 2 * k * np.sin(np.arccos(np.cos(np.radians(0.5)) * np.cos(np.radians(35.4))) / 2)
    assert np.linalg.norm(found.q_bragg_per_nm) == pytest.approx(q, rel=1e-9)
    # voxel of the phased grid of 50 rows: λ D / (N p), over the cosine of the shear
    step = 2 * np.pi * 0.5 / (k * 50 * 55e-6)
    assert found.voxel_size_nm[1] == pytest.approx(step, rel=0.4)
    assert found.voxel_size_nm[1] > step * 0.999
    assert any("angles are taken for those of the Bragg peak" in note for note in found.notes)
    assert "Geometry unknown" not in " ".join(found.notes)
    capsys.readouterr()
    # with a direct beam the peak must be said
    beam = [*settings, "--set", "geometry.direct_beam_pixel=100,100"]
    assert main(["analyse", str(tmp_path / "a.cxi"), *beam]) == 2
    assert "--peak ROW,COLUMN" in capsys.readouterr().err
    assert (
        main(["analyse", str(tmp_path / "a.cxi"), *beam, "--peak", "100,100", "-o", str(tmp_path / "c.cxi")])
        == 0
    )
    np.testing.assert_allclose(formats.read(tmp_path / "c.cxi").q_bragg_per_nm, found.q_bragg_per_nm)


def test_the_peak_and_the_binning_place_the_grid(tmp_path):
    """Against the scan's own frame: what the binned array's geometry says at that pixel."""
    foreign.pynx(tmp_path / "a.cxi")
    found = formats.read(tmp_path / "a.cxi")
    stood = Geometry(9.0, 0.5, (55.0, 55.0), 0.01, (32.0, 12.0), direct_beam_pixel=(120.0, 90.0))
    moved = placed(found, stood, peak=(201.5, 155.5), binning=(1, 2, 2))
    binned = stood.binned((1, 2, 2))
    steps, q = geometry.frame(binned, (30.0, 100.5, 77.5), (60, 50, 40))
    np.testing.assert_allclose(moved.q_bragg_per_nm, q)
    np.testing.assert_allclose(moved.voxel_steps_nm, steps, rtol=1e-6)


@pytest.fixture
def reported(result, tmp_path, capsys):
    """A result and its report, under another name, beside another result."""
    found = formats.read(result)
    formats.write(found, tmp_path / "b.cxi")
    formats.write(replace(found, verdict="Another."), tmp_path / "a.cxi")
    write_json(found.report(), tmp_path / "r.json")
    return found, tmp_path / "r.json"


def test_a_report_is_shown_with_the_result_that_it_is_of(reported, capsys):
    found, path = reported
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "the report of a reconstruction of simulated_3" in said
    assert re.search(rf"^chi2 +{found.figures['chi2']:.4g} ", said, re.M)
    assert f"verdict: {found.verdict}" in said
    assert f"result: {path.parent / 'b.cxi'}\n" in said
    assert main(["info", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["chi2"]) == ("report", found.figures["chi2"])


def test_a_report_that_is_taken_for_a_result_is_refused_with_the_way(reported, result, capsys):
    _, path = reported
    for command in (["compare", str(path), str(result)], ["reconstruct", str(path)], ["picture", str(path)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert (
            f"is the report of a reconstruction of simulated_3, which holds no crystal: open {path.parent / 'b.cxi'};"
            in said
        )
        assert "repeat r.json" in said
        assert "--recipe r.json" in said
    (path.parent / "b.cxi").unlink()
    assert main(["compare", str(path), str(result)]) == 2
    assert "open the .cxi file that was written with it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (QUICK.model_dump_json(), "is a recipe, not a scan: it goes beside the scan (--recipe d.json)"),
        ('{"energy_kev": 9.0}', "is a geometry, not a scan: it goes beside the scan (--geometry d.json)"),
        ('{"a": 1}', "is not a scan of a kind known here"),
        ("[1, 2]", "is not a scan of a kind known here"),
        ('{"a":', "is not a scan of a kind known here"),
    ],
)
def test_other_documents_that_are_taken_for_a_scan_are_refused_likewise(tmp_path, capsys, document, says):
    (tmp_path / "d.json").write_text(document)
    assert main(["info", str(tmp_path / "d.json")]) == 2
    assert says in capsys.readouterr().err


def test_a_result_that_does_not_say_its_scan_is_not_placed_wrongly(result, simulated):
    old = replace(formats.read(result), scan_shape=None)
    with pytest.raises(InputError, match="how large its scan was"):
        placed(old, simulated.scan.geometry)


def test_export_picture_and_compare(result, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ["a.npz", "a.vti", "a.vtp", "a.stl", "a.ply", "a.mat", "a.tif", "a.nxs", "a.cxi"]
    assert main(["export", str(result), *(part for name in files for part in ("-o", name))]) == 0
    assert all(f"wrote {name}" in capsys.readouterr().out or Path(name).stat().st_size for name in files)
    assert main(["picture", str(result)]) == 0
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")
    assert main(["picture", str(result), "-o", "r.pdf"]) == 0
    assert Path("r.pdf").read_bytes().startswith(b"%PDF")
    capsys.readouterr()
    assert main(["compare", str(result), "a.cxi", "--picture", "c.png"]) == 0
    said = lines(capsys.readouterr().out)
    assert said["objects"].startswith("correlation 1.000")
    assert said["strain"].startswith("correlation 1.000")
    assert "r.cxi with a.cxi" in said["compared"]
    assert said["held-out"].endswith("in the same pixels")
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", str(result), "a.cxi", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["strain_correlation"] == pytest.approx(1)
    assert document["twin"] is False


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("run1/r.cxi", "run2/r.cxi", ("run1/r.cxi", "run2/r.cxi")),
        ("r.cxi", "../run2/out/r.cxi", ("here/r.cxi", "run2/out/r.cxi")),
        ("r.cxi", "out/r.cxi", ("r.cxi", "out/r.cxi")),
        ("a.cxi", "../run2/b.cxi", ("a.cxi", "b.cxi")),
        ("r.h5::/a/object", "r.h5::/b/object", ("r.h5::/a/object", "r.h5::/b/object")),
        ("m/r.h5::/a/object", "n/r.h5::/a/object", ("m/r.h5::/a/object", "n/r.h5::/a/object")),
        ("r.cxi", "r.cxi", ("r.cxi", "r.cxi")),
    ],
)
def test_results_are_named_by_what_their_paths_differ_in(tmp_path, monkeypatch, one, other, names):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert told_apart(one, other) == names
    root = Path.cwd()
    assert told_apart(*(str(root / each) for each in (one, other))) == names


def test_results_of_the_same_name_in_two_folders_are_told_apart(result, tmp_path, capsys, monkeypatch):
    for folder in ("run1", "run2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.cxi").write_bytes(result.read_bytes())
    drawn = []
    monkeypatch.setattr(
        "napari_autophase.analysis.draw_comparison", lambda _, names, path: drawn.append(names)
    )
    files = [str(tmp_path / folder / "r.cxi") for folder in ("run1", "run2")]
    main(["compare", *files, "--picture", str(tmp_path / "c.png")])
    assert "run1/r.cxi with run2/r.cxi, " in lines(capsys.readouterr().out)["compared"]
    assert drawn == [("run1/r.cxi", "run2/r.cxi")]


def test_commands_on_results_have_the_same_options_for_how_one_is_seen(capsys):
    seen = {"--threshold", "--apodise", "--refraction", "--conjugate", "--quiet"}
    held = {"--material", "--hkl", "--spacing"}
    for command, own in (
        ("analyse", seen | held),
        ("export", seen | held),
        ("report", seen | held),
        ("picture", seen),
    ):
        assert main([command, "--help"]) == 0
        said = capsys.readouterr().out
        assert own <= set(said.replace(",", " ").split()), command
        assert "seen" not in said.split()


def test_the_resolution_is_said_and_stands_in_the_json(result, tmp_path, capsys):
    path = tmp_path / "r.json"
    assert main(["analyse", str(result), "--report", str(path)]) == 0
    said = lines(capsys.readouterr().out)["resolution"]
    document = json.loads(path.read_text(encoding="utf-8"))["resolution"]
    assert said.startswith(f"{document['value']:.3g} voxels ({document['criterion']})")
    assert document["criterion"] == "width of the edges from 10 to 90 %"
    assert document["fsc"] is None
    assert set(document["edges"]) == {"axis 0", "axis 1", "axis 2", "all"}


def test_facets_and_dislocations_are_tables(tmp_path, capsys, monkeypatch):
    """A crystal of known shape with a line in it; the facet that is said settles the indices."""
    monkeypatch.chdir(tmp_path)
    made = [
        "simulate",
        "s.h5",
        "--size",
        "64",
        "--seed",
        "1",
        "--phase-range",
        "1",
        "--dislocation",
        "--truth",
        "t.cxi",
    ]
    assert main(made) == 0
    assert (
        main(
            [
                "analyse",
                "t.cxi",
                "--material",
                "Pt",
                "--facets",
                "f.csv",
                "--dislocations",
                "d.csv",
                "-o",
                "a.vtp",
            ]
        )
        == 0
    )
    said = lines(capsys.readouterr().out)
    assert "strain is left out within 1.5 voxels" in said["dislocations"]
    assert "of the surface" in said["facets"]
    facets = rows("f.csv")
    assert int(said["facets"].split()[0]) == len(facets) > 3
    lined = rows("d.csv")
    assert len(lined) > 10
    assert (
        main(["analyse", "t.cxi", "--material", "Pt", "--facets", "g.csv", "--facet", "2=1,0,0", "-q"]) == 0
    )
    second = rows("g.csv")[1]
    assert float(second["area_nm2"]) == pytest.approx(float(facets[1]["area_nm2"]))
    assert main(["analyse", "t.cxi", "--facets", "h.csv", "--facet", "99=1,0,0"]) == 2
    assert "There is no facet 99" in capsys.readouterr().err
    assert not Path("h.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "{result}", "-o", "a.docx"], r"must end in one of .cxi, .vti"),
        (["export", "{scan}", "-o", "a.vti"], "is a scan, not a result"),
        (["analyse", "{real}"], "is a scan, not a result: a crystal has amplitude and phase"),
        (["compare", "{result}", "{real}"], "is a scan, not a result: a crystal has amplitude and phase"),
        (["export", "{result}", "-o", "{result}"], "choose another name"),
        (["export", "{result}", "-o", "a.vti", "-o", "./a.vti"], "named twice"),
        (["analyse", "{result}", "-o", "a.csv", "--facets", "a.csv"], "a.csv is named twice"),
        (["picture", "{result}", "-o", "a.gif"], "must end in one of .png"),
        (["export", "{result}", "-o", "a.vti", "--spacing", "0"], "give a positive number"),
        (["export", "{result}", "-o", "a.vti", "--spacing", "nan"], "give a positive number"),
        (["export", "{result}", "-o", "a.vti", "--hkl", "0,0,0"], "no Miller indices"),
        (["export", "{truth}", "-o", "a.vti", "--voxel-size", "inf"], "voxel size of inf nm"),
        (["compare", "{result}", "nowhere.cxi"], "does not exist"),
        (["analyse", "{result}", "--set", "geometry.energy_kev=9"], "lacks distance_m"),
        (["analyse", "{pynx}", "--phased-shape", "20,20,20"], "cannot be a part of a phased array"),
        (["analyse", "{pynx}", "--binning", "1,1.5,1"], "three whole numbers"),
        (["analyse", "{pynx}", "--geometry", "{config}"], "no configuration of bcdi"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    result, simulated, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    foreign.pynx(tmp_path / "p.cxi")
    formats.write_scan(simulated.scan, tmp_path / "s.h5")
    (tmp_path / "c.yml").write_text("a: 1\n", encoding="utf-8")
    known = replace(
        formats.read(result), voxel_steps_nm=np.diag([5.0, 5, 5]), q_bragg_per_nm=np.array([0.0, 26, 0])
    )
    formats.write(known, tmp_path / "t.cxi")
    np.save(tmp_path / "real.npy", np.abs(known.object))
    places = {
        "real": tmp_path / "real.npy",
        "result": result,
        "truth": tmp_path / "t.cxi",
        "scan": tmp_path / "s.h5",
        "pynx": tmp_path / "p.cxi",
        "config": tmp_path / "c.yml",
    }
    assert main([each.format(**places) for each in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not any(each.name.startswith("a.") for each in tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        "export {} -o a.vti",
        "export {} -o a.stl",
        "picture {} -o a.png",
        "report {} -o a.html",
        "compare {} {}",
        "orthogonalise {} -o a.h5",
    ],
)
@pytest.mark.parametrize("what", ["support", "object"])
def test_of_a_result_in_which_nothing_was_found_the_next_step_is_said(
    result, tmp_path, capsys, monkeypatch, arguments, what
):
    monkeypatch.chdir(tmp_path)
    found = formats.read(result)
    known = replace(found, voxel_steps_nm=np.diag([5.0, 5, 5]), q_bragg_per_nm=np.array([0.0, 26, 0]))
    formats.write(replace(known, **{what: np.zeros_like(getattr(known, what))}), tmp_path / "e.cxi")
    assert main([each.format("e.cxi") for each in arguments.split()]) == 2
    said = capsys.readouterr().err
    assert "is empty: no crystal was found" in said
    assert "reconstruct its scan again" in said
    assert said.count("\n") == 1
    assert not any(each.name.startswith("a.") for each in tmp_path.iterdir())


def test_bcdis_configuration_is_a_geometry(tmp_path, capsys):
    """Angles of the peak, energies in eV, the grid before binning; what it leaves open is asked for."""
    foreign.pynx(tmp_path / "a.h5", modes=True)
    config = tmp_path / "c.yml"
    config.write_text(
        'beamline: "ID01"  # name\nsdd: 0.6  # m\nenergy: 9000  # eV\ndetector: "Maxipix"\nrocking_angle: "outofplane"\n'
        "outofplane_angle: 35.3  # deg\ninplane_angle: 0.5\ntilt_angle: None  # see the log\nreflection: [1, 1, 1]\n"
        "original_size: [64, 60, 60]\nphasing_binning: [1, 2, 2]\npreprocessing_binning: [1, 1, 1]\n",
        encoding="utf-8",
    )
    assert main(["analyse", str(tmp_path / "a.h5"), "--geometry", str(config)]) == 2
    assert "lacks rocking_step_deg" in capsys.readouterr().err
    step = ["--set", "geometry.rocking_step_deg=0.01", "-o", str(tmp_path / "b.cxi")]
    assert main(["analyse", str(tmp_path / "a.h5"), "--geometry", str(config), *step]) == 0
    found = formats.read(tmp_path / "b.cxi")
    stood = found.scan_geometry
    assert (stood.energy_kev, stood.distance_m, stood.pixel_size_um) == (9.0, 0.6, (55.0, 55.0))
    assert stood.detector_angles_deg == (0.5, 35.3)
    assert stood.sample_circles[stood.rocking_circle] == "x-"
    assert found.geometry.pixel_size_um == (110.0, 110.0)
    assert found.phased_shape == (60, 50, 40)  # the file itself says it, which holds
    # the twin, if it says so
    config.write_text(config.read_text(encoding="utf-8") + "flip_reconstruction: True\n", encoding="utf-8")
    step[-1] = str(tmp_path / "c.cxi")
    assert main(["analyse", str(tmp_path / "a.h5"), "--geometry", str(config), *step]) == 0
    turned = formats.read(tmp_path / "c.cxi")
    assert any("flip_reconstruction" in note for note in turned.notes)
    np.testing.assert_allclose(turned.object, twin(found.object))
    np.testing.assert_array_equal(turned.support, twin(found.support))


def test_results_that_share_no_voxel_say_so(result, tmp_path, capsys):
    found = formats.read(result)
    one = np.zeros(found.shape, bool)
    one[16, 16, 16] = True
    formats.write(replace(found, object=found.object * 0 + one, support=one), tmp_path / "dot.cxi")
    assert main(["compare", str(tmp_path / "dot.cxi"), str(result)]) == 0
    said = lines(capsys.readouterr().out)
    assert "no voxels in common" in said["note"]
    assert "nan" not in said["strain"]


def test_info_says_of_a_result_what_was_found_of_what_and_how(result, capsys):
    assert main(["info", str(result)]) == 0
    said = capsys.readouterr().out
    found = formats.read(result)
    assert f"{result} is a reconstruction" in said
    assert f"verdict: {found.verdict}" in said
    assert "recipe: iterative refine.algorithm=20*ER\n" in said
    assert f"light: {found.coherence.words}" in said
    assert f"made by: napari-autophase {found.versions['napari-autophase']}, " in said
    assert len(said.splitlines()) < 25
    assert main(["info", str(result), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "reconstruction"
    assert {name: document[name] for name in found.figures} == pytest.approx(found.figures)


def test_info_of_a_program_of_others_names_no_recipe_of_ours(tmp_path, capsys):
    foreign.pynx(tmp_path / "p.cxi")
    assert main(["info", str(tmp_path / "p.cxi")]) == 0
    assert "recipe:" not in capsys.readouterr().out


def test_the_axes_of_another_programs_array_are_said_on_the_command_line(result, tmp_path, capsys):
    found = formats.read_reconstruction(result)
    turned = tmp_path / "turned.npy"
    np.save(turned, np.where(found.support, found.object, 0).transpose(2, 0, 1))
    for command in (["compare", str(turned), str(result)], ["analyse", str(turned)]):
        assert main([*command, "--axes", "1,2,0"]) == 0
        said = lines(capsys.readouterr().out)
        assert command[0] == "analyse" or said["objects"].startswith("correlation 1.000")
    assert main(["analyse", str(result), "--axes", "1,2,0"]) == 2
    assert "leave --axes out" in capsys.readouterr().err
