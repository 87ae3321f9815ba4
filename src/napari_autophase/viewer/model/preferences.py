"""What new windows begin with, as a person set it on napari's own page of settings (the manifest declares what is there)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session

PLUGIN, USUAL = "napari-autophase", ("fast", "auto")
"""The name under which napari keeps them; preset and device where nobody set any."""


def begin_as_preferred(session: Session) -> None:
    """Let a new session begin as it is set; versions of napari before 0.9 have no page for plugins."""
    try:
        from napari.settings import get_plugin_settings

        said = get_plugin_settings(PLUGIN).reconstruct
    except (ImportError, KeyError, AttributeError):
        return
    session.live.enabled = said.live
    if (said.preset, said.device) == USUAL:
        return
    from ...recipe import Recipe
    from .run.choices import choices_of

    recipe = Recipe.from_preset(said.preset).with_settings({"device": said.device})
    session.choices_made = choices_of(recipe, said.preset, replace=False)
