"""Convolutions that ask oneDNN, and networks without their norms: the same numbers."""

import copy

import pytest
import torch
from torch import nn

from napari_autophase import network
from napari_autophase.network.layers import BlockConvolution, Convolution, folded
from napari_autophase.network.weights import NETWORKS

CHANNELS_LAST = torch.channels_last_3d


def plain(model: nn.Module) -> nn.Module:
    """The same network made of torch's own convolutions."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, Convolution):
            layer.forward = nn.Conv3d.forward.__get__(layer)
    return model


def unlike_new(model: nn.Module) -> nn.Module:
    """A network whose norms have seen something."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm3d):
            for values in (layer.weight, layer.running_var):
                values.data.uniform_(0.5, 2)
            for values in (layer.bias, layer.running_mean):
                values.data.normal_(0, 0.3)
    return model


def assert_alike(found, expected, within=1e-4):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a - b).norm() < within * b.norm()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, CHANNELS_LAST])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_a_convolution_returns_what_that_of_torch_returns_and_as_many_gradients(
    memory_format, kernel, stride
):
    torch.manual_seed(0)
    layer = Convolution(16, 3, kernel, stride=stride, padding=kernel // 2)
    shown = torch.randn(1, 16, 8, 10, 12).contiguous(memory_format=memory_format).requires_grad_()
    results = []
    for way in (layer, plain(layer)):
        found = way(shown)
        gradients = torch.autograd.grad(found.square().sum(), [shown, *way.parameters()])
        results.append([found, *gradients])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_block_convolution_takes_the_voxels_of_a_block_for_channels():
    torch.manual_seed(0)
    layer, shown = BlockConvolution(5, 6), torch.randn(2, 5, 8, 4, 6)
    blocks = shown.reshape(2, 5, 4, 2, 2, 2, 3, 2).permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(2, 40, 4, 2, 3)
    assert layer.weight.shape == (6, 40, 1, 1, 1)
    torch.testing.assert_close(layer(shown), nn.functional.conv3d(blocks, layer.weight, layer.bias))


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_folded_networks_predict_the_same_and_leave_the_trainable_ones_as_they_are(name):
    torch.manual_seed(0)
    sizes = {} if name == "compact" else {"width": 4}
    model = unlike_new(network.build(name, **sizes)).train()
    before = copy.deepcopy(model.state_dict())
    quick = folded(model)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    counts = torch.poisson(100 * torch.rand(1, *[model.window] * 3))
    assert_alike(quick(counts), plain(model.eval())(counts))
    norms = [sum(isinstance(m, nn.BatchNorm3d) for m in one.modules()) for one in (quick, model)]
    assert norms[0] == (0 if name == "compact" else norms[1]), "one that follows an activation cannot go"


@torch.no_grad()
def test_the_shipped_network_predicts_the_same_when_folded():
    model = network.load()
    grid = torch.arange(64) - 31.5
    radius = (grid[:, None, None] ** 2 + 1.2 * grid[:, None] ** 2 + 0.8 * grid**2).sqrt()
    counts = torch.poisson(1e5 * torch.sinc(radius / 9) ** 2 / (1 + radius))[None]
    assert_alike(model.folded(counts), plain(model.network)(counts))
