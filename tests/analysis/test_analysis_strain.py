"""Strain against closed forms, on orthogonal and sheared grids, and its sign against a sum over atoms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import displacement, strain

N = 24
INDEX = np.indices((N, N, N)) - N // 2
ORTHOGONAL = np.diag([4.0, 5.0, 6.0])[::-1]
SHEARED = np.array([[1.0, 0.4, 4.9], [0.6, 4.7, -0.8], [6.2, 1.1, 0.5]])
Q = np.array([6.0, 22.0, -13.0])
Q_HAT = Q / np.linalg.norm(Q)
grids = pytest.mark.parametrize("steps", [ORTHOGONAL, SHEARED], ids=["orthogonal", "sheared"])


def along_q(steps: np.ndarray) -> np.ndarray:
    """r·Q̂ in nm for every voxel."""
    return np.tensordot(steps.T @ Q_HAT, INDEX, 1)


def in_crystal(steps: np.ndarray) -> np.ndarray:
    """A ball in which every voxel has a neighbour along each axis."""
    ball = np.linalg.norm(np.tensordot(steps, INDEX, 1), axis=0) < 40
    return ndimage.binary_opening(ball, np.ones((2, 2, 2)))


def scattering(u_nm: np.ndarray) -> np.ndarray:
    """The object of a crystal displaced by u along Q̂."""
    return np.exp(-1j * np.linalg.norm(Q) * u_nm)


@grids
def test_uniform_tension_is_its_own_value_everywhere_up_to_the_surface(steps):
    mask = in_crystal(steps)
    found = strain(scattering(2e-3 * along_q(steps)), mask, steps, Q)
    np.testing.assert_allclose(found[mask], 2e-3, rtol=1e-4)
    assert np.isnan(found[~mask]).all()
    assert found.dtype == np.float32


@grids
def test_a_quadratic_displacement_gives_a_linear_strain(steps):
    position, mask, slope = along_q(steps), in_crystal(steps), 4e-5
    found = strain(scattering(slope * position**2 / 2), mask, steps, Q)
    inside = ndimage.binary_erosion(mask)
    np.testing.assert_allclose(found[inside], slope * position[inside], atol=2e-7)
    # one-sided differences at the surface are off by half a step along each axis, by the curvature of the phase
    weights = np.linalg.solve(steps, Q_HAT)
    bound = slope / 2 * np.abs(weights * (steps.T @ Q_HAT) ** 2).sum()
    assert np.abs(found - slope * position)[mask].max() < bound * 1.001
    assert np.isfinite(found[mask]).all()


@grids
def test_a_gaussian_displacement_gives_its_derivative(steps):
    r = np.tensordot(steps, INDEX, 1) - np.array([3.0, -5.0, 4.0])[:, None, None, None]
    width = 22.0
    u = 0.02 * np.exp(-(r**2).sum(axis=0) / (2 * width**2))
    expected = -u * np.tensordot(Q_HAT, r, 1) / width**2
    mask = in_crystal(steps)
    inside = ndimage.binary_erosion(mask)
    found = strain(scattering(u), mask, steps, Q)
    assert np.abs(found - expected)[inside].max() < 0.05 * np.abs(expected).max()


def test_displacement_across_q_is_no_strain():
    across = np.cross(Q_HAT, [0.0, 0.0, 1.0])
    r = np.tensordot(SHEARED, INDEX, 1)
    mask = in_crystal(SHEARED)
    found = strain(scattering(1e-3 * np.tensordot(across / np.linalg.norm(across), r, 1)), mask, SHEARED, Q)
    assert np.abs(found[mask]).max() < 1e-8


def test_wrapping_changes_nothing_and_neither_does_what_lies_outside():
    mask = in_crystal(ORTHOGONAL)
    phase = -np.linalg.norm(Q) * 2e-3 * along_q(ORTHOGONAL)
    wrapped = np.angle(np.exp(1j * phase))
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, phase.shape)
    found = strain(np.exp(1j * np.where(mask, wrapped, noise)), mask, ORTHOGONAL, Q)
    np.testing.assert_allclose(found[mask], 2e-3, rtol=1e-4)


def test_a_voxel_without_neighbours_has_no_strain():
    mask = np.zeros((N, N, N), bool)
    mask[5, 5, 5] = True
    assert np.isnan(strain(np.ones((N, N, N), complex), mask, SHEARED, Q)).all()


def test_an_axis_without_weight_needs_no_neighbours():
    mask = np.zeros((N, N, N), bool)
    mask[5, 3:15, 5] = True
    q = np.array([0.0, 25.0, 0.0])
    object = np.exp(-1j * 25.0 * 1e-3 * 5.0 * INDEX[1])
    np.testing.assert_allclose(strain(object, mask, ORTHOGONAL, q)[mask], 1e-3, rtol=1e-4)


def test_without_geometry_the_strain_is_the_negative_phase_step_along_the_rows():
    mask = in_crystal(ORTHOGONAL)
    found = strain(np.exp(1j * (0.3 * INDEX[1] + 0.2 * INDEX[0])), mask, None, None)
    np.testing.assert_allclose(found[mask], -0.3, rtol=1e-5)


def test_displacement_is_minus_phase_over_q():
    phase = np.array([1.0, -2.0, np.nan], np.float32)
    np.testing.assert_allclose(displacement(phase, np.array([0, 20.0, 0])), [-0.05, 0.1, np.nan], rtol=1e-6)


@pytest.mark.parametrize("stretch", [8e-3, -8e-3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_crystal_of_atoms_stretched_along_q_has_its_peak_at_smaller_q_and_positive_strain(stretch, sign):
    """The sum over atoms of exp(±i q·r): no displacement, no phase and no convention goes in, only positions."""
    spacing, step, q_bragg = 0.25, 1.0, 2 * np.pi / 0.25
    lattice = np.arange(-20, 21) * spacing
    grid = 2 * np.pi * np.fft.fftshift(np.fft.fftfreq(N)) / step
    # rows of the detector run along Q; 41 atoms of 0.25 nm along each edge, stretched along Q only
    waves = [np.exp(sign * 1j * np.outer(lattice, grid)) for _ in range(3)]
    waves[1] = np.exp(sign * 1j * np.outer(lattice * (1 + stretch), q_bragg + grid))
    field = np.einsum("p,q,r->pqr", *(wave.sum(axis=0) for wave in waves))

    profile = np.abs(field).sum(axis=(0, 2)) ** 2
    peak = q_bragg + (profile @ grid) / profile.sum()
    assert np.sign(peak - q_bragg) == -np.sign(stretch)

    object = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(field)))
    mask = np.abs(object) > 0.5 * np.abs(object).max()
    steps = np.diag([step] * 3)[::-1]
    found = strain(object, mask, steps, np.array([0.0, q_bragg, 0.0]))
    assert mask.sum() > 500
    assert abs(np.nanmean(found) - stretch) < 0.1 * abs(stretch)
