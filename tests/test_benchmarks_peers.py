"""The comparison with other engines is right if its judge is fair and its tables say what was measured."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        for known in [
            module for module in sys.modules if module.split(".")[0] in ("common", "peers", "real")
        ]:
            monkeypatch.delitem(sys.modules, known)
        return importlib.import_module(f"peers.{name}")

    return load


def test_the_mirror_of_the_release_is_that_of_its_backports_too(part):
    environments = part("environments")
    fields = (
        "# old\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: sid sid-updates\nSigned-By: /k.gpg\n"
    )
    security = "Types: deb\nURIs: http://other.test/security\nSuites: sid-security\n"
    wanted = {
        "URIs: http://mirror.test/debian",
        "Suites: sid sid-backports",
        "Components: main",
        "Types: deb",
    }
    assert set(environments.backports([f"{security}\n{fields}"], "sid").splitlines()) == {
        *wanted,
        "Signed-By: /k.gpg",
    }
    line = "deb http://other.test/x old main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian sid main\n"
    assert set(environments.backports([line], "sid").splitlines()) == {*wanted, "Signed-By: /k.gpg"}
    plain = environments.backports(["deb http://mirror.test/debian sid main contrib"], "sid")
    assert set(plain.splitlines()) == wanted
    with pytest.raises(environments.UnavailableError, match="no source"):
        environments.backports([security], "sid")


def test_the_judge_knows_the_truth_by_pixels_that_nobody_fitted(part):
    judge = part("judge")
    case = judge.Case.simulated(seed=3, size=32, phase_range=1.0)
    best = case.free_llk(case.truth)
    assert 0.3 < best < 0.8  # what the photons' noise leaves
    # scale, place and the other twin count for nothing
    assert case.free_llk(40 * np.roll(case.truth, 2, 1)) == pytest.approx(best, rel=1e-4)
    twin = np.conj(np.roll(case.truth[::-1, ::-1, ::-1], 1, (0, 1, 2)))
    assert case.free_llk(twin) == pytest.approx(best, rel=1e-4)
    # an object of the other sign is wrong, and so is one that only explains the pixels that were fitted
    assert case.free_llk(np.conj(case.truth)) > 2 * best
    field = np.fft.fftn(np.fft.ifftshift(case.truth))
    field[np.fft.ifftshift(case.free)] = 0
    assert case.free_llk(np.fft.fftshift(np.fft.ifftn(field))) > 2 * best
    assert case.free_llk(np.zeros_like(case.truth)) == float("inf")
    assert case.figures(case.truth)["correlation"] == pytest.approx(1, abs=1e-3)


def test_the_first_time_is_the_least_at_or_below_the_level(part):
    judge = part("judge")
    points = [(3.0, 0.5), (1.0, 2.0), (2.0, 0.9), (4.0, 0.7)]
    assert judge.first_below(points, 0.9) == 2.0
    assert judge.first_below(points, 0.6) == 3.0
    assert judge.first_below(points, 0.1) is None


def test_an_iteration_is_compared_within_the_rounds_and_by_the_better_threads(part):
    tables = part("tables")

    def row(engine, threads, *ms):
        return {"size": 64, "engine": engine, "threads": threads, "ER": list(ms), "HIO": list(ms), "memory": 2 * 2**20,
                "voxels": 2**17, "import_seconds": 1.0, "first_seconds": 0.25}  # fmt: skip

    # a neighbour that slows a round down changes no ratio
    ours, slow, quick = row("ours", 0, 1, 9, 1), row("pynx", 1, 20, 60, 20), row("pynx", 2, 6, 54, 6)
    assert tables.ratio(quick, ours) == 6
    lines = tables.iterations([ours, slow, quick]).splitlines()[2:]
    assert "| **6.0** (target 5) |" in lines[2]
    assert "| – |" in lines[1]
    assert "2 (2.0)" in lines[0]
    assert "1.0 + 0.2" in lines[0]
    assert "| 6.0 (target 8) |" in tables.iterations([ours, quick | {"engine": "cohere-torch"}])


def test_time_to_equal_quality_is_told_with_how_often_it_was_reached(part):
    tables = part("tables")

    def rows(method, *cases):
        engine = method if method == "pynx" else "ours"
        return [
            {"what": "scan", "case": str(i), "size": 64, "engine": engine, "method": method, "threads": 1, "points": points,
             "free_llk": points[-1][1], "correlation": 0.99, "amplitude_ssim": 0.9, "phase_error": 0.1,
             "seconds": points[-1][0], "memory": 2**20}
            for i, points in enumerate(cases)
        ]  # fmt: skip

    pynx = rows("pynx", [(5.0, 1.0), (10.0, 0.6)], [(5.0, 0.5), (10.0, 0.7)])
    fast = rows("fast", [(0.4, 0.6)], [(0.5, 0.7)])
    alone = rows("network", [(0.1, 0.9)], [(0.1, 0.65)])
    lines = tables.times([*pynx, *fast, *alone]).splitlines()[2:]
    # PyNX reaches its final likelihood on the second scan before it ends
    assert "| 7.5 (6.25–8.75); 2/2 | – | – |" in lines[0]
    assert "**17.5 (13.8–21.2)** (target 10)" in lines[1]
    assert "; 1/2 | 50 (target 10)" in lines[2]  # not bold: one of two was never reached
    assert "| 2/2 | 0.65 (" in tables.scans(fast)


def test_what_is_missing_is_said(part, tmp_path):
    tables = part("tables")
    rows = [
        {"what": "left out", "engine": "pynx", "why": "no Debian"},
        {"what": "failed", "engine": "numpy", "case": "gold", "why": "it broke"},
    ]
    tables.write(tmp_path / "peers.jsonl", rows, ["a machine"])
    text = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert "PyNX: left out (no Debian)." in text
    assert "plain NumPy on gold: failed (it broke)." in text
