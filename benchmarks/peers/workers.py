"""The engines, and the processes in which they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_autophase.phasing.workers import cores
from peers.environments import ENVIRONMENTS, ROOT, UnavailableError, libraries, python

PROGRAMS = Path(__file__).parent / "engines"
Recipe = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Engine:
    """One contestant.

    Parameters
    ----------
    label
        In tables.
    program, arguments
        What is run in its environment.
    environment
        None: the one that this runs in.
    threads
        Numbers of threads to be tried; 0: the engine chooses itself; none: its iterations are not timed.
    """

    label: str
    program: str
    environment: str | None
    threads: tuple[int, ...]
    arguments: tuple[str, ...] = ()


_BOTH = tuple(sorted({1, min(2, cores())}))
ENGINES = {
    "ours": Engine("this package", "run_ours.py", None, (0,)),
    "pynx": Engine("PyNX", "run_pynx.py", "pynx", _BOTH),
    "cohere-torch": Engine("cohere, torch", "run_cohere.py", "cohere", _BOTH, ("torch",)),
    "cohere-numpy": Engine("cohere, NumPy", "run_cohere.py", "cohere", _BOTH, ("np",)),
    # not timed: OpenCL on a CPU is here for what its other code for CPUs lacks
    "pynx-opencl": Engine("PyNX, OpenCL", "run_pynx.py", "pynx-opencl", (), ("opencl",)),
    "numpy": Engine("plain NumPy", "run_numpy.py", "numpy", (1,)),  # its transforms know no threads
}


class Worker:
    """An engine in a process of its own, with a number of threads; use it as a context.

    Parameters
    ----------
    name, threads
        Which of `ENGINES`, and how.
    folder
        Where environments and logs go.
    cache
        An empty folder for what is compiled.
    small
        A small scan, which is iterated first: nothing that is done once only is counted later.

    Attributes
    ----------
    import_seconds, first_seconds
        What the imports took, and then the first iteration of the small scan with nothing kept from earlier runs.
    """

    def __init__(self, name: str, threads: int, folder: Path, cache: Path, small: Path) -> None:
        engine = ENGINES[name]
        interpreter = (
            python(ENVIRONMENTS[engine.environment], folder) if engine.environment else Path(sys.executable)
        )
        number = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)} if threads else {}
        own = {"PYTHONPATH": str(ROOT / "src")} if engine.environment is None else {}
        where = libraries(folder / engine.environment) if engine.environment else {}
        bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with (folder / f"{name}.log").open("a") as log:
            self._process = subprocess.Popen(
                [str(interpreter), str(PROGRAMS / engine.program), *engine.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**bare, **own, **number, **where, "NUMBA_CACHE_DIR": str(cache)},
            )
        try:
            self.import_seconds: float = self._answer()["import_seconds"]
            self.ask("open", file=str(small))
            begun = self.ask("begin", recipe=[("ER", 10), ("HIO", 10)], seed=0, wrap=False)
            self.first_seconds: float = begun["seconds"] + self.ask("advance", number=1)["seconds"]
            self.ask("advance", number=19)
            self.ask("settle")
        except UnavailableError:
            self.close()
            raise

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have a job done and return the answer (see `engines/serve.py`).

        Raises
        ------
        UnavailableError
            If the engine failed; the message is its own.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise UnavailableError("its process has ended") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = json.loads(line) if line else {"error": "its process has ended"}
        if "error" in found:
            raise UnavailableError(found["error"])
        return found

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
