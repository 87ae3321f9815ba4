"""SPEC and fio files, and finding the one that belongs to a scan."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_logs import counts, fio, spec_header, spec_scan, tiffs

from napari_autophase import formats
from napari_autophase.formats.logs import find_log, is_log, read_log, scans_of
from napari_autophase.formats.logs.find import scan_numbers
from napari_autophase.geometry import Source
from napari_autophase.scan import InputError

NAMES = st.lists(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_\-]{0,8}( [A-Za-z0-9]{1,5})?", fullmatch=True),
    min_size=1,
    max_size=20,
    unique_by=str.lower,
)
VALUES = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: float(f"{value:.10g}"))


@settings(max_examples=60)
@given(
    data=st.data(),
    names=NAMES,
    labels=NAMES,
    points=st.integers(0, 12),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_spec_files_give_back_what_was_written(tmp_path_factory, data, names, labels, points, newline):
    """Names hold single spaces, tables may be empty, and lines may end as on Windows."""
    path = tmp_path_factory.mktemp("spec") / "sample"
    motors = {name: data.draw(VALUES) for name in names}
    other = {name: data.draw(VALUES) for name in names}
    columns = {label: data.draw(st.lists(VALUES, min_size=points, max_size=points)) for label in labels}
    short = {name: f"m{index}" for index, name in enumerate(names)}
    text = spec_header(motors, short)
    text += spec_scan(1, "ascan m0 0 1 4 1", other, {"Epoch": [1.0]})
    text += spec_scan(7, f"ascan m0 -0.5 0.25 {max(points - 1, 0)} 0.1", motors, columns)
    path.write_bytes(text.replace("\n", newline).encode())
    log = read_log(path, 7)
    assert log.motors == motors
    assert list(log.columns) == labels
    for label, values in columns.items():
        assert log.columns[label].tolist() == values
    assert (log.number, log.points) == (7, points)
    moved = log.scanned[0]
    assert set(moved.names) == {"m0", names[0]}
    assert (moved.first, moved.last) == (-0.5, 0.25)
    assert list(scans_of(path)) == [1, 7]
    assert log.number_of(Source(names[0].upper())) == motors[names[0]]


@settings(max_examples=40)
@given(data=st.data(), points=st.integers(0, 12), ended=st.booleans())
def test_fio_files_give_back_what_was_written(tmp_path_factory, data, points, ended):
    path = tmp_path_factory.mktemp("fio") / "gold_00031.fio"
    names = st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), max_size=8, unique=True)
    numbers = {name: data.draw(VALUES) for name in data.draw(names)}
    columns = {
        label: data.draw(st.lists(VALUES, min_size=points, max_size=points))
        for label in ["om", *data.draw(names)]
    }
    fio(path, "ascan om 1 2 11 0.5", {**numbers, "_ccd": "eiger"}, columns, ended=ended)
    log = read_log(path, None)
    assert log.motors == numbers
    assert {name: values.tolist() for name, values in log.columns.items()} == columns
    assert (log.number, log.command, log.words["_ccd"]) == (31, "ascan om 1 2 11 0.5", "eiger")
    assert log.is_complete is (ended and points == 12)


@settings(max_examples=80)
@given(st.binary(max_size=300))
def test_other_files_are_no_logs(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("noise") / "file"
    path.write_bytes(noise)
    if is_log(path) is None:
        with pytest.raises(InputError, match=r"neither a SPEC nor a fio file|empty"):
            read_log(path, 1)


@settings(max_examples=80)
@given(cut=st.integers(0, 2000), junk=st.binary(max_size=40))
def test_a_log_cut_anywhere_reads_or_says_so(tmp_path_factory, cut, junk):
    """Logs are read while they are written: what is there comes, or one sentence."""
    folder = tmp_path_factory.mktemp("cut")
    motors = {"Theta": 1.0, "Chi": 90.0}
    table = {"Theta": np.linspace(0, 1, 30), "Monitor": np.arange(30.0)}
    whole = (spec_header(motors) + spec_scan(3, "ascan Theta 0 1 29 1", motors, table)).encode()
    (folder / "sample.spec").write_bytes(whole[:cut] + junk)
    fio(folder / "s_00003.fio", "ascan om 0 1 29 1", {"om": 1}, {"om": np.linspace(0, 1, 30)})
    (folder / "s_00003.fio").write_bytes((folder / "s_00003.fio").read_bytes()[:cut] + junk)
    for name in ("sample.spec", "s_00003.fio"):
        try:
            log = read_log(folder / name, 3)
        except InputError:
            continue
        assert log.points <= 31


def test_relative_and_joint_scans(tmp_path):
    path = tmp_path / "a.spec"
    motors = {"Theta": 10.0, "Delta": 30.0}
    table = {"Theta": [1.0], "Delta": [1.0]}
    path.write_text(
        spec_header(motors, {"Theta": "th", "Delta": "del"})
        + spec_scan(1, "dscan th -0.5 0.5 20 1", motors, table)
        + spec_scan(2, "a2scan th 1 2 del 3 5 10 1", motors, table)
        + spec_scan(3, "timescan 1", motors, table)
        + spec_scan(4, "loopscan 50 1", motors, table)
    )
    relative, joint = read_log(path, 1), read_log(path, 2)
    assert [(each.first, each.last) for each in relative.scanned] == [(9.5, 10.5)]
    assert (relative.asked, relative.is_complete) == (21, False)
    assert [(each.names[0], each.first, each.last) for each in joint.scanned] == [("th", 1, 2), ("del", 3, 5)]
    assert joint.asked == 11
    for number in (3, 4):
        assert (read_log(path, number).scanned, read_log(path, number).is_complete) == ((), None)


def test_a_scan_that_was_aborted_and_one_that_comes_twice(tmp_path):
    path = tmp_path / "a.spec"
    motors = {"Theta": 10.0}
    ten = {"Theta": np.linspace(0, 1, 10)}
    path.write_text(
        spec_header(motors)
        + spec_scan(1, "ascan Theta 0 1 9 1", {"Theta": 1.0}, ten)
        + spec_scan(
            1, "ascan Theta 0 1 9 1", {"Theta": 2.0}, ten, end="#C Tue.  Scan aborted after 10 points."
        )
    )
    log = read_log(path, 1)
    assert log.motors == {"Theta": 2.0}
    assert log.is_complete is False
    assert "has 2 scans 1; the last of them is taken" in log.notes[0]


def test_a_row_that_is_half_written_is_left_out(tmp_path):
    path = tmp_path / "a.spec"
    motors = {"Theta": 10.0}
    text = spec_header(motors) + spec_scan(
        1, "ascan Theta 0 1 9 1", motors, {"Theta": [1.0, 2.0], "Monitor": [5.0, 6.0]}
    )
    path.write_text(text.rstrip() + "\n3.0")
    log = read_log(path, 1)
    assert log.points == 2
    assert "1 rows of scan 1 in a.spec are cut short" in log.notes[0]


def test_a_number_that_is_not_there(tmp_path):
    path = tmp_path / "a.spec"
    path.write_text(spec_header({"Theta": 1.0}) + spec_scan(4, "ct 1", {"Theta": 1.0}, {"Theta": [1.0]}))
    with pytest.raises(InputError, match=r"has no scan 9; its scans are 4 to 4"):
        read_log(path, 9)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("Staff20-1a_S0054", 54),
        ("gold_S12_S0054", 54),
        ("S003", 3),
        ("sample_00031", 31),
        ("sample_scan_0008", 8),
        ("scan12", 12),
        ("Si111_S0007_cropped", 7),
        ("scan_5", 5),
        ("S5", 5),
        ("b5", None),
        ("link9", None),
        ("step2", None),
        ("results3", None),
        ("frames", None),
    ],
)
def test_the_number_of_a_scan_stands_in_the_name_of_its_folder(tmp_path, name, number):
    (tmp_path / name).mkdir()
    assert next(iter(scan_numbers(tmp_path / name)), None) == number


@pytest.mark.parametrize("above", [0, 1, 2, 3, 4])
def test_the_log_is_looked_for_in_the_folders_around(tmp_path, above):
    """Three folders up, no further: HEPS has the log there."""
    folder = tmp_path / "a" / "b" / "c" / "d" / "sample_S0012"
    tiffs(folder, counts((16, 16, 16)))
    place = (folder, *folder.parents)[above]
    motors = {"Theta": 1.0}
    (place / "run").write_text(
        spec_header(motors) + spec_scan(12, "ascan Theta 0 1 15 1", motors, {"Theta": [1.0]})
    )
    log, _ = find_log(folder)
    assert (log is not None) is (above <= 3)


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_to_itself_beside_the_frames_is_no_log(tmp_path):
    folder = tiffs(tmp_path / "sample_S0012", counts((16, 16, 16)))
    (tmp_path / "latest").symlink_to(tmp_path / "latest")
    (folder / "run.spec").symlink_to(folder / "run.spec")
    log, _ = find_log(folder)
    assert log is None
    assert formats.read_scan(folder).shape == (16, 16, 16)


def test_two_logs_with_the_scan(tmp_path):
    """The one called like the folder is taken; otherwise a person must say."""
    folder = tiffs(tmp_path / "gold_S0012", counts((16, 16, 16)))
    motors = {"Theta": 1.0}
    text = spec_header(motors) + spec_scan(12, "ascan Theta 0 1 15 1", motors, {"Theta": [1.0]})
    for name in ("first.spec", "second.spec"):
        (tmp_path / name).write_text(text)
    log, notes = find_log(folder)
    assert log is None
    assert "Scan 12 is in several logs (first.spec, second.spec)" in notes[0]
    assert "--spec" in notes[0]
    assert formats.read_scan(folder).notes == notes
    (tmp_path / "gold.spec").write_text(text)
    assert find_log(folder)[0].path.name == "gold.spec"
    assert find_log(folder, tmp_path / "first.spec")[0].path.name == "first.spec"


def test_a_log_that_is_named_and_does_not_fit(tmp_path):
    folder = tiffs(tmp_path / "gold_S0012", counts((16, 16, 16)))
    other = tmp_path / "other.spec"
    other.write_text(spec_header({"Theta": 1.0}) + spec_scan(3, "ct", {"Theta": 1.0}, {"Theta": [1.0]}))
    with pytest.raises(InputError, match="has no scan 12"):
        formats.read_scan(folder, spec=other)
    with pytest.raises(InputError, match="does not exist"):
        formats.read_scan(folder, spec=tmp_path / "none.spec")
    (tmp_path / "list.txt").write_text("nothing of use")
    with pytest.raises(InputError, match="neither a SPEC nor a fio file"):
        formats.read_scan(folder, spec=tmp_path / "list.txt")
    unnamed = tiffs(tmp_path / "frames", counts((16, 16, 16)))
    other.write_text(other.read_text() + spec_scan(4, "ct", {"Theta": 1.0}, {"Theta": [1.0]}))
    with pytest.raises(InputError, match="holds 2 scans, and the frames' names do not tell which"):
        formats.read_scan(unnamed, spec=other)


@pytest.mark.parametrize("folder", ["b5", "x_S0005", "x_00005"])
@pytest.mark.parametrize("name", ["some.h5", "some.cxi", "some.npy"])
def test_a_volume_in_a_file_of_its_own_has_no_log_unless_it_is_named(tmp_path, folder, name):
    """A log of some other sample, in a folder above, says nothing of it, though numbers and points fit."""
    path = tmp_path / folder / name
    path.parent.mkdir()
    stack = counts((16, 16, 16))
    if path.suffix == ".npy":
        np.save(path, stack)
    else:
        with h5py.File(path, "w") as file:
            file["entry_1/data_1/data"] = stack
    motors, table = {"Theta": 1.0}, {"Theta": np.linspace(0, 1, 16)}
    log = tmp_path / "x_th.spec"
    log.write_text(spec_header(motors) + spec_scan(5, "ascan Theta 0 1 15 1", motors, table))
    assert "log" not in formats.read_scan(path).metadata
    assert formats.read_scan(path, spec=log).metadata["log"] == "x_th.spec"


def test_the_digit_of_a_folder_is_no_number_of_a_scan(tmp_path):
    folder = tiffs(tmp_path / "b5", counts((16, 16, 16)))
    motors, table = {"Theta": 1.0}, {"Theta": np.linspace(0, 1, 16)}
    (tmp_path / "x_th.spec").write_text(
        spec_header(motors) + spec_scan(5, "ascan Theta 0 1 15 1", motors, table)
    )
    assert find_log(folder) == (None, ())


def test_a_mark_of_the_byte_order_before_a_log_is_nothing(tmp_path):
    """As Windows' editor saves it; it was said that there is no log."""
    motors = {"Theta": 0.1}
    text = spec_header(motors) + spec_scan(1, "ascan Theta 0 1 3 1", motors, {"Theta": [0, 0.3, 0.6, 1]})
    (tmp_path / "a.spec").write_text(text, encoding="utf-8-sig")
    assert is_log(tmp_path / "a.spec") == "spec"
    assert read_log(tmp_path / "a.spec", 1).motors == motors
    fio(tmp_path / "a.fio", "ascan om 0 1 1 1", {"om": 2.0}, {"om": [0.0, 1.0]})
    (tmp_path / "a.fio").write_text((tmp_path / "a.fio").read_text(), encoding="utf-8-sig")
    assert is_log(tmp_path / "a.fio") == "fio"
    assert read_log(tmp_path / "a.fio", None).motors["om"] == 2


