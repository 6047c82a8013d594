"""The single file with all networks of the mini world.

A safetensors file of float16 tensors; the first part of each key names the network:

    unet.*     UNet2DConditionModel, with diffusers' keys
    text.*     CLIPTextModel, with the keys of SD checkpoints (text_model.…), but only the embeddings of known words:
               `text.ids` [N] int32 are their CLIP ids, and one more row is used for all other ids
    vae.*      TAESD: taesd_encoder.* and taesd_decoder.*, with ComfyUI's keys
    encoder.*  ViTModel, with transformers' keys: the face encoder
    judge.*    Recogniser and LookReader of evaluators.py, for evaluation only
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from .core import DamagedFileError, MissingFileError, read_tensors
from .sizes import TEXT

FILE = Path(__file__).with_name("mini_world.safetensors")
SHA256 = "86a0d74dc63f4c8d7e4a67107acae5c6ec5433f3d2aae4a96bfc64375b791a8a"
EMBEDDING = "text_model.embeddings.token_embedding.weight"


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Each network's weights in float32."""

    unet: dict[str, Tensor]
    text: dict[str, Tensor]  # with all of CLIP's 49408 rows
    vae: dict[str, Tensor]
    encoder: dict[str, Tensor]
    judge: dict[str, Tensor]
    known_ids: frozenset[int]  # CLIP ids of the words that the mini world knows


@lru_cache(maxsize=1)
def load_weights(path: Path = FILE) -> Weights:
    """Load the mini world's weights.

    Raises:
        MissingFileError: the file is missing.
        DamagedFileError: the file is not that of this version of the pack.
    """
    check_file(path)
    content = read_tensors(path)[0]
    ids = content.pop("text.ids").long()
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in ("unet", "text", "vae", "encoder", "judge")}
    for key, value in content.items():
        part, _, name = key.partition(".")
        parts[part][name] = value.float() if value.is_floating_point() else value
    rows = parts["text"][EMBEDDING]
    everything = rows[-1:].repeat(TEXT["vocab_size"], 1)
    everything[ids] = rows[:-1]
    parts["text"][EMBEDDING] = everything
    return Weights(**parts, known_ids=frozenset(ids.tolist()))


def check_file(path: Path) -> None:
    """Raise unless the file exists and is unchanged."""
    advice = "Get the file from the pack's repository again (about 25 MB)."
    if not path.is_file():
        raise MissingFileError(f"The mini world's weights are not at {path}. {advice}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise DamagedFileError(
            f"{path} ({path.stat().st_size:,} bytes) is damaged or of another version: its SHA-256 is {found}, needed "
            f"{SHA256}. {advice}"
        )
