"""Small inputs that several tests need."""

from __future__ import annotations

from collections.abc import Callable

import torch

from stableidentity_core.face import Face, FaceFeature
from stableidentity_core.identity import Identity
from stableidentity_core.text import NameSpace, PromptLayout, TextSpace
from stableidentity_core.train.loss import NoisedBatch


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=rng(seed))


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=rng(seed))


def some_names(count: int = 30, width: int = 16, space: str = "clip_h", seed: int = 0) -> NameSpace:
    """Names with a mean and deviation of their own in each position and dimension."""
    embeddings = randn(2, width, seed=seed + 1) + rand(2, width, seed=seed + 2) * randn(count, 2, width, seed=seed)
    return NameSpace(space=space, names=tuple(f"name {i}" for i in range(count)), embeddings=embeddings)


def some_space(
    name: str = "clip_h",
    width: int = 16,
    tokenize: Callable[[str], list[int]] = lambda text: [1 + len(word) for word in text.split()],
    window: int | None = 77,
) -> TextSpace:
    """A text space without a text encoder: a word's id is its length, its embedding a random vector."""
    table = randn(100, width)
    layout = PromptLayout(prefix=(98,), suffix=(99,), pad=0 if window else None, window=window)
    return TextSpace(name=name, width=width, layout=layout, tokenize=tokenize, embed=lambda ids: table[ids])


def disc(size: int, radius: float = 0.3) -> torch.Tensor:  # [size, size]
    axis = (torch.arange(size) + 0.5) / size - 0.5
    return (axis[:, None].square() + axis.square() <= radius**2).float()


def some_face(size: int = 64, features: int = 8, seed: int = 0) -> Face:
    """A smooth random picture with a face in the middle, hair around it and a random feature."""
    coarse = rand(1, 3, 5, 5, seed=seed)
    image = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=True)[0]
    hair = disc(size, 0.4) - disc(size, 0.3)
    plain, mirrored = randn(2, features, seed=seed)
    feature = FaceFeature(encoder="random", licence="none", plain=plain, mirrored=mirrored)
    return Face(image=image, face_mask=disc(size), hair_mask=hair, feature=feature)


def some_identity(width: int = 1024, trigger: str = "anna", seed: int = 0, **header: str) -> Identity:
    return Identity(trigger=trigger, words={"clip_h": randn(2, width, seed=seed)}, header=header)


def some_draw(times: list[int], alphas_cumprod: torch.Tensor, side: int = 4, seed: int = 0) -> NoisedBatch:
    """A noised batch whose masks differ between samples."""
    batch = len(times)
    t = torch.tensor(times)
    z0, noise = randn(batch, 4, side, side, seed=seed), randn(batch, 4, side, side, seed=seed + 1)
    abar = alphas_cumprod[t].view(-1, 1, 1, 1)
    return NoisedBatch(
        z0=z0,
        z_t=abar.sqrt() * z0 + (1 - abar).sqrt() * noise,
        noise=noise,
        times=t,
        face_mask=(rand(batch, 1, side, side, seed=seed + 2) < 0.5).float(),
        hair_mask=(rand(batch, 1, side, side, seed=seed + 3) < 0.3).float(),
    )
