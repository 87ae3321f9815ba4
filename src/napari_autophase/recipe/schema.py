"""Recipes of earlier versions: each schema that was released, and how a document goes on from one to the next.

A new setting whose default is what was done before needs nothing here. One that is renamed, moved, taken out or given another
meaning makes a new schema, and so does a new one whose default does something else: an old document must go on meaning what it
meant. Raise `SCHEMA`, add the step, and keep a recipe of each schema in ``tests/released``.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

Step = Callable[[dict[str, Any]], None]
"""Changes a document in place."""


def renamed(old: str, new: str) -> Step:
    """Return a step that gives a setting another dotted name."""

    def step(document: dict[str, Any]) -> None:
        *path, last = old.split(".")
        part: Any = document
        for name in path:
            part = part.get(name) if isinstance(part, dict) else None
        if not isinstance(part, dict) or last not in part:
            return
        value = part.pop(last)
        _put(document, new, value)

    return step


def unsaid(key: str, value: Any) -> Step:
    """Return a step that says what was done before a setting existed; a document that has the setting keeps its own."""
    return lambda document: _put(document, key, value)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    part: Any = document
    for name in path:
        part = part.setdefault(name, {})
        if not isinstance(part, dict):
            return  # validation says what is wrong
    part.setdefault(last, value)


SCHEMA = 5
"""The schema of the recipes that this version writes."""
STEPS: dict[int, tuple[Step, ...]] = {
    1: (unsaid("model.coherence", "off"), unsaid("prepare.other_peaks", False)),
    2: (unsaid("model.background", "off"),),
    3: (unsaid("refine.shrink_wrap.outline", 0.0),),
    4: (unsaid("refine.averaged", 0),),
}
"""By the schema that a document has: what brings it to the next one."""


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a document in today's schema; one of a later schema is returned as it is."""
    found = deepcopy(document)
    schema = found.get("version", SCHEMA)
    if not isinstance(schema, int) or isinstance(schema, bool):
        return found
    while schema in STEPS and schema < SCHEMA:
        for step in STEPS[schema]:
            step(found)
        schema += 1
        found["version"] = schema
    return found
