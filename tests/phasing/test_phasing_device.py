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
    device,
    device_lines,
    memory_bytes,
    pick_device,
)
from napari_autophase.phasing.torch_backend import TorchBackend
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
import os, re
import numpy as np
from napari_autophase import phasing
from napari_autophase.recipe import Refinement
n = 80
os.environ["NAPARI_AUTOPHASE_BACKEND"] = "compiled" if compiled else "torch"
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
    assert batch._chunk_size(data, 9, "20*CG") == 1
    data.backend = TorchBackend(torch.device("cuda"))
    needed = memory_bytes((64, 64, 64), 1, "20*CG", data.backend)
    monkeypatch.setattr(device, "available_bytes", lambda _: 4 * needed)
    sizes = [batch._chunk_size(data, 99, algorithm) for algorithm in ("20*CG", "20*ER+2*ADAM", "20*ER")]
    assert sizes[0] == sizes[1] == 3
    assert sizes[2] > 3
    assert batch._chunk_size(data, 2, "20*CG") == 2
