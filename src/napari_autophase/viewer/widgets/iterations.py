"""The number of iterations, for those who do not want to write an algorithm."""

from __future__ import annotations

import re

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QLineEdit, QSpinBox

from ...recipe import finish

_PLAIN = re.compile(r"\s*(?:(?:(\d+)\s*\*\s*HIO\s*\+\s*)?(?:(\d+)\s*\*\s*RAAR\s*\+\s*)?(\d+)\s*\*\s*ER)?\s*")
"""What a number alone can say: a*HIO+b*RAAR+c*ER, c*ER, nothing."""


class Iterations(QSpinBox):
    """The iterations of an algorithm, as far as one number says it all.

    Parameters
    ----------
    algorithm
        The line that holds the algorithm: both follow each other.
    """

    def __init__(self, algorithm: QLineEdit) -> None:
        super().__init__()
        self._algorithm = algorithm
        self.setRange(0, 100_000)
        self.setSingleStep(10)
        self.setSuffix(" iterations")
        self.setToolTip(
            "Iterations after the guess: a few of HIO, then RAAR, then ER; the algorithm under Advanced says more."
        )
        self.valueChanged.connect(self._write)
        algorithm.textChanged.connect(self._follow)

    def _write(self, count: int) -> None:
        *others, er = _mixture(self._algorithm.text())
        only_er = er and not any(others)
        self._algorithm.setText("" if not count else f"{count}*ER" if only_er else finish(count))

    def _follow(self, algorithm: str) -> None:
        plain = _PLAIN.fullmatch(algorithm) is not None
        self.setEnabled(plain)
        self.setSpecialValueText("" if plain else "as under Advanced")
        with QSignalBlocker(self):
            self.setValue(sum(_mixture(algorithm)))


def _mixture(algorithm: str) -> tuple[int, ...]:
    """Return the iterations of HIO, of RAAR and of ER of a plain algorithm; none for any other."""
    plain = _PLAIN.fullmatch(algorithm)
    return tuple(int(count or 0) for count in plain.groups()) if plain else (0, 0, 0)
