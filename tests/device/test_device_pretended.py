"""The pretended device itself: it finds what a real one would, and counts right."""

from __future__ import annotations

import gc

import pytest
import torch
from pretended import MixedDevicesError, NoDoubleError, Pretended, pretended


def test_it_computes_what_the_cpu_computes_and_says_where(kind):
    with pretended(kind):
        one = torch.arange(24.0).reshape(2, 3, 4).to(kind)
        found = torch.fft.ifftn(torch.fft.fftn(one)).real
        assert isinstance(found, Pretended)
        assert found.device == torch.device(kind, 0)
        assert torch.zeros(3, device=kind).device.type == torch.tensor([1], device=kind).device.type == kind
        torch.testing.assert_close(found.cpu(), torch.arange(24.0).reshape(2, 3, 4))
        assert one.sum().item() == 276
        with pytest.raises(TypeError, match="can't convert"):
            one.numpy()
    assert not torch.cuda.is_available()


def test_tensors_of_two_devices_do_not_meet(kind):
    with pretended(kind):
        here, there = torch.ones(3), torch.ones(3, device=kind)
        for meet in (
            lambda: here + there,
            lambda: there.mul_(here),
            lambda: torch.where(there > 0, here, there),
        ):
            with pytest.raises(MixedDevicesError, match="expected all tensors on"):
                meet()
        assert (there + torch.tensor(2.0)).sum().item() == 9  # a scalar may


def test_whatever_waits_for_the_device_is_counted(kind):
    with pretended(kind) as device:
        one = torch.arange(4.0, device=kind)
        mask = one > 1
        waits = [
            lambda: one[0].item(), lambda: bool(mask[0]), lambda: one.tolist(), lambda: one.cpu(), lambda: one.nonzero(),
            lambda: one[mask], lambda: float(one.sum()), lambda: torch.empty(4).copy_(one),
        ]  # fmt: skip
        for number, wait in enumerate(waits, 1):
            wait()
            assert sum(device.syncs.values()) == number
        device.forget()
        one.mul_(2).add_(one).clamp(min=1)
        assert not device.syncs
        assert sum(device.launches.values()) == 3


def test_memory_is_counted_and_runs_out(kind):
    with pretended(kind, limit=10 * 4096) as device:
        one = torch.zeros(1024, device=kind)
        view = one[:100].view(10, 10)
        assert device.live == device.peak == 4096
        two = one + 1
        assert device.live == 2 * 4096
        del one, two
        gc.collect()
        assert device.live == 4096  # which the view still needs
        del view
        gc.collect()
        assert (device.live, device.peak) == (0, 2 * 4096)
        with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
            torch.zeros(11 * 1024, device=kind)
        torch.zeros(9 * 1024, device=kind)


def test_only_cuda_has_double_precision():
    with pretended("cuda"):
        assert torch.zeros(2, device="cuda").double().dtype == torch.float64
    with pretended("mps"), pytest.raises(NoDoubleError):
        torch.zeros(2, device="mps").double()


def test_gradients_flow_back(kind):
    with pretended(kind):
        one = torch.tensor([1.0, 2.0, 3.0], device=kind).requires_grad_()
        torch.where(one > 1, one.square(), 0).sum().backward()
        assert one.grad.cpu().tolist() == [0, 4, 6]
        network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.BatchNorm3d(2)).to(kind)
        assert {p.device.type for p in network.parameters()} == {kind}
        network(torch.ones(2, 1, 4, 4, 4, device=kind)).square().sum().backward()
        assert all(p.grad is not None and p.grad.device.type == kind for p in network.parameters())
