"""A result in the files of other programs, read back by those who know them: values in closed form, in a sheared geometry."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import ndimage

from napari_autophase import analysis, export, formats, write
from napari_autophase.evidence import Curve, Shells, Trust
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import InputError

STEPS = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -0.6], [8.0, 0.8, 0.7]])
Q = np.array([3.0, 24.0, -8.0])
SIZE = float(np.linalg.norm(Q))
BEND = 4e-5
CENTRE = np.array([12.0, -8.0, 5.0])
"""Where the ball stands, nm, x, y, z: whatever mixes up axes moves it."""
RADIUS = 62.0


def place(shape=(30, 28, 28), steps=STEPS) -> np.ndarray:
    index = np.indices(shape) - np.array(shape)[:, None, None, None] // 2
    return np.tensordot(steps, index, 1)


@pytest.fixture(scope="module")
def found() -> Reconstruction:
    """A ball with u = BEND·s²/2, s = r·Q̂ from its middle."""
    r = place() - CENTRE[:, None, None, None]
    amplitude = 0.5 * (1 + np.tanh((RADIUS - np.linalg.norm(r, axis=0)) / 4))
    s = np.tensordot(Q / SIZE, r, 1)
    return Reconstruction(
        object=(amplitude * np.exp(-1j * SIZE * BEND * s**2 / 2)).astype(np.complex64),
        support=amplitude > 0.02,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={"chi2": 0.01},
        voxel_steps_nm=STEPS,
        q_bragg_per_nm=Q,
        name="ball",
        notes=("Made up.",),
    )


def assert_right(x, y, z, maps) -> None:
    """Every map at its place: x, y, z in nm from the crystal's middle; broadcast against the maps."""
    offset = np.broadcast_arrays(x - CENTRE[0], y - CENTRE[1], z - CENTRE[2])
    r = np.linalg.norm(offset, axis=0)
    s = np.tensordot(Q / SIZE, np.stack(offset), 1)
    core = r < RADIUS - 14
    assert core.sum() > 800
    assert np.asarray(maps.support)[core].all()
    assert not np.asarray(maps.support)[r > RADIUS + 12].any()
    np.testing.assert_allclose(np.asarray(maps.amplitude)[core], 1, atol=0.06)
    strain = np.asarray(maps.strain)[core]
    np.testing.assert_allclose(strain - strain.mean(), BEND * (s[core] - s[core].mean()), atol=1.2e-4)
    u = np.asarray(maps.displacement)[core]
    # its mean and its linear part are nobody's business: the bend remains
    basis = np.column_stack([np.ones(core.sum()), s[core], s[core] ** 2])
    assert np.linalg.lstsq(basis, u, rcond=None)[0][2] == pytest.approx(BEND / 2, rel=0.05)
    phase = np.asarray(maps.phase)[core]
    np.testing.assert_allclose(np.angle(np.exp(1j * (phase + SIZE * u))), 0, atol=0.05)


def test_npz(found, tmp_path):
    export.export(found, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        maps = SimpleNamespace(
            **{name: file[name] for name in ("amplitude", "support", "strain", "displacement", "phase")}
        )
        z, y, x = (file[f"{axis}_nm"] for axis in "zyx")
        assert json.loads(str(file["units"]))["displacement"] == "nm"
        assert "relative to the mean lattice" in json.loads(str(file["meanings"]))["strain"]
        np.testing.assert_allclose(file["q_bragg_per_nm"], Q)
        np.testing.assert_allclose(
            np.abs(file["object"])[maps.support], maps.amplitude[maps.support], rtol=1e-6
        )
    assert_right(x[None, None], y[None, :, None], z[:, None, None], maps)


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".nxs", ".h5", ".vti"])
def test_maps_open_again_in_their_geometry(found, tmp_path, suffix):
    export.export(found, tmp_path / f"a{suffix}")
    again = formats.read(tmp_path / f"a{suffix}")
    assert again.name == "ball"
    assert not again.figures, "which are not in maps"
    assert not again.effort
    np.testing.assert_allclose(again.q_bragg_per_nm, Q, rtol=1e-3)  # that of the mean lattice
    assert np.linalg.det(again.voxel_steps_nm) == pytest.approx(np.linalg.det(STEPS), rel=1e-3)
    compared = analysis.compare_results(again, found)
    assert compared.figures["correlation"] > 0.98
    assert compared.figures["strain_correlation"] > 0.99
    if suffix in (".nxs", ".h5"):  # whichever of its arrays is opened
        whole = formats.read(f"{tmp_path / f'a{suffix}'}::/entry_1/object/data")
        np.testing.assert_allclose(whole.voxel_steps_nm, again.voxel_steps_nm)
    assert compared.figures["strain_difference"] < 0.1 * BEND * RADIUS
    assert not compared.alignment.twin


