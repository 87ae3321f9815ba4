"""Muon (Jordan et al. 2024): momentum whose matrices are orthogonalised; AdamW for everything that is no kernel.

It learns more from the same crystals, of which a CPU sees few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM, BETAS, EPSILON = 0.95, (0.9, 0.99), 1e-8
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
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.sub_(group["lr"] * self._update(parameter, parameter.grad))
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            if not is_kernel(parameter):
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        mean = state["exp_avg"]
        if is_kernel(parameter):
            mean.lerp_(gradient, 1 - MOMENTUM)
            matrix = orthogonalised(gradient.lerp(mean, MOMENTUM).reshape(len(parameter), -1))
            return 0.2 * max(matrix.shape) ** 0.5 * matrix.reshape(parameter.shape)
        square, count = state["exp_avg_sq"], float(state["step"])
        mean.lerp_(gradient, 1 - BETAS[0])
        square.lerp_(gradient.square(), 1 - BETAS[1])
        size = (square / (1 - BETAS[1] ** count)).sqrt_().add_(EPSILON)
        return mean / (1 - BETAS[0] ** count) / size


def is_kernel(parameter: Tensor) -> bool:
    """Say whether a parameter is a convolution's kernel of at least 8 rows and columns."""
    return parameter.ndim == 5 and min(len(parameter), parameter[0].numel()) >= 8


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U Vᵀ of a matrix (rows, columns) = U S Vᵀ, by Newton–Schulz steps (Jordan et al. 2024)."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
