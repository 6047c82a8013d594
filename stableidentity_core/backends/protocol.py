"""What the rest of the core needs of a diffusion model, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..devices import to_device
from ..text.prompts import PromptRows
from ..text.space import TextSpace
from .compute import Compute
from .latents import LatentFormat
from .objective import Objective

STEPS_AHEAD = 32  # where the VAE takes the place of other networks


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioning:
    """Encoded prompts as the diffusion model takes them."""

    context: Tensor  # [B, L, D], the text spaces side by side where there are several
    pooled: Tensor | None = None  # [B, P], one vector for the whole prompt (SDXL, SD3)
    more: Mapping[str, Tensor] = field(default_factory=dict)  # [B, ...] each, such as an attention mask; the model's


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """The posterior of an autoencoder: scaled latents with their standard deviations."""

    mean: Tensor  # [B, C, h, w] float32
    std: Tensor | None = None  # [B, C, h, w] float32; None for an autoencoder without one, such as TAESD

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Tensor) -> Posterior:  # [V] int64, on the CPU
        index = to_device(index, self.mean.device)
        return Posterior(mean=self.mean[index], std=None if self.std is None else self.std[index])

    def sample(self, generator: torch.Generator) -> Tensor:
        """A sample [B, C, h, w]; uses random numbers only if there is a deviation."""
        if self.std is None:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.std * to_device(noise, self.mean.device)


class DiffusionBackend(Protocol):
    """A frozen latent diffusion model with its text encoder and VAE.

    Gradients flow from `predict` through `encode_text` to the words and nowhere else.
    """

    device: torch.device
    objective: Objective  # with its tables on `device`
    latents: LatentFormat
    text_spaces: tuple[TextSpace, ...]

    @property
    def dtype(self) -> torch.dtype:
        """The type that the diffusion model computes in."""
        ...

    @property
    def steps_ahead(self) -> int:
        """Steps whose pictures to encode at a time: 1, or more where the VAE takes the place of other networks."""
        ...

    def encode_posterior(self, images: Tensor) -> Posterior:
        """Images [B, 3, H, W] in 0..1 -> their posterior, without gradient."""
        ...

    def encode_with_gradient(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in 0..1 -> scaled latents [B, C, h, w] float32, the posterior's mean; differentiable."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents [B, C, h, w] -> images [B, 3, H, W] float32 in 0..1, without gradient."""
        ...

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        """Prompts with words [B, N, D] at their places -> conditioning; differentiable in the words."""
        ...

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        """Model output [B, C, h, w] float32 for noised latents at times [B] int64 of the objective.

        A model that takes picture sizes (SDXL) gets those of the latents' own picture, uncropped, as when it samples.
        """
        ...

    def computing(self, compute: Compute) -> AbstractContextManager[None]:
        """Compute in another way inside; the model, its gradient's meaning and `fingerprint` are the same.

        Raises:
            StableIdentityError: the device cannot.
        """
        ...

    def fingerprint(self) -> str:
        """Content hash of the diffusion model and text encoder."""
        ...

    def check_cancelled(self) -> None:
        """Raise what the surrounding program raises when the user has cancelled."""
        ...
