"""A model that paints hidden words, so that a training can be judged by whether it finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stableidentity_core.backends.protocol import Conditioning, Posterior
from stableidentity_core.text import NameSpace
from stableidentity_core.text.prompts import PromptRows


class Teacher:
    """A flow backend in which a training's target is the model's own output for hidden words.

    The picture is one latent, so the noise in z_t is known here, and with it the target that the loss compares with:
    adding to the output what the hidden words' output lacks to it makes the loss that between the two outputs.
    """

    def __init__(self, backend: Any, hidden: Mapping[str, Tensor], picture: Tensor):
        self.backend = backend
        self.hidden = hidden  # {text space: [2, D]}
        self.picture = picture  # [1, C, h, w]
        self._lesson: Conditioning | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def encode_posterior(self, images: Tensor) -> Posterior:
        return Posterior(mean=self.picture.expand(len(images), -1, -1, -1).clone())

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        count = len(next(iter(words.values())))
        with torch.no_grad():
            self._lesson = self.backend.encode_text(
                rows, {space: value.expand(count, -1, -1) for space, value in self.hidden.items()}
            )
        return self.backend.encode_text(rows, words)

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        assert self._lesson is not None
        with torch.no_grad():
            wanted = self.backend.predict(z_t, times, self._lesson)
        levels = self.backend.objective.model_times(times).view(-1, 1, 1, 1)
        true = (z_t - self.picture) / levels  # noise minus picture
        return self.backend.predict(z_t, times, conditioning) - wanted + true


def drawn_people(spaces: list[NameSpace], count: int, seed: int) -> list[dict[str, Tensor]]:
    """Words {text space: [2, D]} of people who are drawn from the names' mean and deviation."""
    generator = torch.Generator().manual_seed(seed)
    return [
        {names.space: names.mean + names.std * torch.randn(names.mean.shape, generator=generator) for names in spaces}
        for _person in range(count)
    ]
