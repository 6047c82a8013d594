"""The pack's face networks under the host's memory management, as its own models are.

Before each use the host is asked to load a network's weights. From then on it counts them, and moves them away when
it needs the room or the user unloads the models.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import comfy.model_patcher
from comfy import model_management
from torch import Tensor, nn

from ...stableidentity_core.encode import FaceEncoder
from ...stableidentity_core.face import Detections, FaceDetector, FaceParser

# Bytes of activations: RetinaFace resnet50 at 2150 pixels. The others need less than the host keeps free at any time.
DETECTION = 1_100_000_000

T = TypeVar("T")


class FaceNetwork(nn.Module):
    """Holds a network for the host, which sets attributes, such as `device`, that a network may have as read-only."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network


class Resident(Generic[T]):
    """What computes with a network whose weights are the host's to move.

    The host's list has weak references only, so that the network leaves it as soon as nobody holds this object.

    Args:
        plain: computes wherever the weights are.
        network: the weights.
        activations: bytes that a call needs in addition to the weights.
    """

    def __init__(self, plain: T, network: nn.Module, activations: int = 0):
        self.plain = plain
        self.activations = activations
        self.patcher = comfy.model_patcher.ModelPatcher(
            FaceNetwork(network),
            load_device=model_management.get_torch_device(),
            offload_device=model_management.text_encoder_offload_device(),
        )


def loaded(*residents: Resident | None) -> tuple[Any, ...]:
    """What computes, of each, with the weights of all on the device now; None for None.

    A call in another thread (`stoppable`) must not use the host, so it gets these from the prompt's thread.
    """
    given = [one for one in residents if one is not None]
    if given:
        memory = max(one.activations for one in given)
        patchers = [one.patcher for one in given]
        model_management.load_models_gpu(patchers, memory_required=memory, force_full_load=True)
    return tuple(None if one is None else one.plain for one in residents)


class ResidentDetector(Resident[FaceDetector]):
    """A FaceDetector that loads before each call."""

    @property
    def name(self) -> str:
        return self.plain.name

    def __call__(self, picture: Tensor) -> Detections:
        return loaded(self)[0](picture)


class ResidentParser(Resident[FaceParser]):
    """A FaceParser that loads before each call."""

    @property
    def name(self) -> str:
        return self.plain.name

    def __call__(self, portrait: Tensor) -> Tensor:
        return loaded(self)[0](portrait)


class ResidentEncoder(Resident[FaceEncoder]):
    """A FaceEncoder that loads before each call."""

    def __init__(self, plain: FaceEncoder, model: nn.Module):
        super().__init__(plain, model)
        self.name, self.width, self.licence, self.model = plain.name, plain.width, plain.licence, model

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        return loaded(self)[0](portraits, mirrored)


def resident_encoder(encoder: FaceEncoder) -> FaceEncoder:
    """The encoder under the host's management; as it is if it has no network of its own."""
    return encoder if encoder.model is None else ResidentEncoder(encoder, encoder.model)
