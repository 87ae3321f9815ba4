"""Scans cropped while they are read: the right part, the right geometry, in bounded memory, or a sentence."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import h5py
import hdf5plugin
import numpy as np
import pytest
import scipy.io
import tifffile

from napari_autophase import cli, formats
from napari_autophase.formats import common, doors
from napari_autophase.formats.crop import memory_bytes
from napari_autophase.formats.registry import format_of
from napari_autophase.geometry import frame, scattering_vector
from napari_autophase.preparation import find_peak, prepare
from napari_autophase.scan import InputError, Scan
from napari_autophase.simulation import simulate

SHAPE = (40, 150, 130)
AT = (19, 88, 51)
"""Where the brightest voxel of the crystal's pattern lies in the large frames."""


@pytest.fixture(scope="module")
def crystal():
    return simulate(4, (36, 40, 44), oversampling=(2.5, 2.5, 2.5), peak=1e5, off_centre=0.0).scan


@pytest.fixture(scope="module")
def wide(crystal):
    """The crystal's pattern in large frames with few counts elsewhere, and what is no light of it."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.002, SHAPE).astype(np.uint32)
    first = [at - n // 2 for at, n in zip(AT, crystal.shape, strict=True)]
    counts[tuple(slice(f, f + n) for f, n in zip(first, crystal.shape, strict=True))] += (
        crystal.counts.astype(np.uint32)
    )
    counts[:, 20, 100] = 4_000_000  # a hot pixel in all frames
    counts[7, 140, 5] = 3_000_000  # a hit in one
    counts[:, 120:123, 20:24] = rng.poisson(900_000, (SHAPE[0], 3, 4))  # lit throughout
    counts[:, :, 70:73] = 2**32 - 1  # a gap
    return counts


def test_the_part_around_the_peak_is_found_among_all_else(wide, tmp_path):
    np.save(tmp_path / "a.npy", wide)
    part = formats.read_scan(tmp_path / "a.npy", crop=(32, 36, 30))
    assert part.shape == (32, 36, 30)
    assert part.origin.whole == SHAPE
    box = tuple(slice(*ends) for ends in part.origin.box)
    assert np.array_equal(part.counts, wide[box])
    middle = [ends[0] + n // 2 for ends, n in zip(part.origin.box, part.shape, strict=True)]
    assert np.abs(np.subtract(middle, AT)).max() <= 1
    assert any("rows 70 to 105" in note and "40 × 150 × 130" in note for note in part.notes)


def test_auto_keeps_the_light_of_the_peak_and_says_where_there_is_other(wide, crystal, tmp_path):
    np.save(tmp_path / "a.npy", wide)
    part = formats.read_scan(tmp_path / "a.npy", crop="auto")
    assert part.shape[1] < SHAPE[1] * 0.6
    first = [ends[0] for ends in part.origin.box]
    # of the crystal's photons that no gap takes, next to all are in
    good = part.counts < 2**32 - 1
    inside = part.counts[good].sum(dtype=float)
    seen = np.ones(SHAPE[2], bool)
    seen[70:73] = False
    left = AT[2] - crystal.shape[2] // 2
    there = crystal.counts[:, :, seen[left : left + crystal.shape[2]]].sum(dtype=float)
    assert inside == pytest.approx(there, rel=1e-3)
    assert first[1] + part.shape[1] <= 120  # the lit block is not a part of it
    assert any("more light" in note and "row 120" in note for note in part.notes)
    # preparation takes the same peak from the part as from the whole
    rest = wide.copy()
    rest[:, 120:123, 20:24] = 0
    whole = prepare(Scan.from_array(rest))
    assert tuple(np.add(prepare(part).peak, first)) == whole.peak


def test_light_beyond_a_gap_belongs_to_the_peak(tmp_path, crystal):
    counts = np.zeros((40, 200, 200), np.uint32)
    counts[2:38, 80:120, 80:124] = crystal.counts
    mask = np.zeros(counts.shape[1:], bool)
    mask[106:116] = True
    np.save(tmp_path / "a.npy", np.where(mask, 0, counts))
    part = formats.read_scan(tmp_path / "a.npy", crop="auto", mask=mask)
    first, end = part.origin.box[1]
    outermost = 80 + np.flatnonzero(crystal.counts.sum((0, 2)) > 20)[-1]
    assert outermost > 116
    assert end > outermost
    np.testing.assert_array_equal(part.mask[20], mask[first:end, slice(*part.origin.box[2])])


def test_a_peak_at_the_edge_keeps_the_size_that_was_asked_for(crystal, tmp_path):
    rolled = np.zeros((60, 60, 60), np.uint16)
    rolled[:36, -40:, 10:54] = np.minimum(crystal.counts, 60000)
    rolled = rolled[10:]  # the peak is in frame 8
    np.save(tmp_path / "a.npy", rolled)
    part = formats.read_scan(tmp_path / "a.npy", crop=(32, 48, 500))
    assert part.origin.box[0] == (0, 32)
    assert part.origin.box[1] == (12, 60)
    assert part.origin.box[2] == (0, 60)


def _npy(path, counts):
    np.save(path / "a.npy", counts)
    return path / "a.npy"


def _fortran(path, counts):
    np.save(path / "f.npy", np.asfortranarray(counts.astype(">u4")))
    return path / "f.npy"


def _npz(path, counts):
    np.savez_compressed(path / "a.npz", data=counts, other=np.arange(4))
    return path / "a.npz"


def _fortran_npz(path, counts):
    np.savez(path / "f.npz", data=np.asfortranarray(counts))
    return path / "f.npz"


def _tiff(path, counts):
    tifffile.imwrite(path / "a.tif", counts)
    return path / "a.tif"


def _packed_tiff(path, counts):
    tifffile.imwrite(path / "p.tif", counts, compression="zlib")
    return path / "p.tif"


def _folder(path, counts):
    (path / "frames").mkdir()
    for index, image in enumerate(counts):
        tifffile.imwrite(path / "frames" / f"s_{index:03d}.tif", image)
    return path / "frames"


def _hdf5(path, counts):
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset(
            "entry/data/data", data=counts, chunks=(7, 16, 24), **hdf5plugin.Bitshuffle(cname="lz4")
        )
    return path / "a.h5"


def _axes_of_one(path, counts):
    with h5py.File(path / "four.h5", "w") as file:
        file.create_dataset("entry/data/data", data=counts[None, :, None], chunks=True)
    return path / "four.h5"


def _shifted(path, counts):
    with h5py.File(path / "shifted.h5", "w") as file:
        file["entry_1/image_1/data"] = np.fft.ifftshift(counts)
        file["entry_1/image_1/is_fft_shifted"] = 1
    return path / "shifted.h5"


def _master(path, counts):
    with h5py.File(path / "m_master.h5", "w") as master:
        for number, start in enumerate(range(0, len(counts), 9), 1):
            with h5py.File(path / f"m_data_{number:06d}.h5", "w") as part:
                part.create_dataset(
                    "entry/data/data", data=counts[start : start + 9], chunks=(1, *counts.shape[1:])
                )
            master[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(
                f"m_data_{number:06d}.h5", "/entry/data/data"
            )
    return path / "m_master.h5"


def _virtual(path, counts):
    with h5py.File(path / "raw.h5", "w") as file:
        file["frames"] = counts
    layout = h5py.VirtualLayout(counts.shape, counts.dtype)
    layout[:] = h5py.VirtualSource(path / "raw.h5", "frames", counts.shape)
    with h5py.File(path / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return path / "v.h5"


KINDS = [
    _npy, _fortran, _npz, _fortran_npz, _tiff, _packed_tiff, _folder, _hdf5, _axes_of_one, _shifted, _master, _virtual,
]  # fmt: skip


@pytest.mark.parametrize("make", KINDS)
def test_every_kind_of_file_gives_its_parts(make, wide, tmp_path):
    path = make(tmp_path, wide)
    kind = format_of(path)
    dataset = next(each for each in kind.lists(path) if each.is_volume)
    box = (slice(7, 21), slice(30, 95), slice(3, 60))
    with kind.opens(path, dataset) as volume:
        part = volume.part(box)
        again = volume.part((slice(2, 3), slice(0, 150), slice(0, 130)))
    assert np.array_equal(part, wide[box])
    assert part.dtype == np.uint32
    assert part.dtype.isnative
    assert part.flags.writeable
    assert np.array_equal(again, wide[2:3])


@pytest.mark.parametrize("make", [_hdf5, _folder, _npz])
def test_a_crop_is_what_the_whole_scan_has_there(make, wide, tmp_path):
    path = make(tmp_path, wide)
    mask = np.zeros(SHAPE[1:], bool)
    mask[:, :60] = True
    whole = formats.read_scan(path, mask=mask)
    part = formats.read_scan(path, mask=mask, crop=((2, 30), (60, 140), (40, 100)))
    box = (slice(2, 30), slice(60, 140), slice(40, 100))
    assert np.array_equal(part.counts, whole.counts[box])
    assert np.array_equal(part.mask, whole.mask[box])
    part.mask[0] = True  # its own, not a view of a frame that holds for all
    assert not part.mask[1].all()


def test_fields_are_those_of_the_whole_frames(wide, tmp_path):
    path = _npy(tmp_path, wide)
    rng = np.random.default_rng(1)
    white = rng.uniform(0.8, 1.2, (200, 200))
    dark = np.zeros((200, 200))
    dark[30 + 88, 40 + 51] = 500.0  # hot in the dark: masked
    roi = (30, 30 + SHAPE[1], 40, 40 + SHAPE[2])
    whole = formats.read_scan(path, white=white, dark=dark, roi=roi)
    part = formats.read_scan(path, white=white, dark=dark, roi=roi, crop=((0, 40), (70, 110), (30, 68)))
    expected = whole.counts[:, 70:110, 30:68]
    there = expected > 0
    ratio = part.counts[there] / expected[there]
    assert ratio == pytest.approx(
        np.full(ratio.size, ratio[0]), rel=1e-5
    )  # the mean of the field is the part's
    assert np.array_equal(part.mask, whole.mask[:, 70:110, 30:68])
    assert part.mask[0, 18, 21]


@pytest.fixture
def stored(crystal, wide, tmp_path):
    """A file whose geometry, that of the whole frames, is known."""
    geometry = replace(
        crystal.geometry,
        direct_beam_pixel=(210.0, -340.0),
        rocking_angles_deg=tuple(10 + 0.01 * np.arange(SHAPE[0]) + 1e-5 * np.arange(SHAPE[0]) ** 2),
    )
    good = np.where(wide == 2**32 - 1, 0, wide)
    good[:, 120:123, 20:24] = 0  # which would be the peak of the whole scan
    scan = Scan(good, geometry=geometry, name="wide")
    formats.write_scan(scan, tmp_path / "wide.h5")
    return scan, tmp_path / "wide.h5"


def test_q_and_the_voxels_are_those_of_the_whole_scan(stored):
    scan, path = stored
    part = formats.read_scan(path, crop=(32, 36, 30))
    first = np.array([ends[0] for ends in part.origin.box])
    peak = tuple(float(at) for at in AT)
    there = tuple(np.array(peak) - first)
    q = scattering_vector(scan.geometry, peak[1:], SHAPE)
    assert scattering_vector(part.geometry, there[1:], part.shape) == pytest.approx(q, rel=1e-12)
    assert part.geometry.rocking_angles_deg == pytest.approx(
        scan.geometry.rocking_angles_deg[first[0] : first[0] + 32], abs=1e-12
    )
    # a field of view in q of the same steps: D is 2π/N of the inverse, whatever N
    whole_steps, _ = frame(scan.geometry, peak, (32, 36, 30))
    steps, _ = frame(part.geometry, there, (32, 36, 30))
    middle = scan.geometry.rocking_step_deg * (first[0] + 16 - SHAPE[0] // 2)
    assert part.geometry.sample_angles_deg[scan.geometry.rocking_circle] == pytest.approx(
        scan.geometry.sample_angles_deg[scan.geometry.rocking_circle] + middle
    )
    assert steps == pytest.approx(whole_steps, rel=1e-9)
    assert part.origin.uncropped(part.geometry).direct_beam_pixel == pytest.approx((210.0, -340.0))


def test_a_geometry_that_a_person_gives_is_that_of_the_whole_frames(stored, tmp_path, capsys):
    scan, path = stored
    np.save(tmp_path / "bare.npy", scan.counts)
    formats.write_scan(scan, tmp_path / "whole.h5")
    box = ["--crop", "32,36,30"]
    said = ["--geometry", str(tmp_path / "whole.h5")]
    found = []
    for arguments in ([path, *box], [tmp_path / "bare.npy", *box, *said], [tmp_path / "bare.npy", *said]):
        assert cli.main(["info", "--json", *map(str, arguments)]) == 0, capsys.readouterr().err
        found.append(json.loads(capsys.readouterr().out))
    assert found[1]["q_bragg_per_nm"] == pytest.approx(found[0]["q_bragg_per_nm"], rel=1e-9)
    assert found[2]["q_bragg_per_nm"] == pytest.approx(found[0]["q_bragg_per_nm"], rel=1e-3)
    assert found[1]["shape"] == [32, 36, 30]
    # and so is a setting of one number
    assert cli.main(["info", "--json", str(path), *box, "--set", "geometry.energy_kev=12"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert other["geometry"]["direct_beam_pixel"] == pytest.approx(found[0]["geometry"]["direct_beam_pixel"])
    assert other["geometry"]["rocking_angles_deg"] == pytest.approx(
        found[0]["geometry"]["rocking_angles_deg"]
    )


def test_memory_is_bounded_by_what_was_said(tmp_path, crystal, capsys):
    shape = (300, 700, 600)
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("entry/data/data", shape, np.uint32, chunks=(1, 700, 600))
        stored[140:176, 400:440, 300:344] = crystal.counts
        stored[:, 5, 5] = 10**6
    tracemalloc.start()
    part = formats.read_scan(path, crop="auto")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    middle = [ends[0] + n // 2 for ends, n in zip(part.origin.box, part.shape, strict=True)]
    assert np.abs(np.subtract(middle, (158, 420, 322))).max() <= 1
    bound = memory_bytes(shape) + 8 * part.counts.nbytes
    assert most < bound < 4 * np.prod(shape)
    line = formats.reading_line(path, crop="auto")
    assert f"{memory_bytes(shape) / 2**30:.1f} GiB" in line


def test_a_scan_that_memory_does_not_hold_is_refused_with_the_way_out(wide, tmp_path, monkeypatch):
    path = _hdf5(tmp_path, wide)
    # the counts alone would fit
    monkeypatch.setattr(common, "available_memory_bytes", lambda: 6 * wide.size)
    with pytest.raises(
        InputError, match=r"GiB are free \(about .* would fit\); read the part .* --crop auto"
    ):
        formats.read_scan(path)
    assert formats.read_scan(path, crop=(16, 32, 32)).shape == (16, 32, 32)
    monkeypatch.setattr(common, "available_memory_bytes", lambda: 1000)
    with pytest.raises(InputError, match=r"The part of .* needs .* --crop"):
        formats.read_scan(path, crop=(16, 32, 32))


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        ("large", "say auto"),
        ((7, 32, 32), "at least 8 frames, 16 rows and 16 columns"),
        ((32, 32), "at least 8 frames"),
        ((32.5, 32, 32), "at least 8 frames"),
        (((0, 32), (0, 151), (0, 32)), "does not fit"),
        (((0, 32), (40, 30), (0, 32)), "does not fit"),
        (((-1, 32), (0, 30), (0, 32)), "does not fit"),
    ],
)
def test_an_impossible_crop_is_refused(crop, words, wide, tmp_path):
    with pytest.raises(InputError, match=words):
        formats.read_scan(_npy(tmp_path, wide), crop=crop)


def test_what_never_changes_is_no_peak(tmp_path):
    counts = np.zeros((20, 40, 40), np.uint16)
    counts[:, 10:14, 10:14] = 900
    np.save(tmp_path / "a.npy", counts)
    with pytest.raises(InputError, match="no Bragg peak"):
        formats.read_scan(tmp_path / "a.npy", crop="auto")


def test_a_cut_file_says_so_while_it_is_cropped(wide, tmp_path):
    path = _hdf5(tmp_path, wide)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="damaged or cut short"):
        formats.read_scan(path, crop="auto")


def test_find_peak_and_the_crop_agree_on_a_scan_alone(crystal, tmp_path):
    np.save(tmp_path / "a.npy", crystal.counts)
    part = formats.read_scan(tmp_path / "a.npy", crop=(20, 22, 24))
    peak = find_peak(crystal.counts.astype(np.float32), np.ones(crystal.shape, bool))
    assert [first for first, _ in part.origin.box] == [
        at - n // 2 for at, n in zip(peak, (20, 22, 24), strict=True)
    ]


def test_the_command_line_says_the_memory_beforehand(wide, tmp_path, capsys):
    path = _npy(tmp_path, wide)
    quick = ["--preset", "iterative", "--set", "refine.algorithm=2*ER", "-o", str(tmp_path / "r.cxi")]
    assert cli.main(["reconstruct", str(path), "--crop", "32,36,30", *quick]) == 0
    assert "40 × 150 × 130 read frame by frame: at most" in capsys.readouterr().err
    assert formats.read_reconstruction(tmp_path / "r.cxi").shape == (32, 36, 30)
    assert cli.main(["reconstruct", str(path), "--crop", "some", *quick]) == 2
    assert "--crop 'some'" in capsys.readouterr().err


def test_a_large_scan_that_is_read_whole_says_what_it_takes_and_how_to_do_with_less(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", (40, 1000, 900), np.uint16, chunks=(1, 1000, 900))
    # 36 million voxels of 2 bytes, and the 30 beside them that preparing takes
    whole = formats.reading_line(path)
    assert whole.startswith("40 × 1000 × 900 read whole: about 1.1 GiB; --crop auto reads what is around")
    bound = memory_bytes((40, 1000, 900)) / 2**30
    assert f"with at most {bound:.1f} GiB beside it" in whole
    assert bound < 0.7
    monkeypatch.setattr(doors, "_LARGE", 20 * 30 * 30)
    np.save(tmp_path / "s.npy", np.random.default_rng(0).poisson(1, (20, 30, 30)))
    np.save(tmp_path / "t.npy", np.random.default_rng(0).poisson(1, (19, 30, 30)))
    cli.main(["info", str(tmp_path / "s.npy")])
    assert capsys.readouterr().err.startswith("20 × 30 × 30 read whole: about 0.0 GiB; --crop auto")
    cli.main(["info", str(tmp_path / "t.npy")])
    assert "read whole" not in capsys.readouterr().err
    # what can only be unpacked as one has nothing to gain
    scipy.io.savemat(tmp_path / "s.mat", {"data": np.zeros((40, 30, 30), np.uint16)}, do_compression=True)
    assert formats.reading_line(tmp_path / "s.mat") == ""


def _box_of(part):
    return tuple(slice(*ends) for ends in part.origin.box)


@pytest.mark.parametrize("good", [0, 1])
def test_masks_in_either_convention_are_cut_with_the_frames(wide, tmp_path, good):
    np.save(tmp_path / "a.npy", wide)
    bad = np.zeros(SHAPE[1:], bool)
    bad[100:104] = True
    np.save(tmp_path / "mask.npy", (bad if good == 0 else ~bad).astype(np.uint8))
    whole = formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "mask.npy")
    part = formats.read_scan(tmp_path / "a.npy", mask=tmp_path / "mask.npy", crop=(32, 36, 30))
    assert np.array_equal(part.mask, np.broadcast_to(bad, SHAPE)[_box_of(part)])
    assert part.mask.any()
    assert np.array_equal(part.mask, whole.mask[_box_of(part)])


def test_fields_and_masks_of_the_whole_detector_are_cut_to_the_part(wide, tmp_path):
    rng = np.random.default_rng(1)
    roi = (60, 60 + SHAPE[1], 90, 90 + SHAPE[2])
    white = rng.uniform(0.8, 1.2, (400, 300))
    detector_mask = rng.random((400, 300)) < 0.01
    np.save(tmp_path / "a.npy", wide)
    part = formats.read_scan(tmp_path / "a.npy", mask=detector_mask, white=white, roi=roi, crop=(32, 36, 30))
    box = _box_of(part)
    own = white[roi[0] : roi[1], roi[2] : roi[3]][box[1:]]
    expected = wide[box] / own
    seen = ~part.mask & (wide[box] < 2**31)
    ratio = part.counts[seen] / np.maximum(expected[seen], 1e-9)
    lit = expected[seen] > 0
    assert np.ptp(ratio[lit]) < 1e-5 * ratio[lit].mean(), "one factor: the field's mean over the part"
    assert np.array_equal(
        np.broadcast_to(detector_mask[roi[0] : roi[1], roi[2] : roi[3]][box[1:]], part.shape),
        part.mask & np.broadcast_to(detector_mask[roi[0] : roi[1], roi[2] : roi[3]][box[1:]], part.shape),
    )
    with pytest.raises(InputError, match="--roi"):
        formats.read_scan(tmp_path / "a.npy", white=white, crop=(32, 36, 30))


def test_a_field_of_the_frames_is_cut_though_nobody_knows_where_they_lie(wide, tmp_path):
    np.save(tmp_path / "a.npy", wide)
    white = np.random.default_rng(2).uniform(0.8, 1.2, SHAPE[1:])
    part = formats.read_scan(tmp_path / "a.npy", white=white, crop=(32, 36, 30))
    box = _box_of(part)
    lit = (wide[box] > 0) & (wide[box] < 2**31)
    ratio = part.counts[lit] * white[box[1:]][np.nonzero(lit)[1:]] / wide[box][lit]
    assert np.ptp(ratio) < 1e-5 * ratio.mean()


@pytest.mark.parametrize("axes", [(2, 0, 1), (1, 2, 0), (0, 2, 1)])
def test_axes_in_another_order_are_cropped_as_they_are_wanted(wide, tmp_path, axes):
    back = tuple(np.argsort(axes).tolist())
    np.save(tmp_path / "turned.npy", np.ascontiguousarray(wide.transpose(back)))
    np.save(tmp_path / "a.npy", wide)
    wanted = formats.read_scan(tmp_path / "a.npy", crop=(32, 36, 30))
    found = formats.read_scan(tmp_path / "turned.npy", axes=axes, crop=(32, 36, 30))
    assert np.array_equal(found.counts, wanted.counts)
    assert found.origin.box == wanted.origin.box
