"""Write the trained networks to the file that the pack ships; its format is described in mini_world/weights.py."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mini_world.weights import EMBEDDING
from stableidentity_core.files.tensors import save_tensors

FORMAT = "stableidentity-mini-world-1"
MADE = "trained from scratch on drawn faces by mini_world/training of ComfyUI-StableIdentity"


def pack(
    path: Path,
    *,
    unet: Mapping[str, Tensor],
    text: Mapping[str, Tensor],
    ids: Sequence[int],
    vae: Mapping[str, Tensor],
    encoder: Mapping[str, Tensor],
    judge: Mapping[str, Tensor],
    made: str = MADE,
) -> str:
    """Write the file in float16, print its size and SHA-256, and return the latter.

    Args:
        unet: UNet2DConditionModel's weights.
        text: CLIPTextModel's, with a vocabulary of the N known words and one row for all others.
        ids: CLIP ids of the known words [N], in the order of the rows.
        vae: AutoencoderTiny's.
        encoder: ViTModel's, without a pooling layer.
        judge: evaluators.Evaluators's.
        made: provenance, for the file's header.

    Raises:
        ValueError: rows and ids do not match, an id is duplicated, or a value is not finite in float16.
    """
    text = prefixed_text(text)
    rows = len(text[EMBEDDING])
    if rows != len(ids) + 1 or len(set(ids)) != len(ids):
        raise ValueError(
            f"The text encoder has {rows} rows for {len(ids)} ids, {len(set(ids))} of them different; needed one row "
            "for each id, all different, and one more."
        )
    parts = {"unet": unet, "text": text, "vae": taesd_for_host(vae), "encoder": encoder, "judge": judge}
    tensors = {
        f"{part}.{key}": _half(f"{part}.{key}", value) for part, of in parts.items() for key, value in of.items()
    }
    tensors["text.ids"] = torch.tensor(ids, dtype=torch.int32)
    about = {"format": FORMAT, "licence": "as the pack (MIT)", "made": made, "known_words": str(len(ids))}
    save_tensors(path, tensors, about)
    return report(path, {part: sum(value.numel() for value in of.values()) for part, of in parts.items()})


def prefixed_text(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIPTextModel's weights with the keys of SD checkpoints: since transformers 5 they lack `text_model.`."""
    named = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in weights.items()}
    return {key: value for key, value in named.items() if not key.endswith("position_ids")}  # a buffer of old versions


def taesd_for_host(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """AutoencoderTiny's weights with ComfyUI's TAESD keys, where the decoder's clamp is layer 0."""
    renamed = {}
    for key, value in weights.items():
        part, _layers, index, rest = key.split(".", 3)
        renamed[f"taesd_{part}.{int(index) + (part == 'decoder')}.{rest}"] = value
    return renamed


def report(path: Path, sizes: Mapping[str, int]) -> str:
    """Print what is in the file and return its SHA-256."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for part, count in sizes.items():
        print(f"{part:8} {count:>12,} numbers")
    print(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {sha256}")
    return sha256


def _half(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.detach().cpu()
    half = value.detach().cpu().to(torch.float16)
    if not half.isfinite().all():
        raise ValueError(f"{name} has values that float16 cannot hold: the largest is {value.abs().max().item():g}.")
    return half
