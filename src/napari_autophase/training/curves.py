"""Learning curves: `curve.jsonl`, and TensorBoard's event files where tensorboardX is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "curve.jsonl"


class Curves:
    """The curves of one run, in its folder.

    Parameters
    ----------
    folder
        Of the run.
    step
        Batches done when the run begins or goes on.  What a killed run wrote of later batches is taken back, since they
        will be done again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.file = folder / FILE
        kept = [row for row in read(folder) if row["step"] <= step]
        fresh = self.file.with_name(f"{FILE}.new")
        fresh.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        os.replace(fresh, self.file)
        try:
            from tensorboardX import SummaryWriter
        except ImportError:  # the extra `training`
            self.events = None
        else:
            self.events = SummaryWriter(str(folder / "events"), purge_step=step + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add the figures of one batch; `row` has its ``step``."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(row)) + "\n")
        if self.events is None:
            return
        for name, value in row.items():
            # chi2_low, chi2_high, … share a group in TensorBoard's page
            head, _, tail = name.rpartition("_")
            grouped = tail in ("low", "middle", "high")
            self.events.add_scalar(f"{head}/{tail}" if grouped else f"run/{name}", value, int(row["step"]))
        self.events.flush()

    def close(self) -> None:
        """Close the event file."""
        if self.events is not None:
            self.events.close()


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's curve; a last line that a kill cut short is left out."""
    rows = []
    if (folder / FILE).exists():
        for line in (folder / FILE).read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows
