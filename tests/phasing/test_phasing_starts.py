"""Where phasing starts."""

from __future__ import annotations

import numpy as np
import torch

from napari_autophase import analysis
from napari_autophase.phasing import parted


def numbers(crystal, support):
    return parted(torch.from_numpy(crystal), torch.from_numpy(support)).numpy()


def test_a_mixture_with_the_twin_is_parted_by_its_amplitude():
    """exp(iφ) + exp(−iφ(−r)) = 2 exp(iφ₋) cos φ₊: the part that opposite places share comes back from the amplitude."""
    z, y, x = np.indices((25, 25, 25)) - 12
    support = np.abs(z) + np.abs(y) + np.abs(x) <= 10
    shared, opposite = 1.3 * np.exp(-(x**2 + y**2 + z**2) / 30), 1.1 * np.sin(z / 4) + 0.2 * y
    crystal = np.where(support, np.exp(1j * (opposite + shared)), 0)
    mixture = 7 * (crystal + analysis.twin(crystal))
    assert abs(analysis.correlation(mixture, crystal)) < 0.97
    found = numbers(mixture, support)
    assert found.dtype == np.complex64
    assert not found[~support].any()
    # but for the brightest tenth, whose amplitude is taken for that of the bulk
    assert np.quantile(np.abs(found - crystal)[support], 0.9) < 0.2
    assert abs(analysis.correlation(found, crystal)) > 0.99
    # nothing is parted of a crystal that is even
    even = np.where(support, np.exp(1j * opposite), 0)
    np.testing.assert_allclose(numbers(even, support)[support], even[support], atol=1e-3)
