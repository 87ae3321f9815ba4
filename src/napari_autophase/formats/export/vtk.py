"""VTK's XML files, as ParaView and others open them: the volumes as image data, the surface as polygons.

Written from the format's own description (VTK File Formats, Kitware): arrays stand in one appended block, in base 64 so that the
file is XML, packed by zlib in blocks, each array behind a header of 64-bit numbers.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import quoteattr

import numpy as np

from ...maps import Maps

_BLOCK = 2**20
"""Bytes that are packed together."""
_TYPES = {"f4": "Float32", "f8": "Float64", "u1": "UInt8", "i4": "Int32", "i8": "Int64"}


class _Appended:
    """Arrays one after the other, and where each begins."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.length = 0

    def array(self, name: str, values: np.ndarray, components: int = 1, indent: int = 8) -> str:
        """Append an array and return the element that refers to it."""
        values = np.ascontiguousarray(values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        offset = self.length
        for part in _packed(values.tobytes()):
            self.text.append(part)
            self.length += len(part)
        kind = _TYPES[values.dtype.str[1:]]
        many = f' NumberOfComponents="{components}"' if components > 1 else ""
        if values.ndim == 1 and components == 1:
            many += f' NumberOfTuples="{len(values)}"'
        return f'{" " * indent}<DataArray type="{kind}" Name={quoteattr(name)}{many} format="appended" offset="{offset}"/>'


def _packed(raw: bytes) -> Iterable[str]:
    """Return header and blocks of an array in base 64: number of blocks, their size, that of the last one, packed sizes."""
    blocks = [zlib.compress(raw[at : at + _BLOCK], 6) for at in range(0, len(raw), _BLOCK)]
    header = np.array([len(blocks), _BLOCK, len(raw) % _BLOCK, *map(len, blocks)], "<u8")
    return (base64.b64encode(each).decode("ascii") for each in (header.tobytes(), b"".join(blocks)))


def _file(kind: str, body: list[str], appended: _Appended) -> str:
    return "\n".join(
        [
            '<?xml version="1.0"?>',
            f'<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64" '
            'compressor="vtkZLibDataCompressor">',
            f"  <{kind}>" if kind == "PolyData" else body.pop(0),
            *body,
            f"  </{kind}>",
            '  <AppendedData encoding="base64">',
            f"   _{''.join(appended.text)}",
            "  </AppendedData>",
            "</VTKFile>",
            "",
        ]
    )


def _about(maps: Maps, appended: _Appended) -> list[str]:
    """Return the field data: what is said beside, and what each map is and is measured against."""
    numbers = {
        key: np.ravel(np.asarray(value, float))
        for key, value in maps.about.items()
        if isinstance(value, int | float | np.ndarray) and np.asarray(value).dtype.kind in "fi"
    }
    said = {key: value for key, value in maps.about.items() if isinstance(value, str) and value}
    said |= {f"{name}_is": f"{each.meaning} ({each.unit})" for name, each in maps.volumes.items()}
    lines = [appended.array(key, value, indent=6) for key, value in numbers.items()]
    lines += [_words(key, value) for key, value in said.items()]
    return ["    <FieldData>", *lines, "    </FieldData>"] if lines else []


def _words(name: str, text: str) -> str:
    """Return an element that holds one string: the numbers of its bytes, and 0 at its end."""
    codes = " ".join(map(str, [*text.encode(), 0]))
    return (
        f'      <Array type="String" Name={quoteattr(name)} NumberOfTuples="1" format="ascii">{codes}</Array>'
    )


def _point_data(values: Mapping[str, np.ndarray], appended: _Appended) -> list[str]:
    shown = next((name for name in ("strain", "relative_strain", "amplitude") if name in values), "")
    lines = [appended.array(name, each) for name, each in values.items()]
    return [f'      <PointData Scalars="{shown}">', *lines, "      </PointData>"]


def image_data(maps: Maps) -> str:
    """Return a ``.vti``: one point for each voxel, x fastest; NaN where a map has no meaning, as in the maps."""
    volumes = {}
    for name, each in maps.volumes.items():
        if each.values.dtype.kind == "c":
            continue  # amplitude and phase are it
        values = each.values.astype(np.uint8 if each.values.dtype == bool else np.float32)
        volumes[name] = values.ravel()  # axis 2, x, is the fastest in both
    extent = " ".join(f"0 {n - 1}" for n in maps.shape[::-1])
    origin = " ".join(f"{place[0]:.9g}" for place in maps.places()[::-1])
    spacing = " ".join(f"{size:.9g}" for size in maps.voxel_size[::-1])
    appended = _Appended()
    body = [
        f'  <ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">',
        *_about(maps, appended),
        f'    <Piece Extent="{extent}">',
        *_point_data(volumes, appended),
        "    </Piece>",
    ]
    return _file("ImageData", body, appended)


def poly_data(maps: Maps) -> str:
    """Return a ``.vtp``: the surface with the maps at its points, and what is known of its faces."""
    mesh, appended = maps.mesh, _Appended()
    count = len(mesh.faces)
    cells = [appended.array(name, np.asarray(each)) for name, each in mesh.face_values.items()]
    body = [
        *_about(maps, appended),
        f'    <Piece NumberOfPoints="{len(mesh.vertices)}" NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0" '
        f'NumberOfPolys="{count}">',
        *_point_data(mesh.values, appended),
        *(["      <CellData>", *cells, "      </CellData>"] if cells else []),
        "      <Points>",
        appended.array("points", mesh.vertices.astype(np.float32), 3),
        "      </Points>",
        "      <Polys>",
        appended.array("connectivity", mesh.faces.astype(np.int32).ravel()),
        appended.array("offsets", 3 * np.arange(1, count + 1, dtype=np.int32)),
        "      </Polys>",
        "    </Piece>",
    ]
    return _file("PolyData", body, appended)
