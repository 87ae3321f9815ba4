from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_autophase.phasing import (
    Diffraction,
    batch,
    check_memory,
    crew,
    device,
    device_lines,
    memory_bytes,
    pick_device,
)
from napari_autophase.phasing.crew import Crew, Plan, plans
from napari_autophase.recipe import Recipe
from napari_autophase.scan import InputError


def test_devices_are_picked_and_replaced(monkeypatch):
    assert pick_device("cpu") == (torch.device("cpu"), ())
    assert pick_device("auto")[1] == ()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto") == (torch.device("cpu"), ())
    for name in ("cuda", "mps"):
        found, notes = pick_device(name)
        assert found == torch.device("cpu")
        assert name in notes[0]
    with pytest.raises(InputError, match="abacus"):
        pick_device("abacus")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto")[0].type == pick_device("cuda")[0].type == "cuda"


def test_device_lines_begin_with_the_cpu():
    assert device_lines()[0].startswith("cpu: ")
    assert "GiB free" in device_lines()[0]


@pytest.mark.parametrize("name", ["ER", "HIO", "RAAR"])
def test_one_start_takes_at_most_six_complex_volumes(name):
    voxels = 128 * 129 * 130
    assert 3 * 8 < memory_bytes((128, 129, 130), 1, f"20*{name}") / voxels <= 6 * 8 + 3
    for starts in (2, 5, 50):
        assert 18 * starts < memory_bytes((128, 129, 130), starts, f"20*{name}") / voxels <= 6 * 8 * starts


def test_a_job_too_large_is_refused_before_anything_is_allocated(monkeypatch):
    recipe = Recipe.from_preset("iterative")
    with pytest.raises(InputError, match=r"needs [\d.]+ GiB and [\d.]+ GiB are free: bin or crop"):
        check_memory((10**5, 10**5, 10**5), recipe, torch.device("cpu"))
    monkeypatch.setattr(device, "available_bytes", lambda where: 10**9 if where.type == "cpu" else 10**6)
    check_memory((128, 128, 128), recipe, torch.device("cpu"))
    with pytest.raises(InputError, match="GPU"):
        check_memory((128, 128, 128), recipe, torch.device("cuda"))
    check_memory(
        (1280, 1280, 128), recipe.with_settings({"prepare.binning": [10, 10, 1]}), torch.device("cpu")
    )
    with pytest.raises(InputError, match="9 start"):
        check_memory((256, 256, 256), recipe.with_settings({"refine.starts": 9}), torch.device("cpu"))


@pytest.mark.parametrize(
    ("algorithm", "compiled", "starts"),
    [
        ("8*ER+8*HIO+4*RAAR", True, 3),
        ("12*CG", True, 3),
        ("12*ADAM", True, 3),
        ("12*CG", False, 1),
        ("12*ADAM", False, 1),
    ],
)
def test_the_peak_memory_is_what_was_said(algorithm, compiled, starts):
    program = (
        f"algorithm, starts, compiled = '{algorithm}', {starts}, {compiled}"
        + """
import re
import numpy as np
from napari_autophase import phasing
from napari_autophase.recipe import Refinement
n = 80
if not compiled:
    phasing.slabs.can_compile = phasing.device.can_compile = lambda: False
def resident(which):
    return int(re.search(which + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1)) * 1024
def scan(n):
    return np.random.default_rng(0).poisson(1.0, (n, n, n)).astype(np.float32)
def go(counts):
    data = phasing.Diffraction(counts, None, 0.02)
    job = phasing.refine(data, phasing.random_starts(data, starts, 0.1, 0), Refinement(algorithm=algorithm, starts=starts))
    for _ in job: pass
go(scan(16))  # libraries and compiled passes
counts = scan(n)
before = resident("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
go(counts)
print(resident("VmHWM") - before, phasing.memory_bytes((n, n, n), starts, algorithm))
"""
    )
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system does not tell a new peak")
    # glibc keeps what is freed of small arrays; told not to, it treats them as it does large ones
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    peak, said = map(int, done.stdout.split())
    assert 0.4 * said < peak < said


