"""A person sees how far a reconstruction is: bars in a terminal, a bar in a notebook, nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .reconstruction import Progress

_PAUSE_S = 0.1
"""Between two updates in a notebook."""
Report = Callable[[Progress], object]
_Result = TypeVar("_Result")


@contextmanager
def shown(wanted: bool | None = None) -> Iterator[Report]:
    """Give a function that shows each `Progress`.

    Parameters
    ----------
    wanted
        Whether anything is shown; None: in a notebook, and where stderr is a terminal.
    """
    display = _notebook_display() if wanted is not False else None
    if display is not None:
        with _in_notebook(display) as report:
            yield report
    elif wanted or (wanted is None and sys.stderr.isatty()):
        with _in_terminal() as report:
            yield report
    else:
        yield lambda _: None


def relayed(
    job: Generator[Progress, None, _Result], change: Callable[[Progress], Progress | None]
) -> Generator[Progress, None, _Result]:
    """Do a job that is a part of another one, and return what it returns; its progress is that of the whole as `change` says it,
    None: not told.
    """
    while True:
        try:
            now = next(job)
        except StopIteration as done:
            result: _Result = done.value
            return result
        told = change(now)
        if told is not None:
            yield told


def driven(job: Generator[Progress, None, _Result], report: Report) -> _Result:
    """Do a job to its end, tell each step of it, and return what it returns."""
    while True:
        try:
            step = next(job)
        except StopIteration as done:
            result: _Result = done.value
            return result
        report(step)


def line(step: Progress) -> str:
    """Return a step in words: its stage, how far it is, and chi² where it is known."""
    error = "" if step.error is None else f", χ² {step.error:.4g}"
    return f"{step.stage} {step.step}/{step.total}{error}"


@contextmanager
def _in_terminal() -> Iterator[Report]:
    """Show one bar per stage on stderr."""
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

        def report(step: Progress) -> None:
            if step.stage not in tasks:
                finish()
                tasks[step.stage] = bars.add_task(step.stage, error="")
            error = "" if step.error is None else f"chi² {step.error:.4g}"
            bars.update(tasks[step.stage], completed=step.step, total=step.total, error=error)

        yield report
        finish()


def _notebook_display() -> Callable[..., Any] | None:
    """Return IPython's ``display`` in a notebook, else None; IPython is never imported for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


@contextmanager
def _in_notebook(display: Callable[..., Any]) -> Iterator[Report]:
    """Show one bar that goes through the stages; it needs no widgets."""
    began = last = time.monotonic()
    place: Any = None
    stage = ""

    def show(text: str, bar: str) -> None:
        nonlocal place
        content = {"text/plain": text, "text/html": f"{bar}{text}"}
        if place is None:
            place = display(content, raw=True, display_id=True)
        else:
            place.update(content, raw=True)

    def report(step: Progress) -> None:
        nonlocal last, stage
        now = time.monotonic()
        if step.stage != stage or now - last > _PAUSE_S:
            stage, last = step.stage, now
            show(line(step), f'<progress value="{step.step}" max="{step.total}"></progress> ')

    yield report
    if place is not None:
        show(f"Done in {time.monotonic() - began:.1f} s", "")
