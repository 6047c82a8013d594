"""OpenAI's CLIP (arXiv 2103.00020) for pictures and texts, by transformers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from ...devices import device_of
from ...encode.clip import MEAN, STD
from ...encode.hugging_face import build
from ...encode.weight_file import WeightFile, check_axes, read_weight_file
from ...errors import DamagedFileError
from ...files.readable import file_size, library_reads
from ...shapes import check_shape
from ..metrics.instruments import PicturesAndTexts
from .files import CHUNK, hash_of, in_chunks

if TYPE_CHECKING:
    from transformers import CLIPTextConfig, CLIPVisionConfig

HEAD = 64  # channels of an attention head in all of OpenAI's CLIP models
_AXES = {
    "text_model.embeddings.token_embedding.weight": 2,
    "text_model.embeddings.position_embedding.weight": 2,
    "text_model.encoder.layers.0.mlp.fc1.weight": 2,
    "text_projection.weight": 2,
    "vision_model.embeddings.patch_embedding.weight": 4,
    "vision_model.embeddings.position_embedding.weight": 2,
    "vision_model.encoder.layers.0.mlp.fc1.weight": 2,
    "visual_projection.weight": 2,
}


def load_clip(path: Path, tokenizer: Path, *, label: str = "", device: str | torch.device = "cpu") -> PicturesAndTexts:
    """Both encoders of one of OpenAI's CLIP models, such as ViT-B/32; sizes are read from the weights.

    Args:
        path: `pytorch_model.bin` or `model.safetensors` in transformers' format.
        tokenizer: the folder of vocab.json and merges.txt.

    Raises:
        MissingFileError: no such file.
        StableIdentityError: damaged files, or weights of another network.
    """
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

    file = read_weight_file(path)
    check_axes(file.tensors, _AXES, file.path)
    parts = {}
    for part, kind, config in (
        ("vision", CLIPVisionModelWithProjection, _vision_config(file)),
        ("text", CLIPTextModelWithProjection, _text_config(file)),
    ):
        what, width = f"CLIP model ({part} part)", config.hidden_size
        parts[part] = build(kind, config, _state(file, part), file, what=what, width=width).to(device)
    vision, text = parts["vision"], parts["text"]
    tokens = _tokenizer(tokenizer, text.config.vocab_size)
    return PicturesAndTexts(
        name=f"clip:{hash_of(file)}",
        pictures=lambda pictures: encode_pictures(vision, pictures),
        texts=lambda sentences: encode_texts(text, tokens, sentences),
        label=label,
    )


def encode_pictures(vision: Any, pictures: Tensor) -> Tensor:
    """[N, 3, H, W] in 0..1 -> unit vectors [N, D] of the middle square, on the CPU."""
    check_shape(pictures, "n 3 h w", "pictures")
    side = vision.config.image_size

    def encode(part: Tensor) -> Tensor:
        shrunk = TF.resize(part, [side], interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
        pixels = TF.normalize(TF.center_crop(shrunk, [side, side]), list(MEAN), list(STD))
        return vision(pixel_values=pixels.to(device_of(vision))).image_embeds

    return F.normalize(in_chunks(encode, pictures), dim=-1)


def encode_texts(text: Any, tokenizer: Any, sentences: list[str]) -> Tensor:
    """N sentences -> unit vectors [N, D] on the CPU; what exceeds CLIP's 77 tokens is cut off."""
    longest = text.config.max_position_embeddings
    found = [torch.zeros(0, text.config.projection_dim)]
    with torch.no_grad():
        for first in range(0, len(sentences), CHUNK):
            part = sentences[first : first + CHUNK]
            tokens = tokenizer(part, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            found.append(text(**tokens.to(device_of(text))).text_embeds.cpu())
    return F.normalize(torch.cat(found), dim=-1)


def _tokenizer(folder: Path, words: int) -> Any:
    from transformers import CLIPTokenizer

    for name in ("vocab.json", "merges.txt"):
        file_size(folder / name)  # of a folder without them, transformers makes an empty tokenizer
    with library_reads(folder, "CLIP's tokenizer (vocab.json and merges.txt)"):
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    if len(tokenizer) != words:
        raise DamagedFileError(
            f"{folder} has a tokenizer of {len(tokenizer):,} tokens, needed one of {words:,}, as the text encoder has. "
            "Download vocab.json and merges.txt again."
        )
    return tokenizer


def _state(file: WeightFile, part: str) -> dict[str, Tensor]:
    projection = "visual_projection." if part == "vision" else "text_projection."
    state = {key: value for key, value in file.tensors.items() if key.startswith((f"{part}_model.", projection))}
    state.pop(f"{part}_model.embeddings.position_ids", None)  # a buffer in old files
    return state


def _vision_config(file: WeightFile) -> CLIPVisionConfig:
    from transformers import CLIPVisionConfig

    patches = file.tensors["vision_model.embeddings.patch_embedding.weight"]
    positions = file.tensors["vision_model.embeddings.position_embedding.weight"]
    return CLIPVisionConfig(
        image_size=patches.shape[-1] * math.isqrt(max(len(positions) - 1, 1)),
        patch_size=patches.shape[-1],
        projection_dim=len(file.tensors["visual_projection.weight"]),
        **_sizes(file.tensors, "vision", patches.shape[0]),
    )


def _text_config(file: WeightFile) -> CLIPTextConfig:
    from transformers import CLIPTextConfig

    words = file.tensors["text_model.embeddings.token_embedding.weight"]
    return CLIPTextConfig(
        vocab_size=len(words),
        max_position_embeddings=len(file.tensors["text_model.embeddings.position_embedding.weight"]),
        projection_dim=len(file.tensors["text_projection.weight"]),
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        **_sizes(file.tensors, "text", words.shape[1]),
    )


def _sizes(tensors: Mapping[str, Tensor], part: str, width: int) -> dict[str, Any]:
    numbers = (re.match(rf"{part}_model\.encoder\.layers\.(\d+)\.", key) for key in tensors)
    return {
        "hidden_size": width,
        "num_hidden_layers": len({number[1] for number in numbers if number}),
        "num_attention_heads": max(1, width // HEAD),
        "intermediate_size": len(tensors[f"{part}_model.encoder.layers.0.mlp.fc1.weight"]),
        "hidden_act": "quick_gelu",
    }
