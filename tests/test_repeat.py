"""Results made again from their own file: the same bit for bit, or one sentence that says what is not the same."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from napari_autophase import cli, formats
from napari_autophase.preparation import sum_scans
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run, used_sha256
from napari_autophase.reconstruction import JUDGED
from napari_autophase.repeat import recipe_of, record, repeat, scan_behind
from napari_autophase.scan import InputError, Origin, fingerprint
from napari_autophase.simulation import simulate

QUICK = [
    "--preset",
    "iterative",
    "--set",
    "refine.algorithm=6*ER+6*HIO",
    "--set",
    "refine.starts=2",
    "--seed",
    "5",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of a result, and what was in it at first."""
    folder = tmp_path_factory.mktemp("repeat") / "run"
    folder.mkdir()
    _make(folder)
    return folder, shutil.copytree(folder, folder.with_name("kept"))


@pytest.fixture
def made(folders):
    """A folder with a result of a cropped scan, which has a mask, a dark and a white field and a geometry, and its report."""
    folder, kept = folders
    shutil.rmtree(folder)
    return shutil.copytree(kept, folder)  # where its files say that it is


def _make(tmp_path):
    scan = simulate(3, 40, oversampling=(2.5, 2.5, 2.5)).scan
    formats.write_scan(scan, tmp_path / "crystal.h5")
    mask = np.zeros(scan.shape[1:], np.uint8)
    mask[:3] = 1
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "dark.npy", np.full(scan.shape[1:], 0.25))
    np.save(tmp_path / "white.npy", np.random.default_rng(0).uniform(0.9, 1.1, scan.shape[1:]))
    arguments = [
        "reconstruct",
        tmp_path / "crystal.h5",
        "--crop",
        "32,36,32",
        "--set",
        "geometry.energy_kev=9.5",
    ]
    for name in ("mask", "dark", "white"):
        arguments += [f"--{name}", tmp_path / f"{name}.npy"]
    arguments += ["-o", tmp_path / "r.cxi", "--report", tmp_path / "r.json", *QUICK]
    assert cli.main([str(each) for each in arguments]) == 0


@pytest.mark.parametrize("name", ["r.cxi", "r.json"])
def test_a_result_repeats_bit_for_bit_from_its_file_alone(made, name, capsys):
    assert cli.main(["repeat", str(made / name), "-o", str(made / "again.cxi")]) == 0, capsys.readouterr().err
    first, again = (formats.read_reconstruction(made / each) for each in ("r.cxi", "again.cxi"))
    assert np.array_equal(first.object, again.object)
    assert np.array_equal(first.support, again.support)
    compared = {} if name.endswith("json") else {"repeat_correlation": 1.0}
    assert first.figures | compared == again.figures
    assert ("The same as r.cxi, bit for bit." in capsys.readouterr().out) == bool(compared)
    assert first.voxel_steps_nm == pytest.approx(again.voxel_steps_nm, rel=1e-14)
    assert first.origin == again.origin
    assert first.used_sha256 == again.used_sha256


def test_how_far_a_result_is_another_is_said_and_in_the_report(made, capsys):
    first = formats.read_reconstruction(made / "r.cxi")
    other = first.object.copy()
    inside = np.argwhere(first.support)
    part = tuple(inside[::6].T)
    other[part] = 0
    formats.write(replace(first, object=other), made / "r.cxi")
    arguments = ["repeat", str(made / "r.cxi"), "--report", str(made / "again.json")]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    light = np.abs(first.object) ** 2  # what is left of a crystal correlates with it by the root of its share
    expected = np.sqrt(1 - light[part].sum() / light.sum())
    report = json.loads((made / "again.json").read_text())
    assert report["repeat_correlation"] == pytest.approx(expected, abs=0.02)
    assert "Not the same as r.cxi bit for bit" in capsys.readouterr().out


def test_what_a_result_says_of_its_scan_is_true(made):
    found = formats.read_reconstruction(made / "r.cxi")
    stored = formats.read_scan(made / "crystal.h5")
    assert found.origin.source == f"{made / 'crystal.h5'}::/entry_1/instrument_1/detector_1/data"
    assert found.origin.whole == stored.shape
    box = tuple(slice(*ends) for ends in found.origin.box)
    assert stored.counts[box].shape == (32, 36, 32)
    for name in ("mask", "dark", "white"):
        assert found.origin.options[name] == str(made / f"{name}.npy")
        assert len(found.origin.sha256[name]) == 64
    assert found.good.shape == found.shape
    scan = formats.read_scan(
        made / "crystal.h5",
        crop=(32, 36, 32),
        **{name: made / f"{name}.npy" for name in ("mask", "dark", "white")},
    )
    used = {key: value for key, value in found.used_sha256.items() if key != JUDGED}
    assert used == {"counts": fingerprint(scan.counts), "mask": fingerprint(scan.mask)}
    with h5py.File(made / "r.cxi") as file:
        # as CXI has it: 0 is good
        assert np.array_equal(file["entry_1/instrument_1/detector_1/mask"][()] == 0, found.good)
    report = json.loads((made / "r.json").read_text())
    assert Origin.from_document(report["origin"]) == found.origin
    assert report["scan_geometry"]["energy_kev"] == 9.5


def test_a_file_that_changed_is_refused(made, capsys):
    with h5py.File(made / "crystal.h5", "r+") as file:
        file["entry_1/instrument_1/detector_1/data"][20, 20, 21] += 1
    assert cli.main(["repeat", str(made / "r.cxi"), "-o", str(made / "again.cxi")]) == 2
    said = capsys.readouterr().err
    assert "counts" in said
    assert "not what r.cxi was made from" in said
    assert not (made / "again.cxi").exists()


def test_a_field_that_changed_or_is_gone_is_refused(made):
    white = np.load(made / "white.npy")
    np.save(made / "white.npy", white * 1.01)
    with pytest.raises(InputError, match=r"white.npy is not the white that r.cxi was made with"):
        repeat(record(made / "r.cxi"))
    (made / "white.npy").unlink()
    with pytest.raises(InputError, match=r"white.npy, which r.cxi was made from, is not there"):
        repeat(record(made / "r.cxi"))


def test_files_that_moved_are_found_beside_the_result_or_where_one_says(made):
    first = formats.read_reconstruction(made / "r.cxi")
    away = made / "away"
    away.mkdir()
    for each in ("r.cxi", "crystal.h5", "mask.npy", "dark.npy", "white.npy"):
        (made / each).rename(away / each)
    assert np.array_equal(repeat(record(away / "r.cxi")).object, first.object)
    (away / "crystal.h5").rename(away / "renamed.h5")
    with pytest.raises(InputError, match="is not there"):
        repeat(record(away / "r.cxi"))
    assert np.array_equal(repeat(record(away / "r.cxi"), away / "renamed.h5").object, first.object)


def test_a_mask_that_was_edited_by_hand_is_not_taken_for_that_of_the_file(made):
    scan = formats.read_scan(made / "crystal.h5")
    bad = np.zeros(scan.shape, bool)
    bad[:, 2, 2] = True
    edited = replace(scan, mask=bad)
    recipe = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "2*ER"})
    formats.write(run(edited, recipe), made / "edited.cxi")
    with pytest.raises(InputError, match=r"The mask of .*changed by hand"):
        repeat(record(made / "edited.cxi"))


def test_an_array_given_by_a_program_is_said_to_be_in_no_file(made):
    scan = formats.read_scan(made / "crystal.h5", mask=np.load(made / "mask.npy"))
    recipe = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "2*ER"})
    formats.write(run(scan, recipe), made / "a.cxi")
    with pytest.raises(InputError, match=r"The mask of a.cxi was an array in a program"):
        repeat(record(made / "a.cxi"))


def test_a_recipe_is_taken_from_a_result_or_a_report(made, capsys):
    wanted = formats.read_reconstruction(made / "r.cxi").recipe
    assert recipe_of(made / "r.cxi") == recipe_of(made / "r.json") == wanted
    (made / "bare.json").write_text(wanted.model_dump_json())
    assert recipe_of(made / "bare.json") == wanted
    for name in ("r.cxi", "r.json"):
        arguments = ["reconstruct", made / "crystal.h5", "--recipe", made / name, "-o", made / "s.cxi", "-q"]
        assert cli.main([str(each) for each in arguments]) == 0, capsys.readouterr().err
        assert formats.read_reconstruction(made / "s.cxi").recipe == wanted


def test_what_holds_no_recipe_is_said(made):
    assert cli.main(["simulate", str(made / "s.h5"), "--size", "32", "--truth", str(made / "truth.cxi")]) == 0
    with pytest.raises(InputError, match=r"truth.cxi holds no recipe"):
        recipe_of(made / "truth.cxi")
    with pytest.raises(InputError, match=r"crystal.h5 holds no recipe; give a recipe or a report"):
        recipe_of(made / "crystal.h5")
    (made / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="The recipe is not usable"):
        recipe_of(made / "list.json")
    with pytest.raises(InputError, match="cannot be read"):
        recipe_of(made / "none.json")
    with pytest.raises(InputError, match="holds no recipe"):
        record(made / "list.json")


def test_results_of_older_versions_open_and_say_why_they_do_not_repeat(made):
    process = "entry_1/image_1/process_1"
    with h5py.File(made / "r.cxi", "r+") as file:
        del file[f"{process}/configuration/origin"], file[f"{process}/used_sha256"]
        del file["entry_1/instrument_1/detector_1/mask"]
    found = formats.read_reconstruction(made / "r.cxi")
    assert found.origin is None
    assert found.good is None
    assert found.used_sha256 == {}
    with pytest.raises(
        InputError, match=r"does not say how its scan was read .* reconstruct SCAN --recipe r.cxi"
    ):
        repeat(record(made / "r.cxi"))


def test_other_weights_are_refused(made):
    guessed = replace(formats.read_reconstruction(made / "r.cxi"), recipe=Recipe(), weights_sha256="0" * 64)
    formats.write(guessed, made / "w.cxi")
    with pytest.raises(InputError, match="weights are not those"):
        repeat(record(made / "w.cxi"))


