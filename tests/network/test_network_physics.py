"""The scattering model that networks are trained through."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase.network import physics


def random_objects(seed: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    objects = torch.randn(batch, 32, 32, 32, dtype=torch.complex64, generator=generator)
    objects[:, 0], objects[:, :, 0], objects[:, :, :, 0] = 0, 0, 0  # the twin's mirror planes have no partner
    return objects


def test_field_is_the_centred_transform_of_the_padded_object():
    objects = random_objects(0, 1)
    padded = np.pad(objects[0].numpy().astype(complex), 16)
    expected = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(padded)))
    np.testing.assert_allclose(physics.propagate(objects)[0].numpy(), expected, rtol=1e-4, atol=2e-3)


@settings(max_examples=5)
@given(st.integers(0, 10_000))
def test_energy_is_conserved_and_the_way_back_is_exact(seed):
    objects = random_objects(seed)
    field = physics.propagate(objects)
    energy = field.abs().square().sum((1, 2, 3)) / 64**3
    torch.testing.assert_close(energy, objects.abs().square().sum((1, 2, 3)), rtol=1e-4, atol=0)
    torch.testing.assert_close(physics.back_propagate(field), objects, rtol=0, atol=1e-4)


def test_twin_scatters_the_same_intensity_and_is_its_own_inverse():
    objects = random_objects(3)
    twins = physics.twin(objects)
    torch.testing.assert_close(
        physics.propagate(twins).abs(), physics.propagate(objects).abs(), rtol=1e-3, atol=1e-2
    )
    torch.testing.assert_close(physics.twin(twins), objects)
    assert not torch.allclose(twins, objects)


def test_autocorrelation_of_a_box_ends_at_twice_its_width():
    objects = torch.zeros(1, 32, 32, 32, dtype=torch.complex64)
    objects[:, 12:20, 13:19, 14:18] = 1
    pattern = physics.autocorrelation(physics.propagate(objects).abs().square())[0].abs()
    assert pattern.argmax() == (32 * 64 + 32) * 64 + 32
    lit = pattern > 1e-3 * pattern.max()
    widths = [int(lit.any(dim=tuple(a for a in range(3) if a != axis)).sum()) for axis in range(3)]
    assert widths == [15, 11, 7]


def test_a_spectrum_between_its_points_is_the_direct_sum():
    objects = random_objects(2, 1)
    found = physics.resample(physics.propagate(objects), 16 / 9, 32)[0].numpy()
    position = np.arange(32) - 16
    waves = np.exp(-2j * np.pi / 64 * 16 / 9 * np.outer(np.arange(32) - 16, position))
    expected = np.einsum("ax,by,cz,xyz->abc", waves, waves, waves, objects[0].numpy(), optimize=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-2)


def ball(side: int, width: float) -> torch.Tensor:
    axis = torch.arange(side) - side // 2
    radius = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).float().sqrt()
    return torch.polar(torch.sigmoid(2 * (width / 2 - radius)), axis * 2.0 / width + 0 * radius)[None]


def test_a_smaller_window_sees_the_same_crystal_less_oversampled():
    objects = ball(32, 24.0)
    counts = physics.propagate(objects).abs().square()
    seen, truth = physics.view(counts, objects, 32, 32 / 1.5)
    assert seen.shape == truth.shape == (1, 32, 32, 32)
    expected = ball(32, 32 / 1.5)
    overlap = (truth * expected.conj()).sum().abs() / truth.norm() / expected.norm()
    assert overlap > 0.99
    assert float(truth.abs()[0, 16, 16, 16]) == pytest.approx(1, abs=0.05)
    scattered = physics.propagate(truth, 32).abs()
    scale = float((scattered * seen.sqrt()).sum() / scattered.square().sum())
    assert float((scale * scattered - seen.sqrt()).norm() / seen.sqrt().norm()) < 0.05


def test_the_window_of_the_simulation_stays_as_it_is():
    objects = ball(32, 20.0)
    counts = physics.propagate(objects).abs().square()
    seen, truth = physics.view(counts, objects, physics.WINDOW, physics.EXTENT)
    assert seen is counts
    assert truth is objects
