"""From arguments to the nouns: which recipe, which scan, which geometry, which reflection."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..geometry import INCOMPLETE, begins_again, complete, find_beamline, find_material, indices, spacing_nm
from ..presets import Preset
from ..recipe import Recipe
from ..reconstruction import Reconstruction
from ..scan import Geometry, InputError, Origin, Scan
from .arguments import key_and_value, plain

_GEOMETRY = "geometry."
"""Settings whose keys begin with this are the geometry's, all others the recipe's."""


@dataclass(frozen=True)
class GeometryChoice:
    """What the command line says of the geometry.

    Parameters
    ----------
    path
        A file that has one: JSON, a report, a result or a scan.
    beamline
        Its name, or a JSON file that describes it.
    settings
        ``KEY=VALUE`` with keys of `Geometry`, or motors' names, without the ``geometry.`` in front.
    """

    path: Path | None = None
    beamline: str | None = None
    settings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        path: Path | None,
        beamline: str | None,
        settings: list[str] | None,
        beside_recipe: bool = False,
    ) -> GeometryChoice:
        """Return the choice, from all the settings that a command was given, the recipe's among them or not.

        Raises
        ------
        InputError
            If one is not the geometry's, and the command has no recipe.
        """
        own = [each.strip() for each in settings or ()]
        others = [each for each in own if not each.startswith(_GEOMETRY)]
        if others and not beside_recipe:
            raise InputError(
                f"--set {others[0]}: this command takes the geometry's settings alone, such as {_GEOMETRY}energy_kev=9."
            )
        return cls(
            path, beamline, tuple(each[len(_GEOMETRY) :] for each in own if each.startswith(_GEOMETRY))
        )

    def document(self) -> dict[str, Any]:
        """Return what is said, later words over earlier ones: the file, the beamline, the settings.

        Raises
        ------
        InputError
            If the file has no geometry, or a setting cannot be read.
        """
        found = {} if self.path is None else _document(self.path)
        if self.beamline is not None:
            found = {key: value for key, value in found.items() if key not in _OF_A_BEAMLINE}
            found["beamline"] = self.beamline
        for setting in self.settings:
            key, value = key_and_value(setting, f"{_GEOMETRY}energy_kev=9")
            found[key] = plain(value)
        return found

    def said_beamline(self) -> str | None:
        """Return the beamline that --beamline or --set names, or as a JSON file."""
        said = replace(self, path=None).document().get("beamline")
        return None if said is None else str(said)

    def applied(self, scan: Scan) -> Scan:
        """Return `scan` with the geometry that its file and the command line make together.

        Raises
        ------
        InputError
            Naming everything that is still missing, or wrong.
        """
        from .. import formats

        said = self.document()
        if not said:
            return scan
        # a whole geometry takes the place of another; what a file knows of one is of use to both
        takes_its_place = self.path is not None and scan.geometry is not None
        own = {} if takes_its_place else _known(scan)
        # what is said is said of the whole frames
        part = scan.origin
        try:
            found = self._completed(said, own, scan.source)
        except InputError as error:
            # what is lacking may stand in a log that was not used
            why = [note for note in scan.notes if formats.BY_NAMES in note]
            raise InputError(" ".join([*why, str(error)])) from None
        formats.check_place(scan, found, is_named="detector" in said | own)
        notes = (
            [f"The geometry is that of {self.path}, not the one of the scan's own files."]
            if takes_its_place
            else []
        )
        angles = found.rocking_angles_deg
        if (
            angles is not None
            and (read := said.get("rocking_angles_deg")) is not None
            and tuple(read) != angles
        ):
            notes.append(begins_again("the rocking motor", "the geometry", angles))
        # what was lacking is there now
        notes += [note for note in scan.notes if not note.startswith(INCOMPLETE)]
        return replace(scan, geometry=found if part is None else part.cropped(found), notes=tuple(notes))

    def placed(
        self,
        found: Reconstruction,
        peak: tuple[float, float] | None = None,
        binning: tuple[int, int, int] | None = None,
    ) -> Reconstruction:
        """Return a result in the geometry that its file and the command line make together; see `placement.placed`.

        Raises
        ------
        InputError
            As `applied`.
        """
        from ..placement import placed

        said = self.document()
        if not said:
            return found
        stood, part = found.scan_geometry or found.geometry, found.origin
        whole = (
            stood if part is None or found.scan_geometry is None or stood is None else part.uncropped(stood)
        )
        own = found.metadata if whole is None else asdict(whole)
        if self.path is not None and whole is not None:
            own = {}
        geometry = self._completed(
            said,
            {key: value for key, value in own.items() if key in Geometry.__dataclass_fields__},
            found.path or found.source,
        )
        if found.peak is not None and part is not None:
            geometry = part.cropped(geometry)
        return placed(found, geometry, peak=peak, binning=binning)

    def _completed(self, said: dict[str, Any], own: dict[str, Any], source: str) -> Geometry:
        """Return the geometry that what is said and what a file has of its own make together."""
        if said.get("beamline") is not None and not _is_same(own.get("beamline"), str(said["beamline"])):
            own = {key: value for key, value in own.items() if key not in _OF_A_BEAMLINE}
        name = str(self.path) if self.path is not None and not self.settings else "The geometry"
        return complete({**own, **said}, name, dict.fromkeys(own, source) | self._sources(said))

    def _sources(self, said: dict[str, Any]) -> dict[str, str]:
        """Return where each key of what is said comes from."""
        file = "" if self.path is None else str(self.path)
        settings = {setting.partition("=")[0].strip() for setting in self.settings}
        options = {} if self.beamline is None else {"beamline": "--beamline"}
        return dict.fromkeys(said, file) | options | dict.fromkeys(settings & set(said), "--set")


_OF_A_BEAMLINE = (
    "beamline", "detector", "sample_circles", "detector_circles", "pixel_directions", "rocking_circle", "sample_offsets_deg",
    "detector_offsets_deg",
)  # fmt: skip
"""Keys whose values belong to one beamline."""


def choose_recipe(preset: Preset | None, path: Path | None, settings: list[str]) -> Recipe:
    """Return the recipe that the preset, or the file at `path`, gives, with ``KEY=VALUE`` `settings` changed."""
    if preset is not None and path is not None:
        raise InputError("--preset and --recipe both say how to reconstruct; give one of them.")
    if path is None:
        recipe = Recipe.from_preset(preset or "fast")
    else:
        from ..repeat import recipe_of

        recipe = recipe_of(path)
    own = [each for each in settings if not each.strip().startswith(_GEOMETRY)]
    for key in (each.partition("=")[0].strip() for each in own):
        if key in Geometry.__dataclass_fields__:
            raise InputError(f"--set {key}: a recipe has no such setting; did you mean {_GEOMETRY}{key}?")
    return recipe.with_settings(dict(key_and_value(each, "refine.algorithm=50*ER") for each in own))


def check_weights(recipe: Recipe) -> None:
    """Say that the network's weights are missing before the scan is read, which may take long."""
    weights = recipe.guess.weights
    if weights is not None and recipe.guess.start != "random" and not Path(weights).is_file():
        raise InputError(
            f"The network's weights {weights} are missing; give another file, or none for the shipped weights."
        )


