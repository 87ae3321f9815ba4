"""Frames that are missing or twice there, axes in another order, crystals that look like scans, codecs that are not there."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile

from napari_autophase import formats
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Geometry, InputError, Scan
from napari_autophase.simulation import simulate


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return simulate(seed=2, size=32, peak=1e5).scan.counts[:, 2:30, 4:28]


def write_frames(folder, frames):
    """Write frames by their numbers."""
    folder.mkdir(exist_ok=True)
    for number, frame in frames.items():
        tifffile.imwrite(folder / f"scan_{number:04d}.tif", frame, photometric="minisblack")
    return folder


@pytest.mark.parametrize("step", [1, 5])
def test_missing_frames_keep_their_places(tmp_path, counts, step):
    frames = {10 + step * i: frame for i, frame in enumerate(counts) if i not in (7, 8, 20)}
    scan = formats.read_scan(write_frames(tmp_path / "s", frames))
    there = np.ones(len(counts), bool)
    there[[7, 8, 20]] = False
    np.testing.assert_array_equal(scan.counts[there], counts[there])
    np.testing.assert_array_equal(scan.mask.all((1, 2)), ~there)
    assert not scan.mask[there].any()
    numbers = [10 + 7 * step, 10 + 8 * step, 10 + 20 * step]
    assert f"Frames {', '.join(map(str, numbers))} are missing and masked." in scan.notes
    assert scan.metadata["missing_frames"] == numbers
    assert formats.recognise(tmp_path / "s") in ("frames", None)


def test_numbers_that_are_no_places(tmp_path, counts):
    """Time stamps: nobody can tell what is missing."""
    stamps = np.cumsum(np.random.default_rng(1).integers(1000, 9000, len(counts)))
    scan = formats.read_scan(write_frames(tmp_path / "s", dict(zip(stamps.tolist(), counts, strict=True))))
    np.testing.assert_array_equal(scan.counts, counts)
    assert scan.mask is None
    assert "run unevenly" in scan.notes[0]


def test_a_number_that_is_there_twice(tmp_path, counts):
    folder = write_frames(tmp_path / "s", dict(enumerate(counts)))
    tifffile.imwrite(folder / "scan_7.tif", counts[7], photometric="minisblack")
    with pytest.raises(InputError, match=r"frame 7 twice \(scan_0007.tif, scan_7.tif\)"):
        formats.read_scan(folder)


def test_frames_that_are_the_same_are_said(tmp_path, counts):
    twice = counts.copy()
    twice[12] = twice[11]
    np.save(tmp_path / "a.npy", twice)
    assert "Frames 11 and 12 are the same" in formats.read_scan(tmp_path / "a.npy").notes[0]
    twice[:3] = 0  # darkness is
    twice[12] = counts[12]
    np.save(tmp_path / "a.npy", twice)
    (note,) = formats.read_scan(tmp_path / "a.npy").notes
    assert note.startswith("Frames 0 to 2 hold no count at all"), "they are not called the same"


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_axes_of_length_one_are_dropped(tmp_path, counts, at):
    np.save(tmp_path / "a.npy", np.expand_dims(counts, at))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = np.expand_dims(np.expand_dims(counts, at), 0)
    for name in ("a.npy", "a.h5"):
        np.testing.assert_array_equal(formats.read_scan(tmp_path / name).counts, counts)


GEOMETRY = Geometry(
    9.0, 0.5, (55.0, 75.0), 0.01, (30.0, 10.0), direct_beam_pixel=(3.0, 9.0), pixel_directions=("y-", "x+")
)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_axes_say_which_one_rocks(tmp_path, counts, axes):
    stored = np.transpose(counts, np.argsort(axes))
    mask = np.zeros(counts.shape[1:], bool)
    mask[5:7, 3] = True
    frame = mask.T if axes[1] > axes[2] else mask  # as the frames lie in the file
    np.savez(tmp_path / "a.npz", data=stored, mask=frame)
    scan = formats.read_scan(tmp_path / "a.npz", axes=axes)
    np.testing.assert_array_equal(scan.counts, counts)
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(mask, counts.shape))


def test_the_geometry_follows_its_frames(tmp_path, counts):
    formats.write_scan(Scan.from_array(counts, geometry=GEOMETRY), tmp_path / "a.h5")
    turned = formats.read_scan(tmp_path / "a.h5", axes=(0, 2, 1))
    assert turned.geometry == GEOMETRY.transposed()
    np.testing.assert_array_equal(turned.counts, counts.swapaxes(1, 2))
    with pytest.raises(InputError, match="each of the file's axes 0, 1, 2 once"):
        formats.read_scan(tmp_path / "a.h5", axes=(0, 1, 1))


def parts(path, *, phase=True, space="Direct space"):
    made = simulate(seed=2, size=32).object
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        images = {"amplitude": np.abs(made), "phase": np.angle(made), "het_strain": np.zeros(made.shape)}
        for number, (name, array) in enumerate(images.items(), 1):
            if name == "phase" and not phase:
                continue
            image = file.create_group(f"entry_1/image_{number}")
            image["data"], image["data_space"], image["title"] = array.astype("f4"), space, name
    return made


@pytest.mark.parametrize("space", ["Direct space", "real"])
def test_amplitude_and_phase_are_a_crystal(tmp_path, space):
    made = parts(tmp_path / "a.cxi", space=space)
    result = formats.read(tmp_path / "a.cxi")
    assert isinstance(result, Reconstruction)
    np.testing.assert_allclose(result.object, made, atol=1e-6)
    with pytest.raises(InputError, match="crystal in direct space, not counts"):
        formats.read_scan(tmp_path / "a.cxi")
    np.savez(tmp_path / "a.npz", amp=np.abs(made), phase=np.angle(made))
    np.testing.assert_allclose(formats.read(tmp_path / "a.npz").object, made, atol=1e-6)


def test_amplitude_alone_is_refused(tmp_path):
    made = parts(tmp_path / "a.cxi", phase=False)
    np.savez(tmp_path / "a.npz", amp=np.abs(made))
    for name in ("a.cxi", "a.npz"):
        with pytest.raises(InputError, match="a crystal in direct space, not counts, and not both"):
            formats.read(tmp_path / name)


def test_a_missing_codec_is_named(tmp_path, counts, monkeypatch):
    def refuse(*_args, **_keys):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    write_frames(tmp_path / "s", dict(enumerate(counts)))
    monkeypatch.setattr(tifffile.TiffFile, "asarray", refuse)
    with pytest.raises(InputError, match=r"compressed with LZW.*pip install imagecodecs") as caught:
        formats.read_scan(tmp_path / "s")
    assert "damaged" not in str(caught.value)
