"""What the benchmarks share: rows that survive a kill, what identifies them, and how a group of them is summed up."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import napari_autophase
from napari_autophase.network.weights import SHIPPED
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import versions
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Scan

RESULTS = Path(__file__).parent / "results"
SUCCESS = 0.95
"""Correlation of the complex objects, after alignment, from which a reconstruction counts as found."""
ENGINE = (
    "simulation",
    "reconstruct",
    "runs",
    "preparation",
    "phasing",
    "network",
    "analysis",
)


class Rows:
    """A file of JSON lines, one a measurement; what is known is not measured again.

    Parameters
    ----------
    file
        Read at once if it exists.  Every new row is appended at once, so that a killed run goes on where it stopped.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.known: dict[str, dict[str, Any]] = {row["key"]: row for row in map(json.loads, lines)}
        self.used: dict[str, dict[str, Any]] = {}

    def get(self, key: str, measure: Callable[[], dict[str, Any]] | None = None) -> dict[str, Any] | None:
        """Return the row of a key; if it is not known, measure it, or return None where that is not wanted."""
        if key not in self.known:
            if measure is None:
                return None
            self.known[key] = {"key": key, **measure(), "made": made()}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.known[key], ensure_ascii=False) + "\n")
        self.used[key] = self.known[key]
        return self.known[key]

    def tidy(self) -> None:
        """Forget the rows that nobody asked for: other crystals, recipes, weights or code."""
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in self.used.values()]
        self.file.write_text("".join(lines), encoding="utf-8")


def key(*what: Any) -> str:
    """Return a short name for anything that JSON can hold."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def recipe_key(recipe: Recipe) -> list[Any]:
    """Return what a reconstruction depends on: the recipe, the weights themselves wherever their file lies, and the code."""
    document, weights = recipe.model_dump(), ""
    if recipe.guess.start != "random":
        weights = sha256(Path(recipe.guess.weights or SHIPPED))
    document["guess"]["weights"] = weights
    return [document, code(*ENGINE)]


def code(*parts: str) -> str:
    """Return a hash of modules or packages, named as ``phasing`` or ``training/losses``; comments and layout do not count.

    Raises
    ------
    FileNotFoundError
        If there is none of a name: rows would be taken for those of other code.
    """
    root = Path(napari_autophase.__file__).parent
    files: list[Path] = []
    for part in parts:
        module = root / f"{part}.py"
        found = [module] if module.is_file() else list((root / part).rglob("*.py"))
        if not found:
            raise FileNotFoundError(f"the package has no module {part}")
        files += found
    trees = [ast.dump(ast.parse(file.read_text(encoding="utf-8"))) for file in sorted(files)]
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:16]


def sha256(file: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def quartiles(rows: Iterable[dict[str, Any]], name: str) -> tuple[float, float, float] | None:
    """Return first quartile, median and third quartile of a figure, or None if no row has it."""
    values = [row[name] for row in rows if row.get(name) is not None]
    return tuple(np.percentile(values, [25, 50, 75]).tolist()) if values else None


def middle(rows: Iterable[dict[str, Any]], name: str) -> str:
    """Return a cell: the median, with the quartiles in brackets."""
    found = quartiles(rows, name)
    return f"{found[1]:.3g} ({found[0]:.2g}–{found[2]:.2g})" if found else "–"


def table(heading: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@cache
def made() -> dict[str, Any]:
    """Return what a result was measured with: the program's version and commit, the device, and the versions of packages."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": processor(), "cores": os.cpu_count(), "gpu": device, "versions": versions()}


def save(file: Path, document: dict[str, Any]) -> None:
    """Write a result as JSON, with what it was measured with."""
    text = json.dumps({"made": made(), **document}, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def processor() -> str:
    """Return the processor's name."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> str:
    """Say what this was measured on, and with which versions."""
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {packages}"


def run(scan: Scan, recipe: Recipe) -> Reconstruction:
    """Reconstruct without a progress bar, which would take part of the time that is measured."""
    return napari_autophase.run(scan, recipe, report=lambda _: None)


def gmac(network: nn.Module, *inputs: Any, ask: Callable[..., object] | None = None) -> float:
    """Return the multiplications of a network's convolutions and linear layers for these inputs, in units of 1e9.

    `ask` is what is asked of it, if not the network itself.
    """
    total = 0.0

    def count(layer: nn.Module, _: object, output: Any) -> None:
        nonlocal total
        places = output[0, 0].numel() if isinstance(layer, nn.Conv3d) else 1
        total += layer.weight.numel() * places

    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv3d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    (ask or network)(*inputs)
    for hook in hooks:
        hook.remove()
    return total / 1e9
