"""The geometry on the command line: templates, single values, other files' geometry, and the two tests of a mount."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_autophase import cli, formats
from napari_autophase.simulation import simulate

QUICK = ["--preset", "iterative", "--set", "refine.algorithm=3*ER"]
GOLD = {
    "energy_kev": 9,
    "distance_m": 0.5,
    "pixel_size_um": [55, 55],
    "rocking_step_deg": 0.005,
    "sample_angles_deg": [0.22, 90, -5],
    "detector_angles_deg": [32.174, 12.6346],
    "direct_beam_pixel": [146, 145],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("geometry")
    index = np.indices((32, 32, 32)) - 16
    counts = np.random.default_rng(0).poisson(1e5 * np.exp(-np.sum(index**2, 0) / 12))
    np.save(folder / "bare.npy", counts.astype(np.uint32))
    (folder / "g.json").write_text(json.dumps({"beamline": "34-ID-C", **GOLD}))
    return folder


def info(folder, capsys, *arguments) -> dict:
    assert cli.main(["info", str(folder / "bare.npy"), "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    assert cli.main([*map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_beamlines_are_listed_with_how_their_detectors_are_mounted(capsys):
    assert cli.main(["geometry"]) == 0
    text = capsys.readouterr().out
    for part in ("34-ID-C (APS)", "eta x-", "mpx1x4: rows y-, columns x+", "x- (cohere for mpxgaas", "I16"):
        assert part in text


def test_a_template_is_printed_filled_in_and_used(folder, tmp_path, capsys):
    assert cli.main(["geometry", "--beamline", "34idc", "--detector", "34idcTIM1"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pixel_directions"] == ["y-", "x+"]
    assert "theta, chi, phi" in document["# sample_angles_deg"]
    (tmp_path / "g.json").write_text(json.dumps({**document, **GOLD}))
    filled = info(folder, capsys, "--geometry", tmp_path / "g.json")
    (tmp_path / "g.json").write_text(json.dumps(document))
    said = refused(capsys, "info", folder / "bare.npy", "--geometry", tmp_path / "g.json")
    assert "energy_kev, distance_m, rocking_step_deg, sample_angles_deg, detector_angles_deg" in said
    assert filled["seen"]["arm_spacing_nm"] == pytest.approx(0.23348, rel=5e-5)


def test_single_values_build_and_change_a_geometry(folder, capsys):
    values = [
        part for key, value in GOLD.items() for part in ("--set", f"geometry.{key}={json.dumps(value)}")
    ]
    typed = info(folder, capsys, "--beamline", "34-ID-C", *values)
    written = info(folder, capsys, "--geometry", folder / "g.json")
    assert typed["geometry"] == written["geometry"]
    assert typed["geometry"]["beamline"] == "34-ID-C"
    angles = zip(("theta", "chi", "phi", "delta", "gamma"), (0.22, 90, -5, 32.174, 12.6346), strict=True)
    motors = [part for name, value in angles for part in ("--set", f"geometry.{name}={value}")]
    others = [
        part
        for pair in zip(values[::2], values[1::2], strict=True)
        if "angles" not in pair[1]
        for part in pair
    ]
    named = info(folder, capsys, "--beamline", "34-ID-C", *motors, *others)
    assert named["geometry"] == typed["geometry"]
    changed = info(folder, capsys, "--geometry", folder / "g.json", "--set", "geometry.energy_kev=10")
    assert changed["geometry"]["energy_kev"] == 10
    assert changed["seen"]["spacing_nm"] == pytest.approx(0.9 * written["seen"]["spacing_nm"])
    turned = info(folder, capsys, "--geometry", folder / "g.json", "--set", "geometry.pixel_directions=y-,x-")
    assert turned["geometry"]["pixel_directions"] == ["y-", "x-"]


def test_another_beamline_brings_its_own_circles(folder, capsys):
    said = refused(capsys, "info", folder / "bare.npy", "--geometry", folder / "g.json", "--beamline", "BM02")
    assert "but 3 in sample_angles_deg" in said
    assert "4 circles" in said


def test_info_compares_with_a_material(folder, capsys):
    seen = info(folder, capsys, "--geometry", folder / "g.json", "--material", "Au", "--hkl", "111")["seen"]
    assert seen["mismatch_percent"] == pytest.approx(100 * (seen["spacing_nm"] / 0.235478 - 1), abs=1e-3)
    arguments = ["info", str(folder / "bare.npy"), "--geometry", str(folder / "g.json"), "--spacing", "0.3"]
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert "spacing d" in text
    assert "too close: check the energy" in text


@pytest.mark.parametrize("kind", ["cxi", "json", "info", "h5"])
def test_the_geometry_of_a_result_a_report_or_a_scan_serves_again(tmp_path, capsys, kind):
    """A crop lies between the scan and the result: what serves again is the scan's, with its direct beam."""
    scan = simulate(3, 32, oversampling=(2.5, 2.5, 2.5)).scan
    formats.write_scan(scan, tmp_path / "scan.h5")
    np.save(tmp_path / "bare.npy", scan.counts)
    assert (
        cli.main(
            [
                "reconstruct",
                str(tmp_path / "scan.h5"),
                "-o",
                str(tmp_path / "r.cxi"),
                "--report",
                str(tmp_path / "r.json"),
                "--quiet",
                *QUICK,
                "--set",
                "prepare.crop=[24,24,20]",
            ]
        )
        == 0
    )
    assert cli.main(["info", str(tmp_path / "scan.h5"), "--json"]) == 0
    (tmp_path / "info.json").write_text(capsys.readouterr().out)
    source = {"cxi": "r.cxi", "json": "r.json", "info": "info.json", "h5": "scan.h5"}[kind]
    found = info(tmp_path, capsys, "--geometry", tmp_path / source)
    assert found["geometry"] == json.loads((tmp_path / "info.json").read_text())["geometry"]
    result = formats.read(tmp_path / "r.cxi")
    assert result.scan_geometry == scan.geometry
    assert result.geometry != scan.geometry
    assert json.loads((tmp_path / "r.json").read_text())["geometry"]["direct_beam_pixel"] == list(
        result.geometry.direct_beam_pixel
    )