def test_matlab(found, tmp_path):
    """data(y, x, z), as meshgrid(x, y, z) has it."""
    from scipy.io import loadmat

    export.export(found, tmp_path / "a.mat")
    file = loadmat(tmp_path / "a.mat")
    maps = SimpleNamespace(
        **{name: file[name] for name in ("amplitude", "support", "strain", "displacement", "phase")}
    )
    x, y, z = (file[f"{axis}_nm"].ravel() for axis in "xyz")
    assert_right(x[None, :, None], y[:, None, None], z[None, None], maps)
    # what we wrote opens here again, with its sign
    again = formats.read(tmp_path / "a.mat")
    np.testing.assert_allclose(np.moveaxis(again.object, 0, 2), file["object"])


@pytest.mark.parametrize("suffix", [".nxs", ".h5"])
def test_nexus(found, tmp_path, suffix):
    export.export(found, tmp_path / f"a{suffix}")
    with h5py.File(tmp_path / f"a{suffix}") as file:
        entry = file[file.attrs["default"]]
        plotted = entry[entry.attrs["default"]]
        assert plotted.attrs["NX_class"] == "NXdata"
        assert (
            plotted[plotted.attrs["signal"]].attrs["long_name"]
            == "strain along Q, relative to the mean lattice"
        )
        axes = [plotted[name] for name in plotted.attrs["axes"]]
        assert [axis.attrs["units"] for axis in axes] == ["nm"] * 3
        z, y, x = (axis[()] for axis in axes)
        maps = SimpleNamespace(
            **{
                name: entry[f"{name}/data"][()]
                for name in ("amplitude", "support", "strain", "displacement", "phase")
            }
        )
        assert entry["displacement/data"].attrs["units"] == "nm"
    assert_right(x[None, None], y[None, :, None], z[:, None, None], maps)


