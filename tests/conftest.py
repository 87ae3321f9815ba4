"""Every run of the tests is the same run: the same examples, the same random numbers. ``--explore`` draws new examples."""

from __future__ import annotations

import ast
import gc
import os
import random
import re
import time
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# bits are compared: all tests phase by one backend, which is waited for where it must be compiled first
os.environ.setdefault("NAPARI_AUTOPHASE_BACKEND", "compiled" if find_spec("numba") else "torch")

settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,  # how long an example takes depends on what else the computer does
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=False,
)
settings.register_profile("explore", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")

# Hypothesis mixes numbers that it reads in loaded source files into its examples: they would depend on what is imported so far.
_NOTHING = providers.Constants()
providers._get_local_constants = lambda: _NOTHING

_ONE = ("tests/device/", "tests/training/", "tests/viewer/")
"""These rooms share threads, devices and windows: one process takes them all, in the same order every time."""
_ANYWHERE = ("tests/analysis/", "tests/formats/", "tests/geometry/", "tests/preparation/")
"""Files of these rooms share nothing: whichever process is done first takes the next, so that none waits for the other."""

FOUND = pytest.StashKey[list[str]]()


@pytest.fixture(autouse=True)
def dice():
    """Random numbers drawn without a seed are the same, whichever tests ran before."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture
def quick_bfloat16(monkeypatch):
    """The CPU computes in bfloat16: as one does that can, rounded numbers are multiplied and added up in float32.

    Torch's own way on a CPU that cannot takes fifty times as long.
    """
    from napari_autophase.network import inference, layers

    def convolve(x, weight, bias=None, stride=(1, 1, 1), padding=(0, 0, 0)):
        given = [None if one is None else one.bfloat16().float() for one in (x, weight, bias)]
        return torch.mkldnn_convolution(*given, padding, stride, (1, 1, 1), 1).bfloat16()

    if not inference.quick_bfloat16(torch.device("cpu")):
        monkeypatch.setattr(layers.F, "conv3d", convolve)
        monkeypatch.setattr(inference, "quick_bfloat16", lambda _: True)


def pytest_addoption(parser):
    parser.addoption(
        "--explore", type=float, metavar="MINUTES", help="only property tests, new examples round after round"
    )


def pytest_configure(config):
    if several := getattr(
        config.option, "numprocesses", None
    ):  # the processes that it starts share the cores
        each = max(1, (os.cpu_count() or 1) // several)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, str(each))
        if os.environ["NAPARI_AUTOPHASE_BACKEND"] == "compiled":
            _compile_meanwhile(config)
    config.stash[FOUND] = []
    if config.getoption("explore"):
        settings.load_profile("explore")


def _compile_meanwhile(config):
    """Begin to make the compiled functions: by when the first test needs them, the processes have collected theirs."""
    from napari_autophase.phasing import backend

    backend.cache.fill_in_background(backend._FILL, niceness=0)
    if (child := backend.cache._child) is not None:
        config.add_cleanup(child.poll)  # else Python warns of it


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Two long parts, each with the same tests in the same order every time; then the files that may be tested anywhere."""
    from xdist.scheduler import LoadScopeScheduling

    class Parts(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(_ANYWHERE):
                return nodeid.partition("::")[0]
            return "one" if nodeid.startswith(_ONE) else "other"

    return Parts(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("explore"):
        items[:] = [item for item in items if item.get_closest_marker("hypothesis")]


def pytest_collection_finish():
    """Modules and tests stay to the end: the garbage collector need not go through them again and again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    minutes = session.config.getoption("explore")
    if not minutes or session.config.option.collectonly:
        return None
    end = time.monotonic() + 60 * minutes
    while session.items and time.monotonic() < end:
        for item, after in zip(list(session.items), [*session.items[1:], None], strict=True):
            over = time.monotonic() > end
            failed = session.testsfailed
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None if over else after)
            if session.testsfailed > failed:
                session.items.remove(item)  # one example of a fault is enough
            if over or session.shouldstop:
                return True
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo is not None:
        for note in getattr(call.excinfo.value, "__notes__", ()):
            if text := _pasted(note, item.funcargs):
                item.config.stash[FOUND].append(f"{item.nodeid}\n{text}")
    return (yield)


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[FOUND]:
        terminalreporter.section("to paste above the test, under its @given")
        for text in config.stash[FOUND]:
            terminalreporter.write_line(text)


def _pasted(note: str, fixtures) -> str | None:
    """Return the ``@example(...)`` that draws what a note of Hypothesis says."""
    found = re.search(r"(?:Failing test case|Falsifying example): (\w+\(.*\))", note, re.DOTALL)
    try:
        call = ast.parse(found[1], mode="eval").body if found else None
    except SyntaxError:  # not every value prints as Python
        return None
    if not isinstance(call, ast.Call):
        return None
    drawn = (f"{one.arg}={ast.unparse(one.value)}" for one in call.keywords if one.arg not in fixtures)
    return f"@example({', '.join(drawn)})"
