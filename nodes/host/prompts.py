"""People in prompts: a host CLIP that understands their triggers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...stableidentity_core.errors import StableIdentityError, WrongModelError
from ...stableidentity_core.files.tensors import save_tensors
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.identity.prompt import check_triggers, find_triggers, replace_triggers
from .any_text import HostText, host_text
from .families import Family
from .flow.prompts import StandInTokenizer
from .flow.text import FlowTextEncoders


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

    For SD and SDXL the words are written to `folder` under a content-based name and read by the host's own embedding
    code, so the conditioning is bit-identical to that of `embedding:<file>`. With the tokenizers of flow models that
    code does not always work: there the words take the place of a name's tokens.

    Raises:
        WrongModelError: an identity is for another text encoder or width.
        StableIdentityError: the CLIP already has another person with the same trigger.
    """
    text = host_text(clip)
    original, known = clip.tokenizer, {}
    if isinstance(original, (IdentityTokenizer, StandInTokenizer)):
        original, known = original.original, dict(original.identities)
    for identity in identities:
        check_fits(identity, text)
        if known.setdefault(identity.trigger, identity).content_hash != identity.content_hash:
            raise StableIdentityError(
                f"Two different people have the trigger {identity.trigger}: one connected here, one already applied to "
                "the CLIP. Give one of them another trigger in its Apply Identity or Load Identity."
            )
    applied = clip.clone()
    if isinstance(text, FlowTextEncoders):
        applied.tokenizer = StandInTokenizer(original, text.family, known)
        return applied
    applied.tokenizer = IdentityTokenizer(original, folder, text.family, known)
    for trigger in known:
        applied.tokenizer.file(trigger)  # here, so that this node reports a full disk
    return applied


def check_fits(identity: Identity, text: HostText) -> None:
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


def _as_list(directories: Any) -> list[str]:
    if directories is None:
        return []
    return [directories] if isinstance(directories, str) else list(directories)
