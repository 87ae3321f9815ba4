"""File > Open and drag-and-drop: scans and saved results as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..reconstruction import Reconstruction
from ..scan import InputError

if TYPE_CHECKING:
    from .model.session import Session
    from .model.stage.layers import LayerData


Reader = Callable[[str | Sequence[str]], "list[LayerData] | list[tuple[None]]"]


def get_reader(path: str | Sequence[str] | None = None) -> Reader | None:
    """Return `read` if every path is evidently a scan or a result, else None, so that other plugins can have it.

    Without a path, as the command palette calls it, ask for a file and open it.
    """
    if path is None:
        from . import palette

        palette.open_file()
        return None
    return read if all(formats.recognise(each) for each in _paths(path)) else None


def get_refusal(path: str | Sequence[str] | None = None) -> Reader | None:
    """Return `refuse` for what `get_reader` leaves alone: napari has asked this plugin, and nobody else answers.

    Without a path as `get_reader`.
    """
    return None if get_reader(path) or path is None else refuse


def refuse(path: str | Sequence[str]) -> list[tuple[None]]:
    """Say in one sentence why the files are not opened here and what to do; no layers come of it."""
    from napari.utils.notifications import show_error

    from .widgets.words import in_window

    for each in _paths(path):
        if not formats.recognise(each):
            show_error(in_window(_why_not(each)))
    return [(None,)]  # how a reader says that there are no layers


def _why_not(path: str) -> str:
    try:
        volumes = formats.datasets(path)
    except InputError as error:
        return str(error)
    name = Path(path).name
    if not volumes:
        return f"{name} holds no 3-D array with sides of 16 or more; a rocking curve is a volume (frames, rows, columns)."
    return (
        f"{name} does not look like a rocking curve (counts, one compact peak, dark borders), nor like a result "
        "in CXI or HDF5; if it is a scan, open it in the panel Plugins > AutoPhase > Load scan."
    )


def read(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Open scans and results; in a window that lives they are read behind it, and their layers come a moment later.

    Raises
    ------
    InputError
        As `layers_of`.
    """
    session, paths = _session(), _paths(path)
    if session is not None and session.opening.start(paths, _say):
        session.viewer.status = f"Reading {', '.join(Path(each).name for each in paths)} …"
        return [(None,)]  # how a reader says that there are no layers
    return layers_of(path)


def _say(error: Exception) -> None:
    """Say why a file was not opened: in a sentence where there is one, else as napari says what nobody expected."""
    from napari.utils import notifications

    from .widgets.words import in_window

    if isinstance(error, InputError):
        notifications.show_error(in_window(str(error)))
    else:
        notifications.notification_manager.receive_error(type(error), error, error.__traceback__)


def layers_of(path: str | Sequence[str]) -> list[LayerData]:
    """Return the layers of scans (log10(1 + counts)) and of results (their isosurface), in the unit of the current viewer.

    Raises
    ------
    InputError
        If a file is damaged or its choice of datasets is ambiguous.
    """
    from .model.stage import layers
    from .model.stage.stage import Stage

    found = [formats.read(each) for each in _paths(path)]
    data: list[LayerData] = []
    for each in found:
        if isinstance(each, Reconstruction):
            data += layers.reconstruction_layer_data(each)
        else:
            data.append(layers.scan_layer_data(each))
    if (session := _session()) is not None:  # napari draws, and warns, before other listeners are called
        names = Stage.of(session.viewer).names
        data = [(shown, options | names, kind) for shown, options, kind in data]
    return data


def _session() -> Session | None:
    """Return the session of the current viewer, which makes results of their layers when these arrive, with no dock open too."""
    from napari import current_viewer

    from .sessions import session_of

    viewer = current_viewer()
    return None if viewer is None else session_of(viewer)


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)
