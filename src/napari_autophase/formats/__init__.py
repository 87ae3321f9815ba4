"""Files in and out: NumPy, TIFF, HDF5/NeXus and CXI, found by content not only by name.

``read`` gives a `Scan` or a `Reconstruction`, whichever the file holds; ``write`` saves a `Reconstruction`.  Arrays keep the
orientation and the dtype that the file has.  A name's module is loaded when it is first asked for: a list of scans needs few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..on_demand import fetched

if TYPE_CHECKING:
    from .backgrounds import background as background
    from .common import AmbiguousDataset as AmbiguousDataset
    from .common import AmbiguousScan as AmbiguousScan
    from .common import Dataset as Dataset
    from .common import check_memory as check_memory
    from .crop import crop_in as crop_in
    from .documents import report_in as report_in
    from .documents import result_of as result_of
    from .doors import datasets as datasets
    from .doors import frames_of as frames_of
    from .doors import holds_crystal as holds_crystal
    from .doors import read as read
    from .doors import read_reconstruction as read_reconstruction
    from .doors import read_scan as read_scan
    from .doors import reading_line as reading_line
    from .doors import recognise as recognise
    from .doors import write as write
    from .doors import write_scan as write_scan
    from .entry import ScanEntry as ScanEntry
    from .given import check_place as check_place
    from .given import image as image
    from .listing import scans as scans
    from .origin import sha256_of as sha256_of
    from .reading import numbers_in as numbers_in
    from .registry import suffixes as suffixes
    from .volumes import write_volume as write_volume
    from .whose import BY_NAMES as BY_NAMES

_HOLDS = {
    "backgrounds": ("background",),
    "common": ("AmbiguousDataset", "AmbiguousScan", "Dataset", "check_memory"),
    "crop": ("crop_in",),
    "documents": ("report_in", "result_of"),
    "doors": (
        "datasets",
        "frames_of",
        "holds_crystal",
        "read",
        "read_reconstruction",
        "read_scan",
        "reading_line",
        "recognise",
        "write",
        "write_scan",
    ),
    "entry": ("ScanEntry",),
    "given": ("check_place", "image"),
    "listing": ("scans",),
    "origin": ("sha256_of",),
    "reading": ("numbers_in",),
    "registry": ("suffixes",),
    "volumes": ("write_volume",),
    "whose": ("BY_NAMES",),
}
"""The public names, by the module that they stand in."""
_HOME = {name: module for module, names in _HOLDS.items() for name in names}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    return fetched(__name__, _HOME, name)


def __dir__() -> list[str]:
    return sorted(__all__)
