"""Train the mini world's TAESD: 128-pixel pictures to 16x16x4 latents with about unit variance and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from mini_world.training import dataset
from mini_world.training.runs import averaged
from mini_world.training.trainer import Course, descend

BATCH, RATE, AGAIN_RATE, POLISH_RATE, SEED = 8, 1e-3, 4e-4, 6e-4, 0
NOISE = 0.05  # added to latents, so that small errors of the diffusion model are not visible
SHRINK = 1e-3  # keeps the latents near unit variance
FACE_WEIGHT = 2.5
PATCH, PATCHES, BORDER = 64, 32, 8  # every other batch consists of face patches, for the details
PATCH_TOPS, PATCH_LEFTS = (16, 24, 32, 40, 48), (16, 24, 32, 40, 48)


def build() -> AutoencoderTiny:
    """TAESD with residual blocks initialised to the identity, which trains much faster."""
    model = AutoencoderTiny()
    for block in model.modules():
        if type(block).__name__ == "AutoencoderTinyBlock":
            for parameter in block.get_submodule("conv.4").parameters():
                nn.init.zeros_(parameter)
    # diffusers' decorator hides the signature.
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def loss_of(
    model: AutoencoderTiny, images: Tensor, weights: Tensor, generator: torch.Generator
) -> tuple[Tensor, float]:
    """The loss, and the mean squared error of pictures in 0..1."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = model.encode(images * 2 - 1, return_dict=False)[0]
        noisy = latents + NOISE * torch.randn(latents.shape, generator=generator)
        decoded = model.decode(noisy, return_dict=False)[0]
    difference = decoded.float() / 2 + 0.5 - images
    error = (weights * (difference.square() + 0.01 * difference.abs())).mean()
    spread = latents.float().std((0, 2, 3)) - 1
    return error + SHRINK * (
        spread.square().sum() + latents.float().mean((0, 2, 3)).square().sum()
    ), difference.square().mean().item()


def train(data: Path, out: Path, minutes: float, start: Mapping[str, Tensor] | None = None) -> None:
    """Train for a given time, or resume an interrupted training; `start` are initial weights."""
    torch.manual_seed(SEED)
    pictures, _ = dataset.load(data, "base")
    model = build()
    if start:
        model.load_state_dict(dict(start))
    weights, inside = face_weights(pictures.shape[1]), inner_weights()
    optimizer = torch.optim.AdamW(
        model.parameters(), AGAIN_RATE if start else RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )

    def loss(generator: torch.Generator, _share: float) -> tuple[Tensor, float]:
        if torch.rand((), generator=generator) < 0.5:
            return loss_of(model, to_tensor(face_patches(pictures, generator)), inside, generator)
        return loss_of(model, to_tensor(pictures[draw(len(pictures), BATCH, generator)]), weights, generator)

    descend(model, optimizer, _course(minutes), out / "autoencoder.pt", loss)
    report(data, out / "autoencoder.pt")


def polish(data: Path, out: Path, minutes: float, latents: Tensor) -> None:
    """Train the decoder further on fixed latents, on which a diffusion model may be training meanwhile."""
    pictures, _ = dataset.load(data, "base")
    model = build()
    model.load_state_dict(averaged(out / "autoencoder.pt"))
    weights = face_weights(pictures.shape[1])
    optimizer = torch.optim.AdamW(
        model.decoder.parameters(), POLISH_RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    model.encoder.requires_grad_(False)

    def loss(generator: torch.Generator, _share: float) -> tuple[Tensor, float]:
        chosen = draw(len(pictures), BATCH, generator)
        noisy = latents[chosen].float()
        noisy = noisy + NOISE * torch.randn(noisy.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            decoded = model.decode(noisy, return_dict=False)[0]
        difference = decoded.float() / 2 + 0.5 - to_tensor(pictures[chosen])
        return (weights * (difference.square() + 0.01 * difference.abs())).mean(), difference.square().mean().item()

    descend(model, optimizer, _course(minutes), out / "decoder.pt", loss)
    report(data, out / "decoder.pt")


def _course(minutes: float) -> Course:
    return Course(minutes=minutes, seed=SEED, clip=0.5)


def report(data: Path, file: Path) -> dict[str, float]:
    """PSNR of held-out pictures, and the mean colour shift."""
    model = build()
    model.load_state_dict(averaged(file))
    pictures, _ = dataset.load(data, "held_out")
    images = to_tensor(pictures[:256])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latents = torch.cat([model.encode(batch * 2 - 1, return_dict=False)[0] for batch in images.split(16)])
        decoded = torch.cat([model.decode(batch, return_dict=False)[0].float() for batch in latents.split(16)])
    difference = (decoded / 2 + 0.5).clamp(0, 1) - images
    psnr = -10 * difference.square().mean((1, 2, 3)).log10()
    drift = difference.mean((2, 3)).abs().mean()
    deviation = latents.float().std((0, 2, 3))
    print(
        f"held out: {psnr.mean():.2f} dB (worst {psnr.min():.2f}), mean colour off by {drift:.4f}, latents {deviation}"
    )
    return {"psnr": psnr.mean().item(), "psnr_worst": psnr.min().item(), "colour_drift": drift.item()}


def face_weights(side: int) -> Tensor:  # [1, 1, S, S]
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = ((x - 0.5) / 0.3) ** 2 + ((y - 0.53) / 0.36) ** 2 < 1
    return (1 + (FACE_WEIGHT - 1) * inside.float())[None, None]


def draw(count: int, size: int, generator: torch.Generator) -> np.ndarray:
    """Random indices, sorted for faster reads from a memory map."""
    return torch.randint(count, (size,), generator=generator).sort()[0].numpy()


def face_patches(pictures: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Crops [PATCHES, 64, 64, 3] from the face area, aligned to the latent grid."""
    corners = torch.randint(len(PATCH_TOPS) * len(PATCH_LEFTS), (PATCHES,), generator=generator).tolist()
    parts = []
    for index, corner in zip(draw(len(pictures), PATCHES, generator), corners, strict=True):
        top, left = PATCH_TOPS[corner // len(PATCH_LEFTS)], PATCH_LEFTS[corner % len(PATCH_LEFTS)]
        parts.append(pictures[index, top : top + PATCH, left : left + PATCH])
    return np.stack(parts)


def inner_weights() -> Tensor:  # [1, 1, 64, 64]
    """Zero weights at the borders, as patches lack the context to reconstruct their edges."""
    weights = torch.zeros(1, 1, PATCH, PATCH)
    weights[..., BORDER:-BORDER, BORDER:-BORDER] = FACE_WEIGHT
    return weights


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] -> [B, 3, S, S] in 0..1, channels last."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div(255)
