"""Files appear whole or not at all, whatever fails at whatever byte, and one sentence says why."""

from __future__ import annotations

import builtins
import errno
import os
import re
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from napari_autophase import analysis, cli, files, formats
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import InputError, Scan

OLD = b"what was there before"
TEXT = "".join(f"line {number} of a report, µm and Å\n" for number in range(8))
SIZE = len(TEXT.encode())
BLOCKS = bytes(range(256)) * 80  # five blocks of a disk
AROUND_BLOCKS = sorted({k + step for k in range(0, len(BLOCKS), 4096) for step in (-1, 0, 1)} - {-1})
SAMPLE = Path(__file__).parents[1] / "sample_data" / "faceted_64.h5"


@contextmanager
def room_for(size):
    """Let the kernel take no file beyond `size` bytes: it writes up to there, and fails from there on."""
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Disk:
    """A disk of which one operation fails; parts of files are all that is written to it."""

    def __init__(self, monkeypatch, error, at_byte=None, in_chunks_of=10**9):
        self.error, self.left, self.chunk = error, at_byte, in_chunks_of
        real = Path.open

        def open_part(path, mode="r", *arguments, **named):
            file = real(path, mode, *arguments, **named)
            return file if mode in ("r", "rb") else self.wrap(file)

        monkeypatch.setattr(Path, "open", open_part)

    def wrap(self, file):
        disk = self

        class Raw:
            def write(self, content):
                if disk.left == 0:
                    raise disk.error
                taken = file.write(content[: min(disk.left, disk.chunk)])
                disk.left -= taken
                return taken

            def __getattr__(self, name):
                return getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

        return Raw()


def there(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["new", "old"])
def target(request, tmp_path):
    """A name that is free, and one that holds something precious."""
    if request.param == "old":
        (tmp_path / "report.json").write_bytes(OLD)
    return tmp_path / "report.json"


# -- one file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [TEXT, TEXT.encode(), memoryview(BLOCKS), "", b""])
def test_content_arrives_whole(target, content):
    files.write(target, content)
    wanted = content.encode() if isinstance(content, str) else bytes(content)
    assert there(target.parent) == {"report.json": wanted}


def test_a_file_that_outgrows_its_room_at_any_byte_leaves_the_old_one(target):
    before = there(target.parent)
    for size in range(SIZE):
        with room_for(size), pytest.raises(InputError) as failed:
            files.write(target, TEXT)
        assert there(target.parent) == before, size
    assert str(failed.value) == f"{target} cannot be written (File too large); choose another place."
    with room_for(SIZE):
        files.write(target, TEXT)
    assert target.read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("chunk", [1, 1000, 4096, 10**9])  # of which a system takes at once
@pytest.mark.parametrize("size", [*AROUND_BLOCKS, len(BLOCKS) - 1])
def test_a_disk_that_is_full_at_any_byte_leaves_the_old_file(target, monkeypatch, size, chunk):
    before = there(target.parent)
    Disk(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), size, chunk)
    with pytest.raises(InputError) as failed:
        files.write(target, BLOCKS)
    assert there(target.parent) == before
    assert str(failed.value) == (
        f"{target} cannot be written ({os.strerror(errno.ENOSPC)}); make room there, or choose another place."
    )


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "make room there, or choose another place."),
        (errno.EDQUOT, "make room there, or choose another place."),
        (errno.EIO, "choose another place."),
        (errno.EROFS, "choose another place."),
        (errno.EACCES, "choose another place."),
    ],
)
def test_a_failure_at_the_last_moment(target, monkeypatch, call, code, advice):
    def fails(*_):
        raise OSError(code, os.strerror(code))

    before = there(target.parent)
    monkeypatch.setattr(os, call, fails)
    with pytest.raises(InputError) as failed:
        files.write(target, TEXT)
    assert str(failed.value) == f"{target} cannot be written ({os.strerror(code)}); {advice}"
    assert there(target.parent) == before


