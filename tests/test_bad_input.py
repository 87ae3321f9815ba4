"""Every bad input of the command line: exit code 2, one clear line on stderr, no traceback, nothing written."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import psutil
import pytest
import tifffile

from napari_autophase import cli, formats
from napari_autophase.simulation import simulate

SHAPE = (20, 18, 16)


def volume(dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).poisson(5, SHAPE).astype(dtype)


def saved(array: np.ndarray) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        np.save(folder / "scan.npy", array, allow_pickle=False)
        return folder / "scan.npy"

    return make


def holding(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def truncated(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        if path.suffix == ".npy":
            np.save(path, volume())
        elif path.suffix == ".tif":
            tifffile.imwrite(path, volume())
        else:
            formats.write_scan(simulate(1, 24).scan, path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        return path

    return make


def pickled(folder: Path) -> Path:
    np.save(folder / "scan.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    return folder / "scan.npy"


def empty_folder(folder: Path) -> Path:
    (folder / "frames").mkdir()
    return folder / "frames"


def odd_frames(folder: Path) -> Path:
    (folder / "frames").mkdir()
    for number in range(20):
        side = 20 if number == 7 else 18
        tifffile.imwrite(folder / "frames" / f"frame_{number:03}.tif", np.ones((side, 18), np.uint16))
    return folder / "frames"


def several_volumes(folder: Path) -> Path:
    with h5py.File(folder / "scan.h5", "w") as file:
        file["entry/first"] = file["entry/second"] = volume()
        file["entry/third"] = volume() + 1
    return folder / "scan.h5"


def no_volume(folder: Path) -> Path:
    with h5py.File(folder / "scan.h5", "w") as file:
        file["entry/temperature"] = np.arange(50.0)
    return folder / "scan.h5"


def saturated(folder: Path) -> Path:
    return saved(np.full(SHAPE, 65535, np.uint16))(folder)


def a_reconstruction(folder: Path) -> Path:
    assert (
        cli.main(["simulate", str(folder / "s.h5"), "--size", "16", "--truth", str(folder / "result.cxi")])
        == 0
    )
    (folder / "s.h5").unlink()
    return folder / "result.cxi"


SCANS = {
    "missing": (lambda folder: folder / "none.h5", "none.h5"),
    "empty": (holding("scan.npy", b""), "empty"),
    "empty HDF5": (holding("scan.h5", b""), "empty"),
    "truncated npy": (truncated("scan.npy"), "scan.npy"),
    "truncated HDF5": (truncated("scan.h5"), "scan.h5"),
    "truncated TIFF": (truncated("scan.tif"), "scan.tif"),
    "text": (holding("scan.npy", b"not an array\n" * 40), "scan.npy"),
    "picture": (holding("scan.tif", b"\x89PNG\r\n\x1a\n" + b"\0" * 90), "scan.tif"),
    "pickle": (pickled, "scan.npy"),
    "empty folder": (empty_folder, "frames"),
    "frames of two sizes": (odd_frames, "frame_007.tif"),
    "several volumes": (several_volumes, "--dataset"),
    "no volume": (no_volume, "scan.h5"),
    "2-D": (saved(np.ones((64, 64))), "open the folder that holds all the frames"),
    "4-D": (saved(np.ones((2, *SHAPE))), "4-dimensional"),
    "complex": (saved(volume().astype(complex)), "complex"),
    "all zero": (saved(np.zeros(SHAPE)), "no counts"),
    "all NaN": (saved(np.full(SHAPE, np.nan)), "no counts"),
    "all negative": (saved(-1 - volume("int32")), "no counts"),
    "all saturated": (saturated, "no bragg peak"),
    "too small": (saved(np.ones((7, 40, 40))), "at least 8 frames"),
    "a result": (a_reconstruction, "reconstruction"),
}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command line, check that it refuses properly, and return what it said."""
    capsys.readouterr()
    code = cli.main(arguments)
    captured = capsys.readouterr()
    assert code == 2, captured.err
    assert captured.out == ""
    # what memory the job takes is said before it begins; after that, one line says why it ended
    *before, last = captured.err.splitlines()
    assert all(re.search(r"about [\d.]+ of [\d.]+ GiB free$", line) for line in before), captured.err
    assert len(before) <= 1
    assert last.startswith("napari-autophase: ")
    return last


