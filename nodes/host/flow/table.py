"""The flow-matching models that people can be learned on, one entry each. Experimental.

To add one, write an entry: all else follows from the host's own classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..families import GB, Sampling


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A text encoder inside a host CLIP, and what the host calls its parts.

    Attributes:
        space: name of its text space, by which the host also finds its words in an embedding file.
        tokens: key of its token lists.
        tokenizer, module: attributes of the host's tokenizer and text model.
        contextual: as in `TextSpace`.
        stock: whether the host's own `embedding:` reads words there as they are meant.
    """

    space: str
    tokens: str
    tokenizer: str
    module: str
    contextual: bool = True
    stock: bool = True


@dataclass(frozen=True, kw_only=True)
class FlowMemory:
    """What a step of one 512-pixel image takes beside the weights, in bytes.

    Counted in the host's networks of full size, on tensors without data (tests/backends/flow/test_flow_memory.py).
    """

    network: float  # activations in 16 bits
    network_low: float  # with gradient checkpointing: inputs of all blocks, and the largest block while it is computed
    parameters: float  # of the network that was counted, from which that of another size is estimated
    blocks: int
    text: float  # in fp32, in which the host computes text encoders
    text_low: float
    factor: int = 8  # pixels of the picture's side for each of its latent's


@dataclass(frozen=True, kw_only=True)
class FlowFamily:
    """What the pack needs to know about a flow-matching base.

    Attributes:
        models: classes of the host's model configurations.
        text: class of the host's text model.
        encoders: in the order of the identity file.
        text_width: setting of the network that has the width of its text, where the host keeps it.
        layers: of the last encoder, side by side in the conditioning.
        filled: tokens up to which zeros follow the text; the encoder then reads it without padding, which is the same.
        files: for messages: which text encoders to load.
        sampling: how its pictures are painted.
    """

    name: str
    models: tuple[str, ...]
    text: str
    encoders: tuple[Encoder, ...]
    text_width: str = ""
    layers: int = 1
    filled: int = 0
    files: str
    sampling: Sampling
    activations: FlowMemory
    least_side: int = 512


CLIP_L = Encoder(space="clip_l", tokens="l", tokenizer="clip_l", module="clip_l", contextual=False)
CLIP_G = Encoder(space="clip_g", tokens="g", tokenizer="clip_g", module="clip_g", contextual=False)
T5 = Encoder(space="t5xxl", tokens="t5xxl", tokenizer="t5xxl", module="t5xxl")
UMT5 = Encoder(space="umt5xxl", tokens="umt5xxl", tokenizer="clip_umt5xxl", module="umt5xxl", stock=False)
QWEN3_4B = Encoder(space="qwen3_4b", tokens="qwen3_4b", tokenizer="qwen3_4b", module="qwen3_4b", stock=False)

FLOW_FAMILIES = (
    FlowFamily(
        name="SD3.5",
        models=("SD3",),
        text="SD3ClipModel",
        encoders=(CLIP_L, CLIP_G, T5),
        files="CLIP-L, CLIP-G and T5-XXL by TripleCLIPLoader",
        sampling=Sampling(steps=28, cfg=4.5, sampler="euler", scheduler="sgm_uniform"),
        activations=FlowMemory(
            network=3.8 * GB, network_low=0.34 * GB, parameters=2.24e9, blocks=24, text=0.5 * GB, text_low=0.07 * GB
        ),
    ),
    FlowFamily(
        name="Z-Image",
        models=("ZImage",),
        text="ZImageTEModel",
        encoders=(QWEN3_4B,),
        text_width="cap_feat_dim",
        files="Qwen3-4B by Load CLIP with type lumina2",
        sampling=Sampling(steps=9, cfg=1.0, sampler="euler", scheduler="simple"),
        activations=FlowMemory(
            network=7.8 * GB, network_low=0.61 * GB, parameters=6.15e9, blocks=34, text=0.4 * GB, text_low=0.03 * GB
        ),
    ),
    FlowFamily(
        name="Wan text-to-video",
        models=("WAN21_T2V", "WAN22_T2V"),
        text="WanT5Model",
        encoders=(UMT5,),
        filled=512,
        files="UMT5-XXL by Load CLIP with type wan",
        sampling=Sampling(steps=20, cfg=6.0, sampler="uni_pc", scheduler="simple"),
        activations=FlowMemory(
            network=3.1 * GB, network_low=0.27 * GB, parameters=1.42e9, blocks=30, text=0.3 * GB, text_low=0.03 * GB
        ),
        least_side=480,
    ),
    FlowFamily(
        name="Flux.2 klein 4B",
        models=("Flux2",),
        text="Flux2TEModel",
        encoders=(QWEN3_4B,),
        text_width="context_in_dim",
        layers=3,
        files="Qwen3-4B by Load CLIP with type flux2",
        sampling=Sampling(steps=4, cfg=1.0, sampler="euler", scheduler="simple"),
        activations=FlowMemory(
            network=7.5 * GB,
            network_low=0.75 * GB,
            parameters=3.88e9,
            blocks=25,
            text=2.5 * GB,
            text_low=0.38 * GB,
            factor=16,
        ),
    ),
)
EXPERIMENTAL = "experimental"  # header of identities
NOT_SEEN = "a flow-matching base: nobody has shown yet that a person learned on one is recognised"
FLOW_BASES = "SD3.5, Z-Image, Wan text-to-video or Flux.2 klein 4B (experimental)"


def has_to_be_applied(spaces: Iterable[str]) -> bool:
    """Whether words of these text spaces only work by Apply Identity and Prompt with Identity."""
    encoders = (encoder for family in FLOW_FAMILIES for encoder in family.encoders)
    return not {encoder.space for encoder in encoders if not encoder.stock}.isdisjoint(spaces)


def flow_family_of_clip(clip: Any) -> FlowFamily | None:
    """The family that a host CLIP belongs to, by the classes of its text model."""
    kinds = {kind.__name__ for kind in type(clip.cond_stage_model).__mro__}
    modules = {name for name, _module in clip.cond_stage_model.named_children()}
    return next(
        (
            family
            for family in FLOW_FAMILIES
            if family.text in kinds and modules & {encoder.module for encoder in family.encoders}
        ),
        None,
    )


def flow_family_of_model(model: Any) -> FlowFamily | None:
    """The family that a host MODEL belongs to, by the class of its configuration."""
    kind = type(model.model.model_config).__name__
    return next((family for family in FLOW_FAMILIES if kind in family.models), None)
