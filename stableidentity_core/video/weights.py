"""Weights of a text-to-video UNet from any of its file formats, under ComfyUI's names; other files are rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import WrongModelError
from .names import WeightName, weight_names
from .sizes import Shape, VideoSizes, read_diffusers, read_modelscope

MODELSCOPE, DIFFUSERS, HOST = "ModelScope", "diffusers", "ComfyUI"
WANTED = (
    "Choose the UNet of ModelScope or ZeroScope: text2video_pytorch_model.pth, or "
    "diffusion_pytorch_model.safetensors (or .bin) from the folder unet of text-to-video-ms-1.7b or zeroscope_v2."
)
SAVED = "model.diffusion_model."  # the prefix in models saved by ComfyUI's own nodes

# (part of a name, kind of file and advice); the first match is reported
OTHERS = (
    ("motion_modules.", "a motion module of AnimateDiff; load it with that pack's nodes"),
    ("time_stack.", "a Stable Video Diffusion model; load it with Image Only Checkpoint Loader"),
    ("transformer.resblocks.", "a text encoder of open_clip; the CLIP comes from the SD2.1 checkpoint"),
    ("text_model.encoder.", "a text encoder; the CLIP comes from the SD2.1 checkpoint"),
    ("first_stage_model.", "a checkpoint with a VAE, such as SD2.1's or VQGAN_autoencoder; use CLIP and VAE from Load "
     "Checkpoint, and the UNet from its own file"),
    ("encoder.down", "a VAE; use the one from the SD2.1 checkpoint, or load it with Load VAE"),
    ("lora_", "a LoRA; apply it with Load LoRA to the model that this node outputs"),
    ("zero_convs.", "a ControlNet; load it with Load ControlNet Model"),
    ("controlnet_", "a ControlNet; load it with Load ControlNet Model"),
    ("input_blocks.", "an image UNet, such as SD2.1's; load it with Load Diffusion Model"),
    ("down_blocks.", "an image UNet, such as SD2.1's; load it with Load Diffusion Model"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoWeights:
    """A complete UNet: `tensors` has exactly the names and shapes of `weight_names(sizes)`."""

    sizes: VideoSizes
    source: str  # naming scheme of the file: MODELSCOPE, DIFFUSERS or HOST
    tensors: dict[str, Tensor]  # ComfyUI's names

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())


def recognise(names: Iterable[str]) -> str:
    """The naming scheme: MODELSCOPE, DIFFUSERS or HOST.

    Raises:
        WrongModelError: not a text-to-video UNet; the message says what it probably is.
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
        f"This file is {found or 'of an unknown kind'}. It has {len(names)} weights, but no temporal layers of a "
        f"text-to-video UNet (the first weights are {first or 'missing'}). {WANTED}"
    )


def arrange(tensors: Mapping[str, Tensor]) -> VideoWeights:
    """Rename a file's weights to ComfyUI's names.

    Raises:
        WrongModelError: another kind of model, or weights are missing, unexpected or of the wrong shape.
    """
    tensors = _without_prefix(tensors)
    source = recognise(tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    sizes = read_sizes(source, shapes)
    own = {_name(row, source): row for row in weight_names(sizes)}
    flat = {name: _linear(tensor, own[name].shape) if name in own else tensor for name, tensor in tensors.items()}
    _check(source, {name: row.shape for name, row in own.items()}, flat)
    integer = [name for name, tensor in flat.items() if not tensor.is_floating_point()]
    if integer:
        raise WrongModelError(
            f"{len(integer)} weights of this file are integers (e.g. {integer[0]}), needed floating-point ones: it is "
            "quantised or damaged. Download the file as it was published."
        )
    return VideoWeights(sizes=sizes, source=source, tensors={row.host: flat[name] for name, row in own.items()})


def read_sizes(source: str, shapes: Mapping[str, Shape]) -> VideoSizes:
    """Sizes of a file with the given naming scheme.

    Raises:
        WrongModelError: a weight that defines a size is missing.
    """
    if source == DIFFUSERS:
        return read_diffusers(shapes)
    return read_modelscope(shapes if source == MODELSCOPE else _as_modelscope(shapes))


def _as_modelscope(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes that `read_modelscope` needs, from a file with ComfyUI's names."""
    seen = {name.replace(".0.op.", ".op."): shape for name, shape in shapes.items()}
    first = "input_blocks.0.0_time.proj_in.weight"
    return seen | {"input_blocks.0.1.proj_in.weight": shapes[first]}


def _name(row: WeightName, source: str) -> str:
    return {HOST: row.host, MODELSCOPE: row.modelscope, DIFFUSERS: row.diffusers}[source]


def _linear(tensor: Tensor, shape: Shape) -> Tensor:
    """A convolution of kernel size 1 as a linear layer: [out, in, 1] -> [out, in]."""
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
    kinds = {"missing": missing, "unexpected": unexpected, "of the wrong shape": unfit}
    found = ", ".join(f"{len(names)} {kind} (e.g. {names[0]})" for kind, names in kinds.items() if names)
    raise WrongModelError(
        f"This file is not a complete text-to-video UNet: of the {len(shapes)} weights expected for {source}'s names "
        f"and these sizes, {found}. Download it again; other models of this family, such as I2VGen-XL, are not "
        "supported."
    )
