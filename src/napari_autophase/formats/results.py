"""Reconstructions in HDF5: ours whole, and as much as there is of PyNX's and others'.

The object is stored as `reconstruction` defines it: the detector sees ``fftshift(fftn(ifftshift(object)))``, which is also
PyNX's sign, so that the phase is −Q·u in both.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..evidence import TRUST_MAPS, Curve, Shells, Trust
from ..light import Background, Coherence
from ..reconstruction import Reconstruction
from ..scan import InputError, Origin
from . import instrument, nexus, own_maps
from .common import Dataset, as_volume
from .foreign import UNKNOWN, Beside, Program, crystal, first_of, pynx
from .links import Tree, local

if TYPE_CHECKING:
    from ..recipe import Recipe

PROGRAM = "napari-autophase"
"""What our own files say wrote them."""
MASK = "instrument_1/detector_1/mask"
"""Where the mask that was used stands in an entry, 0 being good."""
OF_THE_SCAN = "instrument_1/scan_geometry_1"
"""Where the geometry of the whole scan stands in an entry."""


class NoObject(InputError):
    """An array that is no crystal."""


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
    if dataset.dtype.kind != "c" or not (dataset.is_volume or dataset.is_small):
        raise NoObject(f"{path}::{dataset.path} is not a complex volume; open it as a scan (read_scan).")
    found = as_volume(found).astype(np.complex64, copy=False)
    if found.ndim == 4:
        found = found[0]
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
    entry = nexus.entry_of(tree, dataset.path)
    for group in (image, local(entry, "about")):
        if isinstance(group, h5py.Group) and (said := own_maps.said_in(group)) is not None:
            return crystal(path, "", found, own_maps.OURS, own_maps.beside(said, support))
    return _read_foreign(path, entry, image, dataset, found, support)


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
    origin, metadata = nexus.scalar(configuration.get("origin")), nexus.scalar(local(entry, nexus.METADATA))

    def sides(name: str) -> tuple[int, int, int] | None:
        item = configuration.get(name)
        return tuple(item[()].tolist()) if isinstance(item, h5py.Dataset) else None

    phased_shape = sides("iobs_shape")

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
        geometry=instrument.read_geometry(entry)[0],
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
        coherence=Coherence(
            nexus.scalar(more["coherence"]),
            tuple(more["coherence_sigma_px"][()].tolist()),
            float(nexus.scalar(more["coherence_lorentzian"])) if "coherence_lorentzian" in more else 0.0,
            tuple(more["coherence_correlations"][()].tolist())
            if "coherence_correlations" in more
            else (0.0, 0.0, 0.0),
            more["coherence_kernel"][()] if "coherence_kernel" in more else None,
        )
        if "coherence" in more
        else Coherence(),
        background=Background(
            nexus.scalar(more["background"]), float(nexus.scalar(more["background_photons_per_voxel"]))
        )
        if "background" in more
        else Background(),
        verdict=nexus.scalar(configuration.get("verdict")) or "",
        trust=_read_trust(local(process, "trust")),
        shells=_read_shells(local(process, "shells")),
        phased_shape=None if phased_shape == found.shape else phased_shape,
        scan_shape=sides("scan_shape"),
        metadata={} if metadata is None else json.loads(metadata),
        starred=bool(nexus.scalar(configuration.get("starred"))),
        remark=nexus.scalar(configuration.get("remark")) or "",
        called=nexus.scalar(configuration.get("called")) or "",
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
        fsc=_read_curve(local(group, "fsc")),
        prtf=_read_curve(local(group, "prtf")),
        objects=kept[()] if isinstance(kept := local(group, "objects"), h5py.Dataset) else None,
    )


def _read_curve(group: Any) -> Curve | None:
    names = [one.name for one in fields(Curve)]
    if not isinstance(group, h5py.Group) or any(name not in group for name in names):
        return None
    return Curve(*(group[name][()] for name in names))


def _read_shells(group: Any) -> Shells | None:
    names = [one.name for one in fields(Shells)]
    if not isinstance(group, h5py.Group) or any(name not in group for name in names):
        return None
    values: dict[str, Any] = {name: group[name][()] for name in names}
    return Shells(**{**values, "unit": nexus.scalar(group["unit"])})


def _recipe(written: str) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe of a result whatever version wrote it, and a note of what this one does not know of it."""
    from ..recipe import Recipe

    try:
        document = json.loads(written)
    except ValueError:
        document = written
    recipe, lost = Recipe.recovered(document)
    if not lost:
        return recipe, ()
    note = f"Another version of this program wrote the recipe; this one does not know {', '.join(lost)}."
    return recipe, (note,)


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
    name = nexus.scalar(local(entry, "program_name")) or UNKNOWN.name
    program = pynx(name) if name.startswith("PyNX") else Program(name)
    notes = []
    # PyNX keeps how it phased beside the object, or, in a file of modes, beside the analysis
    processes = [
        group for name in ("process_1", "process_2") if isinstance(group := local(image, name), h5py.Group)
    ]
    figures: dict[str, float] = {}
    iterations, phased = 0, None
    for process in processes:
        grid = local(process, "configuration/iobs_shape")
        if isinstance(grid, h5py.Dataset):
            phased = tuple(grid[()].tolist())
        group = local(process, "results")
        results = {key: local(group, key) for key in group} if isinstance(group, h5py.Group) else {}
        figures |= {key: nexus.scalar(item) for key, item in results.items()
                    if isinstance(item, h5py.Dataset) and not item.shape and item.dtype.kind == "f"}  # fmt: skip
        history = results.get("cycle_history")
        if isinstance(history, h5py.Dataset) and "cycle" in (history.dtype.names or ()):
            iterations = int(history["cycle"].max()) + 1
    if len(dataset.frames) == 4:
        notes.append(first_of(dataset.frames[0]))
    weights = local(entry, "data_2/data")
    if program.sign and len(dataset.shape) == 4 and isinstance(weights, h5py.Dataset) and weights.ndim == 1:
        shares = np.asarray(weights[()], float)
        figures["first_mode"] = float(shares[0] / shares.sum()) if shares.sum() > 0 else float("nan")
        notes.append(
            f"It is the first mode of {len(shares)} runs and has {100 * figures['first_mode']:.1f} % of their weight."
        )
    geometry, about, _ = instrument.read_geometry(entry)
    beside = Beside(
        support=support,
        phased_shape=phased,
        metadata=about,
        figures=figures,
        iterations=iterations,
        name=about.get("sample"),
        versions={name.partition(" ")[0]: name.partition(" ")[2]} if program.sign else {},
        notes=tuple(notes),
    )
    result = crystal(path, "", found, program, beside)
    return result if geometry is None else replace(result, geometry=geometry)
