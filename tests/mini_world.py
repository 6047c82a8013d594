"""A mini world of random weights in the shipped file's format, for tests that need no trained one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.demo import weights
from stableidentity_core.demo.judges import Judges
from stableidentity_core.demo.look import CHOICES, Look, caption
from stableidentity_core.demo.sizes import FACE_VIT, TEXT, UNET
from stableidentity_core.train.templates import TEMPLATES
from stableidentity_core.words.names import celebrity_names
from tiny import fill
from training.mini_world.ship import pack

ROOT = Path(__file__).resolve().parents[1]
NAMES = 200


def random_world(path: Path, seed: int = 0) -> str:
    """Write a mini world that has learned nothing; gives its SHA-256."""
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, ViTConfig, ViTModel

    ids = word_ids()
    text = CLIPTextModel(CLIPTextConfig(**{**TEXT, "vocab_size": len(ids) + 1}))
    vae = fill(AutoencoderTiny(), seed + 1)
    _calm(vae)
    return pack(
        path,
        unet=fill(UNet2DConditionModel(**UNET), seed).state_dict(),
        text=fill(text, seed + 2).state_dict(),
        ids=ids,
        vae=vae.state_dict(),
        encoder=fill(ViTModel(ViTConfig(**FACE_VIT), add_pooling_layer=False), seed + 3).state_dict(),
        judge=fill(Judges(), seed + 4).state_dict(),
        made="random weights for tests",
    )


def word_ids() -> list[int]:
    """CLIP's ids of the words of captions and templates, and of some names."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = packaged_tokenizer(Path(folder))
    looks = [replace(Look(), **{part: option}) for part, options in CHOICES.items() for option in options]
    texts = [*(caption(look, "") for look in looks), *TEMPLATES, *celebrity_names()[:NAMES]]
    words = {word for text in texts for word in text.replace("{}", "").split()}
    found = {token for word in words for token in tokenizer(word, add_special_tokens=False)["input_ids"]}
    return sorted({0, tokenizer.bos_token_id, tokenizer.eos_token_id, *found})


def _calm(vae: nn.Module) -> None:
    """Latents near unit deviation and pictures within 0..1, so that nothing is clamped away."""
    with torch.no_grad():
        last = vae.encoder.layers[-1]
        last.weight /= vae.encode(torch.rand(1, 3, 64, 64) * 2 - 1).latents.std()
        last = vae.decoder.layers[-1]
        last.weight *= 0.3 / vae.decode(torch.randn(1, 4, 8, 8)).sample.std()
        last.bias.fill_(0.5)


def a_world(folder: Path) -> tuple[Path, str]:
    """The shipped weights and their SHA-256, or random ones while the pack has none."""
    if weights.FILE.is_file():
        return weights.FILE, weights.SHA256
    path = folder / weights.FILE.name
    return path, random_world(path)


def pack_with_world(folder: Path) -> Path:
    """A copy of the pack, to be spoilt; with random weights in it while the pack has none.

    Returns:
        The weights file in the copy.
    """
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copy(ROOT / "__init__.py", folder / "__init__.py")
    for part in ("nodes", "stableidentity_core", "web"):
        shutil.copytree(ROOT / part, folder / part, ignore=skipped)
    file = folder / weights.FILE.resolve().relative_to(ROOT)  # pytest finds the core by way of tests/..
    if not file.is_file():
        source = file.with_name("weights.py")
        stated = f'SHA256 = "{random_world(file)}"'
        source.write_text(source.read_text("utf-8").replace(f'SHA256 = "{weights.SHA256}"', stated), "utf-8")
    return file


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    random_world(Path(sys.argv[1]))
