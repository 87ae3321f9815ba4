"""Learning curves: `curve.jsonl`, and TensorBoard's event files where tensorboardX is installed.

TensorBoard reads a file of records, each one event: its length, a checksum of that, a protocol buffer, and a checksum of it.
tensorboardX brings the messages and the checksum; its own writer is left alone, since a thread of it dies of a full disk and
the training then waits for ever.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import files

FILE = "curve.jsonl"
"""Of a run: a line of JSON for each validation."""
_CHECKSUM_OFFSET = 0xA282EAD8
"""What TensorBoard's files add to the rotated CRC-32C of a record."""


class Curves:
    """The curves of one run, in its folder.

    Parameters
    ----------
    folder
        Of the run.
    step
        Batches done when the run begins or goes on.  What a killed run wrote of later batches is taken back, since they
        will be done again.

    Raises
    ------
    InputError
        Here and in `write`, if a file cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.file = folder / FILE
        files.write(self.file, "".join(_line(row) for row in read(folder) if row["step"] <= step))
        self.events: _Events | None
        try:
            self.events = _Events(folder / "events", step)
        except ImportError:  # the extra `training`
            self.events = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Add the figures of one batch; `row` has its ``step``."""
        files.append(self.file, _line(row))
        if self.events is not None:
            self.events.write(row)


class _Events:
    """An event file, which goes on from those of the run's former processes."""

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX.crc32c import crc32c
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self._crc32c, self._event, self._summary = crc32c, Event, Summary
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        self.file = files.make_folder(folder) / name
        # from here on, the curves of former processes are forgotten
        started = SessionLog(status=SessionLog.START)
        head = self._record(file_version="brain.Event:2")
        files.write(self.file, head + self._record(step=step + 1, session_log=started))

    def write(self, row: Mapping[str, Any]) -> None:
        values = []
        for name, value in row.items():
            # chi2_low, chi2_high, … share a group in TensorBoard's page
            head, _, tail = name.rpartition("_")
            grouped = tail in ("low", "middle", "high")
            tag = f"{head}/{tail}" if grouped else f"run/{name}"
            values.append(self._summary.Value(tag=tag, simple_value=value))
        files.append(self.file, self._record(step=int(row["step"]), summary=self._summary(value=values)))

    def _record(self, **content: Any) -> bytes:
        event = self._event(wall_time=time.time(), **content).SerializeToString()
        size = struct.pack("<Q", len(event))
        return size + self._checksum(size) + event + self._checksum(event)

    def _checksum(self, data: bytes) -> bytes:
        crc = self._crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + _CHECKSUM_OFFSET) & 0xFFFFFFFF)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(dict(row)) + "\n"


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
