"""A learned identity: words, trigger and provenance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..errors import StableIdentityError
from ..fingerprint import WHOLE, fingerprint_tensors
from ..shapes import check_shape
from .prompt import normalize_trigger


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """Words per text space, the trigger used in prompts, and a header of plain strings."""

    trigger: str  # "<anna>"
    words: Mapping[str, Tensor]  # {text space: [N, D] float32}, N = 2 for StableIdentity
    header: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "trigger", normalize_trigger(self.trigger))
        if not self.words:
            raise StableIdentityError(f"Identity {self.trigger} has no words.")
        for space, words in self.words.items():
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", space):  # it is a key of the file and part of a list
                raise StableIdentityError(
                    f"The words of {self.trigger} have the text space {space!r}, needed a name of letters, digits, "
                    "'.', '_' and '-', such as 'clip_l'."
                )
            check_shape(words, "n d", f"words of {space}")
            if words.numel() == 0 or not words.isfinite().all():
                raise StableIdentityError(f"The words of {self.trigger} in {space} are empty or not finite.")

    @property
    def content_hash(self) -> str:
        """Hash of the words alone."""
        return fingerprint_tensors(self.words.items(), samples=WHOLE)

    def renamed(self, trigger: str) -> Identity:
        return replace(self, trigger=trigger)