def test_a_result_keeps_the_geometry_it_was_found_with(tmp_path, folder, capsys):
    made = simulate(3, 32, oversampling=(2.5, 2.5, 2.5))
    formats.write_scan(made.scan, tmp_path / "scan.h5")
    result = tmp_path / "r.cxi"
    assert cli.main(["reconstruct", str(tmp_path / "scan.h5"), "-o", str(result), "--quiet", *QUICK]) == 0
    assert "is a result" in refused(capsys, "info", result, "--geometry", folder / "g.json")


def test_a_scan_without_geometry_has_none_to_give(tmp_path, folder, capsys):
    said = refused(capsys, "info", folder / "bare.npy", "--geometry", folder / "bare.npy")
    assert "has no geometry" in said
    (tmp_path / "r.json").write_text(json.dumps({"name": "x", "geometry": None}))
    assert "has no geometry" in refused(
        capsys, "info", folder / "bare.npy", "--geometry", tmp_path / "r.json"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "geometry.energy_kev"], "no '='"),
        (["--set", "geometry.enrgy_kev=9"], "did you mean energy_kev?"),
        (["--beamline", "ID99"], "There is no beamline"),
        (["--geometry", "none.json"], "No such file"),
        (["--set", "geometry.energy_kev=9"], "lacks distance_m, pixel_size_um"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, capsys, arguments, says):
    assert says in refused(capsys, "info", folder / "bare.npy", *arguments)


def test_reconstruct_takes_beamline_and_values_beside_those_of_the_recipe(folder, tmp_path):
    values = [
        part for key, value in GOLD.items() for part in ("--set", f"geometry.{key}={json.dumps(value)}")
    ]
    arguments = ["--beamline", "34-ID-C", *values, *QUICK, "--quiet", "-o", str(tmp_path / "r.cxi")]
    assert cli.main(["reconstruct", str(folder / "bare.npy"), *arguments]) == 0
    found = formats.read(tmp_path / "r.cxi")
    assert found.scan_geometry.beamline == "34-ID-C"
    assert found.recipe.refine.algorithm == "3*ER"
    assert found.voxel_size_nm is not None