def test_cxi_holds_the_maps_beside_the_object_and_opens_again(found, tmp_path):
    export.export(found, tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        entry = file["entry_1"]
        maps = SimpleNamespace(
            **{
                name: entry[name]["data"][()]
                for name in ("amplitude", "support", "strain", "displacement", "phase")
            }
        )
        assert entry["strain/title"].asstr()[()] == "strain"
        assert entry["strain/data_space"].asstr()[()] == "real"
        size = entry["result_1/voxel_size"][()]
        np.testing.assert_allclose(entry["amplitude/image_size"], size * maps.amplitude.shape * 1e-9)
        np.testing.assert_allclose(entry["result_1/q_bragg_per_nm"], Q)
        assert entry["image_1/data"].dtype == np.complex64
    z, y, x = (d * (np.arange(n) - n // 2) for n, d in zip(maps.amplitude.shape, size, strict=True))
    assert_right(x[None, None], y[None, :, None], z[:, None, None], maps)
    again = formats.read(tmp_path / "a.cxi")
    np.testing.assert_array_equal(again.object, found.object)
    np.testing.assert_array_equal(again.voxel_steps_nm, STEPS)
    assert again.notes == found.notes
    # what is saved everywhere, by the window and in Python, is the same file
    write(found, tmp_path / "b.cxi")
    with h5py.File(tmp_path / "b.cxi") as file:
        np.testing.assert_array_equal(file["entry_1/strain/data"], maps.strain)


def test_tiff_for_imagej(found, tmp_path):
    import tifffile

    export.export(found, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        about = file.imagej_metadata
        assert file.series[0].axes == "ZCYX"
        stack = file.asarray()
        x_per, x_over = file.pages[0].tags["XResolution"].value
    assert about["unit"] == "nm"
    names = [label.split(" ")[0] for label in about["Labels"][: stack.shape[1]]]
    assert "strain (1): strain along Q, relative to the mean lattice" in about["Labels"]
    maps = SimpleNamespace(**{name: stack[:, n] for n, name in enumerate(names)})
    size = about["spacing"]
    assert x_over / x_per == pytest.approx(size, rel=1e-4)  # isotropic
    z, y, x = (size * (np.arange(n) - n // 2) for n in maps.amplitude.shape)
    assert_right(x[None, None], y[None, :, None], z[:, None, None], maps)


def test_vti_as_vtk_reads_it(found, tmp_path):
    pytest.importorskip("vtkmodules")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    export.export(found, tmp_path / "a.vti")
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "a.vti"))
    reader.Update()
    image = reader.GetOutput()
    assert reader.GetErrorCode() == 0
    count = image.GetNumberOfPoints()
    points = np.array([image.GetPoint(n) for n in range(count)]).T
    data = image.GetPointData()
    names = [data.GetArrayName(n) for n in range(data.GetNumberOfArrays())]
    maps = SimpleNamespace(**{name: vtk_to_numpy(data.GetArray(name)) for name in names})
    assert_right(*points, maps)
    assert data.GetScalars().GetName() == "strain"
    beside = image.GetFieldData()
    np.testing.assert_allclose(vtk_to_numpy(beside.GetArray("q_bragg_per_nm")), Q)
    said = {name: beside.GetAbstractArray(f"{name}_is").GetValue(0) for name in names}
    assert said["strain"] == "strain along Q, relative to the mean lattice (1)"
    assert said["d_spacing"] == "spacing of the lattice planes, absolute (nm)"
    assert said["phase"] == "phase, −Q·u, without its linear ramp and its mean (rad)"  # in UTF-8
    assert beside.GetAbstractArray("frame").GetValue(0) == "laboratory"


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("encoded", [True, False], ids=["base64", "raw"])
@pytest.mark.parametrize("wide", [True, False], ids=["64 bits", "32 bits"])
def test_vti_that_vtk_wrote_opens_as_a_crystal(found, tmp_path, packed, encoded, wide):
    pytest.importorskip("vtkmodules")
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter

    export.export(found, tmp_path / "a.vti")
    reader, writer = vtkXMLImageDataReader(), vtkXMLImageDataWriter()
    reader.SetFileName(str(tmp_path / "a.vti"))
    reader.Update()
    writer.SetInputData(reader.GetOutput())
    writer.SetFileName(str(tmp_path / "b.vti"))
    writer.SetEncodeAppendedData(encoded)
    (writer.SetHeaderTypeToUInt64 if wide else writer.SetHeaderTypeToUInt32)()
    if not packed:
        writer.SetCompressorTypeToNone()
    assert writer.Write()
    one, other = (formats.read(tmp_path / name) for name in ("a.vti", "b.vti"))
    np.testing.assert_array_equal(other.object, one.object)
    np.testing.assert_allclose(other.voxel_steps_nm, one.voxel_steps_nm, rtol=1e-6)
    # numbers in between are not read, and that is said
    writer.SetDataModeToAscii()
    assert writer.Write()
    with pytest.raises(InputError, match="save it so"):
        formats.read(tmp_path / "b.vti")


def test_vti_that_is_cut_short_or_holds_no_crystal_is_said(found, tmp_path):
    export.export(found, tmp_path / "a.vti")
    whole = (tmp_path / "a.vti").read_bytes()
    for length in (300, whole.index(b"<Appended") + 400):
        (tmp_path / "b.vti").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"b\.vti"):
            formats.read(tmp_path / "b.vti")
    (tmp_path / "b.vti").write_bytes(whole.replace(b'Name="phase"', b'Name="other"'))
    with pytest.raises(InputError, match="not both its amplitude and its phase"):
        formats.read(tmp_path / "b.vti")
    # entities that unfold without end
    (tmp_path / "b.vti").write_bytes(whole.replace(b"<VTKFile", b'<!DOCTYPE a [<!ENTITY b "c">]><VTKFile', 1))
    with pytest.raises(InputError, match="save it so"):
        formats.read(tmp_path / "b.vti")


def assert_surface(vertices, faces, strain) -> None:
    """A ball in its place, triangles anticlockwise seen from outside, with the strain of its surface."""
    r = vertices - CENTRE
    # the grid has voxels of 7.6 nm, in which linear interpolation rounds a ball off
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), RADIUS, atol=2.5)
    a, b, c = (vertices[faces[:, n]].astype(float) for n in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c) / 3 - CENTRE)
    assert (outward > 0).mean() > 0.99
    assert np.corrcoef(strain, r @ (Q / SIZE))[0, 1] > 0.98


