"""A title in the view of a layer, which may have several lines: napari writes the name of the layer alone."""

from __future__ import annotations

from typing import Any

from napari._vispy.overlays.text import VispyLayerNameOverlay
from napari._vispy.utils.visual import overlay_to_visual
from napari.components.overlays import LayerNameOverlay


class Title(LayerNameOverlay):
    """What is written in the view of a layer instead of its name."""

    text: str = ""


class _DrawnTitle(VispyLayerNameOverlay):
    overlay: Title

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.overlay.events.text.connect(self._on_text_change)

    def _on_text_change(self) -> None:
        self.node.text = self.overlay.text
        self._on_position_change()


overlay_to_visual[Title] = _DrawnTitle
