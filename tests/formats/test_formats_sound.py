"""Results whose numbers cannot be worked with as they stand: what is wrong is taken out and said."""

from __future__ import annotations

import numpy as np
import pytest

from napari_autophase import analysis, formats
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import UNKNOWN_GEOMETRY, Reconstruction

INDEX = np.indices((24, 24, 24)) - 12
BODY = np.linalg.norm(INDEX, axis=0) < 7
OBJECT = (BODY * np.exp(0.1j * INDEX[1] ** 2 / 4)).astype(np.complex64)
STEPS = np.diag([5.0, 5.0, 5.0])[::-1]


def read_back(tmp_path, object: np.ndarray, steps: np.ndarray = STEPS) -> Reconstruction:
    found = Reconstruction(
        object, BODY, Recipe(), {}, voxel_steps_nm=steps, q_bragg_per_nm=np.array([0.0, 26.0, 0.0])
    )
    formats.write(found, tmp_path / "r.cxi")
    read = formats.read(tmp_path / "r.cxi")
    assert formats.read_reconstruction(tmp_path / "r.cxi").notes == read.notes
    return read


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, -np.inf)])
def test_voxels_that_are_not_finite_are_empty(tmp_path, value):
    spoilt = OBJECT.copy()
    spoilt[12, 12, 12:14] = value
    found = read_back(tmp_path, spoilt)
    assert found.notes == ("2 voxels of the object are not finite: they are taken for empty.",)
    assert not found.object[12, 12, 12:14].any()
    others = np.ones(BODY.shape, bool)
    others[12, 12, 12:14] = False
    np.testing.assert_array_equal(found.object[others], OBJECT[others])
    assert analysis.compare_results(found, read_back(tmp_path, OBJECT)).figures["correlation"] > 0.99


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_amplitudes_whose_products_leave_the_range_of_numbers_are_brought_to_one(tmp_path, scale):
    found = read_back(tmp_path, (OBJECT * scale).astype(np.complex64))
    assert "was divided by its largest" in found.notes[0]
    np.testing.assert_allclose(found.object, OBJECT, atol=1e-5)
    assert analysis.compare_results(found, read_back(tmp_path, OBJECT)).figures["correlation"] > 0.999


@pytest.mark.parametrize("steps", [np.diag([5.0, 5.0, 0.0]), np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_voxels_without_a_volume_are_no_geometry(tmp_path, steps):
    found = read_back(tmp_path, OBJECT, steps)
    assert found.voxel_steps_nm is None
    assert found.q_bragg_per_nm is None
    assert UNKNOWN_GEOMETRY in found.notes


def test_a_result_that_is_sound_stays_as_it_is(tmp_path):
    found = read_back(tmp_path, OBJECT)
    assert found.notes == ()
    np.testing.assert_array_equal(found.object, OBJECT)
