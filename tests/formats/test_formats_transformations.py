"""NeXus transformations: what they place, against positions worked out by hand, and a real scan of I16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from beamline_trees import COLUMNS, FRAMES, ROWS, SHAPE, counts, scanned
from scipy.spatial.transform import Rotation

from napari_autophase import cli, formats
from napari_autophase.geometry import reciprocal_steps, scattering_vector
from napari_autophase.scan import InputError, Scan

I16 = Path(__file__).resolve().parents[2] / "../shared/data/i16_nxs/1040323.nxs"
ENERGY_KEV = 9.0
PIXEL_MM = 0.172
FAST, SLOW = np.array([0.6, 0.0, -0.8]), np.array([0.0, -1.0, 0.0])
ORIGIN_MM = np.array([-20.0, 15.0, 600.0])


def transformation(
    group, name, value, vector, on=".", *, kind="rotation", units="deg", offset=None, offset_units="mm"
):
    item = group.create_dataset(name, data=value)
    item.attrs.update({"vector": np.asarray(vector, float), "depends_on": on, "transformation_type": kind})
    if units:
        item.attrs["units"] = units
    if offset is not None:
        item.attrs["offset"], item.attrs["offset_units"] = np.asarray(offset, float), offset_units
    return item.name


def placed(path: Path, *, rocked=("om",), arm=((30.0, 10.0)), pixel_units="mm", energy_units="keV") -> Path:
    """A file that says everything by transformations: sample om on mu, a module askew on two arms."""
    with h5py.File(path, "w") as file:
        groups = {}
        for name, kind in (("entry", "NXentry"), ("entry/instrument", "NXinstrument"), ("entry/sample", "NXsample"),
                           ("entry/instrument/det", "NXdetector"), ("entry/instrument/det/module", "NXdetector_module"),
                           ("entry/sample/beam", "NXbeam"), ("entry/instrument/arm", "NXtransformations"),
                           ("entry/sample/circles", "NXtransformations")):  # fmt: skip
            groups[name] = file.create_group(name)
            groups[name].attrs["NX_class"] = kind
        values = {"mu": 2.0, "om": 15.0}
        angles = {name: scanned(value, 0.01) if name in rocked else value for name, value in values.items()}
        circles, carrier = groups["entry/sample/circles"], groups["entry/instrument/arm"]
        transformation(circles, "mu", angles["mu"], (1, 0, 0))
        transformation(circles, "om", angles["om"], (0, 1, 0), "mu")
        groups["entry/sample"]["depends_on"] = "circles/om"
        transformation(carrier, "gamma", arm[0], (0, -1, 0))
        transformation(
            carrier, "delta", np.radians(arm[1]), (-1, 0, 0), "/entry/instrument/arm/gamma", units="rad"
        )
        module = groups["entry/instrument/det/module"]
        # the leading slash is left out, as GDA does; the origin is a value of one along a vector that is not of length one
        transformation(
            module, "origin", 1.0, ORIGIN_MM, "entry/instrument/arm/delta", kind="translation", units="mm"
        )
        size = PIXEL_MM * {"mm": 1.0, "m": 1e-3, "um": 1e3}[pixel_units]
        for name, vector in (("fast", FAST), ("slow", SLOW)):
            transformation(
                module, f"{name}_pixel_direction", size, vector, "origin", kind="translation", units=pixel_units,
                offset=(0.0, 0.0, 2.0),
            )  # fmt: skip
        groups["entry/instrument/det"]["data"] = counts()
        beam = groups["entry/sample/beam"]
        beam["incident_energy"] = ENERGY_KEV if energy_units in ("keV", "") else ENERGY_KEV * 1e3
        if energy_units:
            beam["incident_energy"].attrs["units"] = energy_units
    return path


def vector(row: float, column: float, arm=(30.0, 10.0)) -> np.ndarray:
    """Q in 1/nm at a pixel, from where that pixel is."""
    carried = Rotation.from_rotvec(-np.radians(arm[0]) * np.eye(3)[1]) * Rotation.from_rotvec(
        -np.radians(arm[1]) * np.eye(3)[0]
    )
    place = carried.apply(ORIGIN_MM + np.array([0, 0, 2.0]) + PIXEL_MM * (row * SLOW + column * FAST))
    return 2 * np.pi * ENERGY_KEV / 1.239841984 * (place / np.linalg.norm(place) - np.array([0, 0, 1]))


@pytest.mark.parametrize("pixel_units", ["mm", "m", "um"])
@pytest.mark.parametrize("energy_units", ["keV", "eV", ""])
def test_every_pixel_is_where_the_transformations_put_it(tmp_path, pixel_units, energy_units):
    scan = formats.read_scan(placed(tmp_path / "a.nxs", pixel_units=pixel_units, energy_units=energy_units))
    geometry = scan.geometry
    assert geometry is not None
    assert geometry.pixel_size_um == pytest.approx((172.0, 172.0))
    for pixel in ((0.0, 0.0), (ROWS - 1.0, 3.0), (7.5, COLUMNS - 1.0)):
        np.testing.assert_allclose(scattering_vector(geometry, pixel, SHAPE), vector(*pixel), rtol=1e-7)
    assert geometry.detector_circles == ("y-", "x-")
    assert geometry.detector_angles_deg == pytest.approx((30.0, 10.0))


def test_the_circle_that_moves_rocks(tmp_path):
    geometry = formats.read_scan(placed(tmp_path / "a.nxs")).geometry
    assert geometry is not None
    assert (geometry.sample_circles, geometry.rocking_circle) == (("x+", "y+"), 1)
    assert geometry.sample_angles_deg == pytest.approx((2.0, 15.0))
    assert geometry.rocking_step_deg == pytest.approx(0.01)
    # the axis of om, carried by mu, turns q by -axis × q
    axis = Rotation.from_euler("x", 2.0, degrees=True).apply([0, 1, 0])
    expected = -np.radians(0.01) * np.cross(axis, vector(12, 16))
    found = reciprocal_steps(geometry, (FRAMES // 2, 12, 16), SHAPE)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_circles_that_move_together_turn_about_one_axis(tmp_path):
    geometry = formats.read_scan(placed(tmp_path / "a.nxs", rocked=("mu", "om"))).geometry
    assert geometry is not None
    turn = [
        Rotation.from_euler("x", 2 + 0.01 * step, degrees=True)
        * Rotation.from_euler("y", 15 + 0.01 * step, degrees=True)
        for step in (-0.5, 0.5)
    ]
    between = (turn[1] * turn[0].inv()).as_rotvec()
    found = reciprocal_steps(geometry, (FRAMES // 2, 12, 16), SHAPE)[:, 0]
    np.testing.assert_allclose(found, -np.cross(between, vector(12, 16)), rtol=1e-4)


def test_a_translation_outside_of_a_rotation_is_honoured(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        transformation(file["entry/instrument/arm"], "lift", 30.0, (0, 1, 0), kind="translation", units="mm")
        file["entry/instrument/arm/gamma"].attrs["depends_on"] = "lift"
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    lifted = Rotation.from_rotvec(-np.radians(30) * np.eye(3)[1]) * Rotation.from_rotvec(
        -np.radians(10) * np.eye(3)[0]
    )
    place = lifted.apply(ORIGIN_MM + np.array([0, 0, 2.0])) + np.array([0, 30.0, 0])
    expected = 2 * np.pi * ENERGY_KEV / 1.239841984 * (place / np.linalg.norm(place) - np.array([0, 0, 1]))
    np.testing.assert_allclose(scattering_vector(geometry, (0, 0), SHAPE), expected, rtol=1e-7)


def test_a_detector_that_only_translates_has_no_arm(tmp_path):
    """As NXmx is written at most beamlines: the module depends on a distance, the pixels on the module."""
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        transformation(file["entry/instrument/arm"], "det_z", 0.4, (0, 0, 1), kind="translation", units="m")
        file["entry/instrument/det/module/origin"].attrs["depends_on"] = "/entry/instrument/arm/det_z"
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert (geometry.detector_circles, geometry.detector_angles_deg) == ((), ())
    place = ORIGIN_MM + np.array([0, 0, 402.0]) + PIXEL_MM * (5 * SLOW + 6 * FAST)
    expected = 2 * np.pi * ENERGY_KEV / 1.239841984 * (place / np.linalg.norm(place) - np.array([0, 0, 1]))
    np.testing.assert_allclose(scattering_vector(geometry, (5, 6), SHAPE), expected, rtol=1e-7)


def test_an_energy_for_each_frame_is_an_energy_scan(tmp_path):
    path = placed(tmp_path / "a.nxs", rocked=())
    with h5py.File(path, "r+") as file:
        beam = file["entry/sample/beam"]
        del beam["incident_energy"]
        beam["incident_energy"] = scanned(9000.0, 2.0)
        beam["incident_energy"].attrs["units"] = "eV"
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    assert geometry.energy_kev == pytest.approx(9.0)
    assert geometry.energy_step_kev == pytest.approx(0.002)
    q = vector(12, 16)
    found = reciprocal_steps(geometry, (FRAMES // 2, 12, 16), SHAPE)[:, 0]
    np.testing.assert_allclose(found, q * 0.002 / 9.0, rtol=1e-6)


def test_an_arm_that_follows_is_part_of_each_step(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        carrier = file["entry/instrument/arm"]
        del carrier["gamma"]
        transformation(carrier, "gamma", scanned(30.0, 0.02), (0, -1, 0))
    geometry = formats.read_scan(path).geometry
    assert geometry is not None
    axis = Rotation.from_euler("x", 2.0, degrees=True).apply([0, 1, 0])
    follows = vector(12, 16, (30.01, 10.0)) - vector(12, 16, (29.99, 10.0))
    expected = -np.radians(0.01) * np.cross(axis, vector(12, 16)) + follows
    found = reciprocal_steps(geometry, (FRAMES // 2, 12, 16), SHAPE)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def _go_round(file):
    file["entry/instrument/arm/gamma"].attrs["depends_on"] = "delta"


def _lead_nowhere(file):
    file["entry/instrument/arm/gamma"].attrs["depends_on"] = "table"


def _strange_unit(file):
    file["entry/instrument/arm/gamma"].attrs["units"] = "furlong"


def _no_pixels(file):
    del file["entry/instrument/det/module/slow_pixel_direction"]
    file["entry/instrument/det/depends_on"] = "/entry/instrument/arm/delta"


def _odd_number(file):
    del file["entry/sample/circles/om"]
    transformation(file["entry/sample/circles"], "om", np.arange(5.0), (0, 1, 0), "mu")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_go_round, "goes round"),
        (_lead_nowhere, "depends on table"),
        (_strange_unit, "furlong"),
        (_odd_number, "has 5 values, but there are 17 frames"),
        (_no_pixels, "says by fast_pixel_direction and slow_pixel_direction how its pixels run"),
    ],
)
def test_transformations_that_cannot_be_used_are_said_to_be(tmp_path, spoil, says):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        spoil(file)
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert any(says in note for note in scan.notes)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (scanned(15.0, 0.01, FRAMES + 1), "has 18 positions for 17 frames: the first 17 are taken"),
        (np.where(np.arange(FRAMES) < 13, scanned(15.0, 0.01), np.nan), "has no values from point 13 on"),
    ],
)
def test_positions_that_are_too_many_or_were_not_written_are_said_and_the_others_used(tmp_path, values, says):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/sample/circles/om"]
        transformation(file["entry/sample/circles"], "om", values, (0, 1, 0), "mu")
    scan = formats.read_scan(path)
    assert scan.geometry is not None
    assert scan.geometry.rocking_step_deg == pytest.approx(0.01)
    assert scan.geometry.rocking_angles_deg == pytest.approx(values[0] + 0.01 * np.arange(FRAMES))
    assert any(says in note for note in scan.notes)


def test_what_transformations_say_is_kept_where_only_the_energy_is_lacking(tmp_path, capsys):
    """Given by a person, it makes the geometry that the file would have made."""
    whole = formats.read_scan(placed(tmp_path / "whole.nxs")).geometry
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        beam = file["entry/sample/beam"]
        del beam["incident_energy"]
        beam["incident_wavelength"] = 1.3776  # in whatever unit
    scan = formats.read_scan(path)
    assert scan.geometry is None
    (said,) = (note for note in scan.notes if "incident_wavelength" in note)
    assert "1.3776, without a unit, is no energy or wavelength of X-rays" in said
    (said,) = (note for note in scan.notes if "places detector and sample" in note)
    assert said.endswith("says no energy, so the geometry is not complete: --set geometry.energy_kev=…")
    assert cli.main(["info", str(path), "--json", "--set", f"geometry.energy_kev={ENERGY_KEV}"]) == 0
    found = json.loads(capsys.readouterr().out)["geometry"]
    for name in (
        "distance_m",
        "direct_beam_pixel",
        "detector_angles_deg",
        "sample_angles_deg",
        "rocking_angles_deg",
    ):
        assert np.allclose(found[name], getattr(whole, name)), name
    assert found["energy_kev"] == ENERGY_KEV


def test_an_energy_that_is_none_is_named(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        file["entry/sample/beam/incident_energy"][...] = 9000.0  # said to be keV
    notes = formats.read_scan(path).notes
    assert any("incident_energy of a.nxs is not used: 9000 keV is no energy" in note for note in notes)


def test_what_turns_nothing_is_no_rocking_curve(tmp_path):
    scan = formats.read_scan(placed(tmp_path / "a.nxs", rocked=()))
    assert scan.geometry is None
    assert any("turns nothing from frame to frame" in note for note in scan.notes)
    assert scan.metadata["sample_angles_deg"] == pytest.approx((2, 15))


def test_an_angle_without_a_type_turns(tmp_path):
    path = placed(tmp_path / "a.nxs")
    whole = formats.read_scan(path).geometry
    with h5py.File(path, "r+") as file:
        for name in ("mu", "om"):
            del file[f"entry/sample/circles/{name}"].attrs["transformation_type"]
    assert formats.read_scan(path).geometry == whole


def test_a_sample_that_depends_on_nothing_is_said(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        del file["entry/sample/depends_on"]
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert any("no sample that depends on any" in note for note in scan.notes)


# -- a scan of I16, as the beamline wrote it -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[Scan, Path]:
    """The metadata of a real scan, with frames of our own beside it."""
    if not I16.exists():
        pytest.skip("the scan of I16 is not here")
    folder = tmp_path_factory.mktemp("i16")
    path = folder / I16.name
    shutil.copyfile(I16, path)
    frames = folder / "1040323-pilatus3_100k-files"
    frames.mkdir()
    data = np.random.default_rng(0).poisson(0.01, (21, 195, 487)).astype(np.int32)
    data[10, 106, 239] = 500
    with h5py.File(frames / "1040323.hdf", "w") as file:
        file["entry/instrument/detector/data"] = data
    return formats.read_scan(path), path


def test_i16_fields(measured):
    scan, _ = measured
    geometry = scan.geometry
    assert geometry is not None
    assert scan.shape == (21, 195, 487)
    assert geometry.energy_kev == pytest.approx(9.0, rel=1e-6)
    assert geometry.pixel_size_um == pytest.approx((172.0, 172.0), abs=1e-3)
    assert geometry.detector_circles == ("x+", "y+", "y-")
    assert (geometry.beamline, geometry.detector) == ("I16", "pil3_100k")
    assert scan.metadata["saturation_counts"] == 1e6
    assert scan.metadata["command"].startswith("scan hkl [0.97")


def test_i16_momentum_transfer_is_that_of_the_crystal_that_the_file_names(measured):
    scan, path = measured
    with h5py.File(path) as file:
        instrument = file["entry/instrument"]
        hkl = np.array([instrument[f"hkl/{index}"][10] for index in "hkl"])
        ub, cell = file["entry/sample/ub_matrix"][0], file["entry/sample/unit_cell"][0]
        centre = instrument["pil3_centre_j/value"][()], instrument["pil3_centre_i/value"][()]
    found = float(np.linalg.norm(scattering_vector(scan.geometry, centre, scan.shape)))
    assert found == pytest.approx(20 * np.pi * np.linalg.norm(ub @ hkl), rel=5e-4)
    assert 2 * np.pi / found == pytest.approx(cell[0] / 10 / np.linalg.norm(hkl), rel=5e-4)


def test_i16_frames_step_along_l_as_the_scan_asked(measured):
    scan, path = measured
    geometry = scan.geometry
    with h5py.File(path) as file:
        a_nm = file["entry/sample/unit_cell"][0, 0] / 10
        hkl = np.stack([file[f"entry/instrument/hkl/{index}"] for index in "hkl"])
    step = reciprocal_steps(geometry, (10, 106, 239), scan.shape)[:, 0]
    q = scattering_vector(geometry, (106, 239), scan.shape)
    assert np.linalg.norm(step) == pytest.approx(2 * np.pi / a_nm * (hkl[2, 1] - hkl[2, 0]), rel=1e-3)
    cosine = step @ q / np.linalg.norm(step) / np.linalg.norm(q)
    assert cosine == pytest.approx(hkl[2, 10] / np.linalg.norm(hkl[:, 10]), abs=1e-3)


def test_i16_frames_that_were_not_copied_are_named(tmp_path):
    if not I16.exists():
        pytest.skip("the scan of I16 is not here")
    shutil.copyfile(I16, tmp_path / I16.name)
    with pytest.raises(InputError, match=r"1040323\.hdf, which is not there"):
        formats.read_scan(tmp_path / I16.name)


@pytest.mark.parametrize(
    ("field", "value"), [("distance", 1.8), ("x_pixel_size", 75e-6), ("beam_center_x", 12.0)]
)
def test_a_detector_whose_fields_deny_its_transformations_is_said(tmp_path, field, value):
    path = placed(tmp_path / "scan.nxs")
    stood = formats.read_scan(path).geometry
    assert stood is not None
    with h5py.File(path, "a") as file:
        detector = file["entry/instrument/det"]
        fields = {"distance": stood.distance_m, "y_pixel_size": stood.pixel_size_um[0] * 1e-6,
                  "x_pixel_size": stood.pixel_size_um[1] * 1e-6}  # fmt: skip
        for name, number in fields.items():
            if name in detector:
                del detector[name]
            detector[name] = number
        row, column = stood.direct_beam_pixel
        detector["beam_center_y"], detector["beam_center_x"] = row, column + 1.5
    assert not [note for note in formats.read_scan(path).notes if "contradicts itself" in note]
    with h5py.File(path, "a") as file:
        file[f"entry/instrument/det/{field}"][()] = value
    scan = formats.read_scan(path)
    (note,) = [note for note in scan.notes if "contradicts itself" in note]
    assert f"{value * 1e6 if field == 'x_pixel_size' else value:.4g}" in note
    assert scan.geometry == stood


def test_an_angle_without_a_unit_is_said_to_be_taken_for_degrees_where_it_may_be_radians(tmp_path):
    path = placed(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        om = file["entry/sample/circles/om"]
        om[...] = np.radians(om[()])
        del om.attrs["units"]
    notes = formats.read_scan(path).notes
    assert any(
        "circles/om has no unit: 0.261799 is taken for degrees; in radians it would be 15." in note
        for note in notes
    )
    with h5py.File(path, "r+") as file:
        file["entry/sample/circles/om"][...] = scanned(15.0, 0.01)
    scan = formats.read_scan(path)
    assert scan.geometry.rocking_step_deg == pytest.approx(0.01)
    assert not any("has no unit" in note for note in scan.notes)
