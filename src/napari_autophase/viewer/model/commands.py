"""What can be done from anywhere in napari, by a key or from its command palette; each says what came of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ...scan import InputError
from .result.results import ResultLayers
from .run.choices import recipe_of
from .session import Session


def reconstruct(session: Session) -> str:
    """Reconstruct the current scan as the Reconstruct panel says."""
    if session.controller.busy:
        return "A reconstruction is running."
    if session.current is None:
        return "Load a scan first."
    said = session.choices_made
    try:
        session.reconstruct(recipe_of(said), replace_last=said.get("replace", False))
    except InputError as error:
        return str(error)
    return ""


def hold(session: Session) -> str:
    """Let the run rest, or go on."""
    controller = session.controller
    if controller.state != "running":
        return "Nothing is being reconstructed."
    controller.hold(not controller.held)
    return "The reconstruction rests." if controller.held else "The reconstruction goes on."


def cancel(session: Session) -> str:
    """Stop the run."""
    if session.controller.state != "running":
        return "Nothing is being reconstructed."
    session.controller.cancel()
    return ""


def toggle_diffraction(session: Session) -> str:
    """Show the diffraction instead of the result, or the result again."""
    if session.diffraction_shown:
        session.show_result()
        return "" if session.results or session.live.layer_of_run is not None else "There is no result yet."
    session.show_diffraction_of(session.extras.shown.result)
    return "" if session.scans else "There is no scan."


def step(session: Session, by: int) -> str:
    """Show the result so many places after the one that is seen, around the end to the first."""
    results = session.results
    if not results:
        return "There is no result yet."
    seen = session.extras.shown.result
    at = results.index(seen) + by if isinstance(seen, ResultLayers) else (0 if by > 0 else -1)
    result = results[at % len(results)]
    session.show_result(result)
    return result.title


def bring_back(session: Session) -> str:
    """Bring back the scan or the result that was deleted last."""
    title = session.deleted.bring_back()
    return f"{title} is back." if title else "Nothing was deleted."


KEYS: dict[str, Callable[[Session], str]] = {
    "Control-Alt-R": reconstruct,
    "Control-Alt-P": hold,
    "Control-Alt-X": cancel,
    "Control-Alt-D": toggle_diffraction,
    "Control-Alt-N": lambda session: step(session, 1),
    "Control-Alt-B": lambda session: step(session, -1),
    "Control-Alt-Z": bring_back,
}
"""The keys of the viewer; napari uses none of them."""


def bind(session: Session, tell: Callable[[str], Any]) -> None:
    """Let the keys of the session's viewer do this; `tell` is called with what came of it."""
    for key, command in KEYS.items():
        session.viewer.bind_key(key, _on_key(session, command, tell), overwrite=True)


def _on_key(
    session: Session, command: Callable[[Session], str], tell: Callable[[str], Any]
) -> Callable[[Any], None]:
    held = weakref.ref(session)

    def on_key(_: Any) -> None:
        if (session := held()) is not None and (words := command(session)):
            tell(words)

    return on_key