def test_plans_use_the_cores_and_no_more():
    assert plans(1, 1) == [Plan(1, 1)]
    assert set(plans(1, 2)) == {Plan(1, 1), Plan(1, 2)}
    assert set(plans(4, 2)) == {Plan(1, 1), Plan(1, 2), Plan(2, 1)}
    for jobs in range(1, 9):
        for cores in range(1, 20):
            found = plans(jobs, cores)
            assert found[0] == Plan(1, 1)
            assert all(plan.workers * plan.threads <= cores and plan.workers <= jobs for plan in found)


class Clock:
    """A clock that tells how long the plan of the moment would take."""

    def __init__(self, monkeypatch, cost):
        self.now, self.cost, self.crew = 0.0, cost, None
        monkeypatch.setattr(crew.time, "perf_counter", lambda: self.now)

    def job(self):
        self.now += self.cost[self.crew.plan]
        return self.crew.plan


@pytest.mark.parametrize("fastest", [Plan(1, 1), Plan(1, 2), Plan(2, 1)])
def test_the_fastest_plan_is_kept(monkeypatch, fastest):
    clock = Clock(monkeypatch, {plan: 1.0 if plan == fastest else 2.0 for plan in plans(2, 2)})
    clock.crew = Crew(plans(2, 2))
    used = [clock.crew.run([clock.job, clock.job])[0] for _ in range(20)]
    clock.crew.close()
    assert set(used[:9]) == set(plans(2, 2))
    assert set(used[9:]) == {fastest}


def test_a_hopeless_plan_is_tried_once(monkeypatch):
    clock = Clock(monkeypatch, {Plan(1, 1): 1.0, Plan(1, 2): 20.0, Plan(2, 1): 0.7})
    clock.crew = Crew(plans(2, 2))
    used = [clock.crew.run([clock.job, clock.job])[0] for _ in range(20)]
    clock.crew.close()
    assert used.count(Plan(1, 2)) == 1
    assert set(used[7:]) == {Plan(2, 1)}


def test_a_single_plan_is_followed(monkeypatch):
    clock = Clock(monkeypatch, {Plan(1, 2): 1.0})
    clock.crew = Crew([Plan(1, 2)])
    assert [clock.crew.run([clock.job])[0] for _ in range(5)] == [Plan(1, 2)] * 5


def test_one_thread_takes_over_when_a_neighbour_wakes_up(monkeypatch):
    clock = Clock(monkeypatch, {Plan(1, 1): 1.0, Plan(1, 2): 0.6})
    clock.crew = Crew(plans(1, 2))
    for _ in range(10):
        clock.crew.run([clock.job])
    assert clock.crew.plan == Plan(1, 2)
    clock.cost[Plan(1, 2)] = 9.0
    used = [clock.crew.run([clock.job])[0] for _ in range(20)]
    assert used[:2] == [Plan(1, 2)] * 2  # once is chance
    assert used[2:].count(Plan(1, 2)) == 1  # whether it is still so
    clock.cost[Plan(1, 2)] = 0.6  # it has gone to sleep again
    used = [clock.crew.run([clock.job])[0] for _ in range(400)]
    assert used[-1] == Plan(1, 2)
    assert used.count(Plan(1, 1)) < 320


def test_work_is_done_a_moment_at_a_stretch_once_it_is_known_how_long_it_takes(monkeypatch):
    clock = Clock(monkeypatch, {Plan(1, 1): 2**-10, Plan(1, 2): 2**-11})
    clock.crew = Crew(plans(1, 2))
    counts = []
    while sum(counts) < 1000:
        count = clock.crew.pace("ER", 1000)
        assert clock.crew.pace("ER", 3) == min(3, count)
        clock.crew.run([lambda count=count: [clock.job() for _ in range(count)]], "ER", count)
        counts.append(count)
    assert counts[0] == 1
    assert max(counts[:6]) < 8  # as long as plans are tried
    assert max(counts) == int(0.03 * 2**11)
    clock.cost = {Plan(1, 1): 1.0, Plan(1, 2): 0.5}
    clock.crew.run([clock.job], "ER")
    assert clock.crew.pace("ER", 1000) == 1