def test_an_interruption_leaves_the_old_file(target, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = there(target.parent)
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(target, TEXT)
    assert there(target.parent) == before


def test_places_where_no_file_can_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    longest = "x" * os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else "x" * 255
    for place, says in (
        ("nowhere/a", "there is no such folder); make its folder first"),
        ("file/a", "choose another place"),
        ("folder", "it is a folder); give the name of a file"),
        (longest + "x", "choose a shorter name"),
    ):
        for action in (files.check, lambda path: files.write(path, TEXT)):
            with pytest.raises(InputError, match=re.escape(says)):
                action(tmp_path / place)
    with pytest.raises(InputError, match="choose another place"):
        files.make_folder(tmp_path / "file" / "folder")
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder"}
    files.write(tmp_path / longest, TEXT)  # a part beside it has a name of its own
    assert (tmp_path / longest).read_text(encoding="utf-8") == TEXT


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_what_is_no_ordinary_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no ordinary file"):
        files.write(tmp_path / "pipe", TEXT)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_folder_that_vanishes_while_the_file_is_made(tmp_path):
    place = tmp_path / "stick" / "a"
    place.parent.mkdir()
    files.check(place)
    place.parent.rmdir()
    with pytest.raises(InputError, match="there is no such folder"):
        files.write(place, TEXT)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "plain").touch()
    files.write(tmp_path / "new", TEXT)
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    files.write(tmp_path / "new", TEXT)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            files.write(tmp_path / "a", TEXT)
    finally:
        tmp_path.chmod(0o700)


# -- files that belong together, and files that grow -------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 10, 11, 100])
def test_files_that_belong_together_change_together(tmp_path, size):
    first, second = tmp_path / "weights", tmp_path / "card"
    files.write_together([(first, b"1" * 10), (second, b"1" * 10)])
    before = there(tmp_path)
    with room_for(size), pytest.raises(InputError, match="cannot be written"):
        files.write_together([(first, b"2" * 10), (second, b"2" * 101)])
    assert there(tmp_path) == before


def test_what_is_appended_is_whole_or_not_there_at_all(tmp_path):
    file = tmp_path / "curve"
    file.write_bytes(OLD)
    for size in range(len(OLD) + SIZE):
        with room_for(size), pytest.raises(InputError, match="File too large"):
            files.append(file, TEXT)
        assert there(tmp_path) == {"curve": OLD}, size
    files.append(file, TEXT)
    assert file.read_bytes() == OLD + TEXT.encode()
    file.unlink()
    with pytest.raises(InputError, match="cannot be written"):
        files.append(file, TEXT)
    assert there(tmp_path) == {}


# -- what the program writes -------------------------------------------------------------------------------------------