MOTORS = {
    "Theta": 1.0,
    "Chi": 90.0,
    "Phi": 5.0,
    "Delta": 30.0,
    "Gamma": 12.0,
    "camdist": 900.0,
    "Energy": 9.0,
}
PLACES = {"mu": 0.0, "om": 1.0, "chi": 0.0, "phi": 5.0, "gam": 0.1, "del": 30.0, "fmbenergy": 9000.0, "_distance": 1800.0,
          "_ccd": "e4m"}  # fmt: skip
RUN = 1 + 0.01 * np.arange(20)


def measured(folder, kind, run):
    """Frames of 34-ID-C or of P10, and a log in which a motor ran so; returns the log, and how its rows begin."""
    frames = counts((20, 64, 64))
    if kind == "fio":
        place = tiffs(folder / "p_00007", frames, "p_00007_{:05d}.tif")
        fio(place / "p_00007.fio", "ascan om 1 1.19 19 1", PLACES, {"om": run, "ipetra": 100 + RUN})
        return place, place / "p_00007.fio", " 1."
    columns = {"Theta": run, "Monitor": 1e5 + RUN}
    text = spec_header(MOTORS) + spec_scan(7, "ascan th 1 1.19 19 1", MOTORS, columns)
    (folder / "gold.spec").write_text(text)
    return tiffs(folder / "gold_S0007", frames), folder / "gold.spec", "1."


