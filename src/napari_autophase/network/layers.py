"""Convolutions that are quick on a CPU, and networks without their norms."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

Three = tuple[int, int, int]


class Convolution(nn.Conv3d):
    """`nn.Conv3d` that asks oneDNN itself (see `convolve`); parameters and numbers are the same."""

    def forward(self, x: Tensor) -> Tensor:
        stride, padding = tuple(self.stride), tuple(self.padding)
        return convolve(x, self.weight, self.bias, stride, padding)  # type: ignore[arg-type]


class BlockConvolution(nn.Conv3d):
    """A 1³ convolution of what 2×2×2 blocks hold, their voxels being channels; returns half the sides.

    That is a convolution of stride 2, which spares the reordering of voxels to channels.

    Parameters
    ----------
    inputs, outputs
        Channels before the voxels of the blocks join them, and after.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(8 * inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.reshape(self.out_channels, -1, 2, 2, 2)
        return convolve(x, kernel, self.bias, (2, 2, 2))


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Three = (1, 1, 1), padding: Three = (0, 0, 0)
) -> Tensor:
    """Return what `conv3d` returns, sooner.

    Torch takes a single small volume in float32 for too little work for oneDNN, and is ten times slower with its own loops
    (thirty times, where few channels come out).
    """
    direct = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    if direct and torch.backends.mkldnn.is_available() and not torch.is_autocast_enabled("cpu"):
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), 1)
    return F.conv3d(x, weight, bias, stride, padding)


def folded(network: nn.Module) -> nn.Module:
    """Return a copy that predicts the same: norms that follow a convolution are part of it.

    A norm after an activation stays: the next convolution pads with zeros what that norm has shifted.
    """
    network = copy.deepcopy(network).eval()
    for layers in list(network.modules()):
        if isinstance(layers, nn.Sequential):
            for index, (one, next_one) in enumerate(pairwise(layers)):
                if isinstance(one, nn.Conv3d) and isinstance(next_one, nn.BatchNorm3d):
                    layers[index], layers[index + 1] = fuse_conv_bn_eval(one, next_one), nn.Identity()
    return network
