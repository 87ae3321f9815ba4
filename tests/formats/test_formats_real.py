"""Real scans and other programs' files, where they are at hand."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_autophase import formats
from napari_autophase.scan import InputError, Scan

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
GOLD, PLATINUM = DATA / "34idc_Au_S0054", DATA / "id01_Pt_S11_recon"
pytestmark = pytest.mark.skipif(not GOLD.exists(), reason="the measured scans are not here")


def peak(scan: Scan) -> tuple[int, ...]:
    return tuple(int(each) for each in np.unravel_index(scan.counts.argmax(), scan.shape))


def test_crop_as_pynx_wrote_it():
    scan = formats.read(GOLD / "scan54_crop_200x128x128.cxi")
    assert isinstance(scan, Scan)
    assert (scan.shape, peak(scan), scan.counts.dtype) == ((200, 128, 128), (99, 64, 64), np.float32)
    assert scan.geometry is None
    assert scan.metadata["energy_kev"] == pytest.approx(9, rel=1e-6)
    assert scan.metadata["distance_m"] == 0.5
    assert scan.metadata["pixel_size_um"] == (55, 55)


def test_binned_cube():
    scan = formats.read(GOLD / "scan54_binned2_64cube.npy")
    assert (scan.shape, peak(scan)) == ((64, 64, 64), (32, 32, 32))


ROI = (0, 256, 0, 256)


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """The frames as the beamline wrote them, with the detector fields in the same folder."""
    folder = tmp_path_factory.mktemp("gold") / "S0054"
    folder.mkdir()
    with zipfile.ZipFile(GOLD / "scan54_tiff_frames.zip") as archive:
        for member in archive.namelist():
            if member.endswith(".tif"):
                (folder / Path(member).name).write_bytes(archive.read(member))
    return folder


def test_npz_and_tiff_frames_are_the_same_scan(frames):
    packed, loose = formats.read_scan(GOLD / "scan54_raw.npz"), formats.read_scan(frames)
    np.testing.assert_array_equal(packed.counts, loose.counts)
    assert loose.counts.dtype == np.int32
    assert (loose.shape, loose.counts.max()) == ((201, 256, 256), 165297)
    assert np.diff(packed.metadata["theta"]) == pytest.approx(0.005, abs=1e-5)
    assert loose.metadata == {"frames": 201, "other_files": ["dark.tif", "whitefield.tif"]}
    assert formats.recognise(frames) == "frames"


def test_dark_and_white_field(frames):
    """The fields as TIFF and as npz correct alike; the dark's hot pixels and the white's dead ones are masked."""
    raw = formats.read_scan(GOLD / "scan54_raw.npz")
    fields = GOLD / "dark_white.npz"
    scan = formats.read_scan(GOLD / "scan54_raw.npz", dark=fields, white=fields, roi=ROI)
    tiff = formats.read_scan(frames, dark=frames / "dark.tif", white=frames / "whitefield.tif", roi=ROI)
    np.testing.assert_array_equal(scan.counts, tiff.counts)
    with np.load(fields) as stored:
        hot, dead = stored["dark"][:256, :256] > 5, stored["whitefield"][:256, :256] == 0
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(hot | dead, scan.shape))
    assert scan.counts.sum(dtype=float) == pytest.approx(raw.counts.sum(dtype=float), rel=0.2)


def test_result_of_pynx():
    result = formats.read(GOLD / "reference_pynx/best_run.cxi")
    assert result.shape == (31, 36, 44)
    assert result.support.sum() == 12535
    assert result.figures["free_llk_poisson"] == pytest.approx(0.8564, abs=1e-4)
    assert "ours (fft" in result.notes[0]
    assert any("196 × 128 × 128" in note for note in result.notes)
    with pytest.raises(InputError, match="is a reconstruction"):
        formats.read_scan(GOLD / "reference_pynx/best_run.cxi")
    assert formats.read(GOLD / "reference_pynx/modes.h5").shape == (31, 36, 44)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("252_420_392_prebinning_1_1_1", (86, 118, 122)), ("252_210_200_prebinning_1_2_2", (91, 116, 113))],
)
def test_mode_files_of_id01(name, shape):
    path = PLATINUM / f"S11_modes_{name}.h5"
    assert formats.recognise(path) == "hdf5"
    result = formats.read(path)
    assert result.shape == shape
    assert result.support.any()
    assert not result.support.all()
    assert "PyNX" in result.versions


def test_what_is_no_scan():
    assert formats.recognise(GOLD) is None
    assert formats.recognise(GOLD / "dark_white.npz") is None
    assert formats.recognise(GOLD / "README.md") is None
    with pytest.raises(InputError, match="complex"):
        formats.read(GOLD / "reference_cohere/image_support.npz")
