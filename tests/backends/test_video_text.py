"""The text of a clip: `embedding:name` in the host's prompt is what the published injection does."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from helpers.pack import pack_module

pytestmark = pytest.mark.host

PERSON = 2533  # CLIP's token of "person", twice the published placeholder


def published(folder, scratch, words: torch.Tensor) -> torch.Tensor:
    """Conditioning of "person person laughing", its first two embeddings replaced before positions are added.

    The layer before the last, then the final LayerNorm, as FrozenOpenCLIPEmbedder with `penultimate` has it. The tiny
    encoder has just these layers; tokens behind the end are 0, as open_clip pads.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    from stableidentity_core.backends.clip_text import packaged_tokenizer

    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
    tokenizer: CLIPTokenizer = packaged_tokenizer(scratch)
    ids = tokenizer("person person laughing").input_ids
    ids = torch.tensor([ids + [0] * (77 - len(ids))])
    assert ids[0, 1:3].tolist() == [PERSON, PERSON]

    def inject(_module, _given, embedded):
        return torch.cat([embedded[:, :1], words[None], embedded[:, 3:]], dim=1)

    table = next(module for module in encoder.modules() if isinstance(module, torch.nn.Embedding))
    assert table.num_embeddings == 49408
    hook = table.register_forward_hook(inject)
    try:
        with torch.no_grad():
            return encoder(ids).last_hidden_state
    finally:
        hook.remove()


def test_an_embedding_in_the_prompt_is_the_published_injection(comfyui, tiny_eps, tmp_path):
    pack_module("nodes.host.backend", comfyui)
    from helpers import host_tiny

    words = torch.randn(2, 64, generator=torch.Generator().manual_seed(3)) * 0.3
    save_file({"anna": words}, tmp_path / "anna.safetensors")
    with torch.inference_mode():
        clip = host_tiny.load_clip(tiny_eps, [str(tmp_path)])
        ((found, _more),) = clip.encode_from_tokens_scheduled(clip.tokenize("embedding:anna laughing"))
        ((plain, _more),) = clip.encode_from_tokens_scheduled(clip.tokenize("person person laughing"))
    expected = published(tiny_eps, tmp_path, words)
    assert found.shape == expected.shape == (1, 77, 64)
    assert (plain - expected).abs().max() > 0.1
    assert (found - expected).abs().max() <= 1e-5  # fp32 sums in another order