def make_result(size=16):
    rng = np.random.default_rng(0)
    found = (rng.normal(size=(size,) * 3) + 1j * rng.normal(size=(size,) * 3)).astype(np.complex64)
    middle = slice(size // 4, 3 * size // 4)
    support = np.zeros(found.shape, bool)
    support[middle, middle, middle] = True
    return Reconstruction(
        object=found * support, support=support, recipe=Recipe(), figures={"chi2": 0.5}, name="crystal",
        seconds={"total": 1.0},
    )  # fmt: skip


def make_scan():
    return Scan.from_array(np.random.default_rng(0).poisson(100, (16, 16, 16)), name="crystal")


WRITERS = {
    "r.cxi": lambda path: formats.write(make_result(), path),
    "s.h5": lambda path: formats.write_scan(make_scan(), path),
    "p.png": lambda path: analysis.draw_picture(make_result(), path, dpi=30),
    "p.pdf": lambda path: analysis.draw_picture(make_result(), path),
}
CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_files import WRITERS, InputError, room_for, there
for name, write in WRITERS.items():
    path = Path({folder!r}) / name
    write(path)
    size, before = path.stat().st_size, there(path.parent)
    times = 24 if name in ("r.cxi", "s.h5") else 1  # a page takes longer to draw
    for room in sorted({{0, *range(0, size - 16, size // times), size - 16}}):
        with room_for(room):
            try:
                write(path)
            except InputError as error:
                assert str(error) == f"{{path}} cannot be written (File too large); choose another place.", error
            else:
                raise AssertionError((path, room))
        assert there(path.parent) == before, (path, room)
"""


def test_every_writer_survives_a_disk_that_fills_anywhere(tmp_path):
    """In a process of its own: HDF5 would end this one."""
    code = CHILD.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_too_little_memory_to_make_a_file_is_said_before(tmp_path):
    """HDF5 ends the process, too, when memory runs out while it writes."""
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux keeps to a limit of address space")
    code = f"""
import resource, sys
import psutil
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_files import WRITERS, InputError, Path, formats, make_result
result, write = make_result(128), formats.write  # which is loaded before memory runs out
used = psutil.Process().memory_info().vms
for mib in (1, 8, 16, 24, 32):
    resource.setrlimit(resource.RLIMIT_AS, (used + mib * 2**20, -1))
    try:
        write(result, Path({str(tmp_path / "r.cxi")!r}))
    except InputError as error:
        assert "GiB of memory; close other programs" in str(error), error
    else:
        raise AssertionError(mib)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert there(tmp_path) == {}


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def result(monkeypatch):
    """`reconstruct` that takes no time."""
    from napari_autophase import reconstruct

    found = make_result()
    monkeypatch.setattr(reconstruct, "run", lambda *_: found)
    return found


@pytest.mark.parametrize(
    ("rooms", "written"),
    [(0, ""), (4096, "r.json"), (90_000, "r.cxi r.json"), (10**7, "r.cxi r.json r.png")],
)
def test_what_can_be_written_is_and_each_of_the_others_is_told(result, tmp_path, capsys, rooms, written):
    out = tmp_path / "out"
    out.mkdir()
    asked = {"-o": out / "r.cxi", "--report": out / "r.json", "--picture": out / "r.png"}
    arguments = ["reconstruct", str(SAMPLE)]
    for option, path in asked.items():
        arguments += [option, str(path)]
    arguments += ["--preset", "iterative"]
    if rooms:
        with room_for(rooms):
            code = cli.main(arguments)
    else:  # found out before the work
        with room_for(rooms), pytest.MonkeyPatch.context() as patched:
            patched.setattr(formats, "read_scan", lambda *_, **__: pytest.fail("the work was begun"))
            code = cli.main(arguments)
    said = capsys.readouterr()
    missing = [path for path in asked.values() if path.name not in written.split()]
    assert code == (2 if missing else 0)
    assert sorted(there(out)) == written.split()
    assert [path.name for path in asked.values() if f"wrote {path}" in said.out] == [
        path.name for path in asked.values() if path.name in written.split()
    ]
    last = said.err.splitlines()[-1] if missing else ""
    told = missing if rooms else missing[:1]
    assert last == (
        "napari-autophase: "
        + " ".join(f"{path} cannot be written (File too large); choose another place." for path in told)
        if missing
        else ""
    )


@pytest.mark.parametrize("buffered", [True, False])
def test_printing_into_a_full_disk_is_one_sentence(buffered):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    if not buffered:
        environment["PYTHONUNBUFFERED"] = "1"
    with builtins.open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "napari_autophase", "info", "--json", str(SAMPLE)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"napari-autophase: The output cannot be printed ({os.strerror(errno.ENOSPC)}); send it elsewhere."
    ]


def test_a_reader_that_wants_no_more_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "napari_autophase", "info", "--json", str(SAMPLE)],
            stdout=nobody, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")


@pytest.fixture
def small_disk():
    """A real file system of 100 KB; only root may make one."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("needs root")
    # not below `tmp_path`, which later runs clear: one that was killed may leave it mounted
    disk = Path(tempfile.mkdtemp(prefix="small_disk_"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        disk.rmdir()
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
    disk.rmdir()


def test_a_result_on_a_small_disk(small_disk, capsys):
    (small_disk / "r.cxi").write_bytes(OLD)
    command = ["reconstruct", str(SAMPLE), "--preset", "network"]
    command += ["-o", str(small_disk / "r.cxi"), "--report", str(small_disk / "r.json"), "-q"]
    assert cli.main(command) == 2
    assert capsys.readouterr().err == (
        f"napari-autophase: {small_disk / 'r.cxi'} cannot be written (No space left on device); "
        "make room there, or choose another place.\n"
    )
    assert sorted(there(small_disk)) == ["r.cxi", "r.json"]
    assert (small_disk / "r.cxi").read_bytes() == OLD


def test_every_writer_on_a_small_disk(small_disk):
    filling = small_disk / "filling"
    for left in (0, 1):  # blocks of 4096 bytes
        filling.unlink(missing_ok=True)
        filling.write_bytes(bytes(4096 * (25 - left)))
        for name, write in WRITERS.items():
            with pytest.raises(InputError, match="No space left on device"):
                write(small_disk / name)
            assert [path.name for path in small_disk.iterdir()] == ["filling"]
