"""A sheared object on an orthogonal grid: sizes, directions and values stay."""

from __future__ import annotations

import numpy as np
import pytest

from napari_autophase.analysis import orthogonalise
from napari_autophase.scan import InputError

GRID_NM = np.array([[1579.0, 4.0, 1218.0], [726.0, -1288.0, 72.0], [2592.0, -1.0, -408.0]])
"""Columns: the field of view along frames, rows and columns of gold scan 54 of 34-ID-C, laboratory x, y, z."""


def sheared_sphere(radius_nm: float, shape=(40, 36, 44)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a sphere on a sheared grid, the grid's steps, and the laboratory positions of its voxels."""
    steps = GRID_NM / np.asarray(shape)
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), -1)
    position = index @ steps.T
    return (np.linalg.norm(position, axis=-1) < radius_nm).astype(np.complex64), steps, position


def test_a_sphere_becomes_a_sphere():
    radius = 350.0
    sphere, steps, _ = sheared_sphere(radius)
    found, size = orthogonalise(sphere, steps, 20.0)
    assert size == 20.0
    assert found.dtype == np.complex64
    z, y, x = (np.arange(n) - n // 2 for n in found.shape)
    distance = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) * size
    amplitude = np.abs(found)
    blur = 2 * np.linalg.norm(steps, axis=0).max()
    assert amplitude[distance < radius - blur].min() > 0.5
    assert amplitude[distance > radius + blur].max() < 0.5
    volume = np.count_nonzero(amplitude > 0.5) * size**3
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.05)
    moment = [np.sum(amplitude * axis**2) for axis in np.meshgrid(z, y, x, indexing="ij")]
    assert moment == pytest.approx([np.mean(moment)] * 3, rel=0.05)


def test_the_new_voxel_is_as_large_as_the_old_one():
    sphere, steps, _ = sheared_sphere(300.0)
    found, size = orthogonalise(sphere, steps)
    assert size**3 == pytest.approx(abs(np.linalg.det(steps)))
    assert np.abs(found).sum() == pytest.approx(np.abs(sphere).sum(), rel=0.02)


def test_a_plane_wave_keeps_its_direction():
    sphere, steps, position = sheared_sphere(350.0)
    wave = np.array([0.001, -0.0015, 0.002])  # 1/nm, laboratory x, y, z
    found, size = orthogonalise((sphere * np.exp(1j * position @ wave)).astype(np.complex64), steps, order=3)
    middle = tuple(slice(n // 2 - 4, n // 2 + 5) for n in found.shape)
    slopes = [np.gradient(np.unwrap(np.angle(found[middle]), axis=a), size, axis=a).mean() for a in range(3)]
    assert slopes == pytest.approx(wave[::-1], rel=0.03)
    assert np.angle(found[tuple(n // 2 for n in found.shape)]) == pytest.approx(0, abs=1e-3)


def test_a_real_volume_stays_real():
    sphere, steps, _ = sheared_sphere(300.0)
    found, _ = orthogonalise(sphere.real, steps)
    assert found.dtype == np.float32


def test_nothing_to_orthogonalise_says_so():
    _, steps, _ = sheared_sphere(300.0)
    with pytest.raises(InputError, match="empty"):
        orthogonalise(np.zeros((20, 20, 20), np.complex64), steps)
    with pytest.raises(InputError, match="positive"):
        orthogonalise(np.ones((20, 20, 20), np.complex64), steps, -1.0)
