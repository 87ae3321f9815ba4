"""Several processes as one trainer, as `torchrun` starts them: gloo on CPUs, NCCL on GPUs; one process needs none of it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ..phasing.device import fault_of
from ..scan import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """One process among those that train together.

    Parameters
    ----------
    rank, world
        Its number and how many there are; rank 0 writes the files.
    local
        Its number on its own computer: the GPU it takes.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @classmethod
    def from_environment(cls) -> Ranks:
        """Return what ``torchrun`` has set (RANK, WORLD_SIZE, LOCAL_RANK); without it, the only rank."""
        return cls(*(int(os.environ.get(name, default)) for name, default in
                     (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))))  # fmt: skip

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def pick(self, name: str) -> torch.device:
        """Return the device to train on; of several processes each takes the GPU of its own number.

        Raises
        ------
        InputError
            If there is no such device, or it cannot be used.
        """
        if name == "auto":
            name = "cuda" if fault_of(torch.device("cuda", self.local)) == "" else "cpu"
        device = torch.device(name)
        if device.type == "cuda" and self.world > 1 and device.index is not None:
            raise InputError(f'Each of several processes takes a GPU: say "device": "cuda", not "{name}".')
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", self.local)
        why = fault_of(device)
        if why is None:
            raise InputError(f'This computer has no {name} device for the training; say "device": "cpu".')
        if why:
            raise InputError(f'The {name} device cannot be used ({why}); say "device": "cpu".')
        if device.type == "cuda":
            torch.cuda.set_device(device)
        return device

    def join(self, device: torch.device) -> None:
        """Meet the others, once for the life of the process."""
        if self.world > 1 and not distributed.is_initialized():
            if device.type == "cuda":  # NCCL guesses the device of a process otherwise
                distributed.init_process_group("nccl", device_id=device)
            else:
                distributed.init_process_group("gloo")
            atexit.register(distributed.destroy_process_group)

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.world > 1:
            distributed.barrier()

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return `network` so that its gradients become the mean over all ranks; itself where there is one."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)

    def mean(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Return the mean of each value over the ranks: the same on all of them, bit for bit."""
        if self.world == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(shared)
        return (shared / self.world).tolist()

    @torch.no_grad()
    def average_(self, tensors: list[Tensor]) -> None:
        """Replace floating-point tensors by their mean over the ranks, in place."""
        if self.world == 1 or not tensors:
            return
        together = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(together)
        together /= self.world
        for tensor, mean in zip(tensors, together.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def gather(self, mine: T) -> list[T]:
        """Return what every rank has, in the order of the ranks."""
        if self.world == 1:
            return [mine]
        every: list[T] = [mine] * self.world
        distributed.all_gather_object(every, mine)
        return every
