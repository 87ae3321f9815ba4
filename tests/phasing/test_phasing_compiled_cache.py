"""Machine code on disk: never stale, made once by one process, and nobody waits for it."""

from __future__ import annotations

import ast
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from phasing_crystals import crystal, photons

pytest.importorskip("numba")
from napari_autophase.phasing import Diffraction, device_lines
from napari_autophase.phasing import backend as backends
from napari_autophase.phasing.compiled import cache, jit

PACKAGE = Path(cache.__file__).parents[2]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A computer on which nothing was compiled yet; processes that would are only taken note of."""
    backends.choose("cpu", "compiled")  # whose modules are imported once
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv(backends.VARIABLE, "auto")
    started = []

    class Started:
        def __init__(self, arguments, **options):
            started.append((arguments, options))

        def poll(self):
            return None

    monkeypatch.setattr(cache.subprocess, "Popen", Started)
    monkeypatch.setattr(cache, "_child", None)
    backends.compiled.cache_clear()
    yield started
    backends.compiled.cache_clear()


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Copies of all sources that take part, which may be edited."""
    copies = []
    for path in cache.SOURCES:
        copies.append(tmp_path / path.name)
        shutil.copy2(path, copies[-1])
    monkeypatch.setattr(cache, "SOURCES", tuple(copies))
    cache.name.cache_clear()
    yield copies
    cache.name.cache_clear()


def named():
    cache.name.cache_clear()
    return cache.name()


@pytest.mark.parametrize("edited", [path.name for path in cache.SOURCES])
def test_editing_any_source_that_takes_part_makes_other_code(sources, edited):
    (path,) = (path for path in sources if path.name == edited)
    before, state, text = named(), path.stat(), path.read_text(encoding="utf-8")
    assert named() == before
    changed = text.replace("e", "o", 1)  # of the same length, and as old as before
    path.write_text(changed, encoding="utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert named() != before
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert named() == before
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))  # numba would take it for another
    assert named() != before


def test_other_versions_another_processor_and_other_flags_make_other_code(monkeypatch):
    def with_(change):
        with pytest.MonkeyPatch.context() as patch:
            change(patch)
            cache._machine.cache_clear()
            found = named()
        cache._machine.cache_clear()
        cache.name.cache_clear()
        return found

    usual = cache.metadata.version
    names = [
        with_(lambda _: None),
        with_(lambda patch: patch.setattr(cache, "processor", lambda: "abacus")),
        with_(lambda patch: patch.setenv("NUMBA_CPU_NAME", "generic")),
        *(
            with_(
                lambda patch, of=package: patch.setattr(
                    cache.metadata, "version", lambda one: "99.0" if one == of else usual(one)
                )
            )
            for package in ("numba", "llvmlite", "numpy")
        ),
    ]
    assert len(set(names)) == len(names)
    assert with_(lambda _: None) == names[0]


def test_all_that_compiled_functions_take_from_outside_is_among_the_sources():
    """numba freezes the constants of other modules, and does not notice that they have changed."""
    kernels = [path for path in cache.SOURCES if "@compiled(" in path.read_text(encoding="utf-8")]
    assert len(kernels) == 7
    seen, todo = set(), list(kernels)
    while todo:
        path = todo.pop()
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = path.parents[node.level - 1]
                names = [node.module] if node.module else [alias.name for alias in node.names]
                todo += [p for name in names if (p := folder / f"{name}.py") not in seen]
    assert seen <= set(cache.SOURCES)


