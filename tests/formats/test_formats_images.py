"""EDF, CBF and TIFF frames as detectors write them: packed, in either byte order, cut short, altered on the way."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from written_logs import counts

from napari_autophase import formats
from napari_autophase.scan import InputError

pytest.importorskip("fabio")
STACK = counts((18, 20, 32))
HEADER = """# Detector: PILATUS 300K, S/N 3-0101
# Pixel_size 172e-6 m x 160e-6 m
# Wavelength 1.2398 A
# Detector_distance 1.25000 m
# Beam_xy (30.50, 20.25) pixels
"""


def edf(frame: np.ndarray, order: str = "LowByteFirst") -> bytes:
    """An image as ESRF writes it: a header of 512 bytes, and the numbers."""
    kinds = {"i4": "SignedInteger", "u4": "UnsignedInteger", "u2": "UnsignedShort", "f4": "FloatValue"}
    data = frame.astype(frame.dtype.newbyteorder("<" if order == "LowByteFirst" else ">")).tobytes()
    lines = f"HeaderID = EH:000001:000000:000000 ;\nByteOrder = {order} ;\nDataType = {kinds[frame.dtype.str[1:]]} ;\n"
    lines += f"Dim_1 = {frame.shape[1]} ;\nDim_2 = {frame.shape[0]} ;\nSize = {len(data)} ;\n"
    return ("{\n" + lines).ljust(510).encode() + b"}\n" + data


def cbf(frame: np.ndarray) -> bytes:
    """An image as Dectris writes it: differences of neighbours in one, two or four bytes, and their MD5."""
    packed, before = bytearray(), 0
    for value in frame.astype(int).ravel().tolist():
        step, before = value - before, value
        wide = 0 if abs(step) < 128 else 2 if abs(step) < 2**15 else 4
        packed += {0: b"", 2: b"\x80", 4: b"\x80\x00\x80"}[wide] + step.to_bytes(
            wide or 1, "little", signed=True
        )
    digest = base64.b64encode(hashlib.md5(bytes(packed), usedforsecurity=False).digest()).decode()
    text = f"""###CBF: VERSION 1.5
data_x

_array_data.header_convention "PILATUS_1.2"
_array_data.header_contents
;
{HEADER};

_array_data.data
;
--CIF-BINARY-FORMAT-SECTION--
Content-Type: application/octet-stream;
     conversions="x-CBF_BYTE_OFFSET"
Content-Transfer-Encoding: BINARY
X-Binary-Size: {len(packed)}
X-Binary-ID: 1
X-Binary-Element-Type: "signed 32-bit integer"
X-Binary-Element-Byte-Order: LITTLE_ENDIAN
Content-MD5: {digest}
X-Binary-Number-of-Elements: {frame.size}
X-Binary-Size-Fastest-Dimension: {frame.shape[1]}
X-Binary-Size-Second-Dimension: {frame.shape[0]}
X-Binary-Size-Padding: 4095

