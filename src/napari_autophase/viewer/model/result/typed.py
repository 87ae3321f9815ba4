"""What was typed into a geometry form and cannot be used yet: it is there again when the form is."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from ....geometry import Geometry
from ....scan import Scan
from .results import ResultLayers

Whose = Scan | ResultLayers


class Typed:
    """Keeps lines of forms by the scan or the result that they are of, until that has another geometry.

    A form may be a `part` of its own beside others of the same scan; what is typed over no geometry is kept over any.
    """

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Whose, dict[str, tuple[Geometry | None, dict[str, str]]]]
        self._kept = WeakKeyDictionary()

    def keep(self, whose: Whose, given: Geometry | None, lines: Mapping[str, str], part: str = "") -> None:
        """Keep lines, by their names, which were typed over what was `given`; none: all of it is used, or taken back."""
        if lines:
            self._kept.setdefault(whose, {})[part] = given, dict(lines)
        else:
            self._kept.get(whose, {}).pop(part, None)

    def lines(self, whose: Whose, given: Geometry | None, part: str = "") -> dict[str, str]:
        """Return the lines that were typed over this geometry."""
        over, lines = self._kept.get(whose, {}).get(part, (given, {}))
        return lines if over == given else {}

    def carry(self, before: Scan, now: Scan) -> None:
        """Keep what was typed for a scan for what has taken its place."""
        if before in self._kept:
            self._kept[now] = dict(self._kept[before])