def with_cells(path, begin, cell, points):
    """Write something else into the first column of some rows of a table, of those that begin so."""
    lines = path.read_text().splitlines()
    rows = [index for index, line in enumerate(lines) if line.startswith(begin) or line == begin.rstrip(".")]
    for point in points:
        lines[rows[point]] = " ".join([cell, *lines[rows[point]].split()[1:]])
    path.write_text("\n".join(lines) + "\n")


def angles_of(scan):
    return scan.metadata["rocking_angles_deg"] if scan.geometry is None else scan.geometry.rocking_angles_deg


@pytest.mark.parametrize("cell", ["nan", "---", "0"])
@pytest.mark.parametrize("points", [(3, 4, 9, 12, 13, 17), (1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)])
@pytest.mark.parametrize("kind", ["spec", "fio"])
def test_many_positions_that_were_not_read_lie_between_the_others(tmp_path, kind, points, cell):
    folder, log, begin = measured(tmp_path, kind, RUN + 0.0001)
    with_cells(log, begin, cell, points)
    scan = formats.read_scan(folder)
    np.testing.assert_allclose(angles_of(scan), RUN + 0.0001, atol=1e-9)
    assert any(f"has no values at points {points[0]}, {points[1]}" in note for note in scan.notes)


@pytest.mark.parametrize("kind", ["spec", "fio"])
def test_positions_of_a_jittering_motor_that_were_not_read_are_those_of_the_command(tmp_path, kind):
    jitter = 0.004 * np.tile([1, 0.9, -1, -1, 1], 4)
    folder, log, begin = measured(tmp_path, kind, RUN + np.where(np.arange(20) > 0, jitter, 0))
    with_cells(log, begin, "nan", (2, 3, 4, 9, 12, 13, 17, 18))
    scan = formats.read_scan(folder)
    assert angles_of(scan) is not None
    np.testing.assert_allclose(angles_of(scan), RUN, atol=1e-9)
    assert any(
        "is no number at 8 of 20 points: its positions are those of the command" in note
        for note in scan.notes
    )


@pytest.mark.parametrize("kind", ["spec", "fio"])
def test_positions_that_were_not_read_are_not_those_of_a_command_that_others_deny(tmp_path, kind):
    away = RUN + 0.02 * np.random.default_rng(1).uniform(-1, 1, 20) + 0.03
    folder, log, begin = measured(tmp_path, kind, away)
    with_cells(log, begin, "nan", (2, 3, 4, 9, 12, 13, 17, 18))
    scan = formats.read_scan(folder)
    assert scan.geometry is None
    assert any("where it stood in every frame is not known" in note for note in scan.notes)