@pytest.mark.parametrize("name", SCANS)
def test_an_unusable_scan(name, tmp_path, capsys):
    make, says = SCANS[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    scan, targets = (
        make(tmp_path / "in"),
        [tmp_path / "out" / f"r{suffix}" for suffix in (".cxi", ".json", ".png")],
    )
    result, report, picture = map(str, targets)
    arguments = ["reconstruct", str(scan), "-o", result, "--report", report, "--picture", picture]
    assert says.lower() in refused([*arguments, "--preset", "iterative"], capsys).lower()
    assert list((tmp_path / "out").iterdir()) == []
    if name not in ("a result", "complex"):  # which `info` describes
        assert says.lower() in refused(["info", str(scan)], capsys).lower()


@pytest.fixture
def scan(tmp_path):
    formats.write_scan(simulate(2, 24).scan, tmp_path / "scan.h5")
    return tmp_path / "scan.h5"


@pytest.mark.parametrize("shape", [(24, 24, 23), (23, 24), (24,), (1, 24, 24, 24, 2)])
def test_a_mask_of_another_shape(shape, scan, tmp_path, capsys):
    np.save(tmp_path / "mask.npy", np.zeros(shape, bool))
    assert "mask" in refused(["reconstruct", str(scan), "--mask", str(tmp_path / "mask.npy")], capsys).lower()


def test_a_mask_that_leaves_nothing(scan, tmp_path, capsys):
    np.save(tmp_path / "mask.npy", np.ones((24, 24), bool))
    said = refused(
        [
            "reconstruct",
            str(scan),
            "--mask",
            str(tmp_path / "mask.npy"),
            "--mask-good",
            "0",
            "--preset",
            "iterative",
        ],
        capsys,
    )
    assert "mask" in said.lower()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--roi", "1,2,3"], "--roi '1,2,3': write 4 whole numbers"),
        (["--roi", "0,24,0,x"], "write 4 whole numbers"),
        (["--roi", "24,0,0,24"], "--roi 24,0,0,24: give first row, end row"),
        (["--roi", "0,20,0,24"], "20 × 24 pixels, but the frames have 24 × 24"),
        (["--axes", "2,1"], "write 3 whole numbers"),
        (["--axes", "0,0,1"], "each of the file's axes 0, 1, 2 once"),
        (["--white", "white.npy"], "the scan's 24 frames have 24 × 24: say where these lie on it with --roi"),
    ],
)
def test_a_place_or_an_order_that_cannot_be(options, says, scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("white.npy", np.ones((64, 64)))
    for command in ("info", "reconstruct"):
        assert says in refused([command, str(scan), *options], capsys)


def test_a_place_that_the_detector_named_by_hand_does_not_have(scan, capsys):
    hand = {
        "beamline": "34-ID-C",
        "detector": "34idcTIM2",
        "energy_kev": "9",
        "distance_m": "0.5",
        "pixel_size_um": "55,55",
    }
    hand |= {"sample_angles_deg": "0,90,0", "detector_angles_deg": "30,10", "rocking_step_deg": "0.01"}
    sets = [word for key, value in hand.items() for word in ("--set", f"geometry.{key}={value}")]
    said = refused(["info", str(scan), "--roi", "500,524,0,24", *sets], capsys)
    assert "--roi 500,524,0,24 ends at row 524 and column 24, but 34idcTIM2 has 512 × 512 pixels" in said


def test_what_is_said_of_the_files_reaches_the_scan(scan, tmp_path, capsys):
    """A field of the whole detector is cut, the rocking axis brought to the front, amplitudes squared."""
    counts = formats.read_scan(scan).counts
    white = np.random.default_rng(1).uniform(50, 60, (64, 64))
    np.save(tmp_path / "white.npy", white)
    np.save(tmp_path / "turned.npy", np.sqrt(np.moveaxis(counts, 0, -1)))
    np.save(tmp_path / "mask.npy", np.pad(np.ones((20, 24)), ((0, 4), (0, 0))))
    order, masks = ["--axes", "2,0,1"], ["--mask", str(tmp_path / "mask.npy"), "--mask-good", "1"]
    fields = ["--white", str(tmp_path / "white.npy"), "--roi", "10,34,20,44"]
    how = ["--json", "--values", "amplitudes", *order, *masks, *fields]
    assert cli.main(["info", str(tmp_path / "turned.npy"), *how]) == 0
    about = json.loads(capsys.readouterr().out)
    flat = white[10:34, 20:44]
    wanted = (counts / flat * flat.mean())[:, :20]
    assert about["counts"] == pytest.approx(wanted.sum(), rel=1e-4)
    assert about["maximum"] == pytest.approx(wanted.max(), rel=1e-4)
    assert (
        "The white field of shape (64, 64) is cut to the frames' rows 10 to 33 and columns 20 to 43."
        in about["notes"]
    )


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("preparation.prepare", MemoryError("Unable to allocate 1. TiB")),
        (
            "network.guess",
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        ),
        ("phasing.batch.Batch.iterate", RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes.")),
        ("network.load", RuntimeError("can't start new thread")),
        ("analysis.normalise", OSError(errno.ENOMEM, "Cannot allocate memory")),
    ],
)
def test_memory_that_runs_out_is_one_sentence(where, error, scan, tmp_path, monkeypatch, capsys):
    def run_out(*_args, **_keys):
        raise error

    monkeypatch.setattr(f"napari_autophase.{where}", run_out)
    said = refused(["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi")], capsys)
    assert "The memory ran out: phasing 24 × 24 × 24 voxels did not fit" in said
    assert "prepare.binning=2,2,2: 12 × 12 × 12 voxels" in said
    assert not list(tmp_path.glob("r.cxi*"))


