"""The paper's face encoder: a ViT fine-tuned for face recognition, the CLS token of the last hidden state."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..devices import device_of
from ..errors import StableIdentityError
from ..files.readable import library_reads
from ..fingerprint import fingerprint_tensors
from .config_fields import FLAG, VISION, checked_fields
from .crop import FACE_BOX, crop_face, resize
from .hugging_face import build
from .weight_file import REPOSITORY, WEIGHT_FILES, WeightFile, check_axes, missing_encoder_message, read_weight_file

if TYPE_CHECKING:
    from transformers import ViTConfig, ViTModel

__all__ = [
    "FACE_BOX",
    "LICENCE",
    "REPOSITORY",
    "WEIGHT_FILES",
    "FaceViT",
    "build_face_vit",
    "is_face_vit",
    "load_face_vit",
    "missing_encoder_message",
]

LICENCE = "Apache-2.0 (as tagged by its author; training photos not stated)"

# Weights that the sizes are read from if there is no config.json, and their number of axes.
_CLS = {"embeddings.cls_token": 3}
_SIZES = {
    "embeddings.patch_embeddings.projection.weight": 4,
    "embeddings.position_embeddings": 3,
    "encoder.layer.0.intermediate.dense.weight": 2,
}


class FaceViT:
    """A Hugging Face ViT as face encoder: [B, 3, S, S] in 0..1 -> [B, F]."""

    licence = LICENCE

    def __init__(self, model: ViTModel, name: str):
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.width: int = model.config.hidden_size

    def preprocess(self, portraits: Tensor) -> Tensor:
        """Crop to the face, resize to the ViT's size and normalise to -1..1."""
        target: Any = self.model.config.image_size  # transformers types it as more than an int
        return resize(crop_face(portraits, FACE_BOX), target, target) * 2 - 1

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        with torch.no_grad():
            pixels = self.preprocess(portraits)
            pixels = pixels.flip(-1) if mirrored else pixels
            hidden = self.model(pixel_values=pixels.to(device_of(self.model))).last_hidden_state
            return hidden[:, 0].to(portraits.device)  # after the final LayerNorm


def load_face_vit(path: str | Path) -> FaceViT:
    """Load a ViT from a Hugging Face folder, a `.safetensors` or a `pytorch_model.bin`.

    A `config.json` next to the weights is used; without one the sizes are read from the weights.

    Raises:
        MissingFileError: nothing at the path.
        StableIdentityError: not a ViT, damaged, incomplete, or a pickle that contains more than tensors.
    """
    return build_face_vit(read_weight_file(path))


def is_face_vit(file: WeightFile) -> bool:
    """Whether a file has the key names of transformers' ViT."""
    return {"embeddings.cls_token", "layernorm.weight"} <= _vit_state(file).keys()


def build_face_vit(file: WeightFile) -> FaceViT:
    """Build the encoder from weights in memory; raises the same errors as `load_face_vit`."""
    from transformers import ViTModel

    state = _vit_state(file)
    if not is_face_vit(file):
        raise StableIdentityError(
            f"{file.path} is not a Hugging Face ViT: it has {len(file.tensors)} tensors, the first {file.first_keys}, "
            f"but no embeddings.cls_token and layernorm.weight. Needed: the weights of {REPOSITORY}."
        )
    check_axes(state, _CLS, file.path)
    width = state["embeddings.cls_token"].shape[-1]
    model = build(ViTModel, _config(file, state), state, file, what="ViT", width=width, add_pooling_layer=False)
    return FaceViT(model, name=f"vit:{fingerprint_tensors(state.items())}")


def _vit_state(file: WeightFile) -> dict[str, Tensor]:
    """Encoder weights under transformers' key names, without head and pooler."""
    state = {key.removeprefix("vit."): value for key, value in file.tensors.items()}
    return {key: value for key, value in state.items() if not key.startswith(("classifier.", "pooler."))}


def _config(file: WeightFile, state: Mapping[str, Tensor]) -> ViTConfig:
    from transformers import ViTConfig

    path = file.config_path
    if file.config is not None:
        fields = checked_fields(file.config, VISION | {"qkv_bias": FLAG}, path)
        with library_reads(path, "the configuration of a ViT"):
            return ViTConfig(**fields)
    needed = [name for name in _SIZES if name not in state]
    if needed:
        raise StableIdentityError(
            f"{path.parent} has no config.json and its weights lack {', '.join(needed)}, so the network's sizes "
            f"are unknown. Download both again from https://huggingface.co/{REPOSITORY}."
        )
    check_axes(state, _SIZES, file.path)
    hidden = state["embeddings.cls_token"].shape[-1]
    patch = state["embeddings.patch_embeddings.projection.weight"].shape[-1]
    patches = state["embeddings.position_embeddings"].shape[1] - 1
    layers = [int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)\.", key) for key in state) if m]
    return ViTConfig(
        hidden_size=hidden,
        num_hidden_layers=1 + max(layers),
        num_attention_heads=max(1, hidden // 64),
        intermediate_size=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        image_size=patch * math.isqrt(max(patches, 1)),
        patch_size=patch,
    )
