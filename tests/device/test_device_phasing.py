"""Phasing on a device: no mixing, no waiting within a block of iterations, the memory that was said, and the CPU's results."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, finish, photons
from pretended import MixedDevicesError, pretended

from napari_autophase.phasing import (
    Blur,
    Diffraction,
    Starts,
    device,
    keep_best,
    memory_bytes,
    random_phases,
    random_starts,
    refine,
    search,
    sums,
)
from napari_autophase.phasing import iterations as loop
from napari_autophase.phasing.backend import choose
from napari_autophase.phasing.batch import Batch
from napari_autophase.recipe import Guess, Refinement, ShrinkWrap
from napari_autophase.scan import InputError

SHAPE = (12, 14, 16)
ALGORITHMS = ("ER", "HIO", "RAAR", "EHIO", "ADAM", "CG")
LAUNCHES = {"ER": 19, "HIO": 21, "RAAR": 21, "EHIO": 35, "ADAM": 52, "CG": 220}
"""At most, of an iteration; three of each transform."""


def scan(shape=SHAPE, blur: float = 0.0) -> np.ndarray:
    counts = photons(crystal(shape), peak=1e4)
    if blur:
        counts = Blur((blur,) * 3)(torch.from_numpy(counts)).clamp_(min=0).numpy()
    return counts


def phase(where: str, plan: Refinement, starts: int = 3, coherence="as it is", counts=None, threshold=0.1):
    """Refine random starts; returns what was found, and the pattern as it was in the end."""
    data = Diffraction(scan() if counts is None else counts, device=where)
    if coherence != "as it is":
        data = data.explained(Blur((0.6, 0.6, 0.6)))
    begin = random_starts(data, starts, threshold, 0)
    return finish(refine(data, begin, plan, coherence=coherence))[1], data


def same(found, expected, within=1e-3) -> None:
    """Compare what a device found with what the CPU does; rounding grows with the iterations."""
    assert found.figures == pytest.approx(expected.figures, rel=10 * within)
    np.testing.assert_allclose(
        found.object, expected.object, rtol=0, atol=within * np.abs(expected.object).max()
    )


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_finds_what_the_cpu_finds(kind, name):
    plan = Refinement(algorithm=f"3*{name}+2*ER")
    expected, _ = phase("cpu", plan)
    with pretended(kind) as device:
        found, data = phase(kind, plan)
        assert data.device.type == kind
        assert device.launches
    assert found.notes == ()
    same(found, expected)


@pytest.mark.parametrize(
    ("plan", "coherence"),
    [
        (Refinement(algorithm="4*HIO+4*ER", shrink_wrap=ShrinkWrap(every=2, start=2), twin_break=3), "as it is"),
        (Refinement(algorithm="2*ER+2*HIO+4*ER", coarse=3, prune=True), "as it is"),
        (Refinement(algorithm="2*HIO+30*ER", patience=10), "as it is"),
        (Refinement(algorithm="2*HIO+12*ER"), "given"),
        (Refinement(algorithm="2*HIO+2*ER+2*ADAM+2*CG"), "given"),
        (Refinement(algorithm="4*ER"), "gaussian"),
    ],
)  # fmt: skip
def test_a_whole_run_finds_what_the_cpu_finds(kind, plan, coherence):
    counts = scan(blur=0.6 if coherence != "as it is" else 0)
    expected, _ = phase("cpu", plan, 2, coherence, counts)
    with pretended(kind):
        found, data = phase(kind, plan, 2, coherence, counts)
        assert data.device.type == kind
    assert found.notes == expected.notes
    same(found, expected, 1e-2)
    if found.blur is not None:
        assert found.blur.sigma_px == pytest.approx(expected.blur.sigma_px, abs=1e-2)


def test_a_search_and_a_choice_find_what_the_cpu_finds(kind):
    choice = Guess(polish="2*EHIO+2*ER", rounds=2, keep=2)
    found = []
    for where in ("cpu", kind):
        with pretended(kind):
            data = Diffraction(scan(), device=where)
            starts = random_starts(data, 4, 0.1, 0)
            found.append((finish(search(data, starts, choice))[1], keep_best(data, starts, 2)))
    same(found[1][0], found[0][0])
    np.testing.assert_allclose(found[1][1].objects, found[0][1].objects, rtol=0, atol=1e-2)


def block(kind: str, name: str, count: int) -> tuple[int, int]:
    """Return launches and synchronisations of a block of iterations, as they are once they have begun."""
    with pretended(kind) as pretence:
        data = Diffraction(scan(), device=kind)
        (chunk,) = Batch(data, random_starts(data, 3, 0.1, 0), f"{name}").chunks
        rule = loop.rule(name, Refinement())
        chunk.iterate(rule, 1)
        pretence.forget()
        chunk.iterate(rule, count)
        return sum(pretence.launches.values()), sum(pretence.syncs.values())


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_block_of_iterations_is_waited_for_once(kind, name):
    (few, once), (many, again) = (block(kind, name, count) for count in (2, 6))
    assert once == again == 1
    assert (many - few) / 4 <= LAUNCHES[name]


def test_an_item_in_the_loop_would_be_found(kind, monkeypatch):
    def asks(field, modulus, _right=loop.project_modulus):
        found = _right(field, modulus)
        return found if found[0].item() >= 0 else -found

    monkeypatch.setattr(loop, "project_modulus", asks)
    waits = [block(kind, "HIO", count)[1] for count in (2, 6)]
    assert waits == [3, 7]


def test_a_tensor_left_on_the_cpu_would_be_found(kind, monkeypatch):
    def mixes(before, projected, supports, rule, _right=loop.relax):
        return _right(before, projected, supports, rule) * torch.ones(before.shape[1:])

    monkeypatch.setattr(loop, "relax", mixes)
    with pytest.raises(MixedDevicesError, match=r"iterations\.py|outside"):
        block(kind, "HIO", 2)


def test_starts_are_loaded_updated_and_judged_with_one_wait_each(kind):
    with pretended(kind) as pretence:
        waits = []
        for number in (1, 6):
            data = Diffraction(scan(), device=kind)
            starts = random_starts(data, number, 0.1, 0)
            counted = []
            pretence.forget()
            batch = Batch(data, starts)
            for work in (lambda: None, lambda: batch.shrink_wrap(1, 0.1), batch.scores, batch.figures):  # noqa: B023
                work()
                counted.append(sum(pretence.syncs.values()))
                pretence.forget()
            waits.append(counted)
    assert waits[0] == waits[1] == [1, 1, 1, 2]


def test_previews_are_made_on_the_device(kind):
    with pretended(kind) as pretence:
        data = Diffraction(scan(), device=kind)
        batch = Batch(data, random_starts(data, 1, 0.1, 0))
        pretence.forget()
        found = batch.object(0)
        assert found.dtype == np.complex64
        assert sum(pretence.launches.values()) == 1  # its copy


# memory


def body(side: int) -> np.ndarray:
    """Return a ball that fills an eighth of a cube, bool."""
    places = np.ogrid[(slice(-(side // 2), side - side // 2),) * 3]
    inside: np.ndarray = sum(place**2 for place in places) < (0.31 * side) ** 2
    return inside


@pytest.mark.parametrize(
    ("algorithm", "coherence"),
    [
        *((name, "as it is") for name in ALGORITHMS),
        *((name, "given") for name in ("HIO", "ADAM", "CG")),
    ],
)
@pytest.mark.parametrize("starts", [1, 4])
def test_the_memory_that_is_said_is_taken(algorithm, coherence, starts, monkeypatch):
    monkeypatch.setattr(sums, "_AT_A_TIME_ON_GPU", 1)  # as of a large scan
    monkeypatch.setattr(device, "_LIBRARIES_OF_GPU", 0)
    inside = body(24)
    plan = Refinement(algorithm=f"4*{algorithm}", shrink_wrap=ShrinkWrap(every=3, start=2))
    with pretended("cuda") as pretence:
        data = Diffraction(np.random.default_rng(0).poisson(9.0, inside.shape), device="cuda")
        if coherence == "given":
            data = data.explained(Blur((0.5, 0.5, 0.5)))
        begin = random_phases(inside[None], starts, 0)
        finish(refine(data, begin, plan, coherence=coherence))
        blurred = coherence == "given"
        said = memory_bytes(inside.shape, starts, algorithm, choose("cuda").backend, blurred=blurred)
        assert pretence.peak == pytest.approx(said, rel=0.1)


@pytest.mark.parametrize("starts", [1, 4])
def test_the_memory_of_means_is_said_too(starts, monkeypatch):
    monkeypatch.setattr(sums, "_AT_A_TIME_ON_GPU", 1)  # as of a large scan
    monkeypatch.setattr(device, "_LIBRARIES_OF_GPU", 0)
    inside = body(32)
    with pretended("cuda") as pretence:
        data = Diffraction(np.random.default_rng(0).poisson(9.0, inside.shape), device="cuda")
        plan = Refinement(algorithm="12*HIO+6*ER")
        finish(refine(data, random_phases(inside[None], starts, 0), plan))
        backend = choose("cuda").backend
        said = memory_bytes(inside.shape, starts, plan.algorithm, backend, averaged=plan.averages)
        assert pretence.peak == pytest.approx(said, rel=0.1)


@pytest.mark.parametrize("algorithm", ["HIO", "CG"])
def test_starts_that_do_not_fit_wait(kind, algorithm):
    voxels = int(np.prod(SHAPE))
    plan = Refinement(algorithm=f"4*{algorithm}")
    expected, _ = phase("cpu", plan, 6)
    with pretended(kind) as pretence:
        need = choose(kind).backend.need(algorithm == "CG", False)
        pretence.limit = int(1.1 * voxels * need.per_voxel(6, 2) / 0.8)
        found, data = phase(kind, plan, 6)
        assert data.room.at_a_time == 2
        assert data.device.type == kind
    assert found.notes == ()
    same(found, expected)


def crowded(kind: str, limit: float, monkeypatch, **options):
    """Phase where another program took the memory that seemed free; bytes per voxel are left."""
    monkeypatch.setattr(device, "available_bytes", lambda _: 10**12)
    with pretended(kind) as pretence:
        pretence.limit = int(limit * np.prod(SHAPE))
        found, data = phase(kind, Refinement(algorithm="4*HIO+2*ER", averaged=0), 6, **options)
        del options
        gc.collect()
        return found, data, pretence


def test_fewer_starts_at_a_time_are_tried_before_the_cpu(kind, monkeypatch):
    expected, _ = phase("cpu", Refinement(algorithm="4*HIO+2*ER", averaged=0), 6)
    found, data, pretence = crowded(kind, 8 + 6 * 9 + 2.5 * 26, monkeypatch)
    assert data.device.type == kind
    assert found.notes == (f"The memory of {kind} ran out: phased at most 1 start(s) at a time.",)
    assert pretence.peak <= pretence.limit
    same(found, expected)


def test_at_last_the_cpu_phases_and_the_device_is_left_empty(kind, monkeypatch):
    expected, _ = phase("cpu", Refinement(algorithm="4*HIO+2*ER", averaged=0), 6)
    found, data, pretence = crowded(kind, 30, monkeypatch)
    assert data.device.type == "cpu"
    assert found.notes == (f"The memory of {kind} ran out: phased on the CPU.",)
    assert pretence.live == 0
    same(found, expected)


def test_what_does_not_fit_at_all_is_never_there(kind, monkeypatch):
    found, data, pretence = crowded(kind, 2, monkeypatch)
    assert data.device.type == "cpu"
    assert pretence.live == 0
    assert found.figures["chi2"] < 1


PLANS = {
    "projections": (
        Refinement(algorithm="2*ER+2*HIO+EHIO+RAAR+ER", shrink_wrap=ShrinkWrap(every=4), coarse=2, twin_break=3),
        "as it is",
    ),
    "gradients": (Refinement(algorithm="2*ADAM+2*CG"), "as it is"),
    "partly coherent": (Refinement(algorithm="2*HIO+2*ER+CG+ADAM"), "given"),
}  # fmt: skip


@pytest.mark.parametrize("plan", PLANS)
def test_memory_that_runs_out_anywhere_costs_no_result(plan):
    """Places all over the run, as many as a second or two allow."""
    refinement, coherence = PLANS[plan]
    expected, _ = phase("cpu", refinement, 2, coherence)
    with pretended("cuda") as pretence:
        phase("cuda", refinement, 2, coherence)
        places = sorted(pretence.allocations)
        assert len(places) > 20
        for place in places[:: len(places) // 3]:
            pretence.fails = {place}
            found, _ = phase("cuda", refinement, 2, coherence)
            assert not pretence.fails, place
            same(found, expected, 1e-2)
            if place.startswith(("phasing/engine", "phasing/batch", "phasing/chunk", "phasing/iterations")):
                assert "The memory of cuda ran out" in found.notes[0], place


def test_what_torch_keeps_and_does_not_use_is_free(monkeypatch):
    with pretended("cuda", limit=2**30):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (2**20, 2**30))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 900 * 2**20)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 100 * 2**20)
        assert device.available_bytes(torch.device("cuda")) == 801 * 2**20


@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory (MPS allocated: 1 GB)",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_whatever_a_library_calls_it_memory_ran_out(said, monkeypatch):
    calls = []

    def job():
        calls.append(said)
        if len(calls) == 1:
            raise RuntimeError(said)
        return 7

    with pretended("cuda"):
        data = Diffraction(scan(), device="cuda")
        assert data.or_on_cpu(job) == 7
        assert data.device.type == "cpu"


def test_a_computer_that_runs_out_of_memory_itself_says_so():
    data = Diffraction(scan())
    with pytest.raises(InputError, match="The memory ran out"):
        data.or_on_cpu(lambda: (_ for _ in ()).throw(MemoryError()))


def test_starts_of_nothing_are_left_as_they_are(kind):
    with pretended(kind):
        data = Diffraction(scan(), device=kind)
        nothing = Starts(np.zeros((2, *SHAPE), np.complex64), np.ones((2, *SHAPE), bool))
        assert not Batch(data, nothing).object(0).any()