def test_other_packages_are_a_note(made):
    known = record(made / "r.cxi")
    found = repeat(replace(known, versions={**known.versions, "numpy": "1.0"}))
    assert any("numpy 1.0, now" in note for note in found.notes)


def test_a_scan_is_not_summed_with_itself_whatever_it_is_called(tmp_path, capsys):
    file = tmp_path / "s.h5"
    formats.write_scan(simulate(6, 32).scan, file)
    (tmp_path / "linked.h5").symlink_to(file)
    os.link(file, tmp_path / "hard.h5")
    with h5py.File(tmp_path / "master.h5", "w") as master:
        master["entry/data/data"] = h5py.ExternalLink("s.h5", "/entry_1/data_1/data")
    with h5py.File(file) as scan:
        shape = scan["entry_1/data_1/data"].shape
    layout = h5py.VirtualLayout(shape, np.int32)
    layout[:] = h5py.VirtualSource("s.h5", "/entry_1/data_1/data", shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as virtual:
        virtual.create_virtual_dataset("entry/data/data", layout)
    names = ["s.h5", "linked.h5", "hard.h5", "master.h5", "virtual.h5", "s.h5::entry_1/data_1"]
    for name in names:
        twice = [str(file), str(tmp_path / name)]
        assert cli.main(["reconstruct", *twice, "--sum", "-o", str(tmp_path / "x.cxi"), *QUICK]) == 2
        told = capsys.readouterr().err
        assert f"{tmp_path / name} is given twice" in told
        assert ("by another name" in told) == (twice[0] != twice[1])
    one = formats.read_scan(file)
    with pytest.raises(InputError, match=r"s\.h5.* is given twice"):
        sum_scans([one, formats.read_scan(file)])


def test_a_sum_of_scans_repeats(tmp_path, capsys):
    pattern = simulate(6, (48, 52, 52), oversampling=(3, 3, 3), peak=3e4, off_centre=0.0).scan
    rng = np.random.default_rng(0)
    for number, first in enumerate((8, 9, 7)):
        counts = rng.poisson(pattern.counts[first : first + 32, 4:44, 6:46].astype(float)).astype(np.uint32)
        formats.write_scan(replace(pattern, counts=counts), tmp_path / f"s{number}.h5")
    scans = [str(tmp_path / f"s{number}.h5") for number in range(3)]
    arguments = ["reconstruct", *scans, "--sum", "--least", "0.98", "-o", str(tmp_path / "sum.cxi"), *QUICK]
    assert cli.main(arguments) == 0, capsys.readouterr().err
    assert "The sum of 3 scans" in capsys.readouterr().out
    first = formats.read_reconstruction(tmp_path / "sum.cxi")
    assert [each.source.partition("::")[0] for each in first.origin.summed] == scans
    assert first.origin.least == 0.98
    assert np.array_equal(repeat(record(tmp_path / "sum.cxi")).object, first.object)
    assert cli.main(["reconstruct", *scans, "-o", str(tmp_path / "x.cxi")]) == 2
    assert "add --sum" in capsys.readouterr().err
    assert cli.main(["reconstruct", scans[0], "--sum", "-o", str(tmp_path / "x.cxi")]) == 2
    assert "--sum needs two" in capsys.readouterr().err
    assert cli.main(["reconstruct", scans[0], "--least", "0.9", "-o", str(tmp_path / "x.cxi")]) == 2
    assert "add --sum" in capsys.readouterr().err


def test_what_went_on_from_another_result_is_not_repeated_as_if_it_had_not(made):
    known = record(made / "r.cxi")
    assert "begun_with" not in known.sha256
    went_on = replace(known, sha256={**known.sha256, "begun_with": known.sha256["counts"]})
    with pytest.raises(InputError, match="went on from another result"):
        repeat(went_on, report=lambda _: None)


def test_the_scan_behind_a_result_is_read_as_it_was_then(made):
    found = formats.read_reconstruction(made / "r.cxi")
    scan = scan_behind(found)
    assert used_sha256(scan) == {name: found.used_sha256[name] for name in used_sha256(scan)}
    assert scan.geometry == found.scan_geometry
    begun = replace(found, used_sha256={**found.used_sha256, "begun_with": "0"})
    assert scan_behind(begun).shape == scan.shape, "it is the same scan, whatever one went on from"
    (made / "crystal.h5").rename(made / "renamed.h5")
    with pytest.raises(InputError, match="is not there"):
        scan_behind(found)
    assert np.array_equal(scan_behind(found, made / "renamed.h5").counts, scan.counts)


def test_of_a_result_that_does_not_say_how_its_scan_was_read_that_is_said(made):
    found = replace(formats.read_reconstruction(made / "r.cxi"), origin=None)
    scan = scan_behind(found)
    assert np.array_equal(scan.counts, formats.read_scan(made / "crystal.h5").counts)
    assert scan.geometry == found.scan_geometry
    assert "r.cxi does not say how its scan was read" in scan.notes[-1]
    with pytest.raises(InputError, match=r"r.cxi does not say which scan it was found in"):
        scan_behind(replace(found, source=""))
