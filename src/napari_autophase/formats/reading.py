"""From a file's arrays to a scan: values become counts, masks are brought together, fields and the person's word are applied."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import memory
from ..geometry import Beamline, find_beamline
from ..scan import InputError, Scan, check_shape
from .axes import Axes
from .below import darkness
from .common import Dataset, Description, Hints, Volume, as_volume, check_memory, join_masks
from .copies import copies
from .correction import flat_field, insert_seam, one_frame, part_under
from .crop import PREPARING, Crop, crop_words, find, read_part
from .doubts import BY_NUMBERS, among_frames, few_frames, seen_of, which_rocks
from .given import Given, check_region, image
from .halved import halved
from .lost import unwritten, without_light
from .mask_beside import mask_beside
from .masks import Box, Region, StoredMask, bad_pixels, likely_bad, part_of
from .measured import Frames, described
from .origin import origin_of
from .paths import split_path
from .pedestal import photons
from .place import Place
from .registry import Format
from .stretched import check_order
from .values import Values, to_counts


@dataclass(frozen=True, eq=False)
class Reading:
    """What a person says about a scan that its files do not: see `formats.read_scan`."""

    mask: Given = None
    mask_good: int | None = None
    dark: Given = None
    white: Given = None
    roi: Region | None = None
    values: Values | None = None
    axes: tuple[int, int, int] | None = None
    spec: str | Path | None = None
    beamline: str | Beamline | None = None
    crop: Crop | None = None

    def __post_init__(self) -> None:
        if self.mask_good not in (None, 0, 1):
            raise InputError(f"--mask-good is {self.mask_good}: good pixels of a mask are 0 or 1.")
        if self.axes is not None and sorted(self.axes) != [0, 1, 2]:
            raise InputError(
                f"--axes {_with_commas(self.axes)}: name each of the file's axes 0, 1, 2 once, in the order rocking, row, column."
            )
        if self.values not in (None, "counts", "amplitudes", "scaled"):
            raise InputError(f"--values {self.values}: choose counts, amplitudes or scaled.")
        if self.roi is not None and not (0 <= self.roi[0] < self.roi[1] and 0 <= self.roi[2] < self.roi[3]):
            raise InputError(
                f"--roi {_with_commas(self.roi)}: give first row, end row, first column and end column of the frames."
            )

    def options(self) -> dict[str, Any]:
        """Return what was said of the scan, but for the part that is read."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "crop"}

    def words(self) -> dict[str, str]:
        """Return what a person said, as the command line writes it; arrays are left out."""
        said = {
            each: getattr(self, each)
            for each in ("mask", "dark", "white", "mask_good", "roi", "values", "axes", "spec")
        }
        words = {
            key: _with_commas(value) if isinstance(value, tuple) else str(value)
            for key, value in said.items()
            if value is not None and not isinstance(value, np.ndarray)
        }
        return words if self.crop is None else words | {"crop": crop_words(self.crop)}

    @property
    def hints(self) -> Hints:
        """What helps to understand the scan's own files."""
        place = find_beamline(self.beamline) if isinstance(self.beamline, str) else self.beamline
        return Hints(None if self.spec is None else Path(self.spec), place, Axes(self.axes).region(self.roi))


def make_scan(path: Path, kind: Format, chosen: Dataset, how: Reading) -> Scan:
    """Return the scan that a dataset of a file is.

    Raises
    ------
    InputError
        If it is none, something that was given does not fit, or memory runs out.
    """
    with memory.or_say(f"{path}::{chosen.path}" if chosen.path else str(path)):
        return _make_scan(path, kind, chosen, how)


