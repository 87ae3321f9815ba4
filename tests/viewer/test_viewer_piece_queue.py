"""Work done piece by piece: in which order, when there is no event loop, and what becomes of errors."""

from __future__ import annotations

import pytest

from napari_autophase.viewer.model.canvas.piece_queue import PieceQueue, while_there
from napari_autophase.viewer.sessions import QtBackground


class Loop:
    """An event loop whose turns the test makes."""

    def __init__(self):
        self.waiting = []

    def soon(self, go_on):
        self.waiting.append(go_on)
        return True

    def turn(self):
        self.waiting.pop(0)()


@pytest.fixture
def loop():
    return Loop()


def pieces(name, count, done):
    for piece in range(count):
        done.append(f"{name}{piece}")
        yield


def test_without_an_event_loop_all_is_done_at_once():
    done = []
    PieceQueue().start(pieces("a", 3, done))
    assert done == ["a0", "a1", "a2"]


def test_a_piece_a_turn_and_one_work_after_the_other(loop):
    queue, done = PieceQueue(loop.soon), []
    queue.start(pieces("a", 2, done))
    queue.start(pieces("b", 1, done))
    assert done == ["a0"], "the rest waits for its turn"
    loop.turn()
    assert done == ["a0", "a1"]
    while loop.waiting:
        loop.turn()
    assert done == ["a0", "a1", "b0"]
    queue.start(pieces("c", 1, done))
    assert done[-1] == "c0"


def test_what_is_left_can_be_finished_at_once(loop):
    queue, done = PieceQueue(loop.soon), []
    queue.start(pieces("a", 3, done))
    queue.start(pieces("b", 2, done))
    queue.finish()
    assert done == ["a0", "a1", "a2", "b0", "b1"]
    while loop.waiting:
        loop.turn()
    assert len(done) == 5


def test_an_error_ends_its_own_work_only(loop):
    def broken():
        yield
        raise ValueError("deleted")

    queue, done = PieceQueue(loop.soon), []
    queue.start(broken())
    queue.start(pieces("b", 1, done))
    with pytest.raises(ValueError, match="deleted"):
        loop.turn()
    while loop.waiting:
        loop.turn()
    assert done == ["b0"]


def test_in_qt_s_event_loop_the_window_answers_in_between(qtbot):
    from qtpy.QtCore import QTimer

    done = []
    queue = PieceQueue(QtBackground().soon)
    QTimer.singleShot(
        0, lambda: (queue.start(pieces("a", 3, done)), QTimer.singleShot(0, lambda: done.append("click")))
    )
    qtbot.waitUntil(lambda: "a2" in done and "click" in done, timeout=120_000)
    assert done.index("click") < done.index("a2")


def test_once_what_the_work_is_about_is_gone_the_rest_is_dropped(loop):
    done, about = [], [object()]
    queue = PieceQueue(loop.soon, lambda: about[0])
    queue.start(pieces("a", 3, done))
    queue.start(pieces("b", 1, done))
    about[0] = None
    loop.turn()
    queue.start(pieces("c", 1, done))
    queue.finish()
    assert not loop.waiting
    assert done == ["a0"]


def test_work_ends_with_what_it_is_about_and_the_next_begins(loop):
    done, there = [], [True]
    queue = PieceQueue(loop.soon)
    queue.start(while_there(lambda: there[0], pieces("a", 3, done)))
    queue.start(pieces("b", 1, done))
    there[0] = False
    while loop.waiting:
        loop.turn()
    assert done == ["a0", "b0"]
