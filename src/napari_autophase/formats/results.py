"""Reconstructions in HDF5: ours whole, and as much as there is of PyNX's and others'.

The object is stored as `reconstruction` defines it: the detector sees ``fftshift(fftn(ifftshift(object)))``, which is also
PyNX's sign, so that the phase is −Q·u in both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..recipe import Recipe
from ..reconstruction import TRUST_MAPS, Coherence, Reconstruction, Trust
from ..scan import InputError, Origin
from . import nexus
from .common import Dataset
from .links import Tree, local

PROGRAM = "napari-autophase"
"""What our own files say wrote them."""
MASK = "instrument_1/detector_1/mask"
"""Where the mask that was used stands in an entry, 0 being good."""
OF_THE_SCAN = "instrument_1/scan_geometry_1"
"""Where the geometry of the whole scan stands in an entry."""


def read_result(path: Path, tree: Tree, dataset: Dataset, found: np.ndarray) -> Reconstruction:
    """Read what stands around an object: all of it in our own files, what there is in PyNX's and others'.

    Parameters
    ----------
    path, tree, dataset
        The file, opened, and which of its datasets the object is.
    found
        The object, or what else is called so.

    Raises
    ------
    InputError
        If the file is damaged, or `dataset` is not a complex volume.
    """
    if dataset.dtype.kind != "c" or not dataset.is_volume:
        raise InputError(f"{path}::{dataset.path} is not a complex volume; open it as a scan (read_scan).")
    found = found.astype(np.complex64, copy=False)
    image = tree[dataset.path].parent
    supports = (local(image, name) for name in ("mask", "support"))
    stored = next((each for each in supports if isinstance(each, h5py.Dataset)), None)
    support = None if stored is None else stored[()].reshape(stored.shape[-3:]) != 0
    if support is not None and support.shape != found.shape:
        raise InputError(
            f"{path}: the support has shape {support.shape} but the object {found.shape}; repair the file."
        )
    process = local(image, "process_1")
    if (
        isinstance(process, h5py.Group)
        and nexus.scalar(local(process, "program")) == PROGRAM
        and support is not None
    ):
        return _read_ours(nexus.entry_of(tree, dataset.path), process, found, support)
    return _read_foreign(path, nexus.entry_of(tree, dataset.path), image, dataset, found, support)


def _read_ours(
    entry: h5py.Group, process: h5py.Group, found: np.ndarray, support: np.ndarray
) -> Reconstruction:
    def group(name: str) -> dict[str, Any]:
        inside = local(process, name)
        if not isinstance(inside, h5py.Group):
            raise InputError(f"{process.file.filename} has lost {process.name}/{name}; write it again.")
        return {key: local(inside, key) for key in inside}

    configuration, more = group("configuration"), group("reconstruction")
    stood, mask = local(entry, OF_THE_SCAN), local(entry, MASK)
    origin = nexus.scalar(configuration.get("origin"))

    shown = nexus.scalar(configuration.get("shown"))
    written = nexus.scalar(configuration["recipe"])
    recipe, lost = _recipe(written)

    def table(name: str) -> dict[str, Any]:
        return {key: nexus.scalar(item) for key, item in group(name).items()}

    return Reconstruction(
        object=found,
        support=support,
        recipe=recipe,
        recipe_as_written=written if lost else None,
        figures=table("results"),
        errors=more["errors"][()],
        iterations=nexus.scalar(more["iterations"]),
        seconds=table("seconds"),
        geometry=nexus.read_geometry(entry)[0],
        scan_geometry=None if stood is None else nexus.read_fields(stood),
        voxel_steps_nm=more["voxel_steps_nm"][()] if "voxel_steps_nm" in more else None,
        q_bragg_per_nm=more["q_bragg_per_nm"][()] if "q_bragg_per_nm" in more else None,
        peak=tuple(more["peak"][()].tolist()) if "peak" in more else None,
        name=nexus.scalar(local(entry, "sample_1/name")),
        source=nexus.scalar(configuration["source"]),
        device=nexus.scalar(configuration["device"]),
        backend=nexus.scalar(configuration.get("backend")) or "",
        weights_sha256=nexus.scalar(configuration.get("weights_sha256")),
        versions=table("versions"),
        notes=tuple(dict.fromkeys((*_texts(local(process, "notes")), *lost))),
        origin=None if origin is None else Origin.from_document(json.loads(origin)),
        shown={} if shown is None else json.loads(shown),
        used_sha256=table("used_sha256") if local(process, "used_sha256") is not None else {},
        good=mask[()] == 0 if isinstance(mask, h5py.Dataset) else None,
        coherence=Coherence(nexus.scalar(more["coherence"]), tuple(more["coherence_sigma_px"][()].tolist()))
        if "coherence" in more
        else Coherence(),
        verdict=nexus.scalar(configuration.get("verdict")) or "",
        trust=_read_trust(local(process, "trust")),
    )


def _read_trust(group: Any) -> Trust | None:
    figures = local(group, "figures") if isinstance(group, h5py.Group) else None
    if not isinstance(figures, h5py.Group):
        return None
    maps: dict[str, Any] = {name: group[name][()] for name in TRUST_MAPS}
    return Trust(
        **maps,
        figures={key: nexus.scalar(local(figures, key)) for key in figures},
        runs=tuple(json.loads(nexus.scalar(local(group, "runs")))),
        unit=nexus.scalar(local(group, "unit")),
    )


def _recipe(written: str) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe of a result whatever version wrote it, and a note of what this one does not know of it."""
    try:
        document = json.loads(written)
    except ValueError:
        document = written
    recipe, lost = Recipe.recovered(document)
    if not lost:
        return recipe, ()
    note = f"Another version of this program wrote the recipe; this one does not know {', '.join(lost)}."
    return recipe, (note,)


