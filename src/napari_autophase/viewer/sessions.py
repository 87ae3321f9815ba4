"""The session of each viewer, with its work done in Qt's threads."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info

from .activity import Activity
from .drops import Drops
from .lasting import Lasting
from .model.commands import bind
from .model.preferences import begin_as_preferred
from .model.run.controller import Job, Launch, Run
from .model.session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ..recipe import Recipe
    from ..reconstruction import Reconstruction
    from ..scan import Scan
    from .model.crystal.drawing import Look
    from .model.run.background import Tasks

PAUSE_MS = 20
"""Qt would do pieces without a pause in pairs, before it draws and listens."""
_sessions: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()
_around: weakref.WeakKeyDictionary[ViewerModel, tuple[Activity, Drops, Lasting]] = weakref.WeakKeyDictionary()
"""What else each viewer has because AutoPhase is in use in it."""


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of `viewer`, made when first asked for."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are sometimes given a proxy
    if viewer not in _sessions:
        background = QtBackground()
        session = Session(viewer, background)
        around = Activity(viewer, session.controller), Drops(viewer), Lasting(viewer, background.soon)
        _around[viewer] = around
        bind(session, show_info)
        begin_as_preferred(session)
        keep(session)
    return _sessions[viewer]


def keep(session: Session) -> None:
    """Let `session` be the one of its viewer."""
    _sessions[session.viewer] = session


class QtBackground:
    """Threads and turns of Qt's event loop (see `model.background`); Qt is imported when the first is wanted.

    Parameters
    ----------
    launch
        How a reconstruction is started; None: in a thread.
    """

    def __init__(self, launch: Launch | None = None) -> None:
        self._launch = launch

    def reconstruct(
        self, scan: Scan, recipe: Recipe, run: Run, look: Look | None, begin: Reconstruction | None
    ) -> Job:
        """Start a reconstruction that reports to `run` in this thread, or go on from one."""
        if self._launch is not None:
            return self._launch(scan, recipe, run)
        from . import threads

        pause = threads.Pause()
        work = partial(threads.reconstruct, look=look, begin=begin, clock=pause.clock)
        return threads.launch(scan, recipe, run, work, pause)

    def tasks(self) -> Tasks:
        """Return what does its work in threads and tells of it in this one."""
        from . import threads

        return threads.Tasks()

    def soon(self, go_on: Callable[[], None]) -> bool:
        """Call `go_on` after what now waits in Qt's event loop, if one runs in this thread."""
        if "qtpy.QtCore" not in sys.modules:
            return False
        from qtpy.QtCore import QThread, QTimer

        thread = QThread.currentThread()
        if thread is None or thread.loopLevel() == 0:
            return False
        QTimer.singleShot(PAUSE_MS, go_on)
        return True
