"""The scattering model that networks are trained through."""

import numpy as np
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


@settings(max_examples=5, deadline=None)
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
