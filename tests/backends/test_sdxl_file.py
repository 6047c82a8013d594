"""An identity of SDXL in diffusers' own reader of textual inversions."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

from helpers.tiny import SDXL_WIDTHS, tiny_sdxl
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.identity import Identity, save_identity
from stableidentity_core.text import tokenize_templates


def test_diffusers_reads_both_keys(tmp_path):
    folder = tiny_sdxl(tmp_path / "model")
    generator = torch.Generator().manual_seed(0)
    words = {space: torch.randn(2, width, generator=generator) for space, width in SDXL_WIDTHS.items()}
    save_identity(Identity(trigger="anna", words=words), tmp_path / "anna.safetensors")
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    tensors = load_file(tmp_path / "anna.safetensors")
    assert tensors.keys() == {"clip_l", "clip_g"}
    for key, encoder, tokenizer in (
        ("clip_l", pipeline.text_encoder, pipeline.tokenizer),
        ("clip_g", pipeline.text_encoder_2, pipeline.tokenizer_2),
    ):
        pipeline.load_textual_inversion(tensors[key], token="<anna>", text_encoder=encoder, tokenizer=tokenizer)
    context, _negative, pooled, _ = pipeline.encode_prompt(
        "a photo of <anna> smiling", device="cpu", do_classifier_free_guidance=False
    )
    backend = load_diffusers(folder)
    rows = {space.name: tokenize_templates(["a photo of {} smiling"], space) for space in backend.text_spaces}
    with torch.no_grad():
        ours = backend.encode_text(rows, {space: value[None] for space, value in words.items()})
    # The same sums in fp32, in one order.
    assert (ours.context - context).abs().max() < 1e-5 and (ours.pooled - pooled).abs().max() < 1e-5


def test_the_text_spaces_hold_the_same_names(tmp_path):
    """CLIP-L's and CLIP-G's tokenizers are one vocabulary, padded differently."""
    backend = load_diffusers(tiny_sdxl(tmp_path))
    for name in ("Tom Cruise", "Zoë Saldaña", "Samuel L. Jackson"):
        assert len({tuple(space.tokenize(name)) for space in backend.text_spaces}) == 1
