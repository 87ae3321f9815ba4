"""The tables are right if their parts are: seeds apart, rows made again when they must be, targets judged as written."""

from __future__ import annotations

import re
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest
import torch

import napari_autophase
from napari_autophase import Recipe, simulation

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        for known in ("common", "network", "network_tables", "objectives", "real", "variants"):
            monkeypatch.delitem(sys.modules, known, raising=False)
        return __import__(name)

    return load


def test_no_benchmark_hides_a_package_that_others_import():
    # a script's folder comes first: numba imports `coverage` where it is installed, and compiles nothing if that is another
    names = {path.stem for path in BENCHMARKS.glob("*.py")}
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    assert {name for name in names if PathFinder.find_spec(name, installed) is not None} == set()
    assert not names & ({"coverage"} | sys.stdlib_module_names)


def test_test_crystals_are_those_that_the_row_promises_and_nobody_elses(part):
    network = part("network")
    seen = {crystal["seed"] for crystal in simulation.suite("full")}
    for row, (low, high) in {
        "alone": (0, np.pi),
        "refined": (0, 2 * np.pi),
        "high": (2 * np.pi, 5 * np.pi),
    }.items():
        crystals = network.crystals(row, 20)
        reaches = [crystal["phase_range"] for crystal in crystals]
        assert min(reaches) == pytest.approx(low, abs=1e-3)
        assert max(reaches) == pytest.approx(high, abs=1e-3)
        seeds = {crystal["seed"] for crystal in crystals}
        assert len(seeds) == 20
        assert min(seeds) >= 9_000_000
        assert not seeds & seen
        seen |= seeds
    assert sum(crystal["dislocation"] for crystal in crystals) == 10
    assert sum(crystal["gaps"] for crystal in crystals) == 10
    # a dislocation comes with and without gaps, at every count
    assert len({(c["dislocation"], c["gaps"], c["peak"]) for c in crystals}) == 12


def test_the_judges_chi2_is_the_noise_for_the_truth_and_blind_to_place_and_scale(part):
    network = part("network")
    crystal = simulation.simulate(3, 32, peak=1e6, phase_range=1.0)
    good = np.ones((32, 32, 32), bool)
    truth = network.scaled_chi2(crystal.object, crystal.scan.counts, good)
    assert 0 < truth < 0.01
    moved = np.roll(7 * crystal.object, (2, -3, 1), (0, 1, 2))
    assert network.scaled_chi2(moved, crystal.scan.counts, good) == pytest.approx(truth, rel=1e-3)
    assert network.scaled_chi2(np.abs(crystal.object) ** 2 + 0.1, crystal.scan.counts, good) > 10 * truth


def test_rows_are_made_once_and_again_for_another_recipe_or_other_weights(part, tmp_path):
    common = part("common")
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    first.write_bytes(b"one")
    recipe = Recipe.from_preset("network").with_settings({"guess.weights": str(first)})
    key = common.key(common.recipe_key(recipe))
    # the same weights elsewhere are the same; others at the same place are not
    second.write_bytes(b"one")
    assert common.key(common.recipe_key(recipe.with_settings({"guess.weights": str(second)}))) == key
    assert common.key(common.recipe_key(recipe.with_settings({"seed": 1}))) != key
    first.write_bytes(b"two")
    assert common.key(common.recipe_key(recipe)) != key

    file, made = tmp_path / "rows.jsonl", []
    for _ in range(2):
        rows = common.Rows(file)
        for name in ("x", "y"):
            rows.get(name, lambda name=name: made.append(name) or {"value": name})
        assert rows.get("z") is None
    assert made == ["x", "y"]
    rows = common.Rows(file)
    row = rows.get("y")
    assert (row["key"], row["value"]) == ("y", "y")
    assert row["made"]["versions"]["torch"] == torch.__version__
    assert row["made"]["versions"]["napari-autophase"].startswith(napari_autophase.__version__)
    assert row["made"]["processor"]
    rows.tidy()
    assert list(common.Rows(file).known) == ["y"]


