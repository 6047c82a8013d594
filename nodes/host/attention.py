"""The attention that a training computes with."""

from __future__ import annotations

from typing import Any

from comfy.ldm.modules.attention import attention_pytorch


def with_gradient() -> dict[str, Any]:
    """Options of a host network for torch's own attention: other kernels may lack a backward pass.

    Fresh each time, for the host's networks write into them.
    """
    return {"optimized_attention_override": lambda _attention, *args, **kwargs: attention_pytorch(*args, **kwargs)}