LIMITED = """
import resource, psutil
from napari_autophase.memory import available_memory_bytes
used = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
assert 0 < available_memory_bytes() <= 50_000_000, available_memory_bytes()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Unix's, and macOS ignores it")
def test_a_limit_of_the_shell_is_a_limit():
    subprocess.run([sys.executable, "-c", LIMITED], check=True)


def test_what_would_fit_is_said(scan, monkeypatch, capsys):
    there = SimpleNamespace(available=400_000, total=400_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    said = refused(["reconstruct", str(scan), "--preset", "iterative"], capsys)
    side = int(re.search(r"about (\d+) × \1 × \1 would fit", said)[1])
    assert 0 < side < 24


def test_flagged_voxels_are_masked_and_said_not_refused(scan, tmp_path, capsys):
    counts = formats.read_scan(scan).counts.astype("float32")
    counts[3, 4, 5], counts[6, 7, 8] = np.nan, -1
    np.save(tmp_path / "flagged.npy", counts)
    result = tmp_path / "r.cxi"
    arguments = ["reconstruct", str(tmp_path / "flagged.npy"), "-o", str(result), "--preset", "iterative"]
    assert cli.main([*arguments, "--set", "refine.algorithm=3*ER"]) == 0, capsys.readouterr().err
    found = formats.read(result)
    assert np.isfinite(found.object).all()
    assert any("mask" in note for note in found.notes)


@pytest.mark.parametrize("when", ["reading", "phasing"])
def test_too_big_for_memory_is_said_before_the_allocation(when, scan, tmp_path, monkeypatch, capsys):
    if when == "reading":
        path = tmp_path / "big.npy"
        with path.open("wb") as file:  # 8 TiB, of which the disk holds the header
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": (10000, 10000, 11000)}
            )
            file.truncate(file.tell() + 8 * 10000 * 10000 * 11000)
        scan = path
    else:
        there = SimpleNamespace(available=500_000, total=500_000)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    error = refused(
        ["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi"), "--preset", "iterative"], capsys
    )
    assert "GiB" in error
    assert not (tmp_path / "r.cxi").exists()


@pytest.mark.parametrize(
    ("option", "target", "says"),
    [
        ("-o", "none/r.cxi", "no such folder"),
        ("-o", "scan.h5/r.cxi", "Not a directory"),  # a file where the folder should be: true for root too
        ("-o", "r.h5", ".cxi"),
        ("-o", "r", ".cxi"),
        ("-o", "folder.cxi", "is a folder"),
        ("--report", "none/r.json", "no such folder"),
        ("--report", "r.txt", ".json"),
        ("--picture", "none/r.png", "no such folder"),
        ("--picture", "r.gif", ".png"),
    ],
)
def test_a_result_that_could_not_be_written_is_refused_before_the_work(
    option, target, says, scan, tmp_path, monkeypatch, capsys
):
    def never(*_, **__):
        raise AssertionError("the scan was read although the result cannot be written")

    monkeypatch.setattr(formats, "read_scan", never)
    (tmp_path / "folder.cxi").mkdir()
    assert says in refused(["reconstruct", str(scan), option, str(tmp_path / target)], capsys)


def test_no_permission(scan, tmp_path, monkeypatch, capsys):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)  # what root cannot meet otherwise
    error = refused(["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi")], capsys)
    assert "Permission denied" in error


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("refine.algoritm=50*ER", "refine.algorithm"),
        ("energy_kev=9", "geometry.energy_kev"),
        ("binning=2", None),
    ],
)
def test_a_misspelt_setting_is_told_its_name(scan, capsys, setting, meant):
    error = refused(["reconstruct", str(scan), "--set", setting], capsys)
    assert ("did you mean" in error) == (meant is not None)
    assert meant is None or f"did you mean {meant}" in error


@pytest.mark.parametrize("link", [None, Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize(
    "words",
    [
        "reconstruct IN.cxi -o OUT.cxi",
        "reconstruct IN.cxi::/entry_1 -o OUT.cxi",
        "reconstruct other.cxi --sum IN.cxi -o OUT.cxi",
        "reconstruct other.cxi --geometry IN.json --report OUT.json",
        "reconstruct other.cxi --recipe IN.json --report OUT.json",
        "analyse IN.cxi -o OUT.cxi",
        "analyse other.cxi --geometry IN.json --report OUT.json",
        "export IN.cxi -o OUT.cxi",
        "orthogonalise IN.h5 -o OUT.h5",
        "repeat IN.json --report OUT.json",
        "report other.cxi --scan IN.pdf -o OUT.pdf",
        "compare other.cxi IN.png --picture OUT.png",
    ],
)
def test_what_is_read_is_never_written_to(tmp_path, monkeypatch, capsys, words, link):
    monkeypatch.chdir(tmp_path)
    for name in ("IN.cxi", "IN.json", "IN.h5", "IN.pdf", "IN.png", "other.cxi"):
        (tmp_path / name).write_text("{}")
        if link is not None and name.startswith("IN"):
            link(tmp_path / name.replace("IN", "OUT"), tmp_path / name)
    arguments = words.replace("OUT", "IN").split() if link is None else words.split()
    if "repeat" in arguments:
        monkeypatch.setattr("napari_autophase.repeat.record", lambda _: None)
    assert "is read here itself" in refused(arguments, capsys)
    assert all(each.read_text() == "{}" for each in tmp_path.iterdir())


def _interrupted_in_a_callback():
    class Something:
        pass

    thing = Something()
    watched = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    for _ in range(500):
        time.sleep(0.01)
    return watched


def _interrupted_in_an_import():
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    raise RecursionError  # as of a package of which a half is there


@pytest.fixture
def listening():
    """A process that hears Ctrl-C, which a job in the background does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("work", [_interrupted_in_a_callback, _interrupted_in_an_import])
