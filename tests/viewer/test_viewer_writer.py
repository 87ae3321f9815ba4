"""Saving from the viewer: what napari hands over, and what our reader opens again."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image
from viewer_doubles import make_reconstruction

from napari_autophase import formats
from napari_autophase.scan import InputError
from napari_autophase.viewer import writer
from napari_autophase.viewer.model.crystal.drawing import Look
from napari_autophase.viewer.model.crystal.mesh import Cut
from napari_autophase.viewer.model.result import naming, saving
from napari_autophase.viewer.model.stage import layers


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(writer, "show_warning", said.append)
    return said


@pytest.fixture
def result(viewer, reconstruction):
    return layers.add_reconstruction(viewer, reconstruction, group=1)


@pytest.mark.parametrize("role", ["slices", "isosurface"])
def test_any_layer_of_a_result_saves_the_whole_of_it(viewer, result, tmp_path, role):
    viewer.dims.ndisplay = 2
    path = str(tmp_path / "result.cxi")
    assert writer.write_reconstruction(path, [result.layer(role).as_layer_data_tuple()]) == [path]
    back = formats.read(path)
    np.testing.assert_array_equal(back.object, result.reconstruction.object)
    np.testing.assert_array_equal(back.support, result.reconstruction.support)
    np.testing.assert_allclose(back.voxel_steps_nm, result.reconstruction.voxel_steps_nm)


def test_all_layers_of_a_result_save_it_once(viewer, result, tmp_path):
    data = [layer.as_layer_data_tuple() for layer in viewer.layers]
    assert writer.write_reconstruction(str(tmp_path / "all"), data) == [str(tmp_path / "all.cxi")]
    assert [path.name for path in tmp_path.iterdir()] == ["all.cxi"]


def test_somebody_elses_layers_are_not_written(tmp_path, warnings):
    foreign = Image(np.zeros((4, 4))).as_layer_data_tuple()
    assert writer.write_reconstruction(str(tmp_path / "foreign.cxi"), [foreign]) == []
    assert "reconstruction" in warnings[0]
    assert not list(tmp_path.iterdir())


def test_two_results_in_one_file_are_refused(viewer, result, tmp_path, warnings):
    layers.add_reconstruction(viewer, make_reconstruction("second"), group=2)
    data = [layer.as_layer_data_tuple() for layer in viewer.layers]
    assert writer.write_reconstruction(str(tmp_path / "both.cxi"), data) == []
    assert "2 reconstructions" in warnings[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", ["full", "vanished"])
def test_napari_says_why_a_result_cannot_be_saved(viewer, result, tmp_path, monkeypatch, failure):
    """*File > Save* ends in `LayerList.save`, which keeps silent about a `ValueError`; its dialog shows an `OSError`."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = tmp_path / ("nowhere/result.cxi" if failure == "vanished" else "result.cxi")
    says = "there is no such folder" if failure == "vanished" else os.strerror(errno.ENOSPC)
    if failure == "full":
        monkeypatch.setattr(os, "fsync", full)
    data = [result.layer("isosurface").as_layer_data_tuple()]
    with pytest.raises(OSError, match=says) as told:
        writer.write_reconstruction(str(place), data)
    assert str(place) in str(told.value)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    again = str(tmp_path / "again.cxi")
    assert writer.write_reconstruction(again, data) == [again]
    np.testing.assert_array_equal(formats.read(again).object, result.reconstruction.object)


def test_a_name_that_says_another_format_is_refused(reconstruction, tmp_path):
    with pytest.raises(InputError, match="cxi"):
        saving.save(reconstruction, tmp_path / "result.tif")


def test_names_are_safe_for_files(session):
    result = session.add_result(make_reconstruction("Au S0054/α"))
    assert naming.suggested_name(result) == "Au_S0054_α_result1.cxi"


def test_a_saved_result_opens_as_it_was_shown(viewer, session, tmp_path):
    result = session.add_result(make_reconstruction())
    result.set_threshold(0.45)
    result.set_colour_by("strain")
    result.set_range((-3e-4, 3e-4))
    result.set_relief(False)
    result.set_clipping(Cut((0.0, 1.0, 0.0), 2.5))
    layer = result.layer("isosurface")
    writer.write_reconstruction(str(tmp_path / "shown.cxi"), [layer.as_layer_data_tuple()])
    found = formats.read(tmp_path / "shown.cxi")
    assert Look.of(found) == result.look
    for data, options, kind in layers.reconstruction_layer_data(found):
        viewer._add_layer_from_data(data, options, kind)
    again = session.results[-1]
    assert again is not result
    assert again.look == result.look
    assert again.quantities.threshold == 0.45
    assert again.layer("isosurface").colormap.name == "autophase signed"
    np.testing.assert_allclose(again.layer("isosurface").data[0], layer.data[0])


@pytest.mark.parametrize(
    "shown",
    [
        {"colour_by": "smell"},
        {"threshold": "high"},
        {"cut": [1]},
        {"strain_limit": {}},
        {"ranges": {"phase": [1, 0]}},
        {"another": 1},
    ],
)
def test_what_another_version_says_of_the_look_is_no_obstacle(shown):
    found = replace(make_reconstruction(), shown=shown)
    assert Look.of(found) == Look(found.recipe.analyse.threshold)


def test_the_limit_of_an_earlier_version_is_a_range():
    found = replace(make_reconstruction(), shown={"colour_by": "strain", "strain_limit": 2e-3})
    assert Look.of(found).ranges == {"strain": (-2e-3, 2e-3)}
