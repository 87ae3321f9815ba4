"""The surface for printers and mesh viewers: STL, and PLY with its colours."""

from __future__ import annotations

import numpy as np

from ...maps import Maps
from ..results import PROGRAM


def stl(maps: Maps) -> bytes:
    """Return a binary STL; lengths are in the maps' unit (nm), which STL itself does not name."""
    corners = maps.mesh.vertices[maps.mesh.faces].astype("<f4")
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])
    triangles["normal"] = normals / np.where(lengths > 0, lengths, 1)
    triangles["corners"] = corners
    # a binary file must not begin with the word solid
    head = f"{PROGRAM}, lengths in {maps.unit}".encode("ascii")[:80].ljust(80)
    return head + np.uint32(len(triangles)).astype("<u4").tobytes() + triangles.tobytes()


def ply(maps: Maps) -> bytes:
    """Return a binary PLY: places, colours by strain, and every value at the vertices."""
    mesh = maps.mesh
    fields: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    if mesh.rgb is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
    fields += [(name, "<f4") for name in mesh.values]
    vertices = np.zeros(len(mesh.vertices), fields)
    for column, axis in enumerate("xyz"):
        vertices[axis] = mesh.vertices[:, column]
    if mesh.rgb is not None:
        for column, name in enumerate(("red", "green", "blue")):
            vertices[name] = mesh.rgb[:, column]
    for name, values in mesh.values.items():
        vertices[name] = values
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("vertices", "<i4", 3)])
    faces["count"], faces["vertices"] = 3, mesh.faces
    words = {"<f4": "float", "u1": "uchar"}
    head = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {PROGRAM}, lengths in {maps.unit}, coloured by strain from {_ends(maps)}",
        f"element vertex {len(vertices)}",
        *(f"property {words[kind]} {name}" for name, kind in fields),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return "\n".join(head).encode("ascii") + b"\n" + vertices.tobytes() + faces.tobytes()


def _ends(maps: Maps) -> str:
    limit = maps.about.get("strain_limit")
    return "blue (least) to red (largest)" if limit is None else f"{-limit:.3g} (blue) to {limit:.3g} (red)"
