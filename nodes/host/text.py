"""A host CLIP as text spaces: tokenising, embedding lookup, and encoding prompts with learned words."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.backends.protocol import Conditioning
from ...stableidentity_core.errors import StableIdentityError, WrongModelError
from ...stableidentity_core.files.tensors import save_tensors
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.identity.prompt import check_triggers, find_triggers, replace_triggers
from ...stableidentity_core.text.prompts import PromptRows
from ...stableidentity_core.text.space import PromptLayout, TextSpace
from .clip_forward import hidden_and_pooled
from .families import BASES, FAMILIES, OTHERS, Family


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
                f"(CLIP-L and CLIP-G). Load a checkpoint of {BASES} and connect its CLIP."
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
        """Rows of the token embedding as used in prompts, including LoRA patches."""
        model_management.load_models_gpu([self.clip.patcher])
        embedding = self._embedding(space)
        with torch.inference_mode():
            rows = embedding(ids.to(embedding.weight.device), out_dtype=torch.float32)
        return rows.float().cpu().clone()

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


class IdentityTokenizer:
    """A host tokenizer that understands triggers; everything else is the original's."""

    def __init__(self, original: Any, folder: Path, family: Family, identities: dict[str, Identity]):
        self.original = original
        self.folder = folder
        self.identities = identities
        self._tokenizer = copy.copy(original)
        for name in family.encoders:
            inner = copy.copy(getattr(original, name))
            inner.embedding_directory = [*_as_list(inner.embedding_directory), str(folder)]
            setattr(self._tokenizer, name, inner)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_tokenizer" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._tokenizer, name)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        check_triggers(text, self.identities)
        named = self.identities.keys() & set(find_triggers(text))
        files = {trigger: f"embedding:{self.file(trigger)}" for trigger in named}
        return self._tokenizer.tokenize_with_weights(replace_triggers(text, files), return_word_ids, **kwargs)

    def file(self, trigger: str) -> str:
        """Name of a person's file for this session, written if it is missing.

        Checked at each use: the temp folder may have been emptied, and the host would drop a
        missing embedding with only a line in its log.
        """
        identity = self.identities[trigger]
        name = f"si-{identity.content_hash}"
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            save_tensors(path, identity.words, {})
        return name


def apply_identities(clip: Any, identities: list[Identity], folder: Path) -> Any:
    """A clone of the CLIP in which stock nodes understand the identities' triggers.

    The words are written to `folder` under a content-based name and read by the host's own
    embedding code, so the conditioning is bit-identical to that of `embedding:<file>`.

    Raises:
        WrongModelError: an identity is for another text encoder or width.
        StableIdentityError: the CLIP already has another person with the same trigger.
    """
    text = HostTextEncoders(clip)
    original, known = clip.tokenizer, {}
    if isinstance(original, IdentityTokenizer):
        original, known = original.original, dict(original.identities)
    for identity in identities:
        check_fits(identity, text)
        if known.setdefault(identity.trigger, identity).content_hash != identity.content_hash:
            raise StableIdentityError(
                f"Two different people have the trigger {identity.trigger}: one connected here, one already applied to "
                "the CLIP. Give one of them another trigger in its Apply Identity or Load Identity."
            )
    applied = clip.clone()
    applied.tokenizer = IdentityTokenizer(original, folder, text.family, known)
    for trigger in known:
        applied.tokenizer.file(trigger)  # here, so that this node reports a full disk
    return applied


def check_fits(identity: Identity, text: HostTextEncoders) -> None:
    """Raise unless the identity has words of the right width for exactly the text spaces of the CLIP."""
    found = {name: words.shape[-1] for name, words in identity.words.items()}
    needed = {space.name: space.width for space in text.spaces}
    if found != needed:
        raise WrongModelError(
            f"Identity {identity.trigger} was learned for {_describe_widths(found)}; the connected CLIP is that of "
            f"{text.family.name}: {_describe_widths(needed)}. Use the base model it was learned on, or learn it again."
        )


def _describe_widths(widths: Mapping[str, int]) -> str:
    return " and ".join(f"{name} (width {width})" for name, width in widths.items())


def describe_clip(clip: Any) -> str:
    """Describe an unsupported CLIP, by the encoders that it has (the refiner also makes tokens for one it lacks)."""
    keys = tuple(sorted(clip.tokenize("")))
    present = [key for key in keys if hasattr(clip.cond_stage_model, f"clip_{key}")] or keys
    return f"{OTHERS.get(keys, 'of an unknown kind')} (text encoders: {', '.join(present)})"


def _as_list(directories: Any) -> list[str]:
    if directories is None:
        return []
    return [directories] if isinstance(directories, str) else list(directories)
