"""The little language of iterative phasing: ``3*(20*ER+180*HIO)+20*ER``.

Grammar (white space is free, names may be written in any case)::

    sum   := term ('+' term)*
    term  := NUMBER '*' term | NAME | '(' sum ')'
    NAME  := 'ER' | 'HIO' | 'RAAR' | 'EHIO' | 'ADAM' | 'CG'

ER, HIO, RAAR and EHIO are relaxed projections (`phasing.iterations`); ADAM and CG follow a derivative (`phasing.gradient`).
"""

from __future__ import annotations

import re
from itertools import groupby

from ..scan import InputError

PROJECTIONS = ("ER", "HIO", "RAAR", "EHIO")
"""Algorithms that project onto the moduli and the support."""
GRADIENTS = ("ADAM", "CG")
"""Algorithms that follow the gradient of the likelihood."""
DOWNHILL = ("ER", *GRADIENTS)
"""Algorithms whose error falls from step to step; that of the others may rise on their way out of a minimum."""
NAMES = PROJECTIONS + GRADIENTS
"""All that an algorithm may be made of."""
MAX_ITERATIONS = 1_000_000
"""A longer algorithm is refused: a slip of the keyboard would never end."""
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+)|(?P<name>[A-Za-z]+)|(?P<sign>[*+()]))")


def parse(text: str) -> tuple[str, ...]:
    """Return the algorithm of every iteration, in order; ``''`` means none.

    Raises
    ------
    InputError
        Pointing at the character that cannot be read.
    """
    if not text.strip():
        return ()
    parser = _Parser(text)
    steps = parser.sum()
    if parser.token is not None:
        parser.fail("expected '+' or the end")
    return steps


def readable(text: str) -> str:
    """Return an algorithm as it is, if `parse` can read it; the empty one for any that has no iterations, such as 0*HIO.

    Raises
    ------
    InputError
        As `parse`.
    """
    return text if parse(text) else ""


def tail(steps: tuple[str, ...]) -> int:
    """Return how many iterations come before the end, in which ER and gradient steps only go downhill."""
    before = len(steps)
    while before and steps[before - 1] in DOWNHILL:
        before -= 1
    return before


def resting(steps: tuple[str, ...]) -> set[int]:
    """Return after how many iterations ER or gradient steps end and others follow, but for the first that do.

    Objects can be compared there: what HIO and its like make says little, and nor do a few iterations of ER from random phases.
    """
    down = [name in DOWNHILL for name in steps]
    return {i for i in range(1, len(steps)) if down[i - 1] and not down[i] and not all(down[:i])}


def unparse(steps: tuple[str, ...]) -> str:
    """Write a sequence of algorithms as short text that `parse` reads back."""
    runs = ((name, sum(1 for _ in run)) for name, run in groupby(steps))
    return "+".join(f"{count}*{name}" for name, count in runs)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.end = text, 0
        self.advance()

    def advance(self) -> None:
        self.start = len(self.text) - len(self.text[self.end :].lstrip())
        self.token: str | None = None
        if self.start < len(self.text):
            found = _TOKEN.match(self.text, self.end)
            if found is None:
                self.fail("cannot read this character")
            else:
                self.token = found.group().strip().upper()
                self.end = found.end()

    def fail(self, why: str) -> None:
        raise InputError(
            f"{why} at character {self.start + 1} ('{self.text[self.start : self.start + 8] or 'its end'}') of the algorithm; "
            f"write for example 3*(20*ER+180*HIO)+20*ER, with {', '.join(NAMES)}"
        )

    def sum(self) -> tuple[str, ...]:
        steps = self.term()
        while self.token == "+":
            self.advance()
            steps += self.term()
        return steps

    def term(self) -> tuple[str, ...]:
        token = self.token or ""
        if token.isdecimal():
            return self.repeated(int(token))
        if token == "(":
            self.advance()
            steps = self.sum()
            if self.token != ")":
                self.fail("expected '+' or ')'")
            self.advance()
            return steps
        if token not in NAMES:
            self.fail("expected a number, an algorithm or '('")
        self.advance()
        return (token,)

    def repeated(self, count: int) -> tuple[str, ...]:
        begin = self.start
        self.advance()
        if self.token != "*":
            self.fail("expected '*' after a number")
        self.advance()
        steps = self.term()
        if count * len(steps) > MAX_ITERATIONS:
            self.start = begin
            self.fail(f"more than {MAX_ITERATIONS:,} iterations")
        return steps * count
