"""What is to be read, in the words in which the Load panel and the command line say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ....reconstruction import Reconstruction
from ....scan import Scan
from ..crystal.drawing import Drawing, draw

FILES = "Scans and results (*.npy *.npz *.mat *.tif *.tiff *.h5 *.hdf5 *.nxs *.cxi *.vti);;All files (*)"
"""What can be read, as name filters of a file dialog."""


@dataclass(frozen=True)
class Request:
    """A file, what is said of it, and the scans that are to be summed with it.

    Parameters
    ----------
    path, dataset
        The file, or ``FILE::DATASET``.
    mask, dark, white, mask_good, roi, values, axes, spec, crop
        What is said, as `Scan.corrections` has it; None: nothing.
    repeats, least
        Scans (``FILE::DATASET``) that repeat it, and the correlation that each needs to be summed.
    """

    path: str
    dataset: str | None = None
    mask: str | None = None
    dark: str | None = None
    white: str | None = None
    mask_good: str | None = None
    roi: str | None = None
    values: str | None = None
    axes: str | None = None
    spec: str | None = None
    crop: str | None = None
    repeats: tuple[str, ...] = ()
    least: float | None = None

    @classmethod
    def of(cls, scan: Any) -> Request:
        """Return what gives `scan` again; for anything that is no scan, an empty one."""
        if not isinstance(scan, Scan):
            return cls("")
        origin = scan.origin
        first, *repeats = (
            [each.source for each in origin.summed] if origin is not None and origin.summed else [scan.source]
        )
        path, _, dataset = first.partition("::")
        least = origin.least if origin is not None else None
        return cls(path, dataset or None, repeats=tuple(repeats), least=least, **scan.corrections)

    def saying(self, words: Mapping[str, str | None]) -> Request:
        """Return a request for the same, of which these words are said."""
        return replace(self, **words)  # type: ignore[arg-type]

    def said(self) -> dict[str, Any]:
        """Return what is said of the file, as `formats.read_scan` takes it; what is not said is left out.

        Raises
        ------
        InputError
            If numbers cannot be read.
        """
        from .... import formats

        words = {
            "mask": self.mask,
            "dark": self.dark,
            "white": self.white,
            "values": self.values,
            "spec": self.spec,
        }
        good = {"mask_good": int(self.mask_good) if self.mask_good else None}
        numbers = formats.numbers_in(roi=self.roi, axes=self.axes)
        found = words | good | numbers | {"crop": formats.crop_in(self.crop)}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def file(self) -> str:
        """The file, without the dataset that may be named behind it."""
        return file_of(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file).name


def file_of(source: str) -> str:
    """Return the file of ``FILE::DATASET``."""
    path = source.partition("::")[0]
    return str(Path(path)) if path else ""


def seen(scan: Scan) -> Scan:
    """Return a scan of which the picture that its layer shows has been computed: the window need not wait for it."""
    from .scan_picture import picture  # brings scipy: a dock opens without

    picture(scan)
    return scan


def scan_behind(result: Reconstruction, source: Path | None = None) -> Scan:
    """Read the scan in which a result was found, from where it lies now if that is known."""
    from ....repeat import scan_behind

    return seen(scan_behind(result, source))


def read(request: Request) -> Scan | Drawing:
    """Read what was asked for: a scan, the sum of several, or the drawing of a result.

    Raises
    ------
    InputError
        As `formats.read`.
    """
    from .... import formats

    said = request.said()
    if request.repeats:
        from ....preparation import repeats

        def one(source: str, shape: tuple[int, int, int] | None) -> Scan:
            return formats.read_scan(source, **{**said, **({} if shape is None else {"crop": shape})})

        first = f"{request.path}::{request.dataset}" if request.dataset else request.path
        least = repeats.LEAST if request.least is None else request.least
        found = repeats.sum_of([first, *request.repeats], one, least)
        return seen(replace(found, name=f"{found.name}, summed"))
    if said:
        return seen(formats.read_scan(request.path, dataset=request.dataset, **said))
    anything = formats.read(request.path, dataset=request.dataset)
    return draw(anything) if isinstance(anything, Reconstruction) else seen(anything)
