"""The command line: what scripts rely on, told by exit codes, files and streams."""

from __future__ import annotations

import inspect
import json
import os
import platform
import re
import signal
import subprocess
import sys
from importlib import metadata
from typing import get_args

import h5py
import numpy as np
import pytest

from napari_autophase import cli, formats
from napari_autophase.cli import simulate as cli_simulate
from napari_autophase.cli.show import words
from napari_autophase.cli.targets import as_json
from napari_autophase.evidence import MEANINGS
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.simulation import simulate
from napari_autophase.simulation.crystal import KINDS
from napari_autophase.version import full_version

QUICK = ["--preset", "iterative", "--set", "refine.algorithm=5*ER+5*HIO"]
REPORT_KEYS = {
    "chi2", "free_llk", "iterations", "seconds", "device", "shape", "voxel_size_nm", "seed", "recipe", "weights_sha256",
    "versions",
}  # fmt: skip
STAGES = {"read", "prepare", "guess", "refine", "analyse", "total"}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "crystal.h5"
    formats.write_scan(simulate(3, 32, oversampling=(2.5, 2.5, 2.5)).scan, path)
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "napari_autophase", *map(str, arguments)]


def test_reconstruct_writes_the_result_the_report_and_the_picture(scan, tmp_path, capsys):
    result, report, picture = tmp_path / "r.cxi", tmp_path / "r.json", tmp_path / "r.png"
    written = ["-o", result, "--report", report, "--picture", picture]
    assert cli.main([*map(str, ["reconstruct", scan, *written, "--seed", 7]), *QUICK]) == 0
    said = capsys.readouterr()
    # no progress bar in a pipe
    assert re.fullmatch(r"32 × 32 × 32 on the CPU: about 0\.1 of [\d.]+ GiB free\n", said.err)
    for path in (result, report, picture):
        assert str(path) in said.out
    for name in formats.read(result).figures:
        assert re.search(rf"^{name} +\S+ +{re.escape(MEANINGS[name])}$", said.out, re.MULTILINE)

    with h5py.File(result) as file:
        assert file["/entry_1/image_1/data"].dtype == np.complex64
        assert file["/entry_1/image_1/data"].shape == (32, 32, 32)
        support = file["/entry_1/image_1/mask"][()]
    assert 0 < support.sum() < support.size

    document = json.loads(report.read_text(encoding="utf-8"))
    assert set(document) >= REPORT_KEYS
    assert set(document["seconds"]) >= STAGES
    parts = sum(seconds for name, seconds in document["seconds"].items() if name != "total")
    assert document["seconds"]["total"] == pytest.approx(parts)
    assert document["iterations"] == 10
    assert document["seed"] == 7
    assert document["shape"] == [32, 32, 32]
    assert len(document["voxel_size_nm"]) == 3
    assert Recipe.model_validate(document["recipe"]).refine.algorithm == "5*ER+5*HIO"
    assert document["weights_sha256"] is None  # started at random
    assert {"napari-autophase", "torch", "numpy"} <= set(document["versions"])

    assert picture.read_bytes().startswith(b"\x89PNG")
    found = formats.read(result)
    assert isinstance(found, Reconstruction)
    assert found.recipe.model_dump(mode="json") == document["recipe"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "r.cxi",
        "r.json",
        "r.png",
    ]  # nothing left lying


