"""Muon (Jordan et al. 2024): momentum whose matrices are orthogonalised; AdamW for everything that is no kernel.

It learns more from the same crystals, of which a CPU sees few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM, BETAS, EPSILON = 0.95, (0.9, 0.99), 1e-8
"""Of Muon; decay rates and the least divisor of Adam, which the other parameters are moved by."""
_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration a X + b (XXᵀ) X + c (XXᵀ)² X (Jordan et al. 2024): steep at 0, within 0.7…1.2 near 1."""


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for convolution kernels, AdamW for biases, norms and tiny kernels.

    A kernel (out, in, 3, 3, 3) is taken as a matrix (out, in·27).  Its update has the root mean square 0.2 that AdamW's
    typically has (Liu et al. 2025, arXiv 2502.16982, Eq. 4), so that both share one learning rate.

    Parameters
    ----------
    parameters
        Of the network.
    lr
        Learning rate.
    weight_decay
        Decoupled from the gradient, as in AdamW.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 1e-3) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Do one step along the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            every = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in every:
                self._count(parameter)
            if every:
                torch._foreach_mul_(every, 1 - group["lr"] * group["weight_decay"])
            for alike in _groups(every, lambda one: tuple(one.shape) if is_kernel(one) else None):
                self._turn(alike, group["lr"])
            for alike in _groups(
                every, lambda one: None if is_kernel(one) else float(self.state[one]["step"])
            ):
                self._adapt(alike, group["lr"])
        return loss

    def _count(self, parameter: Tensor) -> None:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            if not is_kernel(parameter):
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1

    def _turn(self, kernels: list[Tensor], rate: float) -> None:
        """Update kernels of one shape: on a GPU as one batch, as each would take eighty launches."""
        means, gradients = self._of(kernels, "exp_avg"), _gradients(kernels)
        torch._foreach_lerp_(means, gradients, 1 - MOMENTUM)
        looked_ahead = torch._foreach_lerp(gradients, means, MOMENTUM)
        matrices = orthogonalised(torch.stack([one.reshape(len(one), -1) for one in looked_ahead]))
        size = 0.2 * max(matrices.shape[1:]) ** 0.5
        updates = [size * one.reshape(kernel.shape) for one, kernel in zip(matrices, kernels, strict=True)]
        torch._foreach_add_(kernels, updates, alpha=-rate)

    def _adapt(self, others: list[Tensor], rate: float) -> None:
        """Update what is no kernel as AdamW does, all that was updated as often at once."""
        means, squares, gradients = (
            self._of(others, "exp_avg"),
            self._of(others, "exp_avg_sq"),
            _gradients(others),
        )
        count = float(self.state[others[0]]["step"])
        torch._foreach_lerp_(means, gradients, 1 - BETAS[0])
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - BETAS[1])
        sizes = torch._foreach_div(squares, 1 - BETAS[1] ** count)
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, EPSILON)
        updates = torch._foreach_div(torch._foreach_div(means, 1 - BETAS[0] ** count), sizes)
        torch._foreach_add_(others, updates, alpha=-rate)

    def _of(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        return [self.state[parameter][name] for parameter in parameters]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _groups(parameters: list[Tensor], key: Callable[[Tensor], object]) -> Iterable[list[Tensor]]:
    """Return those parameters together that have the same key; those that have none are left out."""
    found: dict[object, list[Tensor]] = {}
    for parameter in parameters:
        name = key(parameter)
        if name is not None:
            found.setdefault(name, []).append(parameter)
    return found.values()


def is_kernel(parameter: Tensor) -> bool:
    """Say whether a parameter is a convolution's kernel of at least 8 rows and columns."""
    return parameter.ndim == 5 and min(len(parameter), parameter[0].numel()) >= 8


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U Vᵀ of matrices (..., rows, columns) = U S Vᵀ, by Newton–Schulz steps (Jordan et al. 2024)."""
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
