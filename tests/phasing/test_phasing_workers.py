"""Threads of the CPU: shared by the starts, and as many iterations at a stretch as take a moment."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import torch

from napari_autophase.phasing.workers import Pace, Workers, short, side_by_side, threads


@pytest.mark.parametrize(
    ("jobs", "available", "within", "side_by_side", "inside"),
    [(1, 1, 1, 1, 1), (1, 4, 4, 1, 4), (1, 4, 1, 1, 1), (3, 8, 8, 3, 2), (9, 4, 4, 4, 1), (2, 8, 3, 2, 3)],
)
def test_starts_share_the_cores(jobs, available, within, side_by_side, inside):
    workers = Workers(jobs, available, within, is_short=True)
    gate = threading.Barrier(side_by_side, timeout=120)  # passed only by so many at a time
    before = torch.get_num_threads()
    found = workers.do([lambda: (gate.wait(), torch.get_num_threads())] * side_by_side)
    assert {count for _, count in found} == {inside}
    assert workers.do([torch.get_num_threads] * jobs, by_torch=True) == [1] * jobs
    tall = Workers(jobs, available, within)
    assert tall.do([torch.get_num_threads] * jobs, by_torch=True) == [inside] * jobs
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("cores", [1, 3])
def test_results_keep_their_order_and_errors_come_through(cores):
    workers = Workers(5, cores, 1)
    assert workers.do([lambda i=i: i for i in range(5)]) == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        workers.do([lambda: 1, lambda: 1 // 0, lambda: 2])


@pytest.mark.parametrize("most", [1, 3])
def test_jobs_that_have_not_begun_are_left_out_when_nobody_waits_any_more(most):
    begun, go_on = [], threading.Event()

    def job(number):
        begun.append(number)
        assert number == 0 or most == 1 or go_on.wait(120)
        return number

    answers = side_by_side([partial(job, number) for number in range(50)], most)
    assert next(answers) == 0
    threading.Timer(0.2, go_on.set).start()
    answers.close()
    assert len(begun) <= most + 1


def test_threads_are_kept_so_that_none_ends_while_a_process_is_forked():
    def who():
        gate.wait()
        return threading.get_ident()

    gate = threading.Barrier(3, timeout=120)
    first, again = (set(Workers(3, 3, 1).do([who] * 3)) for _ in range(2))
    assert len(first) == 3
    assert first | again <= {thread.ident for thread in threading.enumerate()}


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
