"""File > Open, and the samples."""

from __future__ import annotations

from importlib import resources

import h5py
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManifest
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


def test_a_result_becomes_its_layer(tmp_path):
    path = str(tmp_path / "result.cxi")
    formats.write(make_reconstruction(), path)
    found = reader.get_reader(path)(path)
    assert [kind for _, _, kind in found] == ["surface"]
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


@pytest.fixture
def neither(tmp_path):
    """An HDF5 file with a volume that is no rocking curve, and one that holds no volume."""
    with h5py.File(tmp_path / "embeddings.h5", "w") as file:
        file["layer"] = np.random.default_rng(0).normal(size=(20, 32, 32))
    np.savez(tmp_path / "table.npz", a=np.ones(5))
    return [str(tmp_path / name) for name in ("embeddings.h5", "table.npz")]


@pytest.fixture
def plugins(npe2pm):
    """Napari's own readers and ours, and nobody else's."""
    for package, name in (("napari_builtins", "builtins.yaml"), ("napari_autophase", "napari.yaml")):
        npe2pm.register(PluginManifest.from_file(str(resources.files(package) / name)))
    return npe2pm


def test_napari_asks_nothing_about_names_that_its_own_reader_serves():
    """It asks by the name of a file alone, so those of microscopes, arrays and folders are not declared."""
    manifest = PluginManifest.from_file(str(resources.files("napari_autophase") / "napari.yaml"))
    declared = {pattern for each in manifest.contributions.readers for pattern in each.filename_patterns}
    assert declared == {"*.npz", "*.h5", "*.hdf5", "*.nxs", "*.cxi"}
    assert {pattern[1:] for pattern in declared} <= set(formats.suffixes())
    assert not any(each.accepts_directories for each in manifest.contributions.readers)


def test_a_z_stack_opens_without_a_question(tmp_path, plugins):
    tifffile.imwrite(
        tmp_path / "z.tif", np.random.default_rng(0).poisson(200, (20, 32, 32)).astype(np.uint16)
    )
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(20, 32, 32)))
    for name in ("z.tif", "a.npy"):
        viewer = ViewerModel()
        (layer,) = viewer.open(str(tmp_path / name))  # MultipleReaderError if it had to ask
        assert layer.source.reader_plugin == "napari"


def test_what_is_neither_ends_in_one_sentence(neither, plugins, monkeypatch):
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    for path in neither:
        viewer = ViewerModel()
        assert reader.get_reader(path) is None
        assert viewer.open(path, plugin="napari-autophase") == []
    assert "embeddings.h5 does not look like a rocking curve" in said[0]
    assert "Load scan" in said[0]
    assert "table.npz holds no 3-D array" in said[1]


def test_what_is_ours_opens_by_the_viewer(tmp_path, plugins):
    formats.write_scan(make_scan(), tmp_path / "scan.h5")
    viewer = ViewerModel()
    (layer,) = viewer.open(str(tmp_path / "scan.h5"), plugin="napari-autophase")
    assert isinstance(layer.metadata["autophase_scan"], Scan)
    assert reader.get_refusal(str(tmp_path / "scan.h5")) is None
