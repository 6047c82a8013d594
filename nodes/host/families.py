"""The bases that people can be trained on, one entry each."""

from __future__ import annotations

from dataclasses import dataclass

GB = 10**9


@dataclass(frozen=True)
class ActivationMemory:
    """Activations kept for the backward pass, for one 512-pixel image per step in fp32, in bytes.

    Counted from the tensors that autograd saves for diffusers' full-size networks, and measured on a CPU: SD2.1
    1.62 GB, with low memory 0.45 GB, SDXL with low memory 0.59 GB (benchmarks/README.md). Untried on a GPU.
    """

    unet: float
    unet_low: float  # with low memory: inputs of all blocks, and the largest block while it is computed
    text: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the pack needs to know about a base.

    Attributes:
        tokens: keys of the token dicts that the host's CLIP makes, sorted; they identify the family.
        encoders: names of its text spaces, in the order in which their outputs are concatenated.
        pooled: the encoder that gives the diffusion model its pooled output, if any.
        activations: memory for the backward pass.
        least_side: side in pixels below which the model was not trained and a warning is logged.
    """

    name: str
    tokens: tuple[str, ...]
    encoders: tuple[str, ...]
    pooled: str | None = None
    activations: ActivationMemory
    least_side: int = 0


_SD = ActivationMemory(unet=1.5 * GB, unet_low=0.45 * GB, text=0.08 * GB)
_SDXL = ActivationMemory(unet=2.7 * GB, unet_low=0.6 * GB, text=0.17 * GB)
FAMILIES = {
    family.tokens: family
    for family in (
        Family(name="SD1.x", tokens=("l",), encoders=("clip_l",), activations=_SD),
        Family(name="SD2", tokens=("h",), encoders=("clip_h",), activations=_SD),
        Family(
            name="SDXL",
            tokens=("g", "l"),
            encoders=("clip_l", "clip_g"),
            pooled="clip_g",
            activations=_SDXL,
            least_side=1024,
        ),
    )
}
OTHERS = {("g", "l"): "of SDXL's refiner", ("g",): "of Stable Cascade"}
BASES = "SD1.5, SD2.x (stable-diffusion-2-1-base is the paper's) or SDXL"
