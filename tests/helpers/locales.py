"""docs/make_locales.py, and what may stand in Latin letters in a Chinese or Japanese text."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

from helpers.server import ROOT


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_locales", ROOT / "docs" / "make_locales.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()
LATIN = re.compile(r"[A-Za-z]+")
# Paths, file names, and words that are typed: <anna>, embedding:
TYPED = re.compile(
    r"[\w-]+(?:/[\w-]+)+|[\w-]*\.(?:pth|pt|safetensors|bin|md|png|html)\b|<[\w-]+>|embedding:|\{\w+\}|\b(?:anna|ben|person-\d)"
)
NAMES = {
    *("StableIdentity", "Celeb-Basis", "Textual Inversion", "Stable Diffusion", "ComfyUI", "ControlNet", "KSampler"),
    *("ModelScope", "ModelScopeT2V", "ZeroScope", "ZeroScope XL", "FreeNoise", "UNet", "VAE", "CLIP", "AdaIN", "AdamW"),
    *("SD", "SD1.5", "SD2", "SD2.x", "SD2.1", "SD2.1-base", "2.1-base", "SDXL", "GPU", "CPU", "V100", "T4", "RTX"),
    *(
        "bf16",
        "fp16",
        "fp32",
        "fp8",
        "FFHQ",
        "Apache-2.0",
        "arXiv",
        "MB",
        "GB",
        "CLIP-T",
        "RGB",
        "BGR",
        "Markdown",
        "Jupyter",
    ),
    *("SD3.5", "Z-Image", "Wan", "Flux.2 klein 4B", "Flux.2 klein"),
    *("3D", "CFG", "SDS", "Perp-Neg", "LucidDreamer", "WEBP", "KB"),
    *("scikit-learn", "Checkpoint", "Latent", "token", "unet", "input", "embeddings"),
    *("K", "R", "t", "5e-05", "x"),  # the key R, K采样器, the point between two people, 512x512
    *tool.NAMES,
}
LONGEST_FIRST = sorted(map(re.escape, NAMES), key=len, reverse=True)
NAME = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(LONGEST_FIRST)})(?![A-Za-z])")


def english_left(text: str) -> list[str]:
    """The words in Latin letters that are no names and are not typed as they are."""
    return LATIN.findall(NAME.sub(" ", TYPED.sub(" ", text)))
