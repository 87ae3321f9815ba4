"""How much memory a refinement asks for: counted allocation by allocation, as what is resident depends on the system."""

from __future__ import annotations

import tracemalloc
from inspect import signature

import numpy as np
import pytest
from torch.profiler import ProfilerActivity, profile

from napari_autophase import phasing
from napari_autophase.phasing import backend
from napari_autophase.recipe import Refinement


class Memory:
    """Counts the bytes that numpy and torch hold while it is open.

    Attributes
    ----------
    peak
        The most of torch's and the most of numpy's, which need not fall together.
    """

    def __enter__(self) -> Memory:
        # torch from 2.6 on can be told not to keep events for another time
        how = {"acc_events": False} if "acc_events" in signature(profile).parameters else {}
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True, **how)
        self._profile.__enter__()
        tracemalloc.start()
        return self

    def __exit__(self, *error: object) -> None:
        numpy_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self._profile.__exit__(*error)
        events = self._profile.profiler.kineto_results.events()
        events = sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns())
        self.peak = numpy_peak + int(np.cumsum([0, *(e.nbytes() for e in events)]).max())


def refine(side: int, algorithm: str, starts: int = 1) -> None:
    counts = np.random.default_rng(0).poisson(1.0, (side,) * 3).astype(np.float32)
    data = phasing.Diffraction(counts, None, 0.02)
    first = phasing.random_starts(data, starts, 0.1, 0)
    for _ in phasing.refine(data, first, Refinement(algorithm=algorithm, starts=starts)):
        pass


@pytest.mark.parametrize(
    ("algorithm", "by", "starts"),
    [
        ("8*ER+8*HIO+4*RAAR", "compiled", 3),
        ("12*CG", "compiled", 3),
        ("12*ADAM", "compiled", 3),
        ("12*CG", "torch", 1),
        ("12*ADAM", "torch", 1),
    ],
)
def test_the_peak_is_what_was_said(algorithm, by, starts, monkeypatch):
    monkeypatch.setenv(backend.VARIABLE, by)
    refine(16, algorithm, starts)  # what is imported and compiled once
    side = 48
    with Memory() as memory:
        refine(side, algorithm, starts)
    said = phasing.memory_bytes((side,) * 3, starts, algorithm)
    assert 0.4 * said < memory.peak < said


def test_a_long_run_takes_no_more_than_a_short_one():
    peaks = []
    for iterations in (20, 20, 800):
        with Memory() as memory:
            refine(32, f"{iterations}*HIO")
        peaks.append(memory.peak)
    # what threads need at the same time is not always the same: some volumes; one kept every twenty iterations would be 39
    assert peaks[2] - peaks[1] < 16 * 4 * 32**3
