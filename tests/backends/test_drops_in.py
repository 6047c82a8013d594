"""Which stock models' prompts take an identity: by the tokenizer of each class that the host has for a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers.pack import pack_module
from stableidentity_core.identity import Identity, save_identity

pytestmark = pytest.mark.host

WIDTHS = {"sd15": {"clip_l": 768}, "sd2": {"clip_h": 1024}, "sdxl": {"clip_l": 768, "clip_g": 1280}}
TAKES = {
    "SD15": "sd15",
    "SD15_instructpix2pix": "sd15",
    "SD20": "sd2",  # base, 768-v, inpainting, depth, Turbo
    "SD21UnclipL": "sd2",
    "SD21UnclipH": "sd2",
    "SD_X4Upscaler": "sd2",
    "SDXL": "sdxl",
    "SDXL_instructpix2pix": "sdxl",
    "SSD1B": "sdxl",
    "Segmind_Vega": "sdxl",
    "KOALA_700M": "sdxl",
    "KOALA_1B": "sdxl",
    "SDXLRefiner": "sdxl",
}
KEYS = {"l": "clip_l", "h": "clip_h", "g": "clip_g"}  # of the host's tokens
WITHOUT_TEXT = ("SVD_img2vid", "SV3D_u", "SV3D_p", "Stable_Zero123")


@pytest.fixture(scope="module")
def stock(comfyui):
    """The host's classes of checkpoints."""
    pack_module("nodes.host.video.model", comfyui)
    import comfy.supported_models

    return comfy.supported_models


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> tuple[Path, dict[str, dict[str, torch.Tensor]]]:
    """A folder of identities of full width, one of each base, and their words."""
    folder, generator = tmp_path_factory.mktemp("embeddings"), torch.Generator().manual_seed(1)
    words = {
        base: {space: torch.randn(2, width, generator=generator) for space, width in widths.items()}
        for base, widths in WIDTHS.items()
    }
    for base, spaces in words.items():
        save_identity(Identity(trigger="anna", words=spaces), folder / f"{base}.safetensors")
    return folder, words


def widths_of(target) -> dict[str, int]:
    """Widths of the token embeddings of the class's text encoders, which drop vectors of any other width."""
    model = target.clip(device="meta", dtype=torch.float16)
    encoders = {space: getattr(model, space) for space in KEYS.values() if hasattr(model, space)}
    return {
        space: encoder.transformer.get_input_embeddings().weight.shape[-1]
        for space, encoder in encoders.items()
        if encoder is not None
    }


def placed(target, folder: Path, name: str) -> dict[str, list[torch.Tensor]]:
    """The vectors that stand in a prompt for `embedding:name`, for each text encoder."""
    tokenizer = target.tokenizer(embedding_directory=[str(folder)])
    tokens = tokenizer.tokenize_with_weights(f"a photo of embedding:{name} laughing")
    return {
        KEYS[encoder]: [token for row in rows for token, _weight in row if isinstance(token, torch.Tensor)]
        for encoder, rows in tokens.items()
    }


@pytest.mark.parametrize("kind", TAKES)
def test_the_identity_of_its_base_is_put_into_the_prompt(stock, people, kind):
    folder, words = people
    base = TAKES[kind]
    target = getattr(stock, kind)(dict(getattr(stock, kind).unet_config)).clip_target({})
    found, widths = placed(target, folder, base), widths_of(target)
    assert widths == ({"clip_g": 1280} if kind == "SDXLRefiner" else WIDTHS[base])
    for space in widths:
        assert torch.equal(torch.stack(found[space]), words[base][space]), space


@pytest.mark.parametrize("kind", WITHOUT_TEXT)
def test_models_without_a_prompt_take_nobody(stock, kind):
    assert getattr(stock, kind)(dict(getattr(stock, kind).unet_config)).clip_target({}) is None
