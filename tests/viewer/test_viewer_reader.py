"""File > Open, and the samples."""

from __future__ import annotations

import numpy as np
import pytest
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.samples import SAMPLES, sample_path
from napari_autophase.scan import InputError, Scan
from napari_autophase.viewer import reader, samples


def test_a_scan_becomes_its_logarithm(tmp_path):
    scan = make_scan()
    path = str(tmp_path / "scan.npy")
    np.save(path, scan.counts)
    ((data, options, kind),) = reader.get_reader(path)(path)
    assert kind == "image"
    np.testing.assert_allclose(data, np.log10(1.0 + scan.counts), rtol=1e-5)
    read = options["metadata"]["autophase_scan"]
    assert isinstance(read, Scan)
    np.testing.assert_array_equal(read.counts, scan.counts)


def test_a_result_becomes_its_layers(tmp_path):
    path = str(tmp_path / "result.cxi")
    formats.write(make_reconstruction(), path)
    found = reader.get_reader(path)(path)
    assert [kind for _, _, kind in found] == ["image", "image", "image", "surface"]
    assert all(options["units"] == ("nm",) * 3 for _, options, _ in found)


def test_several_files_are_several_layers(tmp_path):
    paths = [str(tmp_path / f"{name}.npy") for name in "ab"]
    for path in paths:
        np.save(path, make_scan().counts)
    assert [options["name"] for _, options, _ in reader.get_reader(paths)(paths)] == ["a", "b"]


@pytest.mark.parametrize("content", [np.zeros((5, 5)), np.zeros((2, 20, 20, 20)), None])
def test_somebody_else_s_files_are_left_alone(tmp_path, content):
    path = tmp_path / "other.npy"
    np.save(path, content) if content is not None else path.write_text("not numpy")
    assert reader.get_reader(str(path)) is None
    good = tmp_path / "good.npy"
    np.save(good, make_scan().counts)
    assert reader.get_reader([str(good), str(path)]) is None


def test_a_missing_file_is_nobody_s(tmp_path):
    assert reader.get_reader(str(tmp_path / "nothing.npy")) is None


@pytest.mark.parametrize("sample", [samples.faceted, samples.strained])
def test_the_samples_open(sample):
    ((data, options, kind),) = sample()
    scan = options["metadata"]["autophase_scan"]
    assert kind == "image"
    assert data.shape == scan.shape
    assert scan.geometry is not None, "the samples know their geometry, so that results are in nm"


def test_an_unknown_sample():
    assert all(sample_path(name).is_file() for name in SAMPLES)
    with pytest.raises(InputError, match="the samples are"):
        sample_path("nothing.h5")
