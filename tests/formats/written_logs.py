"""Logs as beamlines write them, made by the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile


def counts(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A peak on few photons, no two frames alike."""
    noise = np.random.default_rng(seed).poisson(0.05, shape)
    at = [np.exp(-(((np.arange(n) - n // 2) / 3.0) ** 2)) for n in shape]
    return (noise + (5000 * at[0][:, None, None] * at[1][:, None] * at[2]).astype(int)).astype("u4")


def spec_header(motors: Mapping[str, float], short: Mapping[str, str] | None = None) -> str:
    """The header of a file: the names of motors, eight a line, two spaces between."""
    names = list(motors)
    rows = [names[at : at + 8] for at in range(0, len(names), 8)]
    lines = [
        f"#F {'/data/sample.spec'}",
        "#E 1580609738",
        "#D Sat Feb 01 20:15:38 2020",
        "#C beamline  User = user",
        "",
    ]
    lines += [f"#O{index} {'  '.join(row)}" for index, row in enumerate(rows)]
    if short is not None:
        lines += [f"#o{index} {' '.join(short[name] for name in row)}" for index, row in enumerate(rows)]
    return "\n".join([*lines, "", ""])


def spec_scan(
    number: int,
    command: str,
    motors: Mapping[str, float],
    columns: Mapping[str, Sequence[float]],
    lines: Sequence[str] = (),
    end: str = "",
) -> str:
    """One scan: its command, the readings, other lines, the table."""
    values = list(motors.values())
    rows = [values[at : at + 8] for at in range(0, len(values), 8)]
    text = [f"#S {number}  {command}", "#D Tue Feb 04 12:28:23 2020", "#T 0.25  (Seconds)"]
    text += [f"#P{index} {' '.join(f'{value:.10g}' for value in row)}" for index, row in enumerate(rows)]
    text += [*lines, f"#N {len(columns)}", f"#L {'  '.join(columns)}"]
    text += [" ".join(f"{value:.10g}" for value in row) for row in zip(*columns.values(), strict=True)]
    return "\n".join([*text, *([end] if end else []), "", ""])


def fio(
    path: Path,
    command: str,
    parameters: Mapping[str, object],
    columns: Mapping[str, Sequence[float]],
    *,
    ended: bool = True,
) -> None:
    """A fio file."""
    lines = [
        "!",
        "! Comments",
        "%c",
        f" {command}",
        " user somebody Acquisition started at Tue Nov 05 12:00:00 2019",
    ]
    lines += ["!", "! Parameter", "%p", *(f" {name} = {value}" for name, value in parameters.items())]
    lines += ["!", "! Data", "%d", *(f" Col {at} {name} DOUBLE" for at, name in enumerate(columns, 1))]
    lines += [" " + " ".join(f"{value:.10g}" for value in row) for row in zip(*columns.values(), strict=True)]
    lines += ["! Acquisition ended at Tue Nov 05 12:10:00 2019"] if ended else []
    path.write_text("\n".join(lines) + "\n")


def tiffs(folder: Path, stack: np.ndarray, name: str = "frame_{:05d}.tif", first: int = 0) -> Path:
    """A folder of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(stack):
        tifffile.imwrite(folder / name.format(first + index), frame, photometric="minisblack")
    return folder