def test_the_lattice_test(folder, tmp_path, capsys):
    base = ["geometry", "lattice", str(folder / "bare.npy"), "--geometry", str(folder / "g.json")]
    spacing = info(folder, capsys, "--geometry", folder / "g.json")["seen"]["spacing_nm"]
    assert cli.main([*base, "--spacing", f"{spacing:.6f}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1] == "Rows y-, columns x+, as stated."
    assert cli.main([*base, "--set", "geometry.pixel_directions=y-,x-", "--spacing", f"{spacing:.6f}"]) == 0
    assert "columns x+, other than stated: y-, x-" in capsys.readouterr().out
    assert "--material and --hkl" in refused(capsys, *base)
    assert cli.main([*base, "--material", "Au", "--hkl", "1,1,1"]) == 0
    assert "+0.53 %" in capsys.readouterr().out
    assert "has no geometry" in refused(
        capsys, "geometry", "lattice", folder / "bare.npy", "--spacing", "0.2"
    )


def test_the_lattice_test_reads_a_part_as_its_refusals_advise(folder, tmp_path, capsys):
    """Memory that does not suffice is said with --crop, and frames along another axis with --axes."""
    np.save(tmp_path / "last.npy", np.moveaxis(np.load(folder / "bare.npy"), 0, -1))
    known = ["--geometry", str(folder / "g.json"), "--material", "Au", "--hkl", "1,1,1"]
    assert cli.main(["geometry", "lattice", str(folder / "bare.npy"), *known]) == 0
    whole = capsys.readouterr().out
    part = ["--axes", "2,0,1", "--crop", "20,22,24"]
    assert cli.main(["geometry", "lattice", str(tmp_path / "last.npy"), *known, *part]) == 0
    said = capsys.readouterr()
    assert said.out == whole
    assert "read frame by frame: at most" in said.err


def test_the_arm_test(capsys):
    base = ["geometry", "arm", "--beamline", "34idc", "--pixel", "126,127", "--angles", "32.174,12.6346"]
    second = ["--pixel", "73.1,231.0", "--angles", "31.5,12.3"]
    beam = ["--set", "geometry.direct_beam_pixel=256,256"]
    assert cli.main([*base, *second, *beam]) == 0
    assert "Rows y-, columns x+, as stated; distance 0.4999 m." in capsys.readouterr().out
    assert "lacks direct_beam_pixel" in refused(capsys, *base, *second)
    lacking = "lacks pixel_size_um, sample_angles_deg, direct_beam_pixel; give them"
    assert lacking in refused(
        capsys, "geometry", "arm", *base[4:], *second, "--set", 'geometry.detector_circles=["y-","x-"]'
    )
    assert "two positions" in refused(capsys, "geometry", "arm")
    assert "two positions" in refused(capsys, *base, *beam)
    assert "2 numbers" in refused(capsys, *base, "--pixel", "73", "--angles", "31.5,12.3", *beam)


def test_a_geometry_that_takes_the_place_of_the_scan_s_own_is_said(folder, tmp_path, capsys):
    scan = simulate(seed=3, size=32, oversampling=(2.5, 2.5, 2.5)).scan
    formats.write_scan(scan, tmp_path / "own.h5")
    asked = ["info", str(tmp_path / "own.h5"), "--json"]
    assert cli.main([*asked, "--geometry", str(folder / "g.json")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["geometry"]["energy_kev"] == 9
    said = f"The geometry is that of {folder / 'g.json'}, not the one of the scan's own files."
    assert said in document["notes"]
    assert cli.main(asked) == 0
    assert "The geometry is that of" not in capsys.readouterr().out


def test_what_was_lacking_is_no_longer_said_to_lack(tmp_path, capsys):
    motors = {"mu": 0.0, "THETA": 20.0, "CHI": 0.0, "PHI": 0.0, "nu": 0.0, "2THETA": 40.0, "Emono": 9.5}
    names, readings = "  ".join(motors), " ".join(map(str, motors.values()))
    rows = "\n".join(f"{20 + 0.01 * point} 1" for point in range(32))
    (tmp_path / "a.spec").write_text(
        f"#F a\n#E 1\n#O0 {names}\n\n#S 7 ascan THETA 20 20.31 31 1\n#P0 {readings}\n#L THETA  d0_cps\n{rows}\n"
    )
    (tmp_path / "scan_S0007").mkdir()
    index = np.indices((32, 32, 32)) - 16
    counts = np.random.default_rng(0).poisson(1e5 * np.exp(-np.sum(index**2, 0) / 12)).astype("u4")
    for number, frame in enumerate(counts):
        tifffile.imwrite(tmp_path / f"scan_S0007/s_{number:03d}.tif", frame)
    told = ["--set", "geometry.distance_m=0.7", "--set", "geometry.pixel_size_um=130"]
    for more, lacks in (([], True), (told, False)):
        assert cli.main(["info", str(tmp_path / "scan_S0007"), "--json", *more]) == 0
        notes = json.loads(capsys.readouterr().out)["notes"]
        assert any("is not complete: a.spec" in note for note in notes) is lacks


def test_a_spacing_in_another_unit_is_refused(folder, capsys):
    said = refused(
        capsys, "info", folder / "bare.npy", "--geometry", folder / "g.json", "--spacing", "2.3546"
    )
    assert "2.3546 is no lattice spacing in nm (0.05 to 1.5): 0.23546 nm, if the number is in Å?" in said


def test_angles_that_begin_again_run_on_and_are_said_to(folder, capsys):
    angles = [round((359.92 + 0.005 * frame) % 360, 4) for frame in range(32)]
    known = {key: value for key, value in GOLD.items() if key != "rocking_step_deg"}
    (folder / "turned.json").write_text(
        json.dumps({"beamline": "34-ID-C", **known, "rocking_angles_deg": angles})
    )
    found = info(folder, capsys, "--geometry", folder / "turned.json")
    assert found["geometry"]["rocking_step_deg"] == pytest.approx(0.005)
    assert found["geometry"]["rocking_angles_deg"][0] == pytest.approx(-0.08)
    assert any("begins again after a whole turn" in note for note in found["notes"])


def test_a_document_that_windows_editor_saved(tmp_path, capsys):
    """With a mark of the byte order before it."""
    document = {"beamline": "34-ID-C", "energy_kev": 9, "distance_m": 0.5, "rocking_step_deg": 0.005}
    document |= {"sample_angles_deg": [0, 90, 0], "detector_angles_deg": [32, 12]}
    (tmp_path / "g.json").write_text(json.dumps(document), encoding="utf-8-sig")
    np.save(tmp_path / "a.npy", simulate(0, 24).scan.counts)
    assert cli.main(["info", str(tmp_path / "a.npy"), "--geometry", str(tmp_path / "g.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["geometry"]["energy_kev"] == 9
