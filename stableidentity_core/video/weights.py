"""Weights of a text-to-video UNet from any of its files, under ComfyUI's names; everything else is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import WrongModelError
from .names import WeightName, weight_names
from .sizes import Shape, VideoSizes, read_diffusers, read_modelscope

MODELSCOPE, DIFFUSERS, HOST = "ModelScope", "diffusers", "ComfyUI"
WANTED = (
    "Needed is the UNet of ModelScope or ZeroScope: text2video_pytorch_model.pth, or "
    "diffusion_pytorch_model.safetensors (or .bin) from the folder unet of text-to-video-ms-1.7b or zeroscope_v2."
)
SAVED = "model.diffusion_model."  # what ComfyUI's own nodes put before each name when they save a model

# (part of a name, what such a file is); the first that fits is told
OTHERS = (
    ("motion_modules.", "a motion module of AnimateDiff; load it with that pack's nodes"),
    ("time_stack.", "a Stable Video Diffusion model; load it with Image Only Checkpoint Loader"),
    ("transformer.resblocks.", "a text encoder of open_clip; the CLIP comes from the SD2.1 checkpoint"),
    ("text_model.encoder.", "a text encoder; the CLIP comes from the SD2.1 checkpoint"),
    ("first_stage_model.", "a checkpoint with a VAE, such as that of SD2.1 or VQGAN_autoencoder; take CLIP and VAE "
     "from Load Checkpoint, and the UNet from a file of its own"),
    ("encoder.down", "a VAE; take that of the SD2.1 checkpoint, or load it with Load VAE"),
    ("lora_", "a LoRA; load it with Load LoRA, on the model that this node gives"),
    ("zero_convs.", "a ControlNet; load it with Load ControlNet Model"),
    ("controlnet_", "a ControlNet; load it with Load ControlNet Model"),
    ("input_blocks.", "a UNet for single pictures, such as SD2.1's; load it with Load Diffusion Model"),
    ("down_blocks.", "a UNet for single pictures, such as SD2.1's; load it with Load Diffusion Model"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoWeights:
    """A whole UNet: `tensors` has exactly the names and shapes of `weight_names(sizes)`."""

    sizes: VideoSizes
    source: str  # whose names the file had: MODELSCOPE, DIFFUSERS or HOST
    tensors: dict[str, Tensor]  # ComfyUI's names

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())


def recognise(names: Iterable[str]) -> str:
    """Whose names these are: MODELSCOPE, DIFFUSERS or HOST.

    Raises:
        WrongModelError: it is no text-to-video UNet; the message says what it probably is.
    """
    names = set(names)
    if any(".temopral_conv." in name for name in names):
        return MODELSCOPE
    if any(name.startswith("transformer_in.") for name in names) and any(".temp_convs." in name for name in names):
        return DIFFUSERS
    if "input_blocks.0.0_time.proj_in.weight" in names:
        return HOST
    found = next((what for part, what in OTHERS if any(part in name for name in names)), None)
    first = ", ".join(sorted(names)[:3])
    raise WrongModelError(
        f"This file is {found or 'of a kind this node does not know'}: it has {len(names)} weights and none of the "
        f"temporal layers of a text-to-video UNet (the first are {first or 'missing'}). {WANTED}"
    )


def arrange(tensors: Mapping[str, Tensor]) -> VideoWeights:
    """Give the weights of a file ComfyUI's names.

    Raises:
        WrongModelError: another kind of model, or a file in which weights are missing, left over or misshapen.
    """
    tensors = _without_prefix(tensors)
    source = recognise(tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    sizes = read_sizes(source, shapes)
    own = {_name(row, source): row for row in weight_names(sizes)}
    flat = {name: _linear(tensor, own[name].shape) if name in own else tensor for name, tensor in tensors.items()}
    _check(source, {name: row.shape for name, row in own.items()}, flat)
    whole = [name for name, tensor in flat.items() if not tensor.is_floating_point()]
    if whole:
        raise WrongModelError(
            f"{len(whole)} weights of this file are whole numbers (e.g. {whole[0]}), needed floating-point ones: it is "
            "quantised or damaged. Download the file as it was published."
        )
    return VideoWeights(sizes=sizes, source=source, tensors={row.host: flat[name] for name, row in own.items()})


def read_sizes(source: str, shapes: Mapping[str, Shape]) -> VideoSizes:
    """Sizes of a file of the given kind of names.

    Raises:
        WrongModelError: a weight that tells a size is not there.
    """
    if source == DIFFUSERS:
        return read_diffusers(shapes)
    return read_modelscope(shapes if source == MODELSCOPE else _as_modelscope(shapes))


def _as_modelscope(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """What `read_modelscope` looks at, from a file with ComfyUI's names."""
    seen = {name.replace(".0.op.", ".op."): shape for name, shape in shapes.items()}
    first = "input_blocks.0.0_time.proj_in.weight"
    return seen | {"input_blocks.0.1.proj_in.weight": shapes[first]}


def _name(row: WeightName, source: str) -> str:
    return {HOST: row.host, MODELSCOPE: row.modelscope, DIFFUSERS: row.diffusers}[source]


def _linear(tensor: Tensor, shape: Shape) -> Tensor:
    """A convolution of one point is a linear layer: [out, in, 1] -> [out, in]."""
    return tensor.squeeze(-1) if tuple(tensor.shape) == (*shape, 1) else tensor


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    inner = {name.removeprefix(SAVED): tensor for name, tensor in tensors.items() if name.startswith(SAVED)}
    return inner if any("_time." in name for name in inner) else dict(tensors)


def _check(source: str, shapes: Mapping[str, Shape], tensors: Mapping[str, Tensor]) -> None:
    missing = [name for name in shapes if name not in tensors]
    unexpected = [name for name in tensors if name not in shapes]
    unfit = [name for name in shapes if name in tensors and tuple(tensors[name].shape) != shapes[name]]
    if not (missing or unexpected or unfit):
        return
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": unfit}
    found = ", ".join(f"{len(names)} {kind} (e.g. {names[0]})" for kind, names in kinds.items() if names)
    raise WrongModelError(
        f"This file is no whole text-to-video UNet: of {len(shapes)} weights that one with {source}'s names and these "
        f"sizes has, {found}. Download it again; other models of this family, such as I2VGen-XL, are not supported."
    )
