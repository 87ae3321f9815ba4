"""The minutes of ``gpu.py`` are planned: what would not end in time is left out and named, and training has its share."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
HERE = ("budget", "gpu", "gpu_parts")


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in HERE:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield {name: __import__(name) for name in HERE}
    for name in HERE:
        sys.modules.pop(name, None)


class Clock:
    """Goes on when something is done."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def job(modules, clock):
    """Makes a job that is thought to take `seconds`, and takes `times` as long."""

    def make(name, seconds, times=1.0):
        def run():
            clock.now += seconds * times
            return {"name": name}

        return modules["budget"].Job(run, seconds, name)

    return make


def gone_through(budget, jobs):
    rows = []
    budget.go_through(jobs, rows.append, lambda error: {"error": str(error)})
    return [row["name"] for row in rows if "name" in row], [row for row in rows if "name" not in row]


def test_a_job_that_would_not_end_is_left_out_and_a_shorter_one_after_it_is_done(modules, job, clock):
    budget = modules["budget"].Budget(1.0, clock=clock)
    done, others = gone_through(budget, [job("first", 5), job("long", 60), job("last", 5)])
    assert done == ["first", "last"]
    assert others == [{"left_out": "no time for long"}]
    assert clock.now == 1010


@pytest.mark.parametrize("times", [0.2, 1.0, 3.0])
def test_what_was_thought_too_short_makes_those_after_it_longer(modules, job, clock, times):
    budget = modules["budget"].Budget(10.0, clock=clock)
    end = budget.until
    _, others = gone_through(budget, [job(str(number), 20, times) for number in range(200)])
    assert clock.now <= end
    assert end - clock.now <= 1.5 * 20 * times + 1e-6, "and none is left out that had time"
    assert len(others) == 1


def test_a_part_takes_its_share_and_leaves_what_it_does_not_use(modules, job, clock):
    budget = modules["budget"].Budget(10.0, clock=clock)
    assert budget.left() == pytest.approx(420)  # of 600 s training has 180
    with budget.part(0.5):
        assert budget.left() == pytest.approx(210)
        gone_through(budget, [job("short", 10)])
    with budget.part(0.5):
        assert budget.left() == pytest.approx(205)
        gone_through(budget, [job("many", 30)] * 99)
    assert 205 < budget.left() < 240
    assert budget.left_in_all() == budget.left() + 180


def test_time_that_had_passed_before_counts(modules, clock):
    budget = modules["budget"].Budget(1.0, spent=20.0, clock=clock)
    assert budget.left_in_all() == 40
    assert modules["budget"].Budget(1.0, spent=90.0, clock=clock).left() < 0


def test_one_that_fails_says_so_and_the_next_begins(modules, job, clock):
    def broken():
        raise RuntimeError("no kernel")

    def jobs():
        yield modules["budget"].Job(broken, 1.0, "broken")
        yield job("next", 1)
        raise ValueError("no network")

    done, others = gone_through(modules["budget"].Budget(1.0, clock=clock), jobs())
    assert done == ["next"]
    assert [row["error"] for row in others] == ["no kernel", "no network"]


@pytest.fixture
def bench(modules, clock, tmp_path, monkeypatch):
    """The bench of `gpu.py` on the CPU, in 3 minutes of a clock that goes on when a job is done."""
    found = modules["gpu_parts"].Bench(torch.device("cpu"), 3.0, tmp_path / "out", 60.0)
    modules["budget"].Budget.__init__(found, 3.0, clock=clock)
    found.report = lambda: modules["gpu"].report(found, "a machine")
    return found


