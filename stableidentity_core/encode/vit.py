"""The paper's face encoder: a ViT fine-tuned for face recognition, CLS of the last hidden state."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor

from ..errors import MissingFileError, StableIdentityError
from ..files import read_pickled_tensors, read_tensors
from ..fingerprint import fingerprint_tensors

if TYPE_CHECKING:
    from transformers import ViTConfig, ViTModel

REPOSITORY = "jayanta/vit-base-patch16-224-in21k-face-recognition"
LICENCE = "Apache-2.0 (as tagged by its author; training photos not stated)"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")

# Where the face is in a 512-pixel FFHQ portrait: left, top, right, bottom.
FACE_BOX = (64 / 512, 70 / 512, 440 / 512, 446 / 512)

# Weights that tell the sizes where there is no config.json.
_SIZES = (
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.position_embeddings",
    "encoder.layer.0.intermediate.dense.weight",
)


class FaceViT:
    """A Hugging Face ViT as face encoder: [B, 3, S, S] in 0..1 -> [B, F]."""

    licence = LICENCE

    def __init__(self, model: ViTModel, name: str):
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.width: int = model.config.hidden_size

    def preprocess(self, portraits: Tensor) -> Tensor:
        """Crop to the face, resize to the ViT's size and normalise to -1..1."""
        side = portraits.shape[-1]
        left, top, right, bottom = (round(edge * side) for edge in FACE_BOX)
        faces = portraits[..., top:bottom, left:right]
        target: Any = self.model.config.image_size  # transformers types it as more than the one number it is
        return TF.resize(faces, [target, target], antialias=True) * 2 - 1

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        with torch.no_grad():
            pixels = self.preprocess(portraits.float())
            pixels = pixels.flip(-1) if mirrored else pixels
            return self.model(pixel_values=pixels).last_hidden_state[:, 0]  # after the final LayerNorm


def load_face_vit(path: str | Path) -> FaceViT:
    """Load a ViT from a Hugging Face folder, a `.safetensors` or a `pytorch_model.bin`.

    A `config.json` beside the weights is used; without one the sizes are read from the weights.

    Raises:
        MissingFileError: nothing at the path.
        StableIdentityError: not a ViT, damaged, incomplete, or a pickle that holds more than tensors.
    """
    weights = _weight_file(Path(path))
    content = read_tensors(weights)[0] if weights.suffix == ".safetensors" else read_pickled_tensors(weights)
    state = _vit_state(content, weights)
    config = _config(weights.with_name("config.json"), state)
    return FaceViT(_build(config, state, weights), name=f"vit:{fingerprint_tensors(state.items())}")


def missing_encoder_message(path: Path) -> str:
    """What to fetch and where to put it."""
    return (
        f"No face encoder at {path}. Download model.safetensors (343 MB; revision refs/pr/1) or pytorch_model.bin "
        f"(343 MB) and config.json from https://huggingface.co/{REPOSITORY} into that folder."
    )


def _weight_file(path: Path) -> Path:
    if path.is_dir():
        for name in WEIGHT_FILES:
            if (path / name).is_file():
                return path / name
        raise MissingFileError(missing_encoder_message(path))
    if not path.is_file():
        raise MissingFileError(missing_encoder_message(path))
    return path


def _vit_state(weights: Any, path: Path) -> dict[str, Tensor]:
    """Encoder weights in transformers' naming, without head and pooler."""
    if not isinstance(weights, Mapping):
        raise StableIdentityError(f"{path} holds a {type(weights).__name__}, needed the weights of {REPOSITORY}.")
    weights = {str(key): value for key, value in weights.items()}
    state = {key.removeprefix("vit."): value for key, value in weights.items()}
    state = {key: value for key, value in state.items() if not key.startswith(("classifier.", "pooler."))}
    if "embeddings.cls_token" not in state or "layernorm.weight" not in state:
        raise StableIdentityError(
            f"{path} is not a Hugging Face ViT: it has {len(weights)} tensors, the first "
            f"{sorted(weights)[:3]}, but no embeddings.cls_token and layernorm.weight. "
            f"Needed: the weights of {REPOSITORY}."
        )
    return state


def _config(path: Path, state: Mapping[str, Tensor]) -> ViTConfig:
    from transformers import ViTConfig

    if path.is_file():
        try:
            known = json.loads(path.read_text("utf-8"))
            known.pop("id2label", None)
            known.pop("label2id", None)
            return ViTConfig.from_dict(known)
        except (ValueError, AttributeError, TypeError) as error:  # JSONDecodeError is a ValueError
            raise StableIdentityError(
                f"{path} ({path.stat().st_size:,} bytes) cannot be read as the configuration of a ViT: {error}. "
                f"Download it again from https://huggingface.co/{REPOSITORY}."
            ) from error
    needed = [name for name in _SIZES if name not in state]
    if needed:
        raise StableIdentityError(
            f"{path.parent} has no config.json and its weights lack {', '.join(needed)}, so that the network's sizes "
            f"are not known. Download both again from https://huggingface.co/{REPOSITORY}."
        )
    hidden = state["embeddings.cls_token"].shape[-1]
    patch = state["embeddings.patch_embeddings.projection.weight"].shape[-1]
    patches = state["embeddings.position_embeddings"].shape[1] - 1
    layers = [int(m[1]) for m in (re.match(r"encoder\.layer\.(\d+)\.", key) for key in state) if m]
    return ViTConfig(
        hidden_size=hidden,
        num_hidden_layers=1 + max(layers),
        num_attention_heads=max(1, hidden // 64),
        intermediate_size=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        image_size=patch * math.isqrt(patches),
        patch_size=patch,
    )


def _build(config: ViTConfig, state: dict[str, Tensor], path: Path) -> ViTModel:
    """Through transformers' own loader, which knows the key names of all its versions."""
    from transformers import ViTModel

    try:
        loaded: Any = ViTModel.from_pretrained(
            None, config=config, state_dict=dict(state), add_pooling_layer=False, output_loading_info=True
        )
        model, report = loaded
    except (RuntimeError, ValueError) as error:  # shapes that do not fit config.json, or heads that do not fit a width
        width = state["embeddings.cls_token"].shape[-1]
        raise StableIdentityError(
            f"{path} holds weights of width {width} that do not fit its config.json ({config.num_hidden_layers} layers "
            f"of width {config.hidden_size}, {config.num_attention_heads} heads). Download both again, from one place."
        ) from error
    wrong = {kind: sorted(map(str, report[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        counts = ", ".join(f"{len(keys)} {kind.replace('_', ' ')}" for kind, keys in wrong.items())
        example = next(key for keys in wrong.values() for key in keys)
        raise StableIdentityError(
            f"{path} is not a complete ViT for {config.num_hidden_layers} layers of width {config.hidden_size}: "
            f"{counts} (e.g. {example}). Download it again."
        )
    return model.float()