def test_the_recipe_of_a_report_repeats_the_result(scan, tmp_path, capsys):
    first, second, report, recipe = (tmp_path / name for name in ("a.cxi", "b.cxi", "a.json", "recipe.json"))
    assert (
        cli.main(["reconstruct", str(scan), "-o", str(first), "--report", str(report), "--quiet", *QUICK])
        == 0
    )
    recipe.write_text(json.dumps(json.loads(report.read_text())["recipe"]))
    assert cli.main(["reconstruct", str(scan), "-o", str(second), "--recipe", str(recipe), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    np.testing.assert_array_equal(formats.read(first).object, formats.read(second).object)


def test_what_holds_no_recipe_is_said_to_hold_none(scan, tmp_path, capsys):
    picture = tmp_path / "result.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    for file in (picture, scan):
        assert cli.main(["reconstruct", str(scan), "--recipe", str(file)]) == 2
        assert (
            f"{file} holds no recipe; give a recipe or a report (.json), or a result"
            in capsys.readouterr().err
        )


def test_without_a_name_the_result_lies_in_the_current_folder(scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reconstruct", str(scan), *QUICK]) == 0
    assert (tmp_path / "crystal_reconstruction.cxi").exists()
    assert "wrote crystal_reconstruction.cxi" in capsys.readouterr().out


def test_the_options_reach_the_recipe(scan, tmp_path, monkeypatch, capsys):
    recipes = []

    def run(measured, recipe, report):
        recipes.append(recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_autophase.reconstruct.run", run)
    asked = [
        "--preset",
        "best",
        "--set",
        "refine.beta=0.8",
        "--set",
        "prepare.centre=mass",
        "--set",
        "seed=1",
    ]
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    asked += ["--device", "cpu", "--seed", "5", "--weights", str(weights)]
    assert cli.main(["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi"), *asked]) == 130
    assert capsys.readouterr().err.endswith("napari-autophase: Interrupted.\n")
    expected = {
        "refine.beta": 0.8, "prepare.centre": "mass", "device": "cpu", "seed": 5, "guess.weights": str(weights)
    }  # fmt: skip
    assert recipes == [Recipe.from_preset("best").with_settings(expected)]


@pytest.mark.parametrize("how", [["--weights", "none.pth"], ["--set", "guess.weights=none.pth"]])
def test_missing_weights_are_said_before_the_scan_is_read(how, tmp_path, capsys):
    assert cli.main(["reconstruct", str(tmp_path / "no_scan_either.h5"), *how]) == 2
    assert "weights none.pth are missing" in capsys.readouterr().err


@pytest.fixture
def scans(tmp_path):
    """A file with two scans, whose frames were not copied."""
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        for number in (1, 2):
            file[f"{number}.1/title"] = f"ascan eta {number} 2 16 1"
            file[f"{number}.1/start_time"] = "2026-02-01T10:00:00+01:00"
            file[f"{number}.1/end_time"] = "2026-02-01T10:10:00+01:00"
            file[f"{number}.1/measurement/eta"] = np.arange(17.0 - 2 * number)
            file[f"{number}.1/measurement/roi1_max"] = np.full(17 - 2 * number, 40.0 * number)
            file[f"{number}.1/measurement/mpx1x4"] = h5py.ExternalLink("absent.h5", "/data")
    return path


def test_info_lists_the_scans_of_a_file(scans, capsys):
    assert cli.main(["info", str(scans)]) == 0
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "scan frames peak started command",
        "1.1 15 40 2026-02-01 10:00:00 ascan eta 1 2 16 1 not complete",
        "2.1 13 80 2026-02-01 10:00:00 ascan eta 2 2 16 1 not complete",
    ]
    assert cli.main(["info", str(scans), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "scans"
    assert [each["path"] for each in document["scans"]] == ["1.1", "2.1"]
    assert document["scans"][1]["brightest"] == 80


def test_reconstruct_says_how_to_choose_a_scan(scans, capsys):
    assert cli.main(["reconstruct", str(scans)]) == 2
    error = capsys.readouterr().err
    assert "holds 2 scans; choose one as many.h5::1.1 or with --dataset 1.1" in error
    assert len(error.splitlines()) == 1


def test_a_mask_reaches_the_scan(scan, tmp_path, capsys):
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 5] = 1
    np.save(tmp_path / "mask.npy", mask)
    assert cli.main(["info", str(scan), "--json"]) == 0
    before = json.loads(capsys.readouterr().out)["masked"]
    assert cli.main(["info", str(scan), "--json", "--mask", str(tmp_path / "mask.npy")]) == 0
    assert json.loads(capsys.readouterr().out)["masked"] >= before + 32 * 32 - 32


def test_info_says_what_was_understood(scan, capsys):
    assert cli.main(["info", str(scan), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "scan"
    assert document["shape"] == [32, 32, 32]
    assert document["geometry"]["energy_kev"] == 9.0
    assert document["maximum"] > 1e5
    assert np.abs(np.array(document["peak"]) - 16).max() <= 1
    assert np.array(document["oversampling"]) == pytest.approx(2.5, rel=0.3)
    assert cli.main(["info", str(scan)]) == 0
    assert "energy_kev 9" in capsys.readouterr().out


def test_the_geometry_that_info_prints_can_be_given_to_another_scan(scan, tmp_path, capsys):
    assert cli.main(["info", str(scan), "--json"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "geometry.json").write_text(text)
    np.save(tmp_path / "bare.npy", formats.read_scan(scan).counts)
    assert cli.main(["info", str(tmp_path / "bare.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["voxel_size_nm"] is None
    arguments = ["info", str(tmp_path / "bare.npy"), "--json", "--geometry", str(tmp_path / "geometry.json")]
    assert cli.main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["geometry"] == json.loads(text)["geometry"]
    assert found["voxel_size_nm"] == json.loads(text)["voxel_size_nm"]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "cannot be read"),
        ('{"energy": 9}', "'energy'"),
        (
            '{"energy_kev": "high", "distance_m": 1, "pixel_size_um": [55, 55], "rocking_step_deg": 0.01, '
            '"sample_angles_deg": [1], "detector_angles_deg": [1, 30]}',
            "energy_kev",
        ),
        ("[]", "geometry"),
        ('{"geometry": null}', "has no geometry"),
    ],
)
def test_an_unusable_geometry_is_named(scan, tmp_path, capsys, document, says):
    (tmp_path / "geometry.json").write_text(document)
    assert cli.main(["info", str(scan), "--geometry", str(tmp_path / "geometry.json")]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("removed", "says"),
    [
        (["sample_angles_deg"], "lacks sample_angles_deg;"),
        (["sample_angles_deg", "sample_circles"], "lacks sample_angles_deg;"),
        (["detector_angles_deg"], "lacks detector_angles_deg;"),
        (
            ["energy_kev", "rocking_step_deg", "sample_angles_deg"],
            "lacks energy_kev, rocking_step_deg, sample_angles_deg;",
        ),
    ],
)
@pytest.mark.parametrize("empty", [None, "nothing"])
def test_what_a_geometry_lacks_is_named_at_once_and_no_angle_is_taken_as_zero(
    scan, tmp_path, capsys, removed, says, empty
):
    assert cli.main(["info", str(scan), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)["geometry"]
    for key in removed:
        document.pop(key)
        if empty != "nothing":
            document[key] = empty
    (tmp_path / "geometry.json").write_text(json.dumps(document))
    np.save(tmp_path / "bare.npy", formats.read_scan(scan).counts)
    arguments = ["info", str(tmp_path / "bare.npy"), "--geometry", str(tmp_path / "geometry.json")]
    assert cli.main(arguments) == 2
    assert says in capsys.readouterr().err


def test_simulate_is_repeatable_and_writes_the_truth(tmp_path, capsys):
    first, second, truth = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "t.cxi"
    assert (
        cli.main(
            ["simulate", str(first), "--size", "24", "--peak", "5000", "--seed", "4", "--truth", str(truth)]
        )
        == 0
    )
    assert cli.main(["simulate", str(second), "--size", "24", "--peak", "5000", "--seed", "4"]) == 0
    one, two = formats.read_scan(first), formats.read_scan(second)
    np.testing.assert_array_equal(one.counts, two.counts)
    assert one.shape == (24, 24, 24)
    assert 4000 < one.counts.max() < 6000
    crystal = formats.read(truth)
    assert isinstance(crystal, Reconstruction)
    modulus = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(crystal.object))))
    assert np.corrcoef(modulus.ravel(), np.sqrt(one.counts.ravel()))[0, 1] > 0.99
    capsys.readouterr()
    assert cli.main(["info", str(truth)]) == 0
    assert "reconstruction" in capsys.readouterr().out


def test_simulate_takes_all_that_the_simulation_knows(tmp_path):
    asked = {
        "size": (32, 40, 48),
        "kind": "rod",
        "texture": 0.2,
        "oversampling": (3.0, 2.5, 2.0),
        "off_centre": 1.0,
        "peak": 5e4,
        "background": 0.5,
        "coherence": (0.0, 0.6, 0.8),
        "drift": 0.2,
        "saturation": 3e4,
        "gaps": True,
        "hot_pixels": 3,
        "dislocation": True,
        "phase_range": 1.5,
    }
    known = set(inspect.signature(simulate).parameters) - {"seed", "geometry"}
    assert set(asked) == known, "an argument of the simulation has no option"
    words = [str(tmp_path / "a.h5")]
    for name, value in asked.items():
        said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [said])]
    assert cli.main(["simulate", *words]) == 0
    found, made = formats.read_scan(tmp_path / "a.h5"), simulate(0, **asked).scan
    np.testing.assert_array_equal(found.counts, made.counts)
    np.testing.assert_array_equal(found.mask, made.mask)
    assert found.counts.max() == 30_000
    assert cli.main(["simulate", str(tmp_path / "b.h5"), "--size", "24", "--coherence", "0.7"]) == 0
    np.testing.assert_array_equal(
        formats.read_scan(tmp_path / "b.h5").counts, simulate(0, 24, coherence=0.7).scan.counts
    )


def test_simulate_names_the_shapes_that_there_are():
    assert get_args(cli_simulate.Kind) == KINDS


def test_devices_names_the_processor(capsys):
    assert cli.main(["devices"]) == 0
    said = capsys.readouterr().out
    assert "cpu" in said.lower()
    # what a report of a fault needs
    assert f"napari-autophase {full_version()}" in said
    assert f"torch {metadata.version('torch')}" in said
    assert f"Python {platform.python_version()}" in said


def test_the_version_is_said_whatever_else(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"napari-autophase {full_version()}\n"


def test_train_without_a_configuration(tmp_path, capsys):
    assert cli.main(["network", "train", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing command"),
        (["reconstruct"], "SCAN"),
        (["reconstruct", "a.npy", "--preset", "quick"], "--preset"),
        (["reconstruct", "a.npy", "--seed", "-1"], "--seed"),
        (["reconstruct", "a.npy", "--device", "tpu"], "--device"),
        (
            ["finetune", "a.npy", "--device", "gpu:1"],
            "choose auto, cpu, cuda, mps, or one of several, as cuda:1",
        ),
        (["network", "evaluate", "--device", "gpu"], "--device"),
        (["reconstruct", "a.npy", "--no-such-option"], "--no-such-option"),
        (["reconstruct", "a.npy", "b.npy"], "b.npy"),
        (["guess", "a.npy"], "guess"),
        (["simulate", "a.h5", "--size", "8"], "--size"),
        (["reconstruct", ""], "nothing was given"),
        (["info", "::data"], "names no file"),
        (["info", "a.npy", "--mask", ""], "--mask"),
        (["reconstruct", "a.npy", "--set", "preset=best"], "choose a preset with --preset"),
        (["reconstruct", "a.npy", "--set", "prepare.binning=1,0,1"], "3 whole numbers of at least 1"),
        (["simulate", "a.h5", "--size", "16", "--peak", "1e10"], "counts a voxel"),
        (["simulate", "a.h5", "--size", "16.5"], "one whole number of at least 16"),
        (["simulate", "a.h5", "--size", "32,16"], "write 3 numbers"),
        (["simulate", "a.h5", "--kind", "ball"], "--kind"),
        (["simulate", "a.h5", "--coherence", "much"], "--coherence"),
        (["simulate", "a.h5", "--size", "16", "--saturation", "inf"], "must be finite"),
        (["simulate", "a.h5", "--size", "16", "--oversampling", "1,2,2"], "at least 1.2"),
        (["simulate", "a.h5", "--size", "32", "--oversampling", "300"], "fewer than 3 of"),
        (["simulate", "a.h5", "--size", "32", "--off-centre", "16"], "lies outside"),
        (["simulate", "a.h5", "--size", "16", "--background", "inf"], "must be finite"),
        (["simulate", "a.h5", "--size", "16", "--hot-pixels", "99999999"], "one false voxel in 10"),
        (["simulate", "a.cxi", "--truth", "./a.cxi"], "named twice"),
        (["geometry", "arm", *["--pixel", "nan,1", "--angles", "1,1"] * 2], "write 2 numbers"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments, says, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert says in captured.err


def test_an_unexpected_error_is_one_line_unless_its_traceback_is_asked_for(
    scan, tmp_path, monkeypatch, capsys
):
    def run(*_):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("napari_autophase.reconstruct.run", run)
    arguments = ["reconstruct", str(scan), "--quiet", "-o", str(tmp_path / "r.cxi")]
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ZeroDivisionError: a fault of ours" in error
    assert "--debug" in error
    with pytest.raises(ZeroDivisionError):
        cli.main(["--debug", *arguments])


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and terminals")
def test_on_a_terminal_there_are_bars_and_ctrl_c_ends_cleanly(scan, tmp_path):
    import pty

    master, slave = pty.openpty()
    long = ["--preset", "iterative", "--set", "refine.algorithm=1000000*ER"]
    process = subprocess.Popen(
        command("reconstruct", scan, "-o", tmp_path / "r.cxi", *long),
        stderr=slave,
        stdout=subprocess.PIPE,
        text=True,
        # a test run in the background ignores interrupts, and its children would with it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(slave)
    seen = ""
    while "refine" not in seen and process.poll() is None:
        seen += os.read(master, 4096).decode(errors="replace")
    process.send_signal(signal.SIGINT)
    with process:
        try:
            while chunk := os.read(master, 4096):
                seen += chunk.decode(errors="replace")
        except OSError:  # the other end of the terminal is closed: the process has ended
            pass
        output = process.communicate(timeout=600)[0]
    os.close(master)
    assert "refine" in seen
    assert process.returncode == 130
    assert "Traceback" not in seen
    assert output == ""
    assert list(tmp_path.iterdir()) == []


def test_json_is_standard_json():
    document = {
        "a": np.float32(np.nan),
        "b": [np.inf, 1.5],
        "c": np.arange(2),
        "d": (True, None),
        5: "µ",
        "e": {1j},
    }
    assert json.loads(as_json(document)) == {
        "a": None, "b": [None, 1.5], "c": [0, 1], "d": [True, None], "5": "µ", "e": "{1j}"
    }  # fmt: skip


def test_a_long_list_is_shortened_for_people():
    assert (
        words({"theta": [0.5] * 3, "all": list(range(200))}) == "theta 0.5, 0.5, 0.5, all 200 values, 0 … 199"
    )
    assert words(None) == words([]) == "–"


def test_a_terminal_without_the_letters_still_gets_its_answer(scan):
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command("info", scan), capture_output=True, env=plain, check=False)
    assert done.returncode == 0, done.stderr
    assert b"voxel  21.21 ? 20.68" in done.stdout


@pytest.mark.parametrize("group", ["geometry", "network"])
def test_a_group_offers_what_the_program_offers_and_no_more(group, capsys):
    assert cli.main([group, "--help"]) == 0
    assert "completion" not in capsys.readouterr().out


@pytest.mark.parametrize("linked", [False, True])
def test_measured_data_is_not_replaced_by_a_result(linked, scan, tmp_path, capsys):
    other = tmp_path / ("other.h5" if linked else "result.cxi")
    with h5py.File(other, "w") as file:
        file["entry_1/data"] = np.arange(3)
    if linked:
        (tmp_path / "result.cxi").symlink_to(other)
    before = other.read_bytes()
    target = str(tmp_path / "result.cxi")
    assert cli.main(["reconstruct", str(scan), "-o", target]) == 2
    assert "is there already, and napari-autophase did not write it" in capsys.readouterr().err
    assert other.read_bytes() == before
    for _ in range(2):  # what the program wrote it replaces
        assert cli.main(["simulate", str(tmp_path / "mine.cxi"), "--size", "16"]) == 0