@dataclass(frozen=True)
class ScanFiles:
    """What the command line says of how a scan is to be read; see `formats.read_scan`."""

    dataset: str | None = None
    mask: Path | None = None
    mask_good: int | None = None
    dark: Path | None = None
    white: Path | None = None
    roi: str | None = None
    values: str | None = None
    axes: str | None = None
    spec: Path | None = None
    crop: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the options of `formats.read_scan`.

        Raises
        ------
        InputError
            If numbers cannot be read.
        """
        from .. import formats

        return (
            asdict(self)
            | formats.numbers_in(roi=self.roi, axes=self.axes)
            | {"crop": formats.crop_in(self.crop)}
        )

    def announce(self, scan: str) -> None:
        """Say on stderr what reading will take; what is wrong with the file is said when it is read."""
        from .. import formats

        with suppress(InputError):
            line = formats.reading_line(scan, dataset=self.dataset, crop=formats.crop_in(self.crop))
            print(line, end="\n" if line else "", file=sys.stderr, flush=True)


def read_scan(scan: str, files: ScanFiles, geometry: GeometryChoice | None = None, **changed: Any) -> Scan:
    """Return the scan that these files make."""
    from .. import formats

    beamline = None if geometry is None else geometry.said_beamline()
    found = formats.read_scan(scan, beamline=beamline, **{**files.options(), **changed})
    return found if geometry is None else geometry.applied(found)


def read_scans(
    scans: list[str], add: bool, least: float | None, files: ScanFiles, geometry: GeometryChoice
) -> Scan:
    """Return the one scan that is given, or the sum of several.

    Parameters
    ----------
    scans
        Files or folders.
    add
        Whether several are to be summed.
    least
        The correlation that each needs; None: as `sum_scans` has it.
    files, geometry
        How each is read.

    Raises
    ------
    InputError
        If several are given that are not to be summed, or one that is.
    """
    from ..preparation import repeats

    if not add:
        if len(scans) > 1:
            raise InputError(
                f"{scans[1]} is a second scan; reconstruct one at a time, or add --sum if they are repeats of one."
            )
        if least is not None:
            raise InputError("--least says which scans are summed; add --sum.")
        return read_scan(scans[0], files, geometry)
    if len(scans) < 2:
        raise InputError("--sum needs two scans or more.")
    _check_apart(scans, files.dataset)

    def read(scan: str, shape: tuple[int, int, int] | None) -> Scan:
        return read_scan(scan, files, geometry, **({} if shape is None else {"crop": shape}))

    return repeats.sum_of(scans, read, repeats.LEAST if least is None else least)


def _check_apart(scans: list[str], dataset: str | None) -> None:
    """Refuse a scan that is given twice, by the same name or another: its photons would count twice."""
    from .. import formats

    known: list[tuple[str, frozenset[object]]] = []
    for each in scans:
        frames = formats.frames_of(each, dataset=dataset)
        twin = next((name for name, others in known if frames & others), None)
        if twin is not None:
            again = "" if each == twin else f", by another name: {twin}"
            raise InputError(f"--sum: {each} is given twice{again}; give each scan once.")
        known.append((each, frames))


def reference_nm(
    found: Reconstruction, material: str | None, hkl: str | None, spacing: float | None
) -> float | None:
    """Return the spacing in nm that a result's mean lattice is compared with; None if nothing was said of it.

    Raises
    ------
    InputError
        If a material has no reflection, or is unknown.
    """
    if spacing is not None or material is None:
        return spacing
    reflection = found.geometry.reflection if hkl is None and found.geometry else None
    if hkl is not None:
        reflection = indices(hkl)
    if reflection is None:
        raise InputError(f"Which reflection of {material} it is, nobody has said; give --hkl.")
    return spacing_nm(find_material(material)[1], reflection)


def reflected(scan: Scan, hkl: str | None) -> Scan:
    """Return `scan` with the reflection that --hkl says."""
    if hkl is None or scan.geometry is None:
        return scan
    return replace(scan, geometry=replace(scan.geometry, reflection=indices(hkl)))


def _known(scan: Scan) -> dict[str, Any]:
    """Return what a scan's file says of its geometry."""
    if scan.geometry is not None:
        return asdict(scan.geometry if scan.origin is None else scan.origin.uncropped(scan.geometry))
    return {key: value for key, value in scan.metadata.items() if key in Geometry.__dataclass_fields__}


