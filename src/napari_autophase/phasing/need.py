"""How much memory a backend needs, in bytes per voxel of the pattern."""

from __future__ import annotations

from typing import NamedTuple


class Need(NamedTuple):
    """What is in memory at the peak.

    Parameters
    ----------
    pattern
        For the pattern, once.
    kept
        For every start, between its iterations.
    work
        For every start that is worked on at the same time: what comes and goes.
    loading, arriving
        In their place while the starts are loaded.
    """

    pattern: float
    kept: float
    work: float
    loading: float = 0
    arriving: float = 0

    def per_voxel(self, starts: int, at_a_time: int) -> float:
        """Return the bytes per voxel for so many starts, of which so many are worked on at a time."""
        loading = self.loading * starts + self.arriving * at_a_time
        return self.pattern + max(loading, self.kept * starts + self.work * at_a_time)

    def branching(self) -> Need:
        """Return what it is where as many starts more come while phasing, none of which is loaded."""
        return self._replace(kept=2 * self.kept)

    def at_a_time(self, starts: int, voxels: int, available: float) -> int:
        """Return how many of the starts can be worked on at a time in so many bytes, and at least one."""
        left = available / voxels - self.per_voxel(starts, 0)
        return max(1, min(starts, int(left // self.work)))


GPU_NEED = {
    (False, False): Need(8, 9, 24),
    (True, False): Need(13, 30, 31),
    (False, True): Need(17, 13, 28),
    (True, True): Need(13, 46, 36),
}
"""By whether there are gradient steps, and a blur; with what cuFFT works in, as much as it transforms."""
HOST = Need(pattern=8, kept=18, work=0)
"""Of the computer's own memory while a GPU phases: the starts as they were given, and those that go there and come back."""


def cpu_need(kept: int, work: int, gradients: bool, blurred: bool) -> Need:
    """Return the memory that phasing takes on a CPU, where all that asks of a blur is computed by torch."""
    if blurred:
        kept, work = (25 + 16, 60 + 12) if gradients else (kept + 8, max(work, 28))
    return Need(12, kept, work, loading=18, arriving=10)