def test_vtp_as_vtk_reads_it(found, tmp_path):
    pytest.importorskip("vtkmodules")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    export.export(found, tmp_path / "a.vtp")
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "a.vtp"))
    reader.Update()
    surface = reader.GetOutput()
    assert reader.GetErrorCode() == 0
    faces = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    assert surface.GetNumberOfPolys() == len(faces)
    values = vtk_to_numpy(surface.GetPointData().GetArray("strain"))
    assert_surface(vtk_to_numpy(surface.GetPoints().GetData()), faces, values)
    said = surface.GetFieldData().GetAbstractArray("strain_is").GetValue(0)
    assert said == "strain along Q, relative to the mean lattice (1)"


def test_vtk_files_are_xml_with_arrays_as_the_format_describes(found, tmp_path):
    """Decoded here by the description alone, for machines without vtk."""
    import base64
    import zlib
    from xml.etree import ElementTree

    export.export(found, tmp_path / "a.vtp")
    root = ElementTree.parse(tmp_path / "a.vtp").getroot()
    assert root.attrib["compressor"] == "vtkZLibDataCompressor"
    appended = root.find("AppendedData").text.strip()[1:]
    kinds = {"Float32": "<f4", "Int32": "<i4", "Float64": "<f8"}

    def array(name: str) -> np.ndarray:
        element = next(each for each in root.iter("DataArray") if each.attrib["Name"] == name)
        text = appended[int(element.attrib["offset"]) :]
        blocks = int(np.frombuffer(base64.b64decode(text[:12])[:8], "<u8")[0])
        length = -(-(8 * (3 + blocks)) // 3) * 4
        sizes = np.frombuffer(base64.b64decode(text[:length]), "<u8")[3:]
        packed = base64.b64decode(text[length : length + -(-int(sizes.sum()) // 3) * 4])
        ends = np.cumsum(sizes).astype(int)
        parts = [zlib.decompress(packed[first:end]) for first, end in zip([0, *ends[:-1]], ends, strict=True)]
        return np.frombuffer(b"".join(parts), kinds[element.attrib["type"]])

    faces = array("connectivity").reshape(-1, 3)
    np.testing.assert_array_equal(array("offsets"), 3 * np.arange(1, len(faces) + 1))
    assert_surface(array("points").reshape(-1, 3), faces, array("strain"))


def test_stl(found, tmp_path):
    export.export(found, tmp_path / "a.stl")
    content = (tmp_path / "a.stl").read_bytes()
    assert not content.startswith(b"solid")
    count = int.from_bytes(content[80:84], "little")
    assert len(content) == 84 + 50 * count
    records = np.frombuffer(content[84:], [("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
    corners = records["v"].reshape(-1, 3)
    assert_surface(corners, np.arange(3 * count).reshape(-1, 3), (corners - CENTRE) @ Q)
    middle = records["v"].mean(1) - CENTRE
    assert (np.einsum("ij,ij->i", records["n"], middle) > 0).mean() > 0.99


def test_ply(found, tmp_path):
    export.export(found, tmp_path / "a.ply")
    head, _, body = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    words = [line.split() for line in head.decode().splitlines()]
    counts = [int(line[2]) for line in words if line[0] == "element"]
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [(line[2], kinds[line[1]]) for line in words if line[0] == "property" and line[1] != "list"]
    vertices = np.frombuffer(body, fields, counts[0])
    faces = np.frombuffer(body[vertices.nbytes :], [("n", "u1"), ("v", "<i4", 3)], counts[1])
    assert (faces["n"] == 3).all()
    assert vertices.nbytes + faces.nbytes == len(body)
    assert_surface(np.stack([vertices[axis] for axis in "xyz"], 1), faces["v"], vertices["strain"])
    # stretched is red, compressed is blue
    most, least = vertices["strain"].argmax(), vertices["strain"].argmin()
    assert vertices["red"][most] > vertices["blue"][most]
    assert vertices["blue"][least] > vertices["red"][least]


def test_the_crystals_frame_has_q_along_y(found, tmp_path):
    export.export(found, tmp_path / "a.npz", frame="crystal", voxel_size_nm=9.0)
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_allclose(file["q_bragg_per_nm"], [0, SIZE, 0], atol=1e-9)
        np.testing.assert_allclose(file["voxel_size"], 9)
        strain, support, y = file["strain"], file["support"], file["y_nm"]
        assert str(file["frame"]) == "crystal"
    support = ndimage.binary_erosion(support, iterations=2)
    slope = np.polyfit(np.broadcast_to(y[None, :, None], strain.shape)[support], strain[support], 1)[0]
    assert slope == pytest.approx(BEND, rel=0.05)
    with pytest.raises(InputError, match="circles are not known"):
        export.export(found, tmp_path / "a.npz", frame="sample")


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
def test_maps_of_another_frame_stay_in_it_and_say_so(found, tmp_path, suffix):
    """How they lay in the laboratory their file does not say: nothing is called the laboratory's."""
    path = tmp_path / f"crystal{suffix}"
    export.export(found, path, frame="crystal")
    again = formats.read_reconstruction(f"{path}::/entry_1/object/data" if suffix == ".h5" else path)
    assert again.frame == "crystal"
    np.testing.assert_allclose(
        again.q_bragg_per_nm / np.linalg.norm(again.q_bragg_per_nm), [0, 1, 0], atol=1e-3
    )
    maps = export.maps_of(again)
    assert maps.about["frame"] == "crystal"
    assert dict(analysis.method(again))["frame"].startswith("crystal, right-handed")
    with pytest.raises(
        InputError, match="lies in the crystal frame, and its file does not say how that stood"
    ):
        export.maps_of(again, frame="laboratory")
    export.write(again, tmp_path / "c.cxi")
    assert formats.read_reconstruction(tmp_path / "c.cxi").frame == "crystal"
    assert export.maps_of(found).about["frame"] == "laboratory"


def test_without_geometry_lengths_are_voxels_and_no_strain_is_claimed(found, tmp_path):
    unknown = replace(found, voxel_steps_nm=None, q_bragg_per_nm=None)
    for suffix in set(export.SUFFIXES) - {".csv"}:
        export.export(unknown, tmp_path / f"a{suffix}")
    with np.load(tmp_path / "a.npz") as file:
        assert "strain" not in file
        assert "displacement" not in file
        assert json.loads(str(file["units"]))["relative_strain"] == "rad/voxel"
        assert "0_pixel" in file
    with pytest.raises(InputError, match="no geometry"):
        export.export(unknown, tmp_path / "a.npz", frame="crystal")


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".nxs", ".h5", ".vti"])
def test_maps_without_geometry_open_again_as_ours(found, tmp_path, suffix):
    unknown = replace(found, voxel_steps_nm=None, q_bragg_per_nm=None)
    export.export(unknown, tmp_path / f"a{suffix}")
    again = formats.read(tmp_path / f"a{suffix}")
    assert again.name == "ball"
    assert again.voxel_steps_nm is again.q_bragg_per_nm is None
    assert again.notes[0].startswith("Written by napari-autophase")
    assert analysis.compare_results(again, unknown).figures["correlation"] > 0.98


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("suffix", [".npz", ".mat", ".nxs", ".vti"])
def test_maps_of_a_thin_crystal_open_again(found, tmp_path, suffix, knows):
    """Maps are cut to the crystal, so that they may have fewer voxels than any scan: a plate of two, and its margin."""
    plate = np.zeros(found.shape, bool)
    middle = tuple(
        slice(n // 2 - half, n // 2 + half) for n, half in zip(found.shape, (1, 4, 5), strict=True)
    )
    plate[middle] = True
    thin = replace(found, object=np.where(plate, 1, 0).astype(np.complex64), support=plate)
    if not knows:
        thin = replace(thin, voxel_steps_nm=None, q_bragg_per_nm=None)
    assert min(export.maps_of(thin).shape) < 16
    export.export(thin, tmp_path / f"a{suffix}")
    again = formats.read(tmp_path / f"a{suffix}")
    assert again.object.shape == export.maps_of(thin).shape
    assert again.name == "ball"
    assert (again.q_bragg_per_nm is not None) == knows
    assert analysis.compare_results(again, thin).figures["correlation"] > 0.95
    with pytest.raises(InputError, match="reconstruction"):
        formats.read_scan(tmp_path / f"a{suffix}")


def test_the_package_writes_what_it_reads(tmp_path):
    """`write` of a scan ended in an AttributeError."""
    from napari_autophase import Scan, read, write

    counts = np.random.default_rng(0).poisson(3.0, (16, 17, 18)).astype(np.int32)
    write(Scan(counts), tmp_path / "a.h5")
    np.testing.assert_array_equal(read(tmp_path / "a.h5").counts, counts)
    with pytest.raises(InputError, match=r"ends in \.h5"):
        write(Scan(counts), tmp_path / "a.npz")


def test_what_cannot_be_written_is_said_and_leaves_nothing(found, tmp_path):
    with pytest.raises(InputError, match=r"a\.docx.*\.vti"):
        export.export(found, tmp_path / "a.docx")
    empty = replace(found, support=np.zeros(found.shape, bool))
    with pytest.raises(InputError, match="empty"):
        export.export(empty, tmp_path / "a.vti")
    with pytest.raises(InputError, match="no such folder"):
        export.export(found, tmp_path / "nowhere/a.vti")
    with pytest.raises(InputError, match="no curves"):
        export.export(found, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
    # an empty result is saved all the same: somebody may want to know why
    write(empty, tmp_path / "a.cxi")
    assert not formats.read(tmp_path / "a.cxi").support.any()


@pytest.mark.parametrize("known", [True, False])
def test_what_several_runs_say_goes_along(found, tmp_path, known):
    """A strain of 1e-5 x nm⁻¹ on the result's own grid, and its error, are on the maps' grid where they belong."""
    x = place()[0]
    strain = np.where(
        np.linalg.norm(place() - CENTRE[:, None, None, None], axis=0) < RADIUS, 1e-5 * x, np.nan
    )
    trust = Trust(
        *(each.astype(np.float32) for each in (strain, np.abs(strain), np.abs(strain), np.abs(strain))),
        figures={
            "strain_resolution": 42.3,
            "strain_correlation": 0.93 if known else 0.41,
            "twin_likeness": 0.9 if known else 0.99,
        },
        unit="nm" if known else "voxels",
    )
    averaged = replace(found, trust=trust)
    if not known:
        averaged = replace(averaged, voxel_steps_nm=None, q_bragg_per_nm=None)
    export.export(averaged, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        got, error = file["strain_averaged"], file["strain_error"]
        assert np.isnan(got).any()
        inside = np.isfinite(got)
        assert inside.sum() > 800
        if known:  # the nearest voxel is half a voxel off at most
            at = np.broadcast_to(file["x_nm"][None, None], got.shape)
            np.testing.assert_allclose(got[inside], 1e-5 * at[inside], atol=1e-5 * 4)
        np.testing.assert_allclose(error[inside], np.abs(got[inside]))
        meanings = json.loads(str(file["meanings"]))
        what = meanings["strain_averaged"]
        assert float(file["strain_resolution"]) == 42.3
        assert float(file["strain_correlation"]) == (0.93 if known else 0.41)
    assert f"at a resolution of 42.3 {'nm' if known else 'voxels'}" in what
    assert what.endswith("correlates to 0.93" if known else "0.41: none of it stands above its error")
    # of crystals that are nearly their own twins the error is sometimes too small
    for name in ("strain_error", "amplitude_error", "phase_error"):
        assert ("may be too small: the crystal is nearly its own twin" in meanings[name]) == (not known)


def test_curves_are_a_table(found, tmp_path):
    ramp = np.array([0.1, 0.2])
    shells = Shells(
        frequency=ramp,
        voxels=np.array([10, 20]),
        photons=np.ones(2),
        deviance=np.array([1.0, 4.0]),
        expected=np.array([1.0, 0.5]),
        expected_error=np.ones(2),
        free_voxels=np.array([0, 3]),
        free_deviance=np.array([np.nan, 1.0]),
        free_expected=np.array([np.nan, 0.5]),
        unit="nm",
    )
    nothing = np.zeros(found.shape, np.float32)
    curve = Curve(np.array([0.0, 0.2]), np.array([1.0, 0.25]), np.array([0.5, 0.4]))
    trust = Trust(nothing, nothing, nothing, nothing, figures={}, unit="nm", fsc=curve)
    export.export(replace(found, shells=shells, trust=trust), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["curve"] for row in rows] == ["deviance", "deviance", "deviance_held_out", "fsc", "fsc"]
    assert [float(row["frequency_per_nm"]) for row in rows] == [0.1, 0.2, 0.2, 0, 0.2]
    assert [row["resolution_nm"] for row in rows] == ["10", "5", "5", "", "5"]
    assert [float(row["value"]) for row in rows] == [1, 8, 2, 1, 0.25]
    assert [float(row["threshold"]) for row in rows] == [3, 3, 3, 0.5, 0.4]
    assert [row["voxels"] for row in rows] == ["10", "20", "3", "", ""]
