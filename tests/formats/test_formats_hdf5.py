"""HDF5 and NeXus: which dataset is meant, what is known about it, and files that are broken, busy or somebody else's."""

from __future__ import annotations

import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase import formats
from napari_autophase.geometry import beamlines
from napari_autophase.scan import HC_KEV_NM, Geometry, InputError, Scan

SHAPE = (16, 18, 20)
GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 110.0),
    rocking_step_deg=0.005,
    detector_angles_deg=(32.174, 12.6346),
    sample_circles=("y+", "z-", "y+"),
    sample_angles_deg=(0.22, 90.0, -5.0),
    direct_beam_pixel=(3.25, 200.5),
    reflection=(1, 1, -1),
)


def volume(shape: tuple[int, ...] = SHAPE, dtype: str = "i4", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(40, shape).astype(dtype)


def nexus_file(path, *signals, units=None):
    """A master file as beamlines write it: entry > instrument > detector, and NXdata that links to it."""
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        instrument = entry.create_group("instrument")
        instrument.attrs["NX_class"] = "NXinstrument"
        for index, signal in enumerate(signals):
            detector = instrument.create_group(f"eiger{index}")
            detector.attrs["NX_class"] = "NXdetector"
            detector["data"] = signal
            data = entry.create_group(f"plot{index}")
            data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "data"
            data["data"] = h5py.SoftLink(detector["data"].name)
    return path


@settings(max_examples=10)
@given(
    shape=st.tuples(*[st.integers(16, 22)] * 3),
    dtype=st.sampled_from(["u1", "u2", "u4", "i4", "i8", "f4", "f8"]),
    suffix=st.sampled_from([".h5", ".hdf5", ".nxs", ".cxi"]),
    masked=st.booleans(),
    known=st.booleans(),
)
def test_written_scans_come_back(tmp_path_factory, shape, dtype, suffix, masked, known):
    path = tmp_path_factory.mktemp("scan") / f"crystal{suffix}"
    counts = volume(shape, dtype)
    mask = np.random.default_rng(1).random(shape) > 0.9 if masked else None
    scan = Scan.from_array(
        counts,
        "any",
        mask=mask,
        geometry=GEOMETRY if known else None,
        metadata={"seed": 3, "size": np.arange(2)},
    )
    formats.write_scan(scan, path)
    back = formats.read(path)
    assert isinstance(back, Scan)
    assert back.counts.dtype == counts.dtype
    np.testing.assert_array_equal(back.counts, counts)
    assert (back.mask is None) == (mask is None)
    if mask is not None:
        np.testing.assert_array_equal(back.mask, mask)
    assert back.geometry == scan.geometry
    assert back.metadata == {"seed": 3, "size": [0, 1]}
    assert (back.name, formats.recognise(path)) == ("crystal", "cxi")


def test_scans_are_not_written_under_other_names(tmp_path):
    with pytest.raises(InputError, match=r"\.h5 or \.hdf5"):
        formats.write_scan(Scan.from_array(volume()), tmp_path / "a.npy")
    assert not list(tmp_path.iterdir())


def test_the_only_volume_is_taken(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/down/here"] = volume()
        file["deep/flat"] = volume((100, 100))
        file["deep/theta"] = np.arange(16.0)
    scan = formats.read_scan(tmp_path / "a.h5")
    np.testing.assert_array_equal(scan.counts, volume())
    assert scan.source == f"{tmp_path / 'a.h5'}::/deep/down/here"


def test_two_like_volumes_ask_and_the_path_may_be_named(tmp_path):
    first, second = volume(), volume(seed=1)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["one/first"], file["one/second"] = first, second
    with pytest.raises(formats.AmbiguousDataset, match=r"/one/first.*/one/second.*--dataset"):
        formats.read(path)
    for scan in (formats.read_scan(path, dataset="/one/second"), formats.read_scan(f"{path}::one/second")):
        np.testing.assert_array_equal(scan.counts, second)
    assert [(each.path, each.shape) for each in formats.datasets(path)] == [
        ("/one/first", SHAPE),
        ("/one/second", SHAPE),
    ]
    with pytest.raises(InputError, match=r"no dataset '/one/third'"):
        formats.read(path, dataset="/one/third")


def test_nexus_signal_is_followed(tmp_path):
    path = nexus_file(tmp_path / "a.nxs", volume(), volume(seed=1))
    with pytest.raises(formats.AmbiguousDataset):
        formats.read(path)
    with h5py.File(path, "a") as file:
        file["entry"].attrs["default"] = "plot1"
        file["entry/instrument/eiger1/pixel_mask"] = np.eye(*SHAPE[1:], dtype="u4")
    scan = formats.read_scan(path)
    np.testing.assert_array_equal(scan.counts, volume(seed=1))
    assert scan.source.endswith("::/entry/instrument/eiger1/data")
    # the mask stands beside the data, whichever name the data are called by
    for each in (
        scan,
        formats.read_scan(f"{path}::/entry/plot1/data"),
        formats.read_scan(f"{path}::/entry/plot1"),
    ):
        np.testing.assert_array_equal(each.mask, np.broadcast_to(np.eye(*SHAPE[1:]) != 0, SHAPE))


def test_signal_of_before_2014(tmp_path):
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        data = file.create_group("entry/data")
        file["entry"].attrs["NX_class"], data.attrs["NX_class"] = "NXentry", "NXdata"
        data["other"], data["counts"] = volume(seed=1), volume()
        data["counts"].attrs["signal"] = 1
    np.testing.assert_array_equal(formats.read_scan(path).counts, volume())


def test_external_links_are_followed_and_may_dangle(tmp_path):
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = volume()
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["scan/frames"] = h5py.ExternalLink("frames.h5", "/data")
        file.attrs["default"], file["scan"].attrs["NX_class"] = "scan", "NXentry"
        file["scan/lost"] = h5py.ExternalLink("lost.h5", "/data")
        file["scan/self"] = h5py.ExternalLink("master.h5", "/")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "master.h5").counts, volume())


