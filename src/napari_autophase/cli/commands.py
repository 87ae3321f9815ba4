"""The program: its commands by name, and `main`, which turns what happens into an exit code.

0: done; 2: unusable input or arguments, with one line on stderr; 130: interrupted; 1: a fault of this program.
A command's module is imported when the command is asked for; what it works with stands inside its function, so that ``--help``
answers at once.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

from ..faults import InputError
from .interrupts import heard
from .lazy import group_of

PROGRAM = "napari-autophase"
COMMANDS = {
    "reconstruct": "reconstruct:reconstruct",
    "repeat": "reconstruct:repeat_result",
    "info": "info:info",
    "simulate": "simulate:simulate",
    "devices": "simulate:devices",
    "analyse": "results:analyse",
    "export": "results:export_result",
    "picture": "results:picture",
    "report": "report:report",
    "compare": "results:compare",
    "finetune": "finetune:finetune",
    "network": "network:app",
    "orthogonalise": "orthogonal:orthogonalise",
    "geometry": "geometry:app",
}
"""Where each command stands in this room, in the order of the help."""
GARBAGE_EVERY = 200_000
"""New objects between two searches for garbage, 700 by Python's habit: imports make a million that all stay."""
app = typer.Typer(
    name=PROGRAM,
    cls=group_of(COMMANDS),
    help="Bragg coherent diffraction imaging: from a rocking curve to the crystal, its phase and its strain.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from ..version import full_version

        print(f"{PROGRAM} {full_version()}")
        raise typer.Exit


@app.callback()
def _program(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an unexpected error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is."),
    ] = False,
) -> None:
    """Options of every command (`debug` is read by `main`)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments` (default: the process's own) and return its exit code."""
    if arguments is None:  # the process is ours
        gc.set_threshold(GARBAGE_EVERY, *gc.get_threshold()[1:])
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a letter is no reason to fail
    with heard() as is_interrupted:
        return _run(arguments, is_interrupted)


def _run(arguments: list[str], is_interrupted: Callable[[], bool]) -> int:
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False) or 0
        sys.stdout.flush()  # what cannot be printed is said here, not by the interpreter as it ends
        # typer keeps an interrupt to itself, and ends in silence
        return _complain("Interrupted.", code) if code == 130 else code
    except InputError as error:
        return _complain(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("Interrupted.", 130)
    except Exception as error:
        if is_interrupted():
            return _complain("Interrupted.", 130)
        if hasattr(error, "format_message"):  # how typer says that the arguments are wrong
            return _complain(f"{error.format_message().rstrip('. ')}. See {PROGRAM} --help.", 2)
        if "--debug" in arguments:
            raise
        from ..memory import ran_out, said

        if ran_out(error):
            return _complain(said("this"), 2)
        if isinstance(error, BrokenPipeError):  # who reads it wants no more, as `head`
            _print_no_more()
            return 1
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG):
            # files say so themselves: this is what was printed
            _print_no_more()
            return _complain(f"The output cannot be printed ({error.strerror}); send it elsewhere.", 2)
        return _complain(f"Unexpected {type(error).__name__}: {error} ({PROGRAM} --debug … shows where).", 1)


def _print_no_more() -> None:
    """Let what is still to be printed go nowhere: the interpreter would try once more as it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # it is no file
        return


def _complain(text: str, code: int) -> int:
    print(f"{PROGRAM}: {' '.join(text.split())}", file=sys.stderr)
    return code
