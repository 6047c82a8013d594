"""The networks that a training computes with: the host's own, or copies of them in another type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from ...stableidentity_core.backends.compute import cast_copy
from ...stableidentity_core.text.space import TextSpace
from . import weights
from .casting import casting, casting_layers, flagged, has_other_type
from .memory import makes_copy
from .text import HostTextEncoders


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """UNet and text encoders, each a module of one of the patchers, by which the host manages their memory."""

    unet: nn.Module
    text: HostTextEncoders
    patchers: tuple[Any, Any]
    dtype: torch.dtype  # that the UNet computes in

    @property
    def text_dtype(self) -> torch.dtype | None:
        """The 16-bit type to autocast the text encoders to, if any; they compute in float32 otherwise."""
        unet, text = (patcher.load_device.type for patcher in self.patchers)
        casts = text == unet and torch.amp.is_autocast_available(text)
        return self.dtype if self.dtype.itemsize == 2 and casts else None

    @property
    def modules(self) -> list[nn.Module]:
        return [self.unet, *self.text.encoders.values()]

    @property
    def casting_layers(self) -> list[Any]:
        return [layer for network in self.modules for layer in casting_layers(network)]


class UsedNetworks:
    """The networks that compute now: the host's own, or copies of them in another type, which are kept for next time.

    Args:
        memory: bytes that the training needs beside the weights.
    """

    def __init__(self, own: Networks, memory: int):
        self.own = own
        self.now = own
        self._casting_before = [(layer, layer.comfy_cast_weights) for layer in own.casting_layers]
        self._memory = memory
        self._made: tuple[tuple[torch.dtype, bool], Networks] | None = None
        self._copies = ExitStack()
        self._may_be_offloaded = True

    def others_were_used(self) -> None:
        """Check at the next `load` where the weights are; to ask each of them at every step is slow."""
        self._may_be_offloaded = True

    def load(self) -> None:
        """Only the networks that compute now are on the device."""
        if not self._may_be_offloaded:
            return
        for own in self.own.patchers:
            if own not in self.now.patchers:
                unload(own)
        if weights.weights_off_device(self.now.patchers):
            weights.load_fully(self.now.patchers, self._memory)
        self._may_be_offloaded = False

    def in_type(self, dtype: torch.dtype, low_memory: bool) -> Networks:
        """The networks for a type; copies are kept until another type is asked for."""
        key = dtype, low_memory
        if self._made is None or self._made[0] != key:
            self.drop_copies()
            self._made = key, self._copies.enter_context(networks_in(self.own, dtype, low_memory, self._memory))
        return self._made[1]

    @contextmanager
    def used(self, networks: Networks) -> Iterator[None]:
        """Inside, these networks compute."""
        before, self.now = self.now, networks
        self.others_were_used()
        try:
            with computing_with(networks):
                yield
        finally:
            self.now = before
            self.others_were_used()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Inside, the host computes with its own networks as outside of a training; afterwards, these compute again."""
        with torch.inference_mode(), weights.host_in_training_mode(False), flagged(self._casting_before):
            try:
                yield
            finally:
                self.others_were_used()
        for patcher in self.now.patchers:  # the host may have made their weights anew, in inference mode
            weights.make_trainable_through(patcher.model)

    def drop_copies(self) -> None:
        self._copies.close()
        self._made = None


@contextmanager
def networks_in(own: Networks, dtype: torch.dtype, low_memory: bool, memory: int) -> Iterator[Networks]:
    """The networks for computing in another type.

    Weights that have it, or that low memory casts block by block, are the host's own. Of others, a copy is made, which
    the host manages like any model, and the originals leave the device while there is one.

    Args:
        memory: bytes that the training needs beside the weights.
    """
    networks = replace(own, dtype=dtype)
    unet, text = own.patchers
    whole, text_dtype = own.text.clip.cond_stage_model, networks.text_dtype or torch.float32
    with ExitStack() as stack:
        if makes_copy(own.unet, dtype, low_memory):
            unet = stack.enter_context(_copied(unet, own.unet, dtype, memory))
            networks = replace(networks, unet=unet.model)
        if makes_copy(whole, text_dtype, low_memory):
            text = stack.enter_context(_copied(text, whole, text_dtype, memory))
            networks = replace(networks, text=own.text.with_network(text))
        networks = replace(networks, patchers=(unet, text))
        if networks.patchers != own.patchers:
            weights.load_fully(networks.patchers, memory)
        yield networks


@contextmanager
def computing_with(networks: Networks) -> Iterator[None]:
    """Inside, each layer casts its weights if they have another type than it computes in, and only then.

    Where autocast chooses the type of a layer, the host's cast to the type of the input would be a second one, and kept
    for the backward pass.
    """
    with ExitStack() as stack:
        stack.enter_context(casting(networks.unet, lambda layer: has_other_type(layer, networks.dtype)))
        for encoder in networks.text.encoders.values():
            stack.enter_context(casting(encoder, lambda layer: _casts_in_text(layer, networks.text_dtype)))
        yield


def _casts_in_text(layer: nn.Module, dtype: torch.dtype | None) -> bool:
    """All but linear layers compute in float32 there, whatever their weights are."""
    return not isinstance(layer, nn.Linear) or has_other_type(layer, dtype or torch.float32)


@contextmanager
def _copied(original: Any, network: nn.Module, dtype: torch.dtype, memory: int) -> Iterator[Any]:
    """A patcher of a copy; the original has left the device."""
    device = original.load_device
    weights.load_fully([original], memory)  # only while it is loaded its weights have their LoRA
    size = sum(value.numel() * dtype.itemsize for value in network.parameters())
    on_device = model_management.get_free_memory(device) > size + model_management.extra_reserved_memory()
    copy = cast_copy(network, dtype, device if on_device else original.offload_device)
    patcher = ModelPatcher(copy, load_device=device, offload_device=original.offload_device)
    unload(original)
    try:
        yield patcher
    finally:
        unload(patcher)


def unload(patcher: Any) -> None:
    """Move a model off its device, as the host does when it needs room."""
    loaded = model_management.current_loaded_models
    found = [entry for entry in loaded if entry.model is not None and entry.model.model is patcher.model]
    for entry in found:
        entry.model_unload()
        loaded.remove(entry)
    if found:  # to empty the cache of a GPU takes long
        model_management.soft_empty_cache()


def told_when_used(spaces: Iterable[TextSpace], tell: Callable[[], None]) -> tuple[TextSpace, ...]:
    """Text spaces that tell before they look up words, for which the host may move networks."""

    def telling(embed: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def told(ids: Tensor) -> Tensor:
            tell()
            return embed(ids)

        return told

    return tuple(replace(space, embed=telling(space.embed)) for space in spaces)