@pytest.mark.parametrize("packing", [hdf5plugin.Bitshuffle(), hdf5plugin.LZ4(), hdf5plugin.Zstd()])
def test_packed_data_open(tmp_path, packing):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=volume(), chunks=(1, *SHAPE[1:]), **packing)
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, volume())


@pytest.mark.parametrize(
    ("name", "value", "units", "key", "expected"),
    [
        ("monochromator/energy", 8.5, "keV", "energy_kev", 8.5),
        ("monochromator/energy", 8500, "eV", "energy_kev", 8.5),
        ("monochromator/wavelength", HC_KEV_NM, "nm", "energy_kev", 1.0),
        ("monochromator/wavelength", 10 * HC_KEV_NM, "Angstrom", "energy_kev", 1.0),
        ("beam/incident_energy", 1.602176634e-15, None, "energy_kev", 10.0),
        ("source/energy", 6.0, "GeV", "energy_kev", None),
        ("detector/distance", 500, "mm", "distance_m", 0.5),
        ("detector/distance", 0.5, None, "distance_m", 0.5),
        ("monochromator/energy", "8.5 keV", None, "energy_kev", 8.5),
        ("monochromator/energy", 8500, "electron_volts", "energy_kev", 8.5),
        ("monochromator/wavelength", 1000 * HC_KEV_NM, "picometres", "energy_kev", 1.0),
        ("detector/distance", "500 mm", None, "distance_m", 0.5),
        ("detector/distance", "0.5", "Meters", "distance_m", 0.5),
        ("detector/distance", np.full(16, 50.0), "centimetres", "distance_m", 0.5),
        ("detector/distance", 0.5, "furlong", "distance_m", None),
        ("detector/distance", -1.0, "m", "distance_m", None),
    ],
)
def test_units_are_honoured(tmp_path, name, value, units, key, expected):
    path = nexus_file(tmp_path / "a.nxs", volume())
    with h5py.File(path, "a") as file:
        item = file.require_group("entry/instrument").create_dataset(name, data=value)
        item.parent.attrs["NX_class"] = "NX" + name.partition("/")[0]
        if units:
            item.attrs["units"] = units
    scan = formats.read_scan(path)
    assert scan.geometry is None
    assert scan.metadata.get(key) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("name", "value", "units", "said"),
    [
        (
            "monochromator/wavelength",
            0.1,
            "nm",
            "8 keV by the former, which is taken, and 12.3984 keV by the latter",
        ),
        (
            "detector/detector_distance",
            0.9,
            "m",
            "the distance is 0.8 m by the former, which is taken, and 0.9 m by the latter",
        ),
        (
            "beam/incident_energy",
            np.linspace(7.9, 8.1, 16),
            "keV",
            "changes from frame to frame, from 7.9 to 8.1 keV",
        ),
        ("monochromator/wavelength", 0.15498, "nm", None),
        ("detector/detector_distance", 0.801, "m", None),
        ("beam/incident_energy", np.full(16, 8.0), "keV", None),
    ],
)
def test_a_file_that_contradicts_itself_is_said_to(tmp_path, name, value, units, said):
    path = nexus_file(tmp_path / "a.nxs", volume())
    with h5py.File(path, "a") as file:
        place = file["entry/instrument"]
        place["detector/distance"], place["monochromator/energy"] = 0.8, 8.0
        place.require_dataset(name, np.shape(value), float)[...] = value
        place[name].attrs["units"], place["monochromator/energy"].attrs["units"] = units, "keV"
        del place["eiger0"].attrs["NX_class"]
        for group in ("detector", "monochromator", name.partition("/")[0]):
            place[group].attrs["NX_class"] = f"NX{group}"
    notes = formats.read_scan(path).notes
    assert [said in note for note in notes if "contradict" in note or "changes from" in note] == (
        [] if said is None else [True]
    )


