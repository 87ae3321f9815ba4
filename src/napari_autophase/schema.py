"""Recipes of earlier versions: each schema that was released, and how a document goes on from one to the next.

A setting that is new needs nothing here: what an old document does not say is as it was. A setting that is renamed, moved,
taken out or given another meaning makes a new schema: raise `SCHEMA`, add the step, and keep a recipe of the schema before it
in ``tests/recipes``.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

SCHEMA = 1
"""The schema of the recipes that this version writes."""
Step = Callable[[dict[str, Any]], None]
STEPS: dict[int, Step] = {}
"""By the schema that a document has: what changes it, in place, to the next one."""


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
        *path, last = new.split(".")
        part = document
        for name in path:
            part = part.setdefault(name, {})
        part[last] = value

    return step


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a document in today's schema; one of a later schema is returned as it is."""
    found = deepcopy(document)
    schema = found.get("version", SCHEMA)
    if not isinstance(schema, int) or isinstance(schema, bool):
        return found
    while schema in STEPS and schema < SCHEMA:
        STEPS[schema](found)
        schema += 1
        found["version"] = schema
    return found
