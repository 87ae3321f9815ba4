"""The plans of the presets: their algorithms, and what differs from a recipe's defaults."""

from __future__ import annotations

from typing import Any

from .algorithm import parse, tail

ITERATIVE = "3*(20*ER+180*HIO)+20*ER"
"""The reference iterative recipe of AutoPhaseNN's laboratory: 620 iterations."""
POLISH = "60*EHIO"
"""What a guess goes through on a small grid, where an iteration costs the same for any scan."""


def finish(iterations: int) -> str:
    """Return what follows a network's guess on the scan's own grid: a sixth HIO, two sevenths ER at last, and RAAR between.

    HIO corrects what ER cannot leave any more, quickly, but it never rests where counts are noisy: its objects walk about the
    solution.  RAAR rests, and its mean is nearer (Luke, Inverse Problems 21, 37 (2005)).  ER takes away what is left of the
    strain's error.  See `benchmarks/endings.py`.
    """
    last, first = -(-2 * iterations // 7), 5 * iterations // 28
    parts = ((first, "HIO"), (iterations - first - last, "RAAR"), (last, "ER"))
    return "+".join(f"{count}*{name}" for count, name in parts if count)


FINISH = finish(140)
"""After a guess, wherever it comes from."""
AFTER_SEARCH = "10*HIO+90*RAAR+40*ER"
"""After a thorough search, which leaves HIO less to correct."""
PRELUDE = "20*ER+180*HIO+20*ER"
"""What comes first where the middle of the peak was not measured: what its surroundings say of it is taken as measured."""
SETTLING = 40
"""Iterations of the last kind, at least, with which the blur settles where light is partly coherent."""
GENTLE = {"threshold": 0.15}
"""Shrink-wrap of long runs on large scans: at a fifth the support of a strained crystal is eaten away, update by update."""
SEARCH = "20*ER+120*EHIO+40*ER"
"""What every start of a search goes through there; see `phasing.projections.project_uniform`."""
ALIGNING, COMPARING = 100, 5
"""Iterations that it takes as long to bring one object onto another, and how often that, to compare all that were brought."""
BOOTSTRAPS, BOOTSTRAP_STEPS = 3, 60
"""Simulated measurements of what was found (see `runs.averaging`), and the iterations that each is phased for."""
THOROUGH: dict[str, Any] = {
    **{"candidates": 4, "keep": 4},
    **{"starts": 24, "rounds": 3, "enough": 0.0, "side": 64, "polish": SEARCH},
}
"""A guess from many starts, for crystals that are hard to find."""


def settled(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Return the iterations of a run in partly coherent light: at least `SETTLING` go downhill, or are of the last kind."""
    return steps + steps[-1:] * max(0, SETTLING - (len(steps) - tail(steps)))


def going_on(algorithm: str) -> str:
    """Return what objects go through that an algorithm has found and that are parted from their twins: it, or `FINISH` if it is
    longer, as long runs of HIO forget where they began.
    """
    return min(algorithm, FINISH, key=lambda text: len(parse(text)))


def assessing(steps: tuple[str, ...], halves: bool) -> tuple[int, ...]:
    """Return the iterations of every job by which a result is assessed: those of `steps` with half of the photons, twice if
    `halves`, then those of the bootstraps; nothing is done for a network's guess alone.
    """
    return ((len(steps),) * 2 * halves + (BOOTSTRAP_STEPS,) * BOOTSTRAPS) if steps else ()


def assessment(steps: tuple[str, ...], halves: bool, objects: int) -> int:
    """Return what it takes, in iterations, to assess a result by so many `objects` that runs or starts have found: those of
    `assessing`, bringing all objects onto it, and comparing them.
    """
    jobs = assessing(steps, halves)
    return sum(jobs) + ALIGNING * (2 * objects + len(jobs) + COMPARING)


PLANS: dict[str, dict[str, dict[str, Any]]] = {
    "network": {"guess": {"side": 64, "polish": "", "starts": 0}, "refine": {"algorithm": ""}},
    "fast": {},
    "iterative": {"guess": {"start": "random"}, "refine": {"algorithm": ITERATIVE, "shrink_wrap": GENTLE}},
    "best": {"guess": THOROUGH, "refine": {"algorithm": AFTER_SEARCH, "shrink_wrap": GENTLE}},
}
"""By the name of the preset."""
