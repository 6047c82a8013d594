"""A function whose backward pass runs it again, so that nothing of it is kept in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Encode = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def apart(encode: Encode, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The outputs of `encode`, which is called again when the gradient has come back to them.

    For a network that is not on the device while the next one computes: its backward pass begins where that of the
    next one has ended.
    """
    return _Apart.apply(encode, *inputs)


class _Apart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, encode: Encode, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.encode = encode
        ctx.save_for_backward(*inputs)
        outputs = tuple(encode(inputs))  # autograd records nothing in here
        ctx.mark_non_differentiable(*(output for output in outputs if not output.is_floating_point()))
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs = [value.detach().requires_grad_(True) for value in ctx.saved_tensors]
        with torch.enable_grad():
            outputs = ctx.encode(inputs)
        found = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients, strict=True)
            if output.requires_grad and gradient is not None
        ]
        given = torch.autograd.grad(
            [output for output, _gradient in found],
            inputs,
            [gradient for _output, gradient in found],
            allow_unused=True,
        )
        return None, *given
