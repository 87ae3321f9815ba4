"""Results of other programs: whose Fourier sign is whose, and what becomes a `Reconstruction` of theirs.

Ours, and PyNX's, is ``fft`` from the object to the detector: the phase is −Q·u.  cohere goes there by ``ifft``, and bcdi and
cdiutils save the phase after a change of sign: theirs is +Q·u, and the object is conjugated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..reconstruction import UNKNOWN_GEOMETRY, Reconstruction
from ..scan import InputError


@dataclass(frozen=True)
class Program:
    """Who wrote a result.

    Parameters
    ----------
    name
        For sentences, with its version where it is known.
    sign
        -1: the phase is −Q·u (ours); 1: it is +Q·u; None: nobody knows.
    why
        What makes the sign, in brackets.
    """

    name: str = "another program"
    sign: int | None = None
    why: str = ""

    @property
    def sentence(self) -> str:
        """Say which sign it has, and what was done about it."""
        if self.sign is None:
            return (
                f"Written by {self.name}, whose Fourier sign is not recorded: ours is assumed (fft: phase = −Q·u); "
                "otherwise give --conjugate."
            )
        if self.sign < 0:
            return f"Written by {self.name}, whose Fourier sign is ours ({self.why}: phase = −Q·u)."
        return f"Written by {self.name}, whose Fourier sign is not ours ({self.why}: phase = +Q·u): it is conjugated here."


UNKNOWN = Program()
COHERE = Program("cohere", 1, "ifft")


def pynx(name: str) -> Program:
    """Return PyNX by what it calls itself, ``PyNX 2025.1``."""
    return Program(name, -1, "fft")


def cdiutils(version: str) -> Program:
    """Return cdiutils, which saves the negative of the phase of PyNX's object."""
    return Program(f"cdiutils {version}".strip(), 1, "the phase of PyNX's object times −1")


def bcdi(inverted: bool) -> Program:
    """Return bcdi, which turns the sign of the phase unless it is told not to (``invert_phase``)."""
    return Program("bcdi", 1 if inverted else -1, f"invert_phase {inverted}")


@dataclass(frozen=True, eq=False)
class Beside:
    """What a file says beside the object.

    Parameters
    ----------
    support
        Of the object's shape; None: there is none.
    voxel_steps_nm, q_bragg_per_nm
        As in `Reconstruction`, where the object is on a grid of the laboratory; None: unknown.
    phased_shape, metadata, figures, iterations, errors, name, versions, notes
        As in `Reconstruction`.
    """

    support: np.ndarray | None = None
    voxel_steps_nm: np.ndarray | None = None
    q_bragg_per_nm: np.ndarray | None = None
    phased_shape: tuple[int, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    iterations: int = 0
    errors: np.ndarray | None = None
    name: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def first_of(modes: int) -> str:
    """Say which of several modes a crystal is."""
    return f"This is the first of {modes} modes."


def crystal(
    path: Path, what: str, found: np.ndarray, program: Program, beside: Beside | None = None
) -> Reconstruction:
    """Return the reconstruction that a complex volume of another program is.

    Parameters
    ----------
    path, what
        The file, and which of its arrays it is ("" where there is but one).
    found
        Complex, 3-D, with the sign of `program`; not finite where there is nothing.
    program, beside
        Who wrote it, and what is known beside.

    Raises
    ------
    InputError
        If the support is of another shape, or nothing is in the volume.
    """
    beside = beside or Beside()
    found = np.nan_to_num(found, posinf=0, neginf=0).astype(np.complex64)
    if program.sign == 1:
        found = np.conj(found)
    from ..recipe import Recipe

    amplitude = np.abs(found)
    if not amplitude.any():
        raise InputError(
            f"{path}{'::' if what else ''}{what} is zero or no number everywhere: there is no crystal in it; give the file of "
            "another run, or another array of this one (FILE::NAME)."
        )
    notes = [
        program.sentence,
        *beside.notes,
        "The recipe is this program's default, not the one it was phased with.",
    ]
    support = beside.support
    if support is None:
        threshold = Recipe().guess.threshold
        support = amplitude > threshold * amplitude.max()
        notes.append(f"The file has no support: it is the amplitude above {threshold:g} of its maximum.")
    elif support.shape != found.shape:
        raise InputError(
            f"{path}: the support has shape {support.shape} but the object {found.shape}; repair the file."
        )
    if beside.voxel_steps_nm is None or beside.q_bragg_per_nm is None:
        notes.append(UNKNOWN_GEOMETRY)
    phased = None if beside.phased_shape in (None, found.shape) else beside.phased_shape
    if phased is not None:
        grid = " × ".join(map(str, phased))
        notes.append(f"The object is a cut from the phased grid of {grid}, which sets its voxel size.")
    return Reconstruction(
        object=found,
        support=support,
        recipe=Recipe(),
        figures=dict(beside.figures),
        errors=np.zeros(0, np.float32) if beside.errors is None else beside.errors,
        iterations=beside.iterations,
        voxel_steps_nm=beside.voxel_steps_nm,
        q_bragg_per_nm=beside.q_bragg_per_nm,
        name=beside.name or path.stem,
        source=f"{path}::{what}" if what else str(path),
        versions=dict(beside.versions),
        notes=tuple(notes),
        phased_shape=phased,  # type: ignore[arg-type]
        metadata=dict(beside.metadata),
    )


def of_parts(
    path: Path,
    what: str,
    amplitude: np.ndarray,
    phase: np.ndarray | None,
    program: Program = UNKNOWN,
    beside: Beside | None = None,
) -> Reconstruction:
    """Return the crystal that another program saved as amplitude and phase.

    Parameters
    ----------
    path, what
        The file, and what its amplitude is called.
    amplitude, phase
        Real volumes of one shape, the phase in rad; None: the file has none.
    program, beside
        As for `crystal`.

    Raises
    ------
    InputError
        If one of them is missing.
    """
    if phase is None or phase.shape != amplitude.shape:
        raise InputError(
            f"{path}::{what} holds a part of a crystal in direct space, not counts, and not both its amplitude and its phase; "
            "open the diffraction that it was phased from, or a file that holds both."
        )
    found = np.nan_to_num(amplitude) * np.exp(1j * np.nan_to_num(phase))
    return crystal(path, what, found, program, beside)


def laboratory_steps(voxel_size_nm: Any, axes: str = "zyx") -> np.ndarray:
    """Return the voxel steps (3 × 3, columns) of an orthogonal grid whose array axes lie along those of the laboratory."""
    steps = np.zeros((3, 3))
    for column, (axis, size) in enumerate(zip(axes, np.broadcast_to(voxel_size_nm, 3), strict=True)):
        steps["xyz".index(axis), column] = float(size)
    return steps
