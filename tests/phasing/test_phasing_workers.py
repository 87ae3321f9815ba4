"""Threads of the CPU: shared by the starts, and as many iterations at a stretch as take a moment."""

from __future__ import annotations

import threading

import pytest
import torch

from napari_autophase.phasing.workers import Pace, Workers, short, threads


@pytest.mark.parametrize(
    ("jobs", "available", "within", "side_by_side", "inside"),
    [(1, 1, 1, 1, 1), (1, 4, 4, 1, 4), (1, 4, 1, 1, 1), (3, 8, 8, 3, 2), (9, 4, 4, 4, 1), (2, 8, 3, 2, 3)],
)
def test_starts_share_the_cores(jobs, available, within, side_by_side, inside):
    workers = Workers(jobs, available, within)
    gate = threading.Barrier(side_by_side, timeout=120)  # passed only by so many at a time
    before = torch.get_num_threads()
    try:
        found = workers.do([lambda: (gate.wait(), torch.get_num_threads())] * side_by_side)
        assert {count for _, count in found} == {inside}
        assert workers.do([torch.get_num_threads] * jobs, alone=True) == [1] * jobs
    finally:
        workers.close()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("cores", [1, 3])
def test_results_keep_their_order_and_errors_come_through(cores):
    workers = Workers(5, cores, 1)
    try:
        assert workers.do([lambda i=i: i for i in range(5)]) == [0, 1, 2, 3, 4]
        with pytest.raises(ZeroDivisionError):
            workers.do([lambda: 1 // 0])
    finally:
        workers.close()


def test_iterations_are_done_a_moment_at_a_stretch_once_it_is_known_how_long_one_takes():
    pace = Pace()
    assert pace.count("HIO", 1000) == 1
    pace.took("HIO", 0.001)
    assert pace.count("HIO", 1000) == 30
    assert pace.count("HIO", 7) == 7
    assert pace.count("ER", 1000) == 1
    pace.took("HIO", 5.0)
    assert pace.count("HIO", 1000) == 1


def test_the_number_of_threads_is_given_back_after_an_error():
    before = torch.get_num_threads()
    found = []

    def fail():
        with threads(before + 1):
            found.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found == [before + 1]
    assert torch.get_num_threads() == before


def test_a_small_volume_is_a_thread_s_work():
    assert short(64**3)
    assert not short(128**3)