def test_training_has_its_share_whatever_the_others_were_thought_to_take(
    modules, job, clock, bench, monkeypatch
):
    gpu, left = modules["gpu"], []

    def training(bench):
        """Training."""

        def train():
            left.append(bench.left_in_all())
            return {"name": "trained"}

        yield modules["budget"].Job(train, 1.0, "training")

    def part(name, seconds, times):
        def jobs(bench):
            for number in range(50):
                yield job(f"{name} {number}", seconds * 1.2**number, times)

        jobs.__doc__ = f"The part {name}."
        return jobs

    parts = {
        name: part(name, 0.5, times) for name, times in zip(gpu.SHARES, (1, 2, 0.3, 2.5, 1, 3), strict=True)
    }
    monkeypatch.setattr(gpu, "PARTS", {**parts, "training": training})
    for name in gpu.PARTS:
        gpu.measure(bench, name)
    assert left[0] >= 54 - 1e-6  # three tenths of three minutes
    assert clock.now <= bench.end
    rows = [
        json.loads(line) for line in (bench.folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for name in gpu.SHARES:
        its = [row for row in rows if row["part"] == name]
        assert sum("name" in row for row in its) >= 3, name
        assert "no time for" in its[-1]["left_out"], name
    assert rows[-1]["name"] == "trained"


@pytest.mark.parametrize(("pair_s", "batch"), [(0.005, 4), (0.04, 2), (0.2, 1), (1.0, None)])
def test_training_begins_with_what_will_end_at_the_pace_of_now(
    modules, clock, bench, monkeypatch, pair_s, batch
):
    """Other programs may have come since the beginning: the transforms of then say nothing."""
    configs = []

    class Trainer:
        step, elapsed, done, notes, mean = 0, 0.0, 0.0, (), None

        def __init__(self, config):
            configs.append(config)

        def train(self):
            yield {"crystals_per_s": 1.0, "loss": 2.0}

    monkeypatch.setattr("napari_autophase.training.Trainer", Trainer)
    monkeypatch.setattr(modules["gpu_parts"], "save_weights", lambda *_: None)
    monkeypatch.setattr(bench, "seconds_of_a_pair", lambda _: pair_s)
    clock.now = bench.end - 54
    modules["gpu"].measure(bench, "training")
    (row,) = bench.rows
    if batch is None:
        assert "48 s were left" in row["left_out"]
        assert not configs
    else:
        assert row["batch"] == configs[0].batch == batch
        assert 60 * configs[0].slice_minutes == pytest.approx(48)  # and the files


def test_predictions_are_compared_on_a_crystal(modules, bench, monkeypatch, quick_bfloat16):
    """Of a pattern of noise the network sees anything, and every projection takes precisions further apart."""
    parts = modules["gpu_parts"]
    monkeypatch.setattr(parts, "quick_bfloat16", lambda _: True)
    monkeypatch.setattr(bench, "seconds", lambda job: 1.0)
    noise = torch.rand((64, 64, 64), generator=torch.Generator().manual_seed(0)).mul_(100)
    (_, crystal), (_, of_noise) = (list(parts.predictions(bench)) for _ in range(2))
    found = crystal.run()
    assert (found["how"], found["dtype"]) == ("eager", "bfloat16")
    assert 0 < found["one_minus_correlation"] < 1e-3
    assert found["relative_error"] < 0.1
    monkeypatch.setattr(parts, "pattern", lambda _: noise)
    assert of_noise.run()["relative_error"] > 0.3


def test_what_was_measured_is_written_when_the_run_is_interrupted(modules, job, bench, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    def jobs(bench):
        """Some jobs."""
        yield job("one", 1)
        yield job("two", 1)
        yield modules["budget"].Job(interrupted, 1.0, "three")

    gpu = modules["gpu"]
    monkeypatch.setattr(gpu, "PARTS", {"algorithms": jobs})
    with pytest.raises(KeyboardInterrupt):
        gpu.measure(bench, "algorithms")
    rows = (bench.folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["name"] for line in rows] == ["one", "two"]
    report = (bench.folder / "report.md").read_text(encoding="utf-8")
    assert "| one |" in report
    assert "| two |" in report


def test_a_run_whose_minutes_are_over_says_what_it_left_out(modules, tmp_path, capsys):
    """The minutes count from the start of the process, and these tests began long ago."""
    modules["gpu"].main(["--minutes", "0.001", "--device", "cpu", "-o", str(tmp_path / "out")])
    rows = [
        json.loads(line)
        for line in (tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert rows[0]["part"] == "machine"
    told = {row["part"]: row for row in rows[1:]}
    assert set(told) == {"algorithms", "prediction", "iterations", "predictions", "presets", "training"}
    assert "384³" in told["iterations"]["left_out"]
    assert all("left_out" in row for row in told.values())
    assert not (tmp_path / "out" / "training").exists()
