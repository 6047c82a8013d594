"""The forward pass of the host's CLIP text encoders over prompts with words, without waiting for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...stableidentity_core.devices import to_device
from ...stableidentity_core.text.prompts import PromptRows, place_words


def hidden_and_pooled(encoder: Any, rows: PromptRows, words: Tensor) -> tuple[Tensor, Tensor]:
    """Prompts with words [B, N, D] on the encoder's device -> hidden state [B, L, D], pooled output [B, P], in float32.

    The values of `SDClipModel.encode` of the host, for an encoder with its clip options set. That one makes tensors of
    Python lists for each prompt, and each of them waits until the device has computed all before.
    """
    ids = to_device(rows.token_ids, words.device)
    transformer = encoder.transformer
    outputs = transformer(
        ids,  # where the prompt ends, for the pooled output
        None,
        embeds=place_words(transformer.get_input_embeddings()(ids, out_dtype=torch.float32), words, rows.positions),
        intermediate_output=encoder.layer_idx,
        final_layer_norm_intermediate=encoder.layer_norm_hidden_state,
        dtype=torch.float32,
    )
    hidden = outputs[0] if encoder.layer == "last" else outputs[1]
    unprojected = not encoder.return_projected_pooled and len(outputs) > 3
    return hidden.float(), outputs[3 if unprojected else 2].float()
