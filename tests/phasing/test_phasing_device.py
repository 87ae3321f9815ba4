from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest
import torch

from napari_autophase.memory import threads_bytes
from napari_autophase.phasing import (
    check_memory,
    device,
    device_lines,
    memory_bytes,
    pick_device,
)
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
    for name in ("abacus", "cuda:one", "cpu:1"):
        with pytest.raises(InputError, match=name):
            pick_device(name)


def test_device_lines_begin_with_the_cpu():
    assert device_lines()[0].startswith("cpu: ")
    assert "GiB free" in device_lines()[0]


@pytest.mark.parametrize("name", ["ER", "HIO", "RAAR"])
def test_one_start_takes_at_most_six_complex_volumes(name):
    voxels = 128 * 129 * 130
    assert 3 * 8 < memory_bytes((128, 129, 130), 1, f"20*{name}") / voxels <= 6 * 8 + 3
    for starts in (2, 5, 50):
        assert 18 * starts < memory_bytes((128, 129, 130), starts, f"20*{name}") / voxels <= 6 * 8 * starts


def test_threads_to_come_take_room_in_a_limited_address_space(monkeypatch):
    """Each has a stack and a heap of its own, of which nothing may be used; where there is no limit they cost nothing."""
    resource = pytest.importorskip("resource")
    running = SimpleNamespace(num_threads=lambda: 3)
    monkeypatch.setattr(psutil, "Process", lambda: running)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert threads_bytes(10) == 0
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8 * 2**30, resource.RLIM_INFINITY))
    assert threads_bytes(10) == 7 * 72 * 2**20
    assert threads_bytes(2) == 0


def test_what_a_job_takes_besides_phasing_is_counted_beforehand(monkeypatch):
    """What is prepared and guessed, and threads; where both are there already, a job of the same size goes on."""
    recipe, shape, cpu = Recipe().with_settings({"device": "cpu"}), (64, 64, 64), torch.device("cpu")
    blurred, averaged = recipe.model.coherence != "off", recipe.refine.averages
    phasing = memory_bytes(
        shape, recipe.number_of_starts, recipe.refine.algorithm, blurred=blurred, averaged=averaged
    )
    monkeypatch.setattr(device, "available_bytes", lambda _: phasing + 13 * 64**3)
    check_memory(shape, recipe, cpu, is_prepared=True)
    with pytest.raises(InputError, match=r"about 6\d × 6\d × 6\d would fit"):
        check_memory(shape, recipe, cpu)
    monkeypatch.setattr(device, "threads_bytes", lambda _: phasing)
    with pytest.raises(InputError, match=r"about [23]\d × [23]\d × [23]\d would fit"):
        check_memory(shape, recipe, cpu, is_prepared=True)


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