def test_pixel_sizes_are_row_then_column(tmp_path):
    path = nexus_file(tmp_path / "a.nxs", volume())
    with h5py.File(path, "a") as file:
        detector = file["entry/instrument/eiger0"]
        detector["x_pixel_size"], detector["y_pixel_size"] = 0.075, 150e-6
        detector["x_pixel_size"].attrs["units"] = "mm"
    assert formats.read_scan(path).metadata["pixel_size_um"] == pytest.approx((150, 75))


@pytest.mark.parametrize("beamline", sorted(beamlines()))
def test_every_beamlines_geometry_comes_back(beamline, tmp_path):
    conventions = beamlines()[beamline].conventions()
    geometry = Geometry(
        9.0,
        1.0,
        (55.0, 75.0),
        0.01,
        tuple(10.0 + n for n in range(len(conventions["detector_circles"]))),
        sample_angles_deg=tuple(5.0 + n for n in range(len(conventions["sample_circles"]))),
        rocking_angles_deg=(0.1, 0.2, 0.31),
        energy_step_kev=0.001,
        **conventions,
    )
    formats.write_scan(Scan.from_array(volume(), geometry=geometry), tmp_path / "scan.h5")
    assert formats.read_scan(tmp_path / "scan.h5").geometry == geometry


def test_an_incomplete_geometry_of_ours_is_said(tmp_path):
    path = tmp_path / "a.h5"
    formats.write_scan(Scan.from_array(volume(), geometry=GEOMETRY), path)
    with h5py.File(path, "a") as file:
        del file["entry_1/instrument_1/geometry_1/rocking_step_deg"]
    with pytest.raises(InputError, match="rocking_step_deg"):
        formats.read(path)


def test_mask_from_a_scan_file(tmp_path):
    counts, bad = volume(), np.random.default_rng(2).random(SHAPE) > 0.7
    np.save(tmp_path / "a.npy", counts)
    formats.write_scan(Scan.from_array(counts, mask=bad), tmp_path / "b.h5")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "b.h5").mask, bad)
    # masks inside and outside add up
    both = formats.read_scan(tmp_path / "b.h5", mask=~bad[0], mask_good=0)
    np.testing.assert_array_equal(both.mask, bad | ~bad[0])


