"""What the group of a scan in an HDF5 file says, as a log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ...geometry import Source
from ..commands import asked_of_tree, run_of_tree
from .log import ScanLog, Scanned, in_order, number_in, unsteady


@dataclass(frozen=True, eq=False)
class TreeLog(ScanLog):
    """The group of a scan: numbers are its motors, arrays with a number for each frame its columns, texts its words.

    Parameters
    ----------
    units
        The unit that the file gives, by path.
    frames
        How many frames there are.
    place
        Path of the group, without a slash at its end.
    as_commanded
        Whether what the command names moved so, of which nothing was recorded.
    ahead
        How many values were recorded, of columns of which there are more than points.
    """

    units: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    place: str = ""
    as_commanded: bool = False
    ahead: dict[str, int] = field(default_factory=dict)

    def called(self, source: Source) -> str:
        """Return the whole path of a source."""
        return f"{self.place}/{super().called(source)}"

    @property
    def asked(self) -> int | None:
        """How many points the command asks for."""
        return asked_of_tree(self.command)

    @property
    def scanned(self) -> tuple[Scanned, ...]:
        """What moved steadily from frame to frame; of that, what the command names, if it names any, in whatever order."""
        found = []
        for name, recorded in self.columns.items():
            values = in_order(recorded)
            if not unsteady(values):
                # from where to where all of it goes: more may be to come
                step = float(values[-1] - values[0]) / (len(values) - 1)
                whole = max((self.asked or self.frames) - 1, 1)
                found.append(Scanned((name,), float(values[0]), float(values[0]) + whole * step))
        words = {
            word for word in self.command.split() if np.isnan(number_in(word))
        }  # counters are called 1, 2, 3
        named = [each for each in found if each.names[0].rpartition("/")[2] in words]
        run = run_of_tree(self.command, self._stood) if self.as_commanded and not named else None
        return tuple(named or found) if run is None else (Scanned(run[:1], *run[1:]),)

    @property
    def _stood(self) -> dict[str, float]:
        """Where motors stood before the scan, by their own names."""
        before = sorted(self.motors, key=lambda name: "start" in name)  # what was read then holds
        return {name.rpartition("/")[2]: self.motors[name] for name in before}

    def number_of(self, source: Source) -> float | None:
        """Return the number that a source has, in the source's unit: the file's own unit counts where it gives one."""
        name = next((each for each in (*self.motors, *self.columns) if source.fits(each)), None)
        if name is None:
            return None
        value = self.motors[name] if name in self.motors else float(_middle(self.columns[name]))
        return source.restated(value, self.units.get(name, ""))

    def column(self, source: Source) -> np.ndarray | None:
        """Return what was recorded for every frame, in the source's unit, or None."""
        name = next((each for each in self.columns if source.fits(each)), None)
        factor = None if name is None else source.restated(1.0, self.units.get(name, ""))
        return None if name is None or factor is None else self.columns[name] * factor

    def run_of(self, moved: Scanned, source: Source) -> tuple[float, float] | None:
        """Return from where to where something moves: what was recorded in the file's unit, a command in that of its beamline."""
        unit = self.units.get(moved.names[0], "") if moved.names[0] in self.columns else ""
        factor = source.restated(1.0, unit)
        return None if factor is None else (moved.first * factor, moved.last * factor)

    def why_not(self, sources: Iterable[Source]) -> list[str]:
        """Return which of some sources have no number, or one in a unit that is not known, and why not."""
        sources = tuple(sources)
        found = super().why_not(sources)
        for source in sources:
            if self.number_of(source) is not None:
                break
            name = next((each for each in (*self.motors, *self.columns) if source.fits(each)), None)
            if name is not None:
                found.append(f"{name} has a unit that is not known here, '{self.units[name]}'")
        return found


def _middle(values: np.ndarray) -> float:
    return float(values[len(values) // 2])