def _make_scan(path: Path, kind: Format, chosen: Dataset, how: Reading) -> Scan:
    if chosen.dtype.kind == "c":
        raise InputError(
            f"{path} is a reconstruction, not a scan; open it as one (analyse, or File > Open)."
            if kind.holds_results
            else f"{path} holds complex numbers; a scan is photon counts. If it is a reconstruction, open it as one (analyse, or "
            "File > Open)."
        )
    source = f"{path}::{chosen.path}" if chosen.path else str(path)
    if 0 in chosen.shape:
        check_shape(np.empty(chosen.shape), source)
    if kind.is_object(path, chosen):
        raise InputError(
            f"{source} holds a crystal in direct space, not counts; open it as a reconstruction (analyse, or File > "
            "Open), or give the diffraction that it was phased from."
        )
    axes, turned = _axes(path, kind, chosen, how)
    whole = axes.shape(chosen.frames)
    asked = replace(chosen, shape=axes.detector(chosen.frames))
    about = kind.describes(path, asked, how.hints)
    if about.geometry is None and (how.hints.log is not None or "log" not in about.metadata):
        about = _with_log(path, kind, asked, about, how.hints)
    about = axes.described(about)
    order = about.order
    place = Place(whole, _checked(how.roi, whole) or about.region, about.detector)
    check_region(how.roi, place.detector)
    masks, unusable = _stored_masks(path, kind, about, how, axes, whole)
    for stored, _ in masks:
        if stored.given and stored.needed:
            place.check(stored.values, _called("mask", how.mask))
    if order is not None:
        masks = [(replace(each, values=_sorted(each.values, order)), good) for each, good in masks]
        about = replace(about, mask=None if about.mask is None else _sorted(about.mask, order))
    counts, place, cropped = _read(path, kind, chosen, axes, place, about.mask, masks, how.crop, order)
    of_camera = photons(counts, source) if how.values is None and how.dark is None else None
    counts, notes = to_counts(counts, source, how.values) if of_camera is None else of_camera
    bad, said = _masked(about.mask, masks, counts, place)
    counts, below, is_whole = darkness(counts, bad)
    if is_whole and how.values is None:
        counts, notes = to_counts(counts, source)
    if not np.any(counts > 0):
        raise InputError(
            f"{source} holds no counts at all: every value is zero, negative or no number; choose another dataset."
        )
    if counts.min() == counts.max() > 0:
        raise InputError(
            f"{source} holds {counts.flat[0]:g} in every voxel: there is no Bragg peak in it; choose another dataset."
        )
    if counts.max() == 1 and counts.min() == 0 and np.isin(counts, (0, 1)).all():
        raise InputError(
            f"{source} holds 0 and 1 alone, as masks do, and no counts; give the scan, and this file with --mask."
        )
    check_order(counts, source)
    # of a file that says nothing but numbers
    is_bare = how.axes is None and about.geometry is None and not (about.notes or turned)
    bad, empty = unwritten(counts, bad)
    bad, unlit = without_light(counts, bad)
    dark, white, averaged = _fields(how, axes, place, whole)
    offset = None if dark is None else part_under(dark, "dark", counts.shape, place.region, [])
    seen = seen_of(counts, bad)
    bad, broken, parted = halved(seen, bad)
    bad, same, twice = copies(seen, bad)
    doubts = [
        *(which_rocks(whole) if is_bare else ()),
        *few_frames(counts.shape),
        *empty,
        *unlit,
        *parted,
        *twice,
        *among_frames(seen, bad, {*same, *broken}, offset),
    ]
    doubts += [each for ask in BY_NUMBERS if how.values is None for each in ask(seen, bad, offset)]
    del seen
    part = kind.scan_of(chosen)
    scan = Scan.from_array(
        counts,
        name=f"{path.stem}_{part}" if part else path.stem,
        mask=bad,
        geometry=None if about.geometry is None else place.seen(about.geometry, counts.shape),
        source=source,
        metadata=_in_box(about.metadata, whole[0], place.box),
        notes=(
            *about.notes,
            *turned,
            *doubts,
            *unusable,
            *cropped,
            *notes,
            *said,
            *below,
        ),
    )
    if dark is not None or white is not None:
        scan = flat_field(scan, dark, white, place.region)
        scan = replace(scan, notes=(*scan.notes, *averaged))
    if about.seam is not None and about.region is not None and place.region is not None:
        scan = insert_seam(scan, about.seam, place.region)
    scan.corrections.update(how.words())
    box = place.box
    return replace(scan, origin=origin_of(path, replace(chosen, shape=whole), how.options(), box))


def _fields(
    how: Reading, axes: Axes, place: Place, whole: tuple[int, ...]
) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
    """Return the dark and the white field that a person gave, as frames are read, and what to say of them."""
    said: list[str] = []
    dark, white = (
        None
        if field is None
        else place.field(
            one_frame(axes.volume(image(field, name, whole)), name, said), _called(f"{name} field", field)
        )
        for field, name in ((how.dark, "dark"), (how.white, "white"))
    )
    return dark, white, said


def _axes(path: Path, kind: Format, chosen: Dataset, how: Reading) -> tuple[Axes, tuple[str, ...]]:
    """Return which axes of the file are which, as a person says, else as the file does, and what to say of that."""
    if how.axes is not None or len(chosen.frames) != 3:
        return Axes(how.axes), ()
    order, notes = kind.rocking(path, chosen).order(chosen.frames)
    return Axes(order), notes


def _read(
    path: Path,
    kind: Format,
    chosen: Dataset,
    axes: Axes,
    place: Place,
    mask: np.ndarray | None,
    masks: list[tuple[StoredMask, int | None]],
    crop: Crop | None,
    order: np.ndarray | None,
) -> tuple[np.ndarray, Place, tuple[str, ...]]:
    """Return the values that are wanted, where they lie, and what to say about that."""
    if crop is None:
        check_memory(chosen.shape, chosen.dtype, path, PREPARING)
        return _sorted(axes.volume(as_volume(kind.reads(path, chosen))), order), place, ()
    told = (likely_bad(stored, place.whole, place.stored, good) for stored, good in masks)
    bad = join_masks([each for each in (mask, *told) if each is not None], place.whole)
    if axes.order is None and order is None:
        values, found = read_part(path, kind, chosen, bad, crop)
    else:  # its frames lie across those of the file, or in another order
        check_memory(chosen.shape, chosen.dtype, path)
        stored = _sorted(axes.volume(as_volume(kind.reads(path, chosen))), order)
        found = find(Volume(lambda box: stored[box].copy()), stored.shape, bad, crop, path.name)
        values = stored[found.box].copy()
    return values, replace(place, box=found.box), found.notes