def _document(path: Path) -> dict[str, Any]:
    """Return the geometry in a file as fields by name, as far as the file has them."""
    if path.suffix.lower() in (".yml", ".yaml"):
        from .bcdi_config import geometry_in

        return geometry_in(path)
    if path.suffix.lower() != ".json":
        from .. import formats

        found = formats.read(path)
        if isinstance(found, Reconstruction):
            geometry = found.scan_geometry or found.geometry
            if found.scan_geometry is not None and found.origin is not None:
                geometry = found.origin.uncropped(found.scan_geometry)
            known = {} if geometry is None else asdict(geometry)
        else:
            known = _known(found)
        if not known:
            raise InputError(f"{path} has no geometry; give a file that has, or a JSON document.")
        return known
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The geometry {path} cannot be read: {reason}.") from None
    if isinstance(document, dict) and "geometry" in document:  # the whole of `info --json`, or a report
        whole, origin = document.get("scan_geometry"), document.get("origin")
        if whole is not None and origin is not None:
            whole = asdict(Origin.from_document(origin).uncropped(complete(whole, str(path))))
        document = whole or document["geometry"]
        if document is None:
            raise InputError(f"{path} has no geometry: it is that of a scan without one.")
    if not isinstance(document, dict):
        raise InputError(f"{path} is no geometry: it must be a JSON object with the fields of one.")
    return {key: value for key, value in document.items() if not key.startswith("#")}


def _is_same(name: str | None, said: str) -> bool:
    """Tell whether the beamline of a scan is the one that is said, however it is spelt."""
    if name is None or name == said:
        return name is not None
    try:
        return find_beamline(said).name == name
    except InputError:  # only its writer knows it
        return False
