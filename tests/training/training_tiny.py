"""A network that trains in milliseconds; run as a program it is the command line, with that network among the others.

``ranks CONFIG…`` instead of a command trains each and writes what every process ended with; ``killed N CALL CONFIG…`` trains
each in its own process, which the system kills instead of its Nth call of ``os.replace`` or ``os.fsync``, and prints its end.
"""

import itertools
import os
import signal
import sys

import torch
from torch import nn
from torch.nn import functional as F

from napari_autophase.network import weights
from napari_autophase.network.compact import Estimate


class Tiny(nn.Module):
    """Object and shape from the modulus, folded to 32³: one hidden layer, with a norm and a dropout where asked."""

    window, extent = 64, 24.0

    def __init__(self, channels: int = 4, norm: bool = True, dropout: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Conv3d(8, channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(channels) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Conv3d(channels, 3, 1)

    def forward(self, counts: torch.Tensor) -> list[Estimate]:
        modulus = counts.sqrt() / counts.amax((1, 2, 3), keepdim=True).sqrt()
        folded = F.pixel_unshuffle(modulus.reshape(-1, 1, 64, 64), 2).reshape(len(counts), 64, 4, 32, 32)
        folded = folded.reshape(len(counts), 32, 8, 32, 32).transpose(1, 2)
        real, imaginary, shape = (
            self.last(self.dropout(self.norm(self.first(folded)).relu())).float().unbind(1)
        )
        return [Estimate(torch.complex(real + 0.1, imaginary), shape)]


class Plain(Tiny):
    """Without what depends on the batch or on chance."""

    def __init__(self) -> None:
        super().__init__(norm=False, dropout=0.0)


def register() -> None:
    weights.NETWORKS.update({"tiny": Tiny, "plain": Plain})


def train_and_show(config: str) -> None:
    from safetensors.torch import save_file

    from napari_autophase.training import Trainer, TrainingConfig

    trainer = Trainer(TrainingConfig.from_file(config))
    for _ in trainer.train():
        pass
    state = {name: value.contiguous() for name, value in trainer.model.state_dict().items()}
    save_file(state, trainer.folder / f"rank{trainer.ranks.rank}.safetensors")


def kill_instead(call: str, number: int) -> None:
    """Let the program be killed, as by a full node or a power cut, where it would call this function of `os` again."""
    calls, really = itertools.count(1), getattr(os, call)

    def called(*arguments, **options):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return really(*arguments, **options)

    setattr(os, call, called)


if __name__ == "__main__":
    from napari_autophase.cli import main

    register()
    if sys.argv[1] == "ranks":
        for one in sys.argv[2:]:
            train_and_show(one)
        sys.exit()
    if sys.argv[1] == "killed":
        for call, config in zip(sys.argv[3::2], sys.argv[4::2], strict=True):
            if (child := os.fork()) == 0:
                kill_instead(call, int(sys.argv[2]))
                os._exit(main(["network", "train", config]))
            print(call, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        sys.exit()
    sys.exit(main(sys.argv[1:]))