def test_functions_are_kept_where_they_are_told_to_be(tmp_path, monkeypatch):
    (tmp_path / "doubled.py").write_text(
        "from napari_autophase.phasing.compiled.jit import compiled\n\n\n"
        "@compiled('i8(i8)')\ndef doubled(x):\n    return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    hits = []
    for folder in ("one", "one", "two"):
        sys.modules.pop("doubled", None)
        with jit.kept_in(tmp_path / folder):
            import doubled
        assert doubled.doubled(21) == 42
        hits.append(sum(doubled.doubled.stats.cache_hits.values()))
        assert list((tmp_path / folder).rglob("*.nbc"))
    assert hits == [0, 1, 0]
    sys.modules.pop("doubled")


def test_a_first_run_begins_at_once_and_later_ones_are_compiled(empty):
    counts = photons(crystal((16, 16, 16)))
    for _ in range(2):
        data = Diffraction(counts)
        assert (data.backend.name, data.notes) == ("torch", ())
    assert "torch backend until compiled functions are ready" in device_lines()[0]
    ((arguments, options),) = empty  # one process, however many runs
    assert options["cwd"] == Path(arguments[3])
    assert arguments[4] == "19"
    folder = cache.folder()
    assert (folder / cache.FILLING).is_file()
    cache.succeed(folder)
    assert data.backend.name == "torch"  # a run ends by what it began with
    assert Diffraction(counts).backend.name == "compiled"
    assert Diffraction(counts, backend="torch").backend.name == "torch"


def test_no_process_is_started_for_a_gpu_or_where_torch_is_wanted(empty):
    backends.choose("cuda")
    backends.choose("cpu", "torch")
    assert empty == []


def test_filling_ends_with_ready_or_with_the_reason(empty, tmp_path, monkeypatch):
    monkeypatch.setattr(backends.os, "nice", lambda _: None)
    backends.choose()
    folder = cache.folder()
    monkeypatch.setattr(backends, "_load", lambda _: backends.TorchBackend(backends.torch.device("cpu")))
    backends.fill(folder, 19)
    assert cache.ready()
    assert cache.failure() is None
    assert not (folder / cache.FILLING).exists()

    (folder / cache.READY).rename(folder / cache.FILLING)
    monkeypatch.setattr(backends, "check", lambda _: "iterations of ER")
    backends.fill(folder, 19)
    assert cache.failure() == "they computed wrong iterations of ER"

    def fail(_):
        raise OSError("No space left on device")

    (folder / cache.FAILED).rename(folder / cache.FILLING)
    monkeypatch.setattr(backends, "_load", fail)
    with pytest.raises(OSError, match="No space"):
        backends.fill(folder, 19)
    assert cache.failure() == "OSError: No space left on device"
    chosen, before = backends.choose(), len(empty)
    assert chosen.backend.name == "torch"
    (note,) = chosen.notes
    assert note.startswith(
        "Compiled functions cannot be used (OSError: No space left on device): phased by torch"
    )
    assert "No space left" in device_lines()[0]
    assert len(empty) == before  # not every run tries again
    old = time.time() - 2 * cache.AGAIN_S
    os.utime(folder / cache.FAILED, (old, old))
    assert backends.choose().notes == ()
    assert len(empty) == before + 1


def test_a_process_that_was_killed_is_made_up_for(empty):
    backends.choose()
    folder = cache.folder()
    dead = next(pid for pid in range(4_000_000, 5_000_000) if not cache._lives(pid))
    (folder / cache.FILLING).write_text(f"{socket.gethostname()}\n{dead}\n")
    backends.choose()
    assert len(empty) == 2
    (folder / cache.FILLING).write_text(f"{socket.gethostname()}\n{os.getpid()}\n")
    backends.choose()
    (folder / cache.FILLING).write_text(f"another-host\n{dead}\n")
    backends.choose()
    assert len(empty) == 2
    old = time.time() - 2 * cache.LONGEST_S
    os.utime(folder / cache.FILLING, (old, old))
    backends.choose()
    assert len(empty) == 3


def test_where_nothing_can_be_written_torch_phases(empty, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    chosen = backends.choose()
    assert chosen.backend.name == "torch"
    assert "no folder for them can be written" in chosen.notes[0]
    assert empty == []
    assert backends.choose("cpu", "compiled").backend.name == "compiled"  # by hand, in memory


def test_a_home_that_cannot_be_written_leaves_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("")
    (tmp_path / "temp").mkdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for variable in ("HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "temp"))
    found = cache.folder()
    assert found.parents[1] == tmp_path / "temp"
    assert found.is_dir()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes are POSIX's")
def test_code_that_others_may_have_written_is_not_loaded(empty):
    folder = cache.folder()
    (folder / cache.READY).write_text("")
    assert cache.ready()
    for one in (folder, folder.parent):
        one.chmod(0o777)
        assert not cache.ready()
        assert cache.folder() is None
        one.chmod(0o700)


def test_stale_folders_are_removed_and_those_of_others_stay(empty):
    folder = cache.folder()
    sources, machine = folder.name.split("-")

    def made(name, installation, age_days=0.0):
        other = folder.parent / name
        other.mkdir()
        (other / "installation").write_text(installation)
        (other / cache.READY).write_text("")
        then = time.time() - 86400 * age_days
        os.utime(other / cache.READY, (then, then))
        return other

    ours = str(cache.ROOM)
    stale = made(f"{'0' * 16}-{machine}", ours)
    unused = made(f"{'1' * 16}-{'2' * 16}", "/elsewhere", 100)
    others = [
        made(f"{'3' * 16}-{machine}", "/elsewhere"),  # another environment
        made(f"{sources}-{'4' * 16}", ours),  # another processor that shares the home
    ]
    cache.clean(folder)
    assert not stale.exists()
    assert not unused.exists()
    assert folder.exists()
    assert all(other.exists() for other in others)


def test_worker_processes_phase_whether_forked_or_spawned(tmp_path):
    """Threads do not survive a fork: pools are made anew in the child, where torch has one thread (which rounds otherwise)."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, os, sys, warnings
import numpy as np

def phase(_=None):
    from napari_autophase import phasing
    from napari_autophase.phasing.compiled import threads
    threads._SLAB = threads._SHARE = 64
    from napari_autophase.recipe import Refinement
    counts = np.random.default_rng(0).poisson(1.0, (48, 48, 48)).astype(np.float32)
    data = phasing.Diffraction(counts, None, 0.02)
    starts = phasing.random_starts(data, 2, 0.1, 0)
    job = phasing.refine(data, starts, Refinement(algorithm="2*HIO+2*ER+CG", starts=2))
    while True:
        try:
            next(job)
        except StopIteration as done:
            return data.backend.name, done.value.figures["chi2"]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for backend, ways in ("torch", ["fork"]), ("compiled", ["fork", "spawn"]):
        os.environ[sys.argv[1]] = backend
        here = phase()
        for way in ways:
            with multiprocessing.get_context(way).Pool(1) as pool:
                (there,) = pool.map_async(phase, [0]).get(timeout=900)
            assert there[0] == here[0] and abs(there[1] - here[1]) < 1e-3 * here[1], (way, here, there)
        print(here[0])
"""
    )
    command = [sys.executable, str(program), backends.VARIABLE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["torch", "compiled"]


def test_the_pattern_may_be_given_another_modulus():
    data = Diffraction(photons(crystal((16, 16, 16))), backend="compiled")
    one = np.fft.ifftshift(crystal((16, 16, 16))).astype(np.complex64)
    before = data.backend.sums(backends.torch.from_numpy(one[None]), data)[0]
    data.modulus = data.modulus * 2
    after = data.backend.sums(backends.torch.from_numpy(one[None]), data)[0]
    assert after.overlap == pytest.approx(2 * before.overlap, rel=1e-5)
    data.modulus *= 2  # in place
    assert data.backend.sums(backends.torch.from_numpy(one[None]), data)[0].overlap == pytest.approx(
        4 * before.overlap, rel=1e-5
    )


def test_a_program_that_stays_goes_over_once_functions_are_ready(empty, monkeypatch):
    naps = []

    def sleep(_):
        naps.append(backends.is_loaded())
        if len(naps) == 3:
            cache.succeed(cache.folder())

    monkeypatch.setattr(backends.time, "sleep", sleep)
    backends.load_when_ready("cpu", lambda: True)
    assert naps == [False] * 3
    assert backends.is_loaded()
    assert backends.choose().backend.name == "compiled"


@pytest.mark.parametrize(("device", "variable"), [("cuda", "auto"), ("cpu", "torch")])
def test_a_program_that_needs_no_compiled_functions_waits_for_none(empty, monkeypatch, device, variable):
    monkeypatch.setenv(backends.VARIABLE, variable)
    backends.load_when_ready(device, lambda: True)
    assert empty == []
    assert not backends.is_loaded()


def test_a_program_that_ends_does_not_wait(empty):
    backends.load_when_ready("cpu", lambda: False)
    assert not backends.is_loaded()
