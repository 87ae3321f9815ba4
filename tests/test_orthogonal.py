"""Just orthogonalise: closed forms in a sheared grid come out with their sizes, places and directions, in every frame."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from napari_autophase import analysis, cli, export, formats
from napari_autophase.geometry import frame, scattering_vector
from napari_autophase.orthogonal import orthogonalise, write
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Geometry, InputError, Scan
from napari_autophase.simulation import simulate

GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.02,
    detector_angles_deg=(30.0, 12.0),
    sample_circles=("y+", "z-"),
    sample_angles_deg=(11.0, 25.0),
    direct_beam_pixel=(30.0, 32.0),
)
SHAPE = (56, 60, 64)
RADIUS_NM = 300.0


@pytest.fixture(scope="module")
def sphere():
    """A sphere with a bright ball at a known place, in the sheared grid of `GEOMETRY`."""
    steps, q = frame(GEOMETRY, tuple(n / 2 for n in SHAPE), SHAPE)
    # edges that are soft over a voxel: the sheared grid samples them without steps
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"), -1)
    position = index @ steps.T
    soft = np.linalg.norm(steps, axis=0).max() / 2
    body = 1 / (1 + np.exp((np.linalg.norm(position, axis=-1) - RADIUS_NM) / soft * 2))
    marker = np.array([120.0, 80.0, -140.0])  # x, y, z
    bright = 3 * np.exp(-((np.linalg.norm(position - marker, axis=-1) / 60) ** 2))
    object = (body + bright * body).astype(np.complex64)
    return (
        Reconstruction(
            object=object,
            support=body > 1e-3,
            recipe=Recipe(),
            figures={},
            geometry=GEOMETRY,
            voxel_steps_nm=steps,
            q_bragg_per_nm=q,
            name="sphere",
            source="sphere.h5",
        ),
        marker,
        body,
        position,
    )


def grid(made):
    z, y, x = np.meshgrid(*made.axes(), indexing="ij")
    return np.stack([x, y, z], -1)


def test_a_sphere_comes_out_round_and_as_large_as_it_is(sphere):
    found, _, body, _ = sphere
    plain = replace(found, object=body.astype(np.complex64))
    made = orthogonalise(plain, voxel_size=18.0)
    assert made.unit == "nm"
    assert made.voxel_size == 18.0
    amplitude = np.abs(made.data)
    at = grid(made)
    volume = np.count_nonzero(amplitude > 0.5) * 18.0**3
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS_NM**3, rel=0.02)
    assert amplitude.sum() * 18.0**3 == pytest.approx(
        body.sum() * abs(np.linalg.det(found.voxel_steps_nm)), rel=0.02
    )
    second = np.einsum("abci,abcj,abc->ij", at, at, amplitude) / amplitude.sum()
    widths = np.sqrt(np.linalg.eigvalsh(second))
    assert widths == pytest.approx([widths.mean()] * 3, rel=0.02)
    assert (made.known & (amplitude > 0.5)).sum() == (amplitude > 0.5).sum()


@pytest.mark.parametrize("choice", ["laboratory", "sample", "crystal"])
def test_a_marker_lies_where_it_is_in_every_frame(sphere, choice):
    found, marker, _, _ = sphere
    made = orthogonalise(found, choice)
    amplitude = np.abs(made.data)
    assert made.voxel_size**3 == pytest.approx(abs(np.linalg.det(found.voxel_steps_nm)))
    bright = np.where(amplitude > 0.7 * amplitude.max(), amplitude - 0.7 * amplitude.max(), 0)
    place = np.einsum("abci,abc->i", grid(made), bright) / bright.sum()
    if choice == "laboratory":
        expected = marker
    elif choice == "sample":
        # by hand: the sample's circles undone, the outermost (about +y by 11°) first, then the one about -z by 25°
        one, two = np.radians(11.0), np.radians(-25.0)
        x, y, z = marker
        x, z = x * np.cos(one) - z * np.sin(one), x * np.sin(one) + z * np.cos(one)
        expected = np.array([x * np.cos(two) + y * np.sin(two), -x * np.sin(two) + y * np.cos(two), z])
    else:
        # what a rotation that brings Q to y keeps: the length, the part along Q, and what is across both
        q = found.q_bragg_per_nm / np.linalg.norm(found.q_bragg_per_nm)
        assert place[1] == pytest.approx(marker @ q, abs=made.voxel_size / 2)
        across = np.cross(q, [0, 1, 0]) / np.linalg.norm(np.cross(q, [0, 1, 0]))
        assert place @ across == pytest.approx(marker @ across, abs=made.voxel_size / 2)
        assert made.q_bragg_per_nm == pytest.approx([0, np.linalg.norm(found.q_bragg_per_nm), 0], abs=1e-9)
        expected = place
    assert np.linalg.norm(place) == pytest.approx(np.linalg.norm(marker), abs=made.voxel_size)
    assert place == pytest.approx(expected, abs=made.voxel_size / 2)


def test_phases_keep_their_signs_and_directions(sphere):
    found, _, body, position = sphere
    # u is quadratic along y: what a ramp cannot take out
    phase = 1e-5 * position[..., 1] ** 2
    made = orthogonalise(replace(found, object=(body * np.exp(1j * phase)).astype(np.complex64)))
    inside = np.abs(made.data) > 0.9
    y = grid(made)[..., 1][inside]
    fit = np.polyfit(
        y, np.unwrap(np.angle(made.data[inside] * np.exp(-1j * np.angle(made.data[inside]).mean()))), 2
    )
    assert fit[0] == pytest.approx(1e-5, rel=0.05)
    assert abs(fit[1]) < 2e-4


@pytest.fixture(scope="module")
def spots():
    """Counts that are Gaussians about a peak and a weaker satellite, of known indices."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), -1).astype(float)
    peak, satellite = np.array([28, 30, 32]), np.array([36, 22, 44])

    def spot(at, width):
        return np.exp(-(((index - at) / width) ** 2).sum(-1) / 2)

    counts = np.round(1e5 * spot(peak, 2.0) + 2e3 * spot(satellite, 1.5)).astype(np.uint32)
    return Scan(counts, geometry=GEOMETRY, name="spots", source="spots.h5"), peak, satellite