def test_a_plan_that_has_turned_slow_is_compared_for_as_long_as_a_neighbour_takes_turns(monkeypatch):
    clock = Clock(monkeypatch, {Plan(1, 1): 2**-10, Plan(1, 2): 2**-11})
    clock.crew = Crew(plans(1, 2))

    def block():
        count = clock.crew.pace("HIO", 1000)
        plan = clock.crew.run([lambda: [clock.job() for _ in range(count)]], "HIO", count)[0][0]
        return plan, count

    while block()[1] < 20:
        pass
    clock.cost[Plan(1, 2)] = 1.3 * 2**-10  # slower than one thread, but not by much
    assert [block()[0] for _ in range(2)] == [Plan(1, 2)] * 2
    trials = [block() for _ in range(6)]
    assert min(count for _, count in trials) >= 20
    assert {block()[0] for _ in range(5)} == {Plan(1, 1)}


@pytest.mark.parametrize(("shared", "chosen"), [(1.1, Plan(1, 2)), (1.3, Plan(1, 1))])
def test_one_thread_is_chosen_only_if_it_is_clearly_quicker(monkeypatch, shared, chosen):
    clock = Clock(monkeypatch, {Plan(1, 1): 1.0, Plan(1, 2): shared})
    clock.crew = Crew(plans(1, 2))
    for _ in range(10):
        clock.crew.run([clock.job])
    assert clock.crew.plan == chosen


def test_kinds_of_work_have_plans_of_their_own(monkeypatch):
    clock = Clock(monkeypatch, {})
    clock.crew = Crew(plans(1, 2))
    short, long = {Plan(1, 1): 1.0, Plan(1, 2): 2.0}, {Plan(1, 1): 9.0, Plan(1, 2): 5.0}
    used = {}
    for _ in range(20):
        for kind, cost in (("ER", short), ("HIO", long)):
            clock.cost = cost
            used[kind] = clock.crew.run([clock.job], kind)[0]
    assert used == {"ER": Plan(1, 1), "HIO": Plan(1, 2)}


def test_results_keep_their_order_and_errors_come_through():
    team = Crew(plans(4, 2))
    before = torch.get_num_threads()
    try:
        for _ in range(12):
            assert team.run([lambda i=i: i for i in range(4)]) == [0, 1, 2, 3]
        team.plan = Plan(2, 1)
        assert team.do([torch.get_num_threads] * 4) == [1] * 4
        team.plan = Plan(1, 2)
        assert team.do([torch.get_num_threads] * 2) == [2] * 2
        assert team.do([torch.get_num_threads] * 2, short=True) == [1] * 2
        with pytest.raises(ZeroDivisionError):
            team.run([lambda: 1 // 0])
    finally:
        team.close()
    assert torch.get_num_threads() == before


def test_a_long_run_takes_no_more_memory_than_a_short_one():
    program = """
import re
import numpy as np
from napari_autophase import phasing
from napari_autophase.recipe import Refinement
counts = np.random.default_rng(0).poisson(1.0, (64, 64, 64)).astype(np.float32)
data = phasing.Diffraction(counts, None, 0.02)
job = phasing.refine(data, phasing.random_starts(data, 1, 0.1, 0), Refinement(algorithm="200*HIO"))
for step in job:
    if step.step in (50, 200):
        print(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
"""
    if not os.path.exists("/proc/self/status"):
        pytest.skip("this system does not tell")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    early, late = (1024 * int(kib) for kib in done.stdout.split())
    volume = 8 * 64**3
    assert late - early < 10 * volume  # 150 iterations that kept a volume each would be 150


def test_a_gpu_takes_fewer_starts_at_once_for_gradient_steps(monkeypatch):
    data = Diffraction(np.ones((64, 64, 64)))
    assert batch._piece_size(data, 9, "20*CG") == 1
    data.device = torch.device("cuda")
    monkeypatch.setattr(
        device, "available_bytes", lambda _: 4 * memory_bytes((64, 64, 64), 1, "20*CG", "cuda")
    )
    sizes = [batch._piece_size(data, 99, algorithm) for algorithm in ("20*CG", "20*ER+2*ADAM", "20*ER")]
    assert sizes[0] == sizes[1] == 3
    assert sizes[2] > 3
    assert batch._piece_size(data, 2, "20*CG") == 2
