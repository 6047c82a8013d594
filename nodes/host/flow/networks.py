"""The two networks of a flow model: which of them are on the device, and in what type the diffusion model computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from .. import weights
from ..casting import casting, casting_layers, flagged, has_other_type
from ..networks import unload
from .text import FlowTextEncoders


class FlowNetworks:
    """The host's own modules: weights of another type than is computed in are cast layer by layer.

    The text encoders compute as in a prompt of the host, in float32.

    Args:
        memory: bytes that the training needs beside the weights.
        apart: only one of the two is on the device at a time.
    """

    def __init__(self, model: Any, text: FlowTextEncoders, memory: int, apart: bool):
        self.model = model
        self.text = text
        self.memory = memory
        self.apart = apart
        self._before = [(layer, layer.comfy_cast_weights) for layer in casting_layers(self.network)]
        self._cast_before = model.model.manual_cast_dtype
        self._on_device: tuple[Any, ...] = ()  # as far as is known

    @property
    def network(self) -> nn.Module:
        return self.model.get_model_object("diffusion_model")

    @property
    def patchers(self) -> tuple[Any, Any]:
        return self.model, self.text.clip.patcher

    @property
    def dtype(self) -> torch.dtype:
        """That the diffusion model computes in now."""
        return self.model.model.manual_cast_dtype or self.model.model.get_dtype()

    def others_were_used(self) -> None:
        """Check at the next use where the weights are."""
        self._on_device = ()

    def use_network(self) -> None:
        self._use(self.model)

    def use_text(self) -> None:
        self._use(self.text.clip.patcher)

    def _use(self, patcher: Any) -> None:
        wanted = (patcher,) if self.apart else self.patchers
        if wanted == self._on_device:
            return
        for other in self.patchers:
            if other not in wanted:
                unload(other)
        weights.load_fully(wanted, self.memory)
        self._on_device = wanted

    @contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        """Inside, the diffusion model computes in this type."""
        with _computing_in(self.model.model, dtype), casting(self.network, lambda layer: has_other_type(layer, dtype)):
            yield

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Inside, the host computes as outside of a training; afterwards, these compute again."""
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(weights.host_in_training_mode(False))
            stack.enter_context(flagged(self._before))
            stack.enter_context(_computing_in(self.model.model, self._cast_before))
            try:
                yield
            finally:
                self.others_were_used()
        for patcher in self.patchers:  # the host may have made their weights anew, in inference mode
            weights.make_trainable_through(patcher.model)


@contextmanager
def _computing_in(model: Any, dtype: torch.dtype | None) -> Iterator[None]:
    before, model.manual_cast_dtype = model.manual_cast_dtype, dtype
    try:
        yield
    finally:
        model.manual_cast_dtype = before
