"""The bases that people can be trained on, one entry each."""

from __future__ import annotations

from dataclasses import dataclass

GB = 10**9


@dataclass(frozen=True, kw_only=True)
class ActivationMemory:
    """What a step of one 512-pixel image takes beside the weights.

    Counted in the host's networks of full size, on tensors without data (tests/backends/test_memory.py).
    """

    unet: float  # activations in fp32, in bytes; half of it in 16 bits
    unet_low: float  # with low memory: inputs of all blocks, and the largest block while it is computed
    text: float  # between what is kept in fp32 and in 16 bits, where most of it stays fp32
    text_low: float
    largest_block: float  # as a share of the UNet's weights


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How pictures of a base are painted, in the host's terms."""

    steps: int
    cfg: float
    sampler: str
    scheduler: str

    def __str__(self) -> str:
        return f"{self.sampler} {self.scheduler}, {self.steps} steps, cfg {self.cfg:g}"


# 20 steps of this solver give what takes the 50 of DDIM that the paper has; with so few, its scale of 8.5 burns in.
SD_SAMPLING = Sampling(steps=20, cfg=7.0, sampler="dpmpp_2m", scheduler="karras")


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the pack needs to know about a base.

    Attributes:
        tokens: keys of the token dicts that the host's CLIP makes, sorted; they identify the family.
        encoders: names of its text spaces, in the order in which their outputs are concatenated.
        pooled: the encoder that gives the diffusion model its pooled output, if any.
        activations: memory for the backward pass.
        least_side: side in pixels below which the model was not trained and a warning is logged.
        sampling: how its pictures are painted.
    """

    name: str
    tokens: tuple[str, ...]
    encoders: tuple[str, ...]
    pooled: str | None = None
    activations: ActivationMemory
    least_side: int = 0
    sampling: Sampling = SD_SAMPLING


_SD = ActivationMemory(unet=1.45 * GB, unet_low=0.336 * GB, text=0.06 * GB, text_low=0.008 * GB, largest_block=0.063)
_SDXL = ActivationMemory(unet=2.66 * GB, unet_low=0.389 * GB, text=0.13 * GB, text_low=0.016 * GB, largest_block=0.137)
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
