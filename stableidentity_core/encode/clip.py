"""CLIP's image encoder (arXiv 2103.00020), which the paper compares with its face encoder."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode

from ..devices import device_of
from ..errors import StableIdentityError
from ..files.readable import library_reads
from ..fingerprint import fingerprint_tensors
from ..shapes import check_shape
from .config_fields import COUNT, OBJECT, VISION, checked_fields, three_numbers
from .crop import FACE_BOX, crop_face, resize
from .hugging_face import build
from .weight_file import WeightFile, check_axes, read_config

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

LICENCE = "as its author states (OpenAI's and LAION's weights: MIT)"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

# Width and layers -> heads and activation, which weights do not show: OpenAI's B and L, LAION's H and bigG.
_PUBLISHED = {
    (768, 12): (12, "quick_gelu"),
    (1024, 24): (16, "quick_gelu"),
    (1280, 32): (16, "gelu"),
    (1664, 48): (16, "gelu"),
}
_WIDTH = "vision_model.embeddings.class_embedding"
_PATCH = "vision_model.embeddings.patch_embedding.weight"
_POSITIONS = "vision_model.embeddings.position_embedding.weight"
_MLP = "vision_model.encoder.layers.0.mlp.fc1.weight"
_PROJECTION = "visual_projection.weight"


class ClipImageEncoder:
    """Any CLIP image encoder as face encoder: [B, 3, S, S] in 0..1 -> [B, F].

    It sees the same crop of the portrait as the paper's encoder, so that the two differ only in the
    network; on the whole portrait CLIP would mostly encode hair, clothes and background.

    Args:
        embed: cropped images [B, 3, H, W] in 0..1, of any size -> features [B, F] on any device; it resizes
            and normalises them itself.
        name: what was loaded, with a hash of its weights.
        width: F.
        licence: of the weights.
        model: the network that `embed` runs; None if something else moves its weights.
    """

    def __init__(
        self,
        embed: Callable[[Tensor], Tensor],
        *,
        name: str,
        width: int,
        licence: str = LICENCE,
        model: nn.Module | None = None,
    ):
        self.embed = embed
        self.model = model
        self.name = name
        self.width = width
        self.licence = licence

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        with torch.no_grad():
            faces = crop_face(portraits, FACE_BOX)
            features = self.embed(faces.flip(-1) if mirrored else faces).to(portraits.device).float()
        check_shape(features, "b f", f"features of {self.name}", b=len(portraits), f=self.width)
        return features


class HuggingFaceClip:
    """`embed` using transformers: the projected image embedding, not normalised."""

    def __init__(self, model: Any, mean: Sequence[float], std: Sequence[float]):
        self.model = model
        self.mean = list(mean)
        self.std = list(std)

    def preprocess(self, pictures: Tensor) -> Tensor:
        size = self.model.config.image_size
        return TF.normalize(resize(pictures, size, size, InterpolationMode.BICUBIC), self.mean, self.std)

    def __call__(self, pictures: Tensor) -> Tensor:
        return self.model(pixel_values=self.preprocess(pictures).to(device_of(self.model))).image_embeds


def is_clip(file: WeightFile) -> bool:
    """Whether a file has the key names of transformers' CLIP or of its image encoder, with or without projection."""
    return _WIDTH in file.tensors or _WIDTH.removeprefix("vision_model.") in file.tensors


def build_clip(file: WeightFile) -> ClipImageEncoder:
    """Build the encoder from weights in memory: of an image encoder, or of a whole CLIP model.

    A `config.json` next to them is used, and the mean and std of a `preprocessor_config.json`.
    Without a configuration the sizes are read from the weights, for the published models.

    Raises:
        StableIdentityError: incomplete, without projection, or of unknown sizes.
    """
    from transformers import CLIPVisionModelWithProjection

    ours = ("vision_model.", "visual_projection.")
    state = {key: value for key, value in file.tensors.items() if key.startswith(ours)}
    state.pop("vision_model.embeddings.position_ids", None)  # a buffer in old files
    if _PROJECTION not in state:
        raise StableIdentityError(
            f"{file.path} is a CLIP image encoder without {_PROJECTION} ({len(file.tensors)} tensors), needed a "
            "complete CLIP model or a CLIPVisionModelWithProjection. Download one of these."
        )
    check_axes(state, {_WIDTH: 1}, file.path)
    config = _config(file, state)
    width = state[_WIDTH].shape[-1]
    model = build(CLIPVisionModelWithProjection, config, state, file, what="CLIP image encoder", width=width)
    mean, std = _normalisation(file)
    return ClipImageEncoder(
        HuggingFaceClip(model, mean, std),
        name=f"clip:{fingerprint_tensors(state.items())}",
        width=model.config.projection_dim,
        model=model,
    )


def _config(file: WeightFile, state: Mapping[str, Tensor]) -> CLIPVisionConfig:
    from transformers import CLIPVisionConfig

    if file.config is not None:
        known = file.config
        if "vision_config" in known:
            known = {"projection_dim": 512, **known}
            inner = checked_fields(known, {"vision_config": OBJECT}, file.config_path)["vision_config"]
            known = {**inner, "projection_dim": known["projection_dim"]}
        fields = checked_fields(known, VISION | {"projection_dim": COUNT}, file.config_path)
        with library_reads(file.config_path, "the configuration of a CLIP image encoder"):
            return CLIPVisionConfig(**fields)
    layers = len({m[1] for m in (re.match(r"vision_model\.encoder\.layers\.(\d+)\.", key) for key in state) if m})
    width = state[_WIDTH].shape[-1]
    lacking = [key for key in (_PATCH, _POSITIONS, _MLP) if key not in state]
    if lacking or (width, layers) not in _PUBLISHED:
        raise StableIdentityError(
            f"{file.path} is a CLIP image encoder of width {width} with {layers} layers and has no config.json next to "
            f"it{', and lacks ' + ', '.join(lacking) if lacking else ''}; without one, only these (width, layers) are "
            f"known: {', '.join(map(str, _PUBLISHED))}. Put its config.json into {file.path.parent}."
        )
    check_axes(state, {_PATCH: 4, _POSITIONS: 2, _MLP: 2, _PROJECTION: 2}, file.path)
    heads, activation = _PUBLISHED[width, layers]
    patch = state[_PATCH].shape[-1]
    return CLIPVisionConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        hidden_act=activation,
        intermediate_size=state[_MLP].shape[0],
        image_size=patch * math.isqrt(max(state[_POSITIONS].shape[0] - 1, 1)),
        patch_size=patch,
        projection_dim=state[_PROJECTION].shape[0],
    )


def _normalisation(file: WeightFile) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation per channel."""
    path = file.path.with_name("preprocessor_config.json")
    known = (read_config(path) if file.config is not None else None) or {}
    mean, std = known.get("image_mean", MEAN), known.get("image_std", STD)
    if not three_numbers(mean) or not three_numbers(std) or min(std) <= 0:
        raise StableIdentityError(
            f"{path} has image_mean {mean!r:.80} and image_std {std!r:.80}, needed three numbers each, with image_std "
            "above 0. Download it again."
        )
    return mean, std
