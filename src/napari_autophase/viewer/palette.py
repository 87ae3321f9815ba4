"""What napari's command palette calls, without an argument, by the commands that readers and writers are."""

from __future__ import annotations

import napari
from napari.utils.notifications import show_error, show_info, show_warning

from ..scan import InputError


def open_file() -> None:
    """Ask for a scan or a result, and open it as File > Open does."""
    from qtpy.QtWidgets import QFileDialog

    from .model.scan.request import FILES

    viewer = napari.current_viewer()
    if viewer is None:
        return
    path, _ = QFileDialog.getOpenFileName(None, "Open a scan or a result", "", FILES)
    if path:
        viewer.open(path, plugin="napari-autophase")


def save_result() -> None:
    """Ask where the result goes whose layer is selected, or the only one that there is, and save it there."""
    from qtpy.QtWidgets import QFileDialog

    from .model.result import naming, saving
    from .model.result.results import results
    from .widgets.words import in_window

    viewer = napari.current_viewer()
    if viewer is None:
        return
    found = results(viewer)
    selected = [each for each in found if any(layer in viewer.layers.selection for layer in each.layers)]
    if not found:
        show_warning("There is no result to save yet: reconstruct a scan, or open a result, and save then.")
        return
    if len(selected or found) > 1:
        show_warning(
            f"Which of {len(selected or found)} results? Select a layer of the one that is to be saved, and save again."
        )
        return
    (chosen,) = selected or found
    name = naming.suggested_name(chosen)
    path, _ = QFileDialog.getSaveFileName(None, "Save the reconstruction", name, "CXI (*.cxi)")
    if not path:
        return
    try:
        show_info(f"Saved {saving.save(chosen.reconstruction, path, chosen.look)}")
    except InputError as error:
        show_error(in_window(str(error)))


def reconstruct() -> None:
    """Reconstruct the current scan."""
    _do("reconstruct")


def hold() -> None:
    """Let the run rest, or go on."""
    _do("hold")


def cancel() -> None:
    """Stop the run."""
    _do("cancel")


def toggle_diffraction() -> None:
    """Show the diffraction, or the result again."""
    _do("toggle_diffraction")


def next_result() -> None:
    """Show the result after the one that is seen."""
    _do("step", 1)


def previous_result() -> None:
    """Show the result before the one that is seen."""
    _do("step", -1)


def bring_back() -> None:
    """Bring back what was deleted last."""
    _do("bring_back")


def _do(name: str, *arguments: int) -> None:
    # napari calls a command with all its parameters by name, so that those above have none
    from .model import commands
    from .sessions import session_of

    viewer = napari.current_viewer()
    if viewer is None:
        return
    if words := getattr(commands, name)(session_of(viewer), *arguments):
        show_info(words)
