"""Face encoders: their weights and the config.json beside them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import timm
import torch
from safetensors.torch import load_file, save
from timm.models import save_for_hf
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from campaign.generated.category import Case
from campaign.generated.identities import MB, odd_content, odd_tensor, torch_bytes
from campaign.mutate import as_text, changed_header, changed_json, spoilt
from helpers.make import some_face
from helpers.tiny import tiny_face_vit
from stableidentity_core.encode import encode_face, load_face_encoder


def tiny_clip(folder: Path) -> Path:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=12)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def tiny_timm(folder: Path) -> Path:
    save_for_hf(timm.create_model("test_vit", num_classes=0), folder, safe_serialization=True)
    return folder


class Encoders:
    name = "encoder configs and weights"
    memory = 600 * MB  # a configuration may ask for a network of this size before its weights are compared

    def __init__(self, folder: Path):
        made = (tiny_face_vit(folder / "vit", width=128), tiny_clip(folder / "clip"), tiny_timm(folder / "timm"))
        self.kinds = {place.name: place for place in made}
        self.face = some_face(64)

    def case(self, random: Random, folder: Path) -> Case:
        kind = random.choice(sorted(self.kinds))
        source, place = self.kinds[kind], folder / "encoder"
        place.mkdir()
        config = (source / "config.json").read_bytes()
        weights = (source / "model.safetensors").read_bytes()
        name = "model.safetensors"
        if random.random() < 0.6:
            label, config = "config", self._config(config, random)
        else:
            label = "weights"
            name, weights = self._weights(source, weights, random)
        if random.random() < 0.97:
            (place / "config.json").write_bytes(config)
        (place / name).write_bytes(weights)
        target = place if random.random() < 0.8 else place / name

        def act() -> None:
            feature = encode_face(load_face_encoder(target), self.face).feature
            assert feature is not None and feature.plain.isfinite().all(), "a feature that is not finite"

        return Case(f"{kind} {label}", act)

    def _config(self, valid: bytes, random: Random) -> bytes:
        if random.random() < 0.2:
            return spoilt(valid, random)
        config = json.loads(valid)
        for _ in range(random.choice((1, 1, 2))):
            config = changed_json(config, random)
        return as_text(config, random)

    def _weights(self, source: Path, valid: bytes, random: Random) -> tuple[str, bytes]:
        tensors = load_file(source / "model.safetensors")
        key = random.choice(sorted(tensors))
        way = random.random()
        if way < 0.25:
            return "model.safetensors", spoilt(valid, random)
        if way < 0.5:
            return "model.safetensors", changed_header(valid, random)
        if way < 0.8:
            return "pytorch_model.bin", torch_bytes({**tensors, key: odd_tensor(random)})
        if way < 0.9:
            return "pytorch_model.bin", torch_bytes(odd_content(random))
        kind = random.choice((torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.float8_e4m3fn))
        return "model.safetensors", save({**tensors, key: tensors[key].to(kind)})
