"""The optimizer: orthogonal updates for kernels, AdamW for the rest."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_autophase.training.muon import Muon, is_kernel, orthogonalised


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (12, 12)])
def test_newton_schulz_makes_singular_values_one_and_keeps_the_directions(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    found = orthogonalised(matrix * 1e-4).numpy()
    u, _, v = np.linalg.svd(matrix.numpy(), full_matrices=False)
    along = np.diag(u.T @ found @ v.T)
    assert 0.5 < along.min() <= along.max() < 1.3
    np.testing.assert_allclose(u @ np.diag(along) @ v, found, atol=2e-3)


def test_only_kernels_are_orthogonalised():
    assert is_kernel(torch.zeros(16, 8, 3, 3, 3))
    assert not is_kernel(torch.zeros(2, 16, 3, 3, 3))
    assert not is_kernel(torch.zeros(16))


def test_biases_step_as_adamw_does():
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0, 0.5])) for _ in range(2))
    one = Muon([ours], lr=0.01, weight_decay=0.1)
    other = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1, betas=(0.9, 0.99))
    for _ in range(5):
        for parameter, optimizer in ((ours, one), (theirs, other)):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_an_update_has_the_promised_size_whatever_the_gradients():
    kernel = nn.Parameter(torch.zeros(16, 16, 3, 3, 3))
    optimizer = Muon([kernel], lr=1.0, weight_decay=0.0)
    kernel.grad = 1e-6 * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    assert float(kernel.detach().square().mean().sqrt()) == pytest.approx(0.2, rel=0.35)


def test_a_convolution_is_learnt():
    torch.manual_seed(0)
    wanted, found = (nn.Conv3d(8, 8, 3, padding=1) for _ in range(2))
    optimizer = Muon(found.parameters(), lr=0.02)
    seen = torch.randn(4, 8, 6, 6, 6)
    errors = []
    for step in range(150):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / 150)
        optimizer.zero_grad()
        error = (found(seen) - wanted(seen).detach()).square().mean()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.02 * errors[0]
