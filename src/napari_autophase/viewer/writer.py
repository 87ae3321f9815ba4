"""Saving: the reconstruction behind napari's layers, as a file that our reader opens again."""

from __future__ import annotations

from collections.abc import Sequence

from napari.utils.notifications import show_warning

from ..reconstruction import Reconstruction
from ..scan import InputError
from . import palette
from .model.crystal.drawing import Look
from .model.crystal.result_data import RESULT
from .model.result.saving import save
from .model.stage.layers import RECONSTRUCTION, LayerData, ResultLayers


def write_reconstruction(path: str | None = None, layer_data: Sequence[LayerData] = ()) -> list[str]:
    """Write the reconstruction that the layers show; napari calls this from *File > Save*.

    Without a path, as the command palette calls it, ask for one and save the result whose layer is selected.

    Parameters
    ----------
    path
        Where to; ``.cxi`` is added where a suffix is missing.
    layer_data
        Layers as (data, attributes, type); any one layer of a result stands for the whole of it.

    Returns
    -------
    list of str
        The path written, or nothing, after a message, where the layers show no reconstruction of ours or more than one.

    Raises
    ------
    OSError
        If the file cannot be written, with the sentence that says why: napari takes a `ValueError`, which `InputError` is, for
        a writer that knows nothing of the layers, and says nothing.
    """
    if path is None:
        palette.save_result()
        return []
    found: list[Reconstruction] = []
    looks: list[Look | None] = []
    for _, attributes, _ in layer_data:
        reconstruction = attributes.get("metadata", {}).get(RECONSTRUCTION)
        if isinstance(reconstruction, Reconstruction) and not any(reconstruction is other for other in found):
            found.append(reconstruction)
            result = attributes["metadata"].get(RESULT)
            looks.append(result.look if isinstance(result, ResultLayers) else None)
    if not found:
        show_warning(
            "None of these layers shows a reconstruction: select a layer of a result (reconstruct a scan, if there is none), "
            "and save again."
        )
        return []
    if len(found) > 1:
        show_warning(
            f"These layers show {len(found)} reconstructions: select layers of one result and save again."
        )
        return []
    try:
        return [save(found[0], path, looks[0])]
    except InputError as error:
        raise OSError(str(error)) from error
