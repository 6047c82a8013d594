"""What training needs of a diffusion model, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor

from ..words.place import PromptRows, TextSpace

Generators = torch.Generator | Sequence[torch.Generator]  # one for all pictures, or one for each


class Prediction(Enum):
    """What the diffusion model predicts."""

    EPSILON = "epsilon"
    V = "v_prediction"


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditioning:
    """Encoded prompts as the diffusion model takes them."""

    context: Tensor  # [B, L, D], the text spaces side by side where there are several
    pooled: Tensor | None = None  # [B, P], SDXL's one vector for the whole prompt


class DiffusionBackend(Protocol):
    """A frozen latent diffusion model with its text encoder and VAE.

    Gradients flow from `predict` through `encode_text` to the words and nowhere else.
    """

    name: str
    device: torch.device
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

    def encode_image(self, images: Tensor, generator: Generators) -> Tensor:
        """Images [B, 3, H, W] in 0..1 -> scaled latents [B, C, h, w], sampled from the posterior by `image_noise`."""
        ...

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        """Prompts with words [B, N, D] at their places -> conditioning; differentiable in the words."""
        ...

    def predict(self, z_t: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """Model output [B, C, h, w] float32 for noised latents and timesteps [B] int64.

        A model that is told sizes (SDXL) hears those of the latents' own picture, uncropped, as when it samples.
        """
        ...

    def fingerprint(self) -> str:
        """Content hash of the diffusion model and text encoder."""
        ...

    def check_cancelled(self) -> None:
        """Raise what the surrounding program raises when the user has cancelled."""
        ...
