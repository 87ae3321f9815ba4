"""Write the commit into what is built: hatchling calls this for every wheel and sdist."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = {"wheel": "napari_autophase/commit.txt", "sdist": "src/napari_autophase/commit.txt"}


class CommitHook(BuildHookInterface):
    """Add ``commit.txt`` where the commit is known; without it a build is complete too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the file among those that hatchling collects; an editable installation asks git itself."""
        place = _PLACE.get(self.target_name)
        source = Path(self.root) / "src/napari_autophase"
        known = runpy.run_path(str(source / "version.py"))["commit"]()
        if version == "editable" or place is None or known is None or (source / "commit.txt").is_file():
            return
        self._folder = tempfile.TemporaryDirectory()  # goes when the build ends
        written = Path(self._folder.name) / "commit.txt"
        written.write_text(known + "\n", encoding="utf-8")
        build_data["force_include"][str(written)] = place
