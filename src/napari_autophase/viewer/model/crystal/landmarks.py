"""What can be drawn over a crystal: its facets, its dislocations, and the directions of Q and of the crystal's axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from napari.utils.colormaps import Colormap

from .mesh import Cut
from .quantity import in_words
from .result_data import AXES, OVER_RESULT, LayerData, unit_of

if TYPE_CHECKING:
    from .... import analysis
    from ....maps import Mesh

Kind = Literal["facets", "dislocations", "directions"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# readable on black and on white, and told apart by the colour-blind (Okabe and Ito, 2008; darkened where they are pale)
FAMILIES = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#b8a800")
NO_FAMILY = "#9a9a9a"
LINE = "#ff2fd0"
DIRECTIONS = {"Q": "#ff9f1c", "a": "#e5484d", "b": "#2fa84f", "c": "#4c8dff"}
_LIFT = 0.25
"""Facets lie this part of a voxel above the surface, so that it does not shine through them."""
_REACH = 1.35
"""Arrows are this many times as long as the crystal reaches in their direction."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found of a crystal.

    Parameters
    ----------
    layers
        Data of the layers that show it, visible; none where there is nothing to be seen.
    words
        What there is, or why there is nothing; HTML.
    names
        What the cursor says of the value of the first layer, by that value.
    colours
        What it is drawn in.
    """

    layers: tuple[LayerData, ...]
    words: str
    names: dict[int, str]
    colours: tuple[str, ...] = ()


def find(kind: Kind, quantities: analysis.Quantities, cut: Cut | None) -> Found:
    """Return facets, dislocations or directions of a crystal; of facets what a cut leaves."""
    return {"facets": _facets, "dislocations": _dislocations, "directions": _directions}[kind](
        quantities, cut
    )


def swatch(colours: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
    """Return stripes of colours for the layer list, uint8 of `shape` (rows, columns, 4): napari draws nothing for a surface."""
    rgba = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] + [255] for colour in colours], np.uint8)
    which = np.arange(shape[1]) * len(rgba) // shape[1]
    return np.broadcast_to(rgba[which], shape).copy()


def _options(quantities: analysis.Quantities, name: str) -> dict[str, Any]:
    unit = unit_of(quantities)
    return {
        "name": name,
        "units": (unit,) * 3,
        "axis_labels": AXES[unit],
        "metadata": {OVER_RESULT: unit},
        "opacity": 1.0,
    }


# -- facets ------------------------------------------------------------------------------------------------------------


def _facets(quantities: analysis.Quantities, cut: Cut | None) -> Found:
    from .... import analysis

    mesh = analysis.bare_mesh(quantities)
    found = analysis.facets_of(quantities, mesh)
    if not found:
        return Found((), "No facet at this threshold: nowhere is the surface flat enough.", {})
    kinds = [_family(each) for each in found]
    colours = _colours(kinds, [each.area for each in found])
    lift = _LIFT * min(quantities.voxel_size)
    pieces, count = [], 0
    for number, facet in enumerate(found, 1):
        faces = _left(mesh, facet.faces, cut)
        corners, again = np.unique(mesh.faces[faces], return_inverse=True)
        vertices = mesh.vertices[corners] + lift * facet.normal
        # x, y, z is the other hand of z, y, x: triangles turn
        turned = again.reshape(-1, 3)[:, ::-1] + count
        pieces.append((vertices[:, ::-1], turned, np.full(len(corners), number)))
        count += len(corners)
    data = tuple(np.concatenate(each) for each in zip(*pieces, strict=True))
    map_of = [colours[kind] for kind in kinds]
    options = {
        **_options(quantities, "facets"),
        "colormap": Colormap(map_of, name="autophase facets", interpolation="zero"),
        "contrast_limits": (0.5, len(found) + 0.5),
        "shading": "none",
    }
    names = {number: _words_of(number, each, quantities) for number, each in enumerate(found, 1)}
    layers = ((data, options, "surface"),) if count else ()
    seen = tuple(colour for kind, colour in colours.items() if kind in kinds)
    return Found(layers, _facet_words(found, kinds, colours, quantities), names, seen)


def _left(mesh: Mesh, faces: np.ndarray, cut: Cut | None) -> np.ndarray:
    """Return the triangles that a cut leaves."""
    if cut is None:
        return faces
    middles = mesh.vertices[mesh.faces[faces]].mean(1)[:, ::-1]
    return faces[middles @ np.asarray(cut.normal) / np.linalg.norm(cut.normal) < cut.position]


def _family(facet: analysis.Facet) -> str:
    """Return the family of planes that a facet belongs to, such as {111}; empty: nobody knows."""
    if facet.hkl is None:
        return ""
    return "{" + "".join(str(each) for each in sorted(map(abs, facet.hkl), reverse=True)) + "}"


def _colours(kinds: Sequence[str], areas: Sequence[float]) -> dict[str, Any]:
    """Return a colour for every family, the largest first."""
    known = {kind: sum(a for k, a in zip(kinds, areas, strict=True) if k == kind) for kind in set(kinds)}
    order = sorted(filter(None, known), key=lambda kind: -known[kind])
    return {
        "": NO_FAMILY,
        **{kind: FAMILIES[index % len(FAMILIES)] for index, kind in enumerate(order)},
    }


def _words_of(number: int, facet: analysis.Facet, quantities: analysis.Quantities) -> str:
    """Return what the cursor says of a facet."""
    plane = "" if facet.hkl is None else " ({} {} {})".format(*facet.hkl)
    mean, spread = facet.values["relative_strain" if quantities.relative else "strain"]
    unit = "nm²" if not quantities.relative else "voxels²"
    return f"facet {number}{plane}, {facet.area:.3g} {unit}, {in_words('strain', mean, quantities)} ± {spread:.1e}"


def _facet_words(
    found: Sequence[analysis.Facet],
    kinds: Sequence[str],
    colours: dict[str, str],
    quantities: analysis.Quantities,
) -> str:
    share = 100 * sum(each.share for each in found)
    parts = [
        f'<nobr><span style="color:{colour}">■</span> {kinds.count(kind)} {kind or "without indices"}</nobr>'
        for kind, colour in colours.items()
        if kind in kinds
    ]
    known = quantities.lattice is not None and quantities.lattice.hkl is not None
    hint = "" if known else " Indices need the geometry, and the reflection's."
    return f"{len(found)} facets on {share:.0f} % of the surface: {', '.join(parts)}.{hint}"


# -- dislocations ------------------------------------------------------------------------------------------------------


def _dislocations(quantities: analysis.Quantities, cut: Cut | None) -> Found:  # noqa: ARG001
    lines = quantities.dislocations
    if not lines:
        return Found((), "No dislocation at this threshold: the phase winds about no line.", {})
    shape, size = np.array(quantities.amplitude.shape), np.array(quantities.voxel_size)
    vectors = []
    for line in lines:
        points = line.points[:, ::-1] / size + shape // 2
        vectors.append(np.stack([points[:-1], np.diff(points, axis=0)], 1))
    options = {
        **_options(quantities, "dislocations"),
        "scale": quantities.voxel_size,
        "translate": -(shape // 2) * size,
        "edge_color": LINE,
        "edge_width": 0.6,
        "vector_style": "line",
        "blending": "translucent_no_depth",  # they run inside the crystal
    }
    unit = "voxels" if quantities.relative else "nm"
    lengths = ", ".join(f"{line.length:.0f}" for line in lines[:4]) + (" …" if len(lines) > 4 else "")
    what = "dislocations" if len(lines) > 1 else "dislocation"
    words = f'<span style="color:{LINE}">━</span> {len(lines)} {what}, {lengths} {unit} long, with Q·b = 2π.'
    return Found(((np.concatenate(vectors), options, "vectors"),), words, {}, (LINE,))


# -- directions --------------------------------------------------------------------------------------------------------


def _directions(quantities: analysis.Quantities, cut: Cut | None) -> Found:  # noqa: ARG001
    from .... import analysis

    q, lattice = quantities.q_bragg_per_nm, quantities.lattice
    if q is None:
        return Found((), "The direction of Q needs the geometry.", {})
    known = {"Q": np.asarray(q, float) / np.linalg.norm(q)}
    hint = " The crystal's axes need the indices of the reflection."
    if lattice is not None and lattice.hkl is not None:
        facets = analysis.facets_of(quantities, analysis.bare_mesh(quantities))
        axes = analysis.crystal_axes(facets, lattice.q_per_nm, lattice.hkl, lattice.reciprocal_basis)
        hint = " The crystal's axes need facets that have indices." if axes is None else ""
        if axes is not None:
            known |= dict(zip("abc", axes.T, strict=True))
    centre = np.array(quantities.amplitude.shape) // 2 * np.array(quantities.voxel_size)
    surface = (quantities.surface("amplitude").vertices - centre)[:, ::-1]
    tips = {
        name: _REACH * max(float((surface @ way).max(initial=0.0)), 1e-6) * way for name, way in known.items()
    }
    longest = max(float(np.linalg.norm(tip)) for tip in tips.values())
    vectors = np.array([[np.zeros(3), tip[::-1]] for tip in tips.values()])
    colours = [DIRECTIONS[name] for name in tips]
    arrows = {
        **_options(quantities, "Q and axes"),
        "edge_color": colours,
        "edge_width": longest / 18,
        "vector_style": "arrow",
    }
    letters = {
        **_options(quantities, "Q and axes, names"),
        "features": {"name": list(tips)},
        "text": {"string": "{name}", "size": 14, "color": colours, "anchor": "center"},
        "size": longest / 1000,
        "face_color": "transparent",
        "border_color": "transparent",
    }
    words = " ".join(f'<nobr><span style="color:{DIRECTIONS[name]}">➜</span> {name}</nobr>' for name in tips)
    angle = ""
    if "a" in tips and lattice is not None and lattice.hkl is not None:
        angle = ": Q is the normal of ({} {} {}), the facets settle the turn about it.".format(*lattice.hkl)
    layers: tuple[LayerData, ...] = (
        (vectors, arrows, "vectors"),
        (1.08 * vectors[:, 1], letters, "points"),
    )
    return Found(layers, f"{words}{angle}{hint}", {}, tuple(colours))