def test_an_interrupt_is_never_lost(monkeypatch, capsys, work):
    """Python prints what is raised in the callback of a weak reference, and goes on."""
    before = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(
        importlib.import_module("napari_autophase.cli.commands"), "app", lambda *_, **__: work()
    )
    assert cli.main(["devices"]) == 130
    assert capsys.readouterr().err == "napari-autophase: Interrupted.\n"
    assert (sys.unraisablehook, signal.getsignal(signal.SIGINT)) == before


_INTERRUPTED_AT_THE_START = """
import os, runpy, signal, sys
class Typed:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Typed())
runpy.run_module("napari_autophase", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_an_interrupt_before_the_first_command_is_loaded_is_answered_by_a_word():
    command = [sys.executable, "-c", _INTERRUPTED_AT_THE_START]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "napari-autophase: Interrupted.\n")


def test_an_old_result_survives_a_failed_write(scan, tmp_path, monkeypatch, capsys):
    result = tmp_path / "r.cxi"
    result.write_bytes(b"an old result")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    arguments = [
        "reconstruct",
        str(scan),
        "-o",
        str(result),
        "--preset",
        "iterative",
        "--set",
        "refine.algorithm=ER",
        "--quiet",  # the figures of what was found are printed whatever becomes of the files
    ]
    refused(arguments, capsys)
    assert result.read_bytes() == b"an old result"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.cxi", "scan.h5"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "refine.algoritm=50*ER"], "refine.algoritm"),
        (["--set", "refine.beta"], "no '='"),
        (["--set", "refine.beta=2"], "refine.beta"),
        (["--set", "refine.algorithm=50*ERR", "--preset", "iterative"], "ERR"),
        (["--set", "refine.algorithm=3*(20*ER", "--preset", "iterative"], "20*ER"),
        (["--recipe", "none.json"], "none.json"),
        (["--recipe", "wrong.json"], "refine.gamma"),
        (["--recipe", "text.json"], "recipe"),
        (["--recipe", "wrong.json", "--preset", "best"], "--preset"),
        (["--weights", "none.safetensors"], "none.safetensors"),
        (["--weights", "text.json"], "safetensors"),
        (["--dataset", "/entry/none"], "/entry/none"),
        (["--mask", "none.npy"], "none.npy"),
    ],
)
def test_unusable_choices(arguments, says, scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.json").write_text(json.dumps({"refine": {"gamma": 1}}))
    (tmp_path / "text.json").write_text("refine: 50*ER")
    assert says in refused(["reconstruct", str(scan), "-o", "r.cxi", *arguments], capsys)
    assert not (tmp_path / "r.cxi").exists()


def test_altered_weights(scan, tmp_path, monkeypatch, capsys):
    from napari_autophase.network import build, weights

    altered = tmp_path / "compact.safetensors"
    weights.save_weights(altered, build("compact"), "compact", {})
    altered.with_suffix(".json").write_text(json.dumps({"sha256": "0" * 64}))
    monkeypatch.setattr(weights, "SHIPPED", altered)
    monkeypatch.setattr(weights, "CARD", altered.with_suffix(".json"))
    assert "hash" in refused(["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi")], capsys)
    altered.unlink()
    assert "missing" in refused(["reconstruct", str(scan), "-o", str(tmp_path / "r.cxi")], capsys)


def test_a_file_inside_a_broken_link(tmp_path, capsys):
    (tmp_path / "link.h5").symlink_to(tmp_path / "gone.h5")
    assert "link.h5" in refused(["info", str(tmp_path / "link.h5")], capsys)
