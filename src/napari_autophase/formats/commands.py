"""What a command says of its scan: how many motors it moves, how many points it asks for, and what ended it."""

from __future__ import annotations

from collections.abc import Mapping

ABSOLUTE = {"ascan": 1, "a2scan": 2, "a3scan": 3, "a4scan": 4, "cscan": 1, "fscan": 1}
RELATIVE = {"dscan": 1, "d2scan": 2, "d3scan": 3, "d4scan": 4, "lup": 1}
"""Commands by how many motors they move together; relative ones are given as seen from where the motors stand."""
MOVED = {**ABSOLUTE, **RELATIVE}
_SUCCESS = "success"
_BLISS_STEPS = "fscan"
"""A command of BLISS that names start, step and number of points."""


def is_mesh(command: str) -> bool:
    """Tell whether a command goes over a grid of two motors."""
    verb = command.split()[0].lower() if command.split() else ""
    return verb.endswith("mesh") or verb == "fscan2d"


def asked_points(command: str) -> int | None:
    """Return how many points a command asks for: one more than its intervals; None where it does not say."""
    verb, *words = command.split() or [""]
    moved = MOVED.get(verb)
    after = words[3 * moved :] if moved else words
    return int(after[0]) + 1 if moved is not None and after and after[0].isdigit() else None


def what_cut(reason: str) -> str:
    """Return what kept a scan from its end, by the reason that its file gives for that; "" if nothing did."""
    return "" if reason.strip().lower() == _SUCCESS else reason.strip()


def asked_of_tree(command: str) -> int | None:
    """Return how many points a command asks for; None where it does not say."""
    verb, *words = command.split() or [""]
    if verb == _BLISS_STEPS:
        return int(words[3]) if len(words) > 3 and words[3].isdigit() else None
    return asked_points(command)


def run_of_tree(command: str, stood: Mapping[str, float] | None = None) -> tuple[str, float, float] | None:
    """Return which motor a command moves, from where to where; None where it moves none alone.

    `stood` says where motors stood before, from which relative commands count; where it does not, None is returned for those.
    """
    verb, *words = command.split() or [""]
    if MOVED.get(verb) != 1 or len(words) < 4:
        return None
    zero = (stood or {}).get(words[0]) if verb in RELATIVE else 0.0
    try:
        first, last = map(float, words[1:3])
    except ValueError:
        return None
    if zero is None:
        return None
    if verb in RELATIVE:
        return words[0], zero + first, zero + last
    if verb == _BLISS_STEPS:
        return (words[0], first, first + last * (int(words[3]) - 1)) if words[3].isdigit() else None
    return words[0], first, last


def step_of(command: str) -> tuple[str, float] | None:
    """Return which motor a command moves, and by how much from point to point; None where it moves none alone."""
    verb, *words = command.split() or [""]
    if MOVED.get(verb) != 1 or len(words) < 4 or not words[3].isdigit():
        return None
    try:
        first, last = map(float, words[1:3])
    except ValueError:
        return None
    return words[0], last if verb == _BLISS_STEPS else (last - first) / max(int(words[3]), 1)