""".replace("\n", "\r\n")
    return (
        text.encode()
        + b"\x0c\x1a\x04\xd5"
        + bytes(packed)
        + bytes(4095)
        + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"
    )


def tiff(frame: np.ndarray) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, frame)
    return file.getvalue()


def series(
    folder: Path, suffix: str, write: Callable[[np.ndarray], bytes], pack: Callable[[bytes], bytes] = bytes
) -> Path:
    folder.mkdir()
    for index, frame in enumerate(STACK):
        (folder / f"run_{100 + index:05d}{suffix}").write_bytes(pack(write(frame)))
    return folder


@pytest.mark.parametrize("dtype", ["i4", "u2", "f4"])
@pytest.mark.parametrize("order", ["LowByteFirst", "HighByteFirst"])
def test_edf_in_either_byte_order(tmp_path, order, dtype):
    folder = series(tmp_path / "a", ".edf", lambda frame: edf(frame.astype(dtype), order))
    found = formats.read_scan(folder).counts
    np.testing.assert_array_equal(found, STACK)
    assert found.dtype == np.dtype(dtype)


@pytest.mark.parametrize(("packing", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
@pytest.mark.parametrize(("suffix", "write"), [(".edf", edf), (".cbf", cbf), (".tif", tiff)])
def test_packed_frames_are_unpacked(tmp_path, suffix, write, packing, pack):
    folder = series(tmp_path / "a", suffix + packing, write, pack)
    np.testing.assert_array_equal(formats.read_scan(folder).counts, STACK)
    np.testing.assert_array_equal(formats.read_scan(folder, crop=(16, 16, 16)).counts.max(), STACK.max())
    (folder / f"run_00104{suffix}{packing}").write_bytes(pack(write(STACK[4]))[:-40])
    with pytest.raises(InputError, match=r"run_00104\S+ is damaged or cut short"):
        formats.read_scan(folder)


@pytest.mark.parametrize("lost", [1, 700])
def test_an_edf_frame_that_was_cut_short_is_no_frame_of_zeros(tmp_path, capfd, lost):
    folder = series(tmp_path / "a", ".edf", edf)
    last = folder / "run_00109.edf"
    last.write_bytes(last.read_bytes()[:-lost])
    with pytest.raises(InputError, match=r"run_00109\.edf is damaged or cut short"):
        formats.read_scan(folder)
    assert capfd.readouterr().err == ""


def test_a_cbf_frame_that_was_altered_is_known_by_its_checksum(tmp_path, capfd):
    folder = series(tmp_path / "a", ".cbf", cbf)
    frame = folder / "run_00109.cbf"
    text = bytearray(frame.read_bytes())
    text[text.index(b"\x0c\x1a\x04\xd5") + 200] ^= 1
    frame.write_bytes(text)
    with pytest.raises(InputError, match=r"run_00109\.cbf is damaged or cut short \(Checksum"):
        formats.read_scan(folder)
    assert capfd.readouterr().err == ""


def test_what_a_cbf_header_says_is_known(tmp_path):
    """Dectris writes x before y; ours is row before column.  1.2398 Å are 10 keV."""
    known = formats.read_scan(series(tmp_path / "a", ".cbf", cbf)).metadata
    assert known["pixel_size_um"] == pytest.approx((160, 172))
    assert known["direct_beam_pixel"] == (20.25, 30.5)
    assert known["distance_m"] == 1.25
    assert known["energy_kev"] == pytest.approx(10.0003, abs=1e-3)


def test_the_step_that_a_cbf_header_says_is_known(tmp_path):
    head = b"# Angle_increment 0.0125 deg.\r\n"
    folder = series(
        tmp_path / "a", ".cbf", lambda frame: cbf(frame).replace(b"# Wavelength", head + b"# Wavelength")
    )
    assert formats.read_scan(folder).metadata["rocking_step_deg"] == 0.0125


@pytest.mark.parametrize(("name", "pack"), [("a.edf", bytes), ("a.edf.gz", gzip.compress)])
def test_a_file_of_several_images_is_a_stack(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(b"".join(edf(frame) for frame in STACK)))
    np.testing.assert_array_equal(formats.read_scan(tmp_path / name).counts, STACK)
    assert formats.read_scan(tmp_path / name, crop=(16, 16, 16)).counts.max() == STACK.max()


@pytest.mark.parametrize(("suffix", "write"), [(".edf", edf), (".cbf", cbf)])
def test_masks_and_fields_may_be_images_of_a_detector(tmp_path, suffix, write):
    folder = series(tmp_path / "a", suffix, write)
    mask, dark = np.zeros(STACK.shape[1:], "i4"), np.full(STACK.shape[1:], 2, "i4")
    mask[3, 4:7] = 1
    for name, image in (("mask", mask), ("dark", dark)):
        (tmp_path / (name + suffix)).write_bytes(write(image))
    scan = formats.read_scan(folder, mask=tmp_path / f"mask{suffix}", dark=tmp_path / f"dark{suffix}")
    np.testing.assert_array_equal(scan.mask, np.broadcast_to(mask != 0, scan.shape))
    np.testing.assert_array_equal(scan.counts[:, 10], np.maximum(STACK[:, 10].astype("f4") - 2, 0))
    with pytest.raises(InputError, match="is 2-dimensional"):
        formats.read_scan(tmp_path / f"mask{suffix}")


def test_a_folder_without_frames_names_the_files_to_open(tmp_path):
    np.save(tmp_path / "scan.npy", STACK)
    with pytest.raises(InputError, match=r"holds no numbered frames .*; open scan\.npy"):
        formats.read_scan(tmp_path)
