"""What training needs of a diffusion model, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor

from ..devices import moved
from ..text.prompts import PromptRows, TextSpace
from .compute import Compute


class Prediction(Enum):
    """What the diffusion model predicts."""

    EPSILON = "epsilon"
    V = "v_prediction"


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioning:
    """Encoded prompts as the diffusion model takes them."""

    context: Tensor  # [B, L, D], the text spaces side by side where there are several
    pooled: Tensor | None = None  # [B, P], SDXL's one vector for the whole prompt


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """What an autoencoder says of pictures: scaled latents, each with its deviation."""

    mean: Tensor  # [B, C, h, w] float32
    std: Tensor | None = None  # [B, C, h, w] float32; None of an autoencoder without a posterior, such as TAESD

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Tensor) -> Posterior:  # [V] int64, on the CPU
        index = moved(index, self.mean.device)
        return Posterior(mean=self.mean[index], std=None if self.std is None else self.std[index])

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw [B, C, h, w]; random numbers are taken only where there is a deviation."""
        if self.std is None:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.std * moved(noise, self.mean.device)


class DiffusionBackend(Protocol):
    """A frozen latent diffusion model with its text encoder and VAE.

    Gradients flow from `predict` through `encode_text` to the words and nowhere else.
    """

    name: str
    device: torch.device
    dtype: torch.dtype  # that the diffusion model computes in
    prediction: Prediction
    alphas_cumprod: Tensor  # [T] float32 on `device`
    latent_scale: float
    latent_factor: int  # pixels per latent pixel
    text_spaces: tuple[TextSpace, ...]

    def tokenize(self, space: str, text: str) -> list[int]:
        """Text -> ids without start, end and padding; no prompt weights, no embeddings."""
        ...

    def embed_tokens(self, space: str, ids: Tensor) -> Tensor:
        """Ids [...] -> rows of the vocabulary matrix [..., D], float32, without gradient."""
        ...

    def encode_image(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images [B, 3, H, W] in 0..1 -> scaled latents [B, C, h, w], sampled from the posterior."""
        ...

    def encode_posterior(self, images: Tensor) -> Posterior:
        """Images [B, 3, H, W] in 0..1 -> what `encode_image` samples from, so that it can be sampled again."""
        ...

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        """Prompts with words [B, N, D] at their places -> conditioning; differentiable in the words."""
        ...

    def predict(self, z_t: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Model output [B, C, h, w] float32 for noised latents and timesteps [B] int64.

        A model that is told sizes (SDXL) hears those of the latents' own picture, uncropped, as when it samples.
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
