"""What the command line shows: progress bars, results in a few lines, and values in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..reconstruction import Progress, Reconstruction

if TYPE_CHECKING:
    from ..formats import ScanEntry


@contextmanager
def bars(shown: bool) -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows each `Progress` as one bar per stage on stderr, or does nothing."""
    if not shown:
        yield lambda _: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description:>8}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[error]}"),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, rich.TaskID] = {}

        def finish() -> None:
            for task in tasks.values():
                bars.update(task, completed=bars.tasks[task].total)

        def show(step: Progress) -> None:
            if step.stage not in tasks:
                finish()
                tasks[step.stage] = bars.add_task(step.stage, error="")
            error = "" if step.error is None else f"chi² {step.error:.4g}"
            bars.update(tasks[step.stage], completed=step.step, total=step.total, error=error)

        yield show
        finish()


def summarise(found: Reconstruction) -> None:
    """Print what was found in a few lines."""
    size = found.voxel_size_nm
    voxel = "unknown" if size is None else " × ".join(f"{edge:.2f}" for edge in size) + " nm"
    figures = ", ".join(f"{name} {value:.4g}" for name, value in found.figures.items())
    print(f"{found.name}: {' × '.join(map(str, found.shape))} voxels of {voxel}")
    print(
        f"{figures}, after {found.iterations} iterations in {found.seconds['total']:.1f} s on {found.device}"
    )
    for note in found.notes:
        print(f"note: {note}")


def table(scans: Sequence[ScanEntry]) -> str:
    """Return scans as the lines of a table."""
    rows = [("scan", "frames", "peak", "started", "command", "")]
    for each in scans:
        points = "" if each.points is None else str(each.points)
        peak = "" if each.brightest is None else f"{each.brightest:g}"
        rows.append((each.path, points, peak, each.when, each.command, each.state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(map(str.rstrip, lines))


def words(value: Any) -> str:
    """Return a value of a summary as a person reads it."""
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(entry)}" for key, entry in value.items() if entry is not None)
    if isinstance(value, list | tuple):
        if len(value) > 12:
            return f"{len(value)} values, {words(value[0])} … {words(value[-1])}"
        return ", ".join(map(words, value))
    return str(value)