def _sorted(volume: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """Return a volume with its frames in some order; one frame for all is as it is."""
    alike = volume.ndim != 3 or volume.strides[0] == 0
    return volume if order is None or alike else volume[order]


def _in_box(metadata: dict[str, Any], frames: int, box: Box | None) -> dict[str, Any]:
    """Return metadata of the frames that are read: the monitor has a number for each of the file's."""
    monitor = metadata.get("monitor", ())
    return metadata | {"monitor": monitor[box[0]]} if box and len(monitor) == frames else metadata


def _with_log(path: Path, kind: Format, chosen: Dataset, about: Description, hints: Hints) -> Description:
    """Return what a file says of a scan together with what its log says, where there is one."""
    log, notes = kind.log(path, chosen, hints.log)
    if log is None:
        return replace(about, notes=(*about.notes, *notes))
    count, rows, columns = chosen.frames
    frames = Frames(
        path / chosen.path.strip("/"),  # which may be called after the detector
        (count, rows, columns),
        kind.frame_numbers(path),
        hints.region,
        known=about.metadata,
    )
    said = described(log, frames, hints.beamline)
    masks = [mask for mask in (about.mask, said.mask) if mask is not None]
    return replace(
        said,
        mask=join_masks(masks, frames.shape),
        stored_mask=about.stored_mask,
        metadata=about.metadata | said.metadata,
        notes=(*about.notes, *said.notes),
    )


def _checked(roi: Region | None, shape: tuple[int, ...]) -> Region | None:
    if roi is not None and (roi[1] - roi[0], roi[3] - roi[2]) != shape[1:]:
        raise InputError(
            f"--roi {_with_commas(roi)} is a region of {roi[1] - roi[0]} × {roi[3] - roi[2]} pixels, but the frames have "
            f"{shape[1]} × {shape[2]}: give first row, end row, first column, end column of the frames on the detector."
        )
    return roi


def _stored_masks(
    path: Path, kind: Format, about: Description, how: Reading, axes: Axes, whole: tuple[int, ...]
) -> tuple[list[tuple[StoredMask, int | None]], tuple[str, ...]]:
    """Return the masks of the file, of one beside it and of the person, with what good pixels are in each, where that was said.

    Also a note on one beside the file that cannot be used.
    """
    found, notes = [], tuple[str, ...]()
    its_good = how.mask_good if how.mask is None else None
    if about.stored_mask is not None:
        found.append((about.stored_mask, its_good))
    beside = mask_beside(path) if kind.masks_beside else None
    if beside is not None and not _is_named(how.mask, beside):
        try:
            stored = StoredMask(image(beside, "mask", whole), beside.name, needed=False, given=True)
            found.append((stored, its_good))
        except InputError as error:
            notes = (f"{beside.name}, by its name the mask of these data, is not used: {error}",)
    if how.mask is not None:
        where = "the mask given" if isinstance(how.mask, np.ndarray) else str(how.mask)
        found.append((StoredMask(image(how.mask, "mask", whole), where, given=True), how.mask_good))
    if not found and about.mask is None and how.mask_good is not None:
        notes = (
            *notes,
            "--mask-good says what good pixels are in a mask, and there is no mask: it does nothing.",
        )
    return [(replace(each, values=axes.volume(as_volume(each.values))), good) for each, good in found], notes


def _called(what: str, given: Given) -> str:
    """Return what to call an array, or a file, that a person gave."""
    return f"{what} given" if given is None or isinstance(given, np.ndarray) else f"{what} {given}"


def _is_named(mask: Given, file: Path) -> bool:
    """Tell whether a person named this very file as the mask."""
    return isinstance(mask, str | Path) and split_path(mask)[0].resolve() == file.resolve()


def _masked(
    mask: np.ndarray | None, masks: list[tuple[StoredMask, int | None]], counts: np.ndarray, place: Place
) -> tuple[np.ndarray | None, list[str]]:
    """Return what all masks together say is bad, and what to read about them."""
    bad, notes = mask, list[str]()
    if bad is not None:
        bad = bad[place.box or ()].copy()
    for stored, good in masks:
        if place.box is not None:
            stored = part_of(stored, place.whole, place.stored, place.box)
        found, said = bad_pixels(stored, counts, place.region, good)
        notes += said
        if found is not None:
            bad = found if bad is None else bad | found
    return bad, notes


def numbers_in(**options: str | None) -> dict[str, tuple[int, ...] | None]:
    """Return ``roi`` and ``axes`` as they are written on the command line, as numbers.

    Raises
    ------
    InputError
        If they are not so many whole numbers.
    """
    found: dict[str, tuple[int, ...] | None] = {}
    for name, text in options.items():
        count, example = {"roi": (4, "100,356,0,256"), "axes": (3, "2,0,1")}[name]
        try:
            found[name] = None if not text else tuple(int(part) for part in text.split(","))
        except ValueError:
            found[name] = ()
        if (numbers := found[name]) is not None and len(numbers) != count:
            raise InputError(
                f"--{name} '{text}': write {count} whole numbers with commas between, such as {example}."
            )
    return found


def _with_commas(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
