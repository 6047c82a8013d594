"""A host CLIP as text space: tokenising, looking up and encoding with words in place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.errors import StableIdentityError, WrongModelError
from ...stableidentity_core.files import save_tensors
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.identity.prompt import check_triggers, find_triggers, replace_triggers
from ...stableidentity_core.words.place import PromptRows, TextSpace

_FAMILIES = {("h",): "SD2", ("l",): "SD1.x", ("g", "l"): "SDXL", ("g",): "SDXL (refiner)"}


class HostText:
    """The text encoder of SD2.x (OpenCLIP ViT-H) inside a host CLIP.

    Raises:
        WrongModelError: the CLIP is of another family.
    """

    def __init__(self, clip: Any):
        if clip is None:
            raise WrongModelError(
                "The CLIP input got nothing: the loader found no text encoder in its file. "
                "Load stable-diffusion-2-1-base or another whole SD2.x checkpoint and connect its CLIP."
            )
        self.clip = clip
        keys = tuple(sorted(clip.tokenize("")))
        if _FAMILIES.get(keys) != "SD2":
            raise WrongModelError(
                f"The connected CLIP is {describe_clip(clip)}, needed that of SD2.x (CLIP-H, width 1024). "
                "Load stable-diffusion-2-1-base and connect its CLIP."
            )
        (key,) = keys
        name = f"clip_{key}"
        self.encoder = getattr(clip.cond_stage_model, name)
        self.tokenizer = getattr(clip.tokenizer, name)
        self.space = TextSpace(
            name=name,
            width=self._embedding.weight.shape[1],
            start=self.tokenizer.start_token,
            end=self.tokenizer.end_token,
            pad=self.tokenizer.pad_token,
            length=self.tokenizer.max_length,
        )

    @property
    def _embedding(self) -> torch.nn.Module:
        return self.encoder.transformer.get_input_embeddings()

    def tokenize(self, text: str) -> list[int]:
        return self.tokenizer.tokenizer(text)["input_ids"][self.tokenizer.tokens_start : -1]

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Rows of the vocabulary matrix as prompts see them, LoRA patches included."""
        model_management.load_models_gpu([self.clip.patcher])
        device = self._embedding.weight.device
        with torch.inference_mode():
            rows = self._embedding(ids.to(device), out_dtype=torch.float32)
        return rows.float().cpu().clone()

    def encode(self, rows: PromptRows, words: Tensor) -> Tensor:
        """Prompts with words [B, N, D] -> conditioning [B, L, D] as CLIPTextEncode gives it, on the CLIP's device."""
        tokens = [
            _with_words(ids, places, own)
            for ids, places, own in zip(rows.token_ids.tolist(), rows.positions.tolist(), words, strict=True)
        ]
        encoder = self.clip.cond_stage_model
        encoder.reset_clip_options()
        if self.clip.layer_idx is not None:
            encoder.set_clip_options({"layer": self.clip.layer_idx})
        encoder.set_clip_options({"execution_device": self.clip.patcher.load_device})
        try:
            return self.encoder.encode(tokens)[0]
        finally:
            encoder.reset_clip_options()


def _with_words(ids: list[int], positions: list[int], words: Tensor) -> list[int | Tensor]:
    row: list[int | Tensor] = list(ids)
    for position, word in zip(positions, words, strict=True):
        row[position] = word
    return row


@contextmanager
def trainable_text(clip: Any) -> Iterator[None]:
    """Let gradients pass the text encoder, whose layers add to their input in place.

    The in-place sum overwrites what LayerNorm keeps for its backward pass; handing each LayerNorm
    a copy changes no value.
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

    def __init__(self, original: Any, folder: Path, space: str, identities: dict[str, Identity]):
        self.original = original
        self.folder = folder
        self.space = space
        self.identities = identities
        inner = copy.copy(getattr(original, original.clip))
        inner.embedding_directory = [*_as_list(inner.embedding_directory), str(folder)]
        self._tokenizer = copy.copy(original)
        setattr(self._tokenizer, original.clip, inner)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_tokenizer" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._tokenizer, name)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        check_triggers(text, self.identities)
        files = {trigger: f"embedding:{self.file(trigger)}" for trigger in find_triggers(text)}
        return self._tokenizer.tokenize_with_weights(replace_triggers(text, files), return_word_ids, **kwargs)

    def file(self, trigger: str) -> str:
        """Name of a person's file for this session, which is written unless it is there.

        Looked for at each use: the temp folder may be emptied meanwhile, and the host would leave
        out a missing embedding with no more than a line in its log.
        """
        identity = self.identities[trigger]
        name = f"si-{identity.content_hash}"
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            save_tensors(path, identity.words, {})
        return name


def apply_identities(clip: Any, identities: list[Identity], folder: Path) -> Any:
    """A CLIP clone in which stock nodes understand the identities' triggers.

    The words are written to `folder` under a name made of their content, and read by the host's own
    embedding code, so that the conditioning is bit-equal to that of `embedding:<file>`.

    Raises:
        WrongModelError: an identity is for another text encoder or width.
        StableIdentityError: the CLIP knows another person by the same trigger.
    """
    text = HostText(clip)
    original, known = clip.tokenizer, {}
    if isinstance(original, IdentityTokenizer):
        original, known = original.original, dict(original.identities)
    for identity in identities:
        check_fits(identity, text.space)
        if known.setdefault(identity.trigger, identity).content_hash != identity.content_hash:
            raise StableIdentityError(
                f"Two different people are called {identity.trigger}: one connected here, one applied to the CLIP "
                "before. Give one of them another trigger in its Apply Identity or Load Identity."
            )
    applied = clip.clone()
    applied.tokenizer = IdentityTokenizer(original, folder, text.space.name, known)
    for trigger in known:
        applied.tokenizer.file(trigger)  # here, so that a full disk shows at this node
    return applied


def check_fits(identity: Identity, space: TextSpace) -> None:
    """Raise unless the identity has words for this text space, of its width."""
    widths = {name: words.shape[-1] for name, words in identity.words.items()}
    if widths.get(space.name) != space.width:
        found = ", ".join(f"{name} (width {width})" for name, width in widths.items())
        raise WrongModelError(
            f"Identity {identity.trigger} was learned for {found}; the connected CLIP is {space.name} "
            f"(width {space.width}). Use the base model it was learned on, or learn it again on this one."
        )


def describe_clip(clip: Any) -> str:
    keys = tuple(sorted(clip.tokenize("")))
    family = _FAMILIES.get(keys, "of an unknown kind")
    return f"{family} (text encoders: {', '.join(keys)})"


def _as_list(directories: Any) -> list[str]:
    if directories is None:
        return []
    return [directories] if isinstance(directories, str) else list(directories)