def test_the_codes_hash_sees_code_and_not_comments(part, tmp_path, monkeypatch):
    common = part("common")
    monkeypatch.setattr(common.napari_autophase, "__file__", str(tmp_path / "__init__.py"))
    file = tmp_path / "one.py"
    file.write_text("a = 1\n")
    first = common.code("one")
    file.write_text("a  =  1  # one\n")
    assert common.code("one") == first
    file.write_text("a = 2\n")
    assert common.code("one") != first


def test_tables_give_medians_and_bold_only_what_meets_its_target(part):
    tables = part("network_tables")
    case = [{"seed": n} for n in range(3)]

    def rows(chi2, correlation, seconds):
        return [{"case": case[n], "chi2": chi2[n], "correlation": correlation[n], "seconds": seconds[n], "correlation_rule": 0.9,
                 "phase_error": 0.05} for n in range(3)]  # fmt: skip

    found = {
        "`fast`": rows((0.001, 0.002, 0.1), (0.99, 0.96, 0.5), (1, 1, 1)),
        "620 iterations": rows((0.1, 0.2, 0.3), (0.9, 0.9, 0.9), (8, 20, 10)),
    }
    text = tables.figures_table("refined", found)
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "2/3 | 0/3" in lines["found"]
    assert "≤ 0.003 | **0.002 (0.0015–0.051)** | 0.2 (0.15–0.25)" in lines["χ²"]
    assert "**0.1 (0.075–0.11)** | 1 (1–1)" in lines["share of the time of 620 iterations"]
    assert "support IoU" not in lines  # nobody measured it
    assert tables.summed(found["`fast`"], found)["found"] == [2, 3]
    assert "1/3 | 3/3" in lines["the rule takes the nearer twin"]
    assert tables.met(0.9, "≥", 0.9)
    assert not tables.met(0.89, "≥", 0.9)


def test_variants_are_of_equal_cost_and_each_gives_objects(part):
    variants, common = part("variants"), part("common")
    torch.manual_seed(0)
    counts = torch.poisson(20 * torch.rand(1, 64, 64, 64))
    costs = {}
    with torch.inference_mode():
        for name, (_, _, build) in variants.VARIANTS.items():
            network = build().eval()
            costs[name] = common.gmac(network, counts)
            stages = network(counts)
            assert len(stages) == {"e": 2, "f": 3}.get(name, 1)
            assert all(one.shape == (1, 32, 32, 32) and one.is_complex() for one in stages)
    assert costs.pop("p") == pytest.approx(10.2, rel=0.01)  # as published
    assert max(costs.values()) / min(costs.values()) < 1.25
    volume = torch.rand(1, 2, 64, 64, 64)
    assert torch.equal(variants.unfold(variants.fold(volume)), volume)


def test_a_reciprocal_phase_that_is_right_gives_the_crystal_back(part):
    variants = part("variants")
    from napari_autophase.network.physics import propagate

    truth = torch.zeros(1, 32, 32, 32, dtype=torch.complex64)
    truth[:, 10:21, 9:22, 12:20] = torch.polar(torch.tensor(1.0), torch.tensor(0.4))
    truth[:, 10:14] *= 1j
    field = propagate(truth)
    phasor = field / field.abs().clamp_min(1e-12)
    planes = variants.fold(torch.stack([phasor.real, phasor.imag], 1))
    found = variants.reciprocal_phase(planes, field.abs())
    assert (found - truth).abs().max() < 1e-3


def test_rows_name_code_that_is_there(part):
    common = part("common")
    assert len(common.code(*common.ENGINE)) == 16
    for name in ("network", "refinement", "finetune", "objectives"):
        called = (BENCHMARKS / f"{name}.py").read_text(encoding="utf-8")
        for inside in re.findall(r"\bcode\(([^()]*)\)", called):
            common.code(*re.findall(r'"([^"]+)"', inside))
    assert part("objectives").generator()
    with pytest.raises(FileNotFoundError, match="no module simulated"):
        common.code("simulated")


def test_every_table_says_with_what_it_was_measured():
    """Commit, device and versions, as `common.machine` says them."""
    tables = [path for path in BENCHMARKS.glob("*.py") if "write_text(" in path.read_text(encoding="utf-8")]
    assert len(tables) > 8
    assert [path.name for path in tables if "machine" not in path.read_text(encoding="utf-8")] == []