def test_counts_lie_at_their_q(spots):
    scan, peak, satellite = spots
    made = orthogonalise(scan)
    assert made.unit == "1/nm"
    at = grid(made)
    brightest = np.unravel_index(int(made.data.argmax()), made.data.shape)
    q = scattering_vector(GEOMETRY, tuple(peak[1:]), SHAPE)
    assert at[brightest] == pytest.approx(q, abs=made.voxel_size)
    assert made.q_bragg_per_nm == pytest.approx(q)
    # the satellite's q by turning the crystal back with the circle that rocks, exactly, not as a linear step
    turned = np.radians(-GEOMETRY.rocking_step_deg * (satellite[0] - SHAPE[0] // 2))
    x, y, z = scattering_vector(GEOMETRY, tuple(satellite[1:]), SHAPE)
    expected = np.array(
        [x * np.cos(turned) + z * np.sin(turned), y, -x * np.sin(turned) + z * np.cos(turned)]
    )
    weak = np.where(np.linalg.norm(at - expected, axis=-1) < 5 * made.voxel_size, made.data, 0)
    place = np.einsum("abci,abc->i", at, weak) / weak.sum()
    assert place == pytest.approx(expected, abs=made.voxel_size / 2)
    assert weak.sum() * made.voxel_size**3 > 0


def test_counts_are_interpolated_among_what_was_measured(spots):
    scan, peak, _ = spots
    mask = np.zeros(SHAPE, bool)
    mask[:, 20] = True
    flat = replace(scan, counts=np.where(scan.counts < 3, 3, scan.counts).astype(np.uint32), mask=mask)
    made = orthogonalise(flat)
    assert made.data[made.known].min() == pytest.approx(3, rel=1e-4)  # no dark seam beside the gap
    assert (made.data[~made.known] == 0).all()
    assert (~made.known).sum() > 0
    assert peak is not None


@pytest.mark.parametrize("name", ["out.npz", "out.h5"])
def test_what_is_written_says_axes_and_units(sphere, tmp_path, name, capsys):
    found, _, _, _ = sphere
    formats.write(found, tmp_path / "sphere.cxi")
    path = tmp_path / name
    arguments = [
        "orthogonalise",
        tmp_path / "sphere.cxi",
        "-o",
        path,
        "--frame",
        "crystal",
        "--voxel-size",
        "25",
    ]
    assert cli.main([str(each) for each in arguments]) == 0, capsys.readouterr().err
    expected = orthogonalise(found, "crystal", 25.0)
    assert "25 nm along z, y, x of the crystal frame" in capsys.readouterr().out
    if name.endswith("npz"):
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in file}
        assert str(held["unit"]) == "nm"
        assert str(held["frame"]) == "crystal"
    else:
        with h5py.File(path) as file:
            group = file["entry_1/orthogonal"]
            assert group.attrs["signal"] == "data"
            assert list(group.attrs["axes"]) == ["z", "y", "x"]
            assert {group[axis].attrs["units"] for axis in ("z", "y", "x", "voxel_size")} == {"nm"}
            assert group["q_bragg_per_nm"].attrs["units"] == "1/nm"
            held = {key: group[key][()] for key in group}
            assert b"Q lies along y" in held["axes_are"]
    assert np.allclose(held["data"], expected.data)
    assert np.array_equal(held["support"] != 0, expected.known)
    for axis, values in zip("zyx", expected.axes(), strict=True):
        assert np.allclose(held[axis], values)
        assert len(values) == held["data"].shape["zyx".index(axis)]
    assert np.allclose(held["q_bragg_per_nm"], expected.q_bragg_per_nm)


@pytest.mark.parametrize("name", ["out.npz", "out.h5"])
def test_what_was_orthogonalised_opens_again_where_it_lay(sphere, tmp_path, name):
    found, _, _, _ = sphere
    write(orthogonalise(found), tmp_path / name)
    again = formats.read(tmp_path / name)
    np.testing.assert_allclose(again.q_bragg_per_nm, found.q_bragg_per_nm, rtol=1e-6)
    volume = abs(np.linalg.det(found.voxel_steps_nm))
    assert abs(np.linalg.det(again.voxel_steps_nm)) == pytest.approx(volume, rel=1e-6)
    # x of the laboratory is the last axis
    assert again.voxel_steps_nm[0, 2] > 0
    compared = analysis.compare_results(again, found)
    assert compared.figures["correlation"] > 0.97
    assert compared.voxel_size_nm is not None
    assert not any("no geometry" in note for note in compared.notes)
    assert any("laboratory frame" in note for note in again.notes)


def test_a_scan_goes_through_the_command_too(tmp_path, capsys):
    formats.write_scan(simulate(1, 48, background=2.0).scan, tmp_path / "s.h5")
    assert (
        cli.main(
            ["orthogonalise", str(tmp_path / "s.h5"), "-o", str(tmp_path / "q.npz"), "--frame", "sample"]
        )
        == 0
    )
    with np.load(tmp_path / "q.npz", allow_pickle=False) as file:
        assert str(file["unit"]) == "1/nm"
        assert file["data"].dtype == np.float32
        assert "flat background of 2" in capsys.readouterr().out
        assert np.quantile(file["data"][file["mask"] == 0], 0.2) > 1  # it is still there
        assert file["mask"].dtype == bool


def test_frames_along_another_axis_are_brought_to_the_same_grid(tmp_path):
    scan = simulate(1, 48).scan
    formats.write_scan(scan, tmp_path / "s.h5")
    np.save(tmp_path / "last.npy", np.moveaxis(scan.counts, 0, -1))
    made = []
    for name, how in (("s.h5", []), ("last.npy", ["--axes", "2,0,1", "--geometry", str(tmp_path / "s.h5")])):
        out = tmp_path / f"{name}.npz"
        assert cli.main(["orthogonalise", str(tmp_path / name), "-o", str(out), *how]) == 0
        with np.load(out) as file:
            made.append(file["data"])
    np.testing.assert_allclose(made[1], made[0], rtol=1e-5)


def test_voxels_may_be_half_of_what_is_resolved(sphere, spots, tmp_path, capsys):
    """The sphere's edge is a logistic function: from a tenth to nine tenths it is 2 ln 9 times its scale, widened by voxels."""
    found, _, body, _ = sphere
    plain = replace(found, object=body.astype(np.complex64))
    scale = np.linalg.norm(found.voxel_steps_nm, axis=0).max() / 4
    made = orthogonalise(plain, voxel_size="resolution")
    assert np.log(9) * scale < made.voxel_size < 1.5 * np.log(9) * scale
    maps = export.maps_of(plain, voxel_size_nm="resolution")
    assert maps.voxel_size == pytest.approx((made.voxel_size,) * 3)
    formats.write(plain, tmp_path / "s.cxi")
    command = ["orthogonalise", str(tmp_path / "s.cxi"), "-o", str(tmp_path / "o.h5"), "--voxel-size"]
    assert cli.main([*command, "resolution"]) == 0
    assert f"voxels of {made.voxel_size:.5g} nm" in capsys.readouterr().out
    assert cli.main([*command, "fine"]) == 2
    assert "--voxel-size fine: write a number of nm, or resolution." in capsys.readouterr().err
    with pytest.raises(InputError, match="is a scan, which has no resolution"):
        orthogonalise(spots[0], voxel_size="resolution")


def test_what_cannot_be_is_said(sphere, spots, tmp_path, capsys):
    found, _, _, _ = sphere
    with pytest.raises(InputError, match="result without geometry"):
        orthogonalise(replace(found, voxel_steps_nm=None))
    with pytest.raises(InputError, match="has no geometry"):
        orthogonalise(replace(spots[0], geometry=None))
    with pytest.raises(InputError, match="give a positive one"):
        orthogonalise(found, voxel_size=-1.0)
    with pytest.raises(InputError, match="Voxels of 700 nm are too large"):
        orthogonalise(found, voxel_size=700.0)  # the sphere is smaller
    with pytest.raises(InputError, match="1/nm are too large"):
        orthogonalise(spots[0], voxel_size=10.0)
    with pytest.raises(InputError, match="choose larger voxels"):
        orthogonalise(found, voxel_size=1e-3)
    with pytest.raises(InputError, match="is empty"):
        orthogonalise(replace(found, object=np.zeros(SHAPE, np.complex64)))
    with pytest.raises(InputError, match="sample's circles are not known"):
        orthogonalise(replace(found, geometry=None), "sample")
    with pytest.raises(InputError, match=r"npz or \.h5"):
        write(orthogonalise(found), tmp_path / "a.vtk")
    formats.write(found, tmp_path / "sphere.cxi")
    assert cli.main(["orthogonalise", str(tmp_path / "sphere.cxi"), "-o", str(tmp_path / "a.tif")]) == 2
    assert "must end in .h5 or .npz" in capsys.readouterr().err
    arguments = [
        "orthogonalise",
        tmp_path / "sphere.cxi",
        "-o",
        tmp_path / "a.h5",
        "--set",
        "geometry.energy_kev=8",
    ]
    assert cli.main([str(each) for each in arguments]) == 2
    assert "is a result" in capsys.readouterr().err
    assert not (tmp_path / "a.h5").exists()
    assert cli.main([*map(str, arguments[:-1]), "energy_kev=8"]) == 2
    assert "takes the geometry's settings alone, such as geometry.energy_kev=9" in capsys.readouterr().err
