"""Files the command line writes: refused before anything is computed, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from ..scan import InputError


def check_targets(targets: list[tuple[Path | None, str]], scan: Path | None) -> None:
    """Raise `InputError` before anything is computed if a file could not be written in the end."""
    for path, suffix in targets:
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise InputError(f"{path} must end in {suffix}.")
        if scan is not None and path.resolve() == scan.resolve():
            raise InputError(f"{path} is the scan itself; choose another name for the result.")
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a file.")
        folder = path.absolute().parent
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; make it first.")
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(f"Nothing can be written into {folder}: {error.strerror}.") from None


def as_json(document: dict[str, Any]) -> str:
    """Return standard JSON: NumPy's values as plain ones, and null for what is not a finite number."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        if hasattr(value, "tolist"):
            return plain(value.tolist())
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value if isinstance(value, str | int | float | None) else str(value)

    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def write_json(document: dict[str, Any], path: Path) -> None:
    """Write JSON whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(as_json(document) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
