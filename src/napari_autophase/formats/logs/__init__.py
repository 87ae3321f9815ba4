"""Logs that control systems write beside the frames: SPEC files and fio files, and finding the one that belongs to a scan."""

from __future__ import annotations

from .find import find_log, is_log, read_log, scans_of
from .log import ScanLog

__all__ = ["ScanLog", "find_log", "is_log", "read_log", "scans_of"]
