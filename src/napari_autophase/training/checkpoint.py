"""Checkpoints on disk: safetensors pieces of bounded size, and one JSON document that is replaced last.

A kill or a full disk at any moment leaves either the previous checkpoint or the new one, whole: pieces have the step in their
names, so that none is ever overwritten while the document still names it, and the document changes in one rename.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor

from .. import files
from ..scan import InputError

DOCUMENT = "checkpoint.json"
_PIECES = "checkpoint-*.safetensors"
PIECE_BYTES = 14_500_000
"""Bytes of tensors in a piece; with the names in its header it stays below 15 MB."""


class Checkpoint(NamedTuple):
    """What was read back.

    Parameters
    ----------
    document
        As it was given to `save`.
    tensors
        By name, on the CPU.
    """

    document: dict[str, Any]
    tensors: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with ``prefix/``, without it."""
        start = f"{prefix}/"
        return {
            name.removeprefix(start): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(start)
        }


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Write a checkpoint; the pieces of the one before are removed afterwards.

    Parameters
    ----------
    folder
        Of the run; it exists.
    step
        Number of batches done: part of the pieces' names, and never saved twice.
    tensors
        Any dtype and device; large ones are cut.
    document
        What else there is to remember, as plain values.

    Raises
    ------
    InputError
        If it cannot be written; the checkpoint before is as it was.
    """
    if (folder / DOCUMENT).exists() and _read(folder).get("step") == step:
        return
    pieces: list[str] = []

    def contents() -> Iterator[tuple[Path, files.Content]]:
        for number, content in enumerate(_pieces(tensors)):
            pieces.append(_PIECES.replace("*", f"{step:08}-{number:03}"))
            yield folder / pieces[-1], as_bytes(content)
        shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
        written = {**document, "step": step, "pieces": pieces, "shapes": shapes}
        yield folder / DOCUMENT, json.dumps(written, indent=1)

    files.write_together(contents())
    _remove(old for old in folder.glob(_PIECES) if old.name not in pieces)


def remove_parts(folder: Path) -> None:
    """Remove what a kill in the middle of a write has left in a run's folder."""
    _remove(folder.glob(files.PARTS))


def load(folder: Path) -> Checkpoint | None:
    """Read the checkpoint of a run's folder; None if there is none.

    Raises
    ------
    InputError
        If it is not whole.
    """
    if not (folder / DOCUMENT).exists():
        return None
    document = _read(folder)
    chunks: dict[str, list[Tensor]] = {}
    try:
        for piece in document.pop("pieces"):
            for key, chunk in sorted(load_file(folder / piece).items(), key=lambda item: _order(item[0])):
                chunks.setdefault(key.rpartition("@")[0], []).append(chunk)
        shapes: dict[str, list[int]] = document.pop("shapes")
        tensors = {name: torch.cat(chunks[name]).reshape(shape) for name, shape in shapes.items()}
    except (KeyError, OSError, RuntimeError, SafetensorError):
        raise InputError(
            f"The checkpoint in {folder} is damaged or of an earlier version; remove its {DOCUMENT} to begin anew "
            '("from_weights" starts from any weights file).'
        ) from None
    return Checkpoint(document, tensors)


def _remove(old: Iterable[Path]) -> None:
    for file in old:
        with suppress(OSError):  # it takes room and does no harm
            file.unlink()


def _read(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder / DOCUMENT} cannot be read; remove it to begin the run anew.") from None


def _order(key: str) -> tuple[str, int]:
    name, _, number = key.rpartition("@")
    return name, int(number)


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield dictionaries of flat chunks named ``name@0``, ``name@1``, …; each holds at most `PIECE_BYTES`."""
    piece: dict[str, Tensor] = {}
    room = PIECE_BYTES
    for name, tensor in tensors.items():
        flat = tensor.detach().to("cpu").reshape(-1)
        size, at, number = flat.element_size(), 0, 0
        while at < flat.numel() or number == 0:  # an empty tensor is one empty chunk
            if room < size:
                yield piece
                piece, room = {}, PIECE_BYTES
            chunk = flat[at : at + room // size]
            # a copy: slices share their storage, which safetensors would refuse
            piece[f"{name}@{number}"] = chunk.clone()
            room -= chunk.numel() * size
            at, number = at + chunk.numel(), number + 1
    if piece:
        yield piece
