"""A host CLIP of SD or SDXL as text spaces: tokenising, embedding lookup, and encoding prompts with learned words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.backends.protocol import Conditioning
from ...stableidentity_core.errors import WrongModelError
from ...stableidentity_core.text.prompts import PromptRows
from ...stableidentity_core.text.space import PromptLayout, TextSpace
from .clip_forward import hidden_and_pooled
from .families import BASES, FAMILIES, OTHERS
from .flow.table import FLOW_BASES


class HostTextEncoders:
    """The text encoders of SD1.x (CLIP-L), SD2.x (CLIP-H) or SDXL (CLIP-L and CLIP-G) in a host CLIP.

    Raises:
        WrongModelError: the CLIP belongs to another family.
    """

    def __init__(self, clip: Any):
        if clip is None:
            raise WrongModelError(
                "The CLIP input got nothing: the loader found no text encoder in its file. "
                f"Load a whole checkpoint of {BASES} and connect its CLIP."
            )
        self.clip = clip
        family = FAMILIES.get(tuple(sorted(clip.tokenize(""))))
        if family is None or not all(hasattr(clip.cond_stage_model, name) for name in family.encoders):
            raise WrongModelError(
                f"The connected CLIP is {describe_clip(clip)}, needed one of SD1.x (CLIP-L), SD2.x (CLIP-H) or SDXL "
                f"(CLIP-L and CLIP-G), or of {FLOW_BASES}. Load a checkpoint of {BASES} and connect its CLIP."
            )
        self.family = family
        self.encoders = {name: getattr(clip.cond_stage_model, name) for name in family.encoders}
        self.tokenizers = {name: getattr(clip.tokenizer, name) for name in family.encoders}
        self.spaces = tuple(self._space(name) for name in family.encoders)

    @property
    def width(self) -> int:  # of the conditioning
        return sum(space.width for space in self.spaces)

    @property
    def pooled_width(self) -> int:
        """Width of the pooled output; 0 if the diffusion model takes none."""
        return sum(space.width for space in self.spaces if space.name == self.family.pooled)

    def _space(self, name: str) -> TextSpace:
        tokenizer = self.tokenizers[name]
        return TextSpace(
            name=name,
            width=self._embedding(name).weight.shape[1],
            layout=PromptLayout(
                prefix=(tokenizer.start_token,),
                suffix=(tokenizer.end_token,),
                pad=tokenizer.pad_token,
                window=tokenizer.max_length,
            ),
            tokenize=partial(self._tokenize, name),
            embed=partial(self._embed, name),
        )

    def _embedding(self, name: str) -> Any:  # the host's own kind, which takes `out_dtype`
        return self.encoders[name].transformer.get_input_embeddings()

    def _tokenize(self, space: str, text: str) -> list[int]:
        tokenizer = self.tokenizers[space]
        return tokenizer.tokenizer(text)["input_ids"][tokenizer.tokens_start : -1]

    def _embed(self, space: str, ids: Tensor) -> Tensor:
        return token_rows(self.clip.patcher, self._embedding(space), ids)

    def with_network(self, patcher: Any) -> HostTextEncoders:
        """The same with the patcher's module in place of the CLIP's own."""
        clip = self.clip.clone()
        clip.patcher, clip.cond_stage_model = patcher, patcher.model
        return HostTextEncoders(clip)

    def encode(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        """Prompts with words [B, N, D] -> the conditioning that CLIPTextEncode gives, on the CLIP's device."""
        whole = self.clip.cond_stage_model
        whole.reset_clip_options()
        if self.clip.layer_idx is not None:
            whole.set_clip_options({"layer": self.clip.layer_idx})
        device = self.clip.patcher.load_device
        try:
            outputs = {
                name: hidden_and_pooled(encoder, rows[name], words[name].to(device))
                for name, encoder in self.encoders.items()
            }
        finally:
            whole.reset_clip_options()
        return Conditioning(
            context=torch.cat([hidden for hidden, _pooled in outputs.values()], dim=-1),
            pooled=outputs[self.family.pooled][1] if self.family.pooled else None,
        )


def token_rows(patcher: Any, embedding: Any, ids: Tensor) -> Tensor:
    """Rows [..., D] float32 of a token embedding as used in prompts, including LoRA patches, on the CPU."""
    model_management.load_models_gpu([patcher])
    with torch.inference_mode():
        rows = embedding(ids.to(embedding.weight.device), out_dtype=torch.float32)
    return rows.float().cpu().clone()


@contextmanager
def trainable_text(clip: Any) -> Iterator[None]:
    """Let gradients pass through the text encoder, despite its in-place residual additions.

    These overwrite what LayerNorm keeps for its backward pass; giving each LayerNorm a copy
    of its input changes no value.
    """
    norms = [module for module in clip.cond_stage_model.modules() if isinstance(module, torch.nn.LayerNorm)]
    hooks = [norm.register_forward_pre_hook(lambda _module, args: (args[0].clone(), *args[1:])) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def describe_clip(clip: Any) -> str:
    """Describe an unsupported CLIP, by the encoders that it has (the refiner also makes tokens for one it lacks)."""
    keys = tuple(sorted(clip.tokenize("")))
    present = [key for key in keys if hasattr(clip.cond_stage_model, f"clip_{key}")] or keys
    unknown = f"of an unknown kind, {type(clip.cond_stage_model).__name__}"
    return f"{OTHERS.get(keys, unknown)} (text encoders: {', '.join(present)})"
