"""What cohere leaves of a reconstruction: a folder with ``image.npy`` and ``support.npy``.

Its arrays are (column, row, frame), and it goes to the detector by ``ifft``, so that its phase is +Q·u.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..reconstruction import Reconstruction
from ..scan import InputError
from .common import check_memory
from .foreign import COHERE, Beside, crystal
from .paths import damage

IMAGE, SUPPORT, ERRORS = "image.npy", "support.npy", "errors.txt"


def is_image(path: Path) -> bool:
    """Tell whether a file is the image in a folder of cohere's."""
    return path.name == IMAGE and path.with_name(SUPPORT).is_file()


def is_folder(path: Path) -> bool:
    """Tell whether a folder is one of cohere's results."""
    return path.is_dir() and is_image(path / IMAGE)


def read(folder: Path) -> Reconstruction:
    """Return the reconstruction of a folder.

    Raises
    ------
    InputError
        If a file of it is damaged, or the image is not a complex volume.
    """
    image, support = (_array(folder / name) for name in (IMAGE, SUPPORT))
    if image.dtype.kind != "c" or image.ndim != 3:
        raise InputError(
            f"{folder / IMAGE} is {image.dtype} of shape {image.shape}, not the complex volume that cohere writes."
        )
    errors = _errors(folder / ERRORS)
    beside = Beside(
        support=support.transpose() != 0, errors=errors, iterations=len(errors), name=_name(folder)
    )
    return crystal(folder, "", image.transpose(), COHERE, beside)


def _name(folder: Path) -> str:
    """Return what the result is called: cohere's folders are ``EXPERIMENT/results_phasing``."""
    whole = folder.resolve()
    return whole.parent.name if whole.name.startswith("results") else whole.name


def _array(path: Path) -> np.ndarray:
    with damage(path):
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    check_memory(mapped.shape, mapped.dtype, path)
    return np.array(mapped)


def _errors(path: Path) -> np.ndarray:
    """Return the error of every iteration; nothing where there is no such file, or it is not made of numbers."""
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").replace("[", " ").replace("]", " ").split()
        return np.array([float(word) for word in words], np.float32)
    except (OSError, ValueError):
        return np.zeros(0, np.float32)