def of_parts(path: Path, what: str, amplitude: np.ndarray, phase: np.ndarray | None) -> Reconstruction:
    """Return the crystal that another program saved as amplitude and phase.

    Parameters
    ----------
    path, what
        The file, and what its amplitude is called.
    amplitude, phase
        Real volumes of one shape, the phase in rad; None: the file has none.

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
    found = (np.nan_to_num(amplitude) * np.exp(1j * np.nan_to_num(phase))).astype(np.complex64)
    threshold = Recipe().guess.threshold
    return Reconstruction(
        object=found,
        support=np.abs(found) > threshold * np.abs(found).max(),
        recipe=Recipe(),
        figures={"chi2": float("nan"), "free_llk": float("nan")},
        name=path.stem,
        source=f"{path}::{what}",
        notes=(
            "Made of the amplitude and the phase that another program saved; "
            f"the support is the amplitude above {threshold:g} of its maximum.",
            "Its Fourier sign is not recorded: ours is assumed (fft: phase = −Q·u), otherwise conjugate the object.",
            "Lengths are in voxels and the strain is relative: what the file knows of them is not read.",
        ),
    )


def _texts(item: Any) -> list[str]:
    return item.asstr()[()].tolist() if isinstance(item, h5py.Dataset) else []


def _read_foreign(
    path: Path,
    entry: h5py.Group,
    image: h5py.Group,
    dataset: Dataset,
    found: np.ndarray,
    support: np.ndarray | None,
) -> Reconstruction:
    program = nexus.scalar(local(entry, "program_name")) or "another program"
    pynx = program.startswith("PyNX")
    notes = [
        f"Written by {program}, " + ("whose Fourier sign is ours (fft: phase = −Q·u)." if pynx else
        "whose Fourier sign is not recorded: ours is assumed (fft: phase = −Q·u), otherwise conjugate the object.")
    ]  # fmt: skip
    if len(dataset.shape) == 4 and dataset.shape[0] > 1:
        notes.append(f"This is the first of {dataset.shape[0]} modes.")
    notes.append("The recipe is this program's default, not the one it was phased with.")
    threshold = Recipe().guess.threshold
    if support is None:
        amplitude = np.abs(found)
        support = amplitude > threshold * amplitude.max()
        notes.append(f"The file has no support: it is the amplitude above {threshold:g} of its maximum.")
    # PyNX keeps how it phased beside the object, or, in a file of modes, beside the analysis
    processes = [
        group for name in ("process_1", "process_2") if isinstance(group := local(image, name), h5py.Group)
    ]
    figures = {"chi2": float("nan"), "free_llk": float("nan")}
    iterations = 0
    for process in processes:
        phased = local(process, "configuration/iobs_shape")
        if isinstance(phased, h5py.Dataset) and (shape := tuple(phased[()].tolist())) != found.shape:
            notes.append(
                f"The object is a cut from the phased grid of {' × '.join(map(str, shape))}, which sets its voxel size."
            )
        group = local(process, "results")
        results = {key: local(group, key) for key in group} if isinstance(group, h5py.Group) else {}
        figures |= {key: nexus.scalar(item) for key, item in results.items()
                    if isinstance(item, h5py.Dataset) and not item.shape and item.dtype.kind == "f"}  # fmt: skip
        history = results.get("cycle_history")
        if isinstance(history, h5py.Dataset) and "cycle" in (history.dtype.names or ()):
            iterations = int(history["cycle"].max()) + 1
    geometry, about = nexus.read_geometry(entry)
    if geometry is None:
        notes.append(
            "The file holds no diffractometer angles: lengths are in voxels and the strain is relative."
        )
    return Reconstruction(
        object=found,
        support=support,
        recipe=Recipe(),
        figures=figures,
        iterations=iterations,
        geometry=geometry,
        name=about.get("sample") or path.stem,
        source=str(path),
        versions={program.partition(" ")[0]: program.partition(" ")[2]} if pynx else {},
        notes=tuple(notes),
    )