def test_a_mask_inside_of_another_shape(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["mask"] = volume(), np.zeros((5, 5))
    scan = formats.read(tmp_path / "a.h5")
    assert scan.mask is None
    assert any("mask has shape (5, 5)" in note and "masks nothing" in note for note in scan.notes)


def test_volume_with_a_leading_axis_and_its_mask(tmp_path):
    bad = np.random.default_rng(2).random(SHAPE) > 0.7
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["mask"] = volume()[None], bad[None]
    scan = formats.read_scan(tmp_path / "a.h5")
    np.testing.assert_array_equal(scan.counts, volume())
    np.testing.assert_array_equal(scan.mask, bad)


def test_images_with_the_zero_frequency_in_the_corner(tmp_path):
    bad = volume(seed=1) > 50
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        image = file.create_group("entry_1/image_1")
        file["cxi_version"] = 150
        image["data"], image["mask"] = np.fft.ifftshift(volume()), np.fft.ifftshift(bad).astype("i1")
        image["is_fft_shifted"] = 1
    scan = formats.read_scan(tmp_path / "a.cxi")
    np.testing.assert_array_equal(scan.counts, volume())
    np.testing.assert_array_equal(scan.mask, bad)


def test_somebody_elses_hdf5(tmp_path):
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["images/photo"] = volume((64, 64))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["model_weights/conv/kernel"] = np.zeros((3, 3, 3, 32, 64), "f4")
    with h5py.File(tmp_path / "series.h5", "w") as file:
        file["t"] = volume((5, 16, 16, 16))
    with h5py.File(tmp_path / "table.h5", "w") as file:
        file["table"] = np.zeros(10, [("x", "f4")])
    why = {
        "flat": "2-dim",
        "weights": "5-dim",
        "series": "4-dim.*one of its 5 volumes",
        "table": "records of several fields",
    }
    for name, message in why.items():
        assert formats.recognise(tmp_path / f"{name}.h5") is None
        with pytest.raises(InputError, match=message):
            formats.read(tmp_path / f"{name}.h5")


@settings(max_examples=25)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_anywhere_is_an_input_error(tmp_path, share):
    path = tmp_path / "a.h5"
    formats.write_scan(Scan.from_array(volume(), geometry=GEOMETRY), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError):
        formats.read(path)
    assert formats.recognise(path) is None


def test_damaged_packed_data(tmp_path):
    path = tmp_path / "a.h5"
    formats.write_scan(Scan.from_array(volume()), path)
    with h5py.File(path) as file:
        chunk = file["entry_1/instrument_1/detector_1/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 16] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged") as caught:
        formats.read(path)
    assert len(str(caught.value).splitlines()) == 1


def test_text_that_is_none_and_defaults_that_go_round(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["default"] = "."
        file["entry/data"] = volume()
        file["entry"].attrs["NX_class"] = np.bytes_(b"\x9a\xff")
        file["entry/title"] = np.bytes_(b"\x9a")
    np.testing.assert_array_equal(formats.read_scan(tmp_path / "a.h5").counts, volume())


def test_a_named_dataset_that_does_not_fit(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["flat"], file["object"] = volume(), volume((32, 32)), np.ones(SHAPE, "c8")
    with pytest.raises(InputError, match="2-dimensional"):
        formats.read(tmp_path / "a.h5", dataset="flat")
    with pytest.raises(InputError, match="reconstruction, not a scan"):
        formats.read_scan(tmp_path / "a.h5", dataset="object")
    with pytest.raises(InputError, match="not a complex volume"):
        formats.read_reconstruction(tmp_path / "a.h5", dataset="data")


WRITER = """
import sys, h5py, numpy
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2])
file.create_dataset("data", data=numpy.arange(16 ** 3).reshape(16, 16, 16), chunks=(1, 16, 16), maxshape=(None, 16, 16))
if sys.argv[3] == "swmr":
    file.swmr_mode = True
file.flush()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["latest swmr", "earliest locked", "latest locked"])
def test_a_file_that_is_still_written_to_is_read_as_it_stands(tmp_path, mode):
    path = tmp_path / "live.h5"
    command = [sys.executable, "-c", WRITER, str(path), *mode.split()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        try:
            if mode == "latest locked":  # HDF5 itself forbids that one
                with pytest.raises(InputError, match="still open for writing"):
                    formats.read_scan(path)
            else:
                counts = formats.read_scan(path).counts
                np.testing.assert_array_equal(counts, np.arange(16**3).reshape(16, 16, 16))
        finally:
            writer.communicate()


@pytest.mark.parametrize("chunks", [(1, 16, 16), (4, 16, 24)])
def test_frames_that_were_announced_and_never_written_are_no_darkness(tmp_path, chunks):
    """As a detector's file has them while a scan runs, or after it was aborted; frames without light amid light are lost too."""
    counts = np.random.default_rng(1).poisson(3, (20, 16, 24)).astype("u4")
    counts[5] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("entry/data/data", counts.shape, "u4", chunks=chunks, compression="gzip")
        data[:14] = counts[:14]
        flagged = file.create_dataset(
            "flagged", counts.shape, "u4", chunks=chunks, compression="gzip", fillvalue=2**32 - 1
        )
        flagged[:14] = counts[:14]
        whole = file.create_dataset("whole", data=counts, chunks=chunks, compression="gzip")
        assert whole.id.get_num_chunks() == np.prod(-(-np.array(counts.shape) // chunks))
    first = (
        -(-14 // chunks[0]) * chunks[0]
    )  # what shares a chunk with a frame that was written has a place too
    scan = formats.read_scan(tmp_path / "a.h5", dataset="/entry/data/data")
    assert scan.mask[first:].all()
    assert np.flatnonzero(scan.mask[:first].all((1, 2))).tolist() == [5, *range(14, first)]
    (note,) = (note for note in scan.notes if "never written" in note)
    assert note.startswith(f"Frames {first} to 19 were announced and never written")
    notes = formats.read_scan(tmp_path / "a.h5", dataset="/flagged").notes
    assert not any(f"{first} and {first + 1}" in each for each in notes)  # that they are alike says nothing
    whole = formats.read_scan(tmp_path / "a.h5", dataset="/whole")
    assert np.flatnonzero(whole.mask.any((1, 2))).tolist() == [5]
    assert not any("never written" in each for each in whole.notes)
    part = formats.read_scan(tmp_path / "a.h5", dataset="/entry/data/data", crop=((2, 20), (0, 16), (0, 24)))
    assert part.mask[first - 2 :].all()


def test_importing_the_formats_loads_neither_torch_nor_qt():
    code = "import sys; from napari_autophase.formats import read; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "h5py" in loaded
    assert not {"torch", "napari", "qtpy", "PyQt6", "PySide6", "matplotlib", "numba"} & set(loaded)


@pytest.mark.parametrize(
    ("source", "unit", "beam", "expected", "says"),
    [
        (6.03, "", 1.3776, 9.0, ""),  # GeV of the ring
        (6.03, "GeV", 1.3776, 9.0, ""),
        (9.0, "", None, 9.0, ""),
        (1.44196e-15, "", None, 9.0, ""),
        (1.44196e-15, "", 1.0, 9.0, "contradict each other: the energy is 9.0000"),
        (9.0, "keV", 1.0, 9.0, "contradict each other: the energy is 9 keV by the former"),
    ],
)
def test_the_energy_of_a_source_may_be_that_of_its_electrons(tmp_path, source, unit, beam, expected, says):
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        for name, kind in (("entry", "NXentry"), ("entry/instrument", "NXinstrument"), ("entry/instrument/source", "NXsource"),
                           ("entry/instrument/beam", "NXbeam"), ("entry/instrument/detector", "NXdetector")):  # fmt: skip
            file.create_group(name).attrs["NX_class"] = kind
        file["entry/instrument/detector/data"] = (
            np.random.default_rng(1).poisson(3, (16, 20, 24)).astype("u4")
        )
        file["entry/instrument/source/energy"] = source
        if unit:
            file["entry/instrument/source/energy"].attrs["units"] = unit
        if beam is not None:
            file["entry/instrument/beam/incident_wavelength"] = beam
            file["entry/instrument/beam/incident_wavelength"].attrs["units"] = "angstrom"
    scan = formats.read_scan(tmp_path / "a.nxs")
    assert scan.metadata["energy_kev"] == pytest.approx(expected, rel=1e-4)
    assert any("contradict" in note for note in scan.notes) == bool(says)
    assert any(says in note for note in scan.notes) or not says
