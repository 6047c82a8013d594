"""Train the mini world's TAESD: 128-pixel pictures to 16x16x4 latents of about unit deviation and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from . import dataset
from .runs import Ema, averaged, cosine_rate, load_state, save_state

BATCH, RATE, POLISH_RATE, SEED = 8, 1e-3, 6e-4, 0
NOISE = 0.05  # added to latents, so that small errors of the diffusion model do not show
SHRINK = 1e-3  # holds the latents near unit deviation
FACE_WEIGHT = 2.5


def build() -> AutoencoderTiny:
    """TAESD whose residual blocks begin as the identity, which trains much sooner."""
    model = AutoencoderTiny()
    for block in model.modules():
        if type(block).__name__ == "AutoencoderTinyBlock":
            nn.init.zeros_(block.conv[4].weight)
            nn.init.zeros_(block.conv[4].bias)
    return model.to(memory_format=torch.channels_last)


def loss_of(
    model: AutoencoderTiny, images: Tensor, weights: Tensor, generator: torch.Generator
) -> tuple[Tensor, float]:
    """Loss, and the mean squared error of pictures in 0..1."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = model.encode(images * 2 - 1).latents
        noisy = latents + NOISE * torch.randn(latents.shape, generator=generator)
        decoded = model.decode(noisy).sample
    difference = decoded.float() / 2 + 0.5 - images
    error = (weights * (difference.square() + 0.01 * difference.abs())).mean()
    spread = latents.float().std((0, 2, 3)) - 1
    return error + SHRINK * (
        spread.square().sum() + latents.float().mean((0, 2, 3)).square().sum()
    ), difference.square().mean().item()


def train(data: Path, out: Path, minutes: float) -> None:
    """Train for a time, or go on with a training that was broken off."""
    torch.manual_seed(SEED)
    pictures, _ = dataset.load(data, "base")
    model = build()
    weights = face_weights(pictures.shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True)

    def loss(chosen: np.ndarray, generator: torch.Generator) -> tuple[Tensor, float]:
        return loss_of(model, to_tensor(pictures[chosen]), weights, generator)

    _descend(model, optimizer, RATE, loss, len(pictures), out / "autoencoder.pt", minutes)
    report(data, out / "autoencoder.pt")


def polish(data: Path, out: Path, minutes: float, latents: Tensor) -> None:
    """Train the decoder further on fixed latents, which a diffusion model may be learning meanwhile."""
    pictures, _ = dataset.load(data, "base")
    model = build()
    model.load_state_dict(averaged(out / "autoencoder.pt"))
    weights = face_weights(pictures.shape[1])
    optimizer = torch.optim.AdamW(
        model.decoder.parameters(), POLISH_RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    model.encoder.requires_grad_(False)

    def loss(chosen: np.ndarray, generator: torch.Generator) -> tuple[Tensor, float]:
        noisy = latents[chosen].float()
        noisy = noisy + NOISE * torch.randn(noisy.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = model.decode(noisy.contiguous(memory_format=torch.channels_last)).sample
        difference = decoded.float() / 2 + 0.5 - to_tensor(pictures[chosen])
        return (weights * (difference.square() + 0.01 * difference.abs())).mean(), difference.square().mean().item()

    _descend(model, optimizer, POLISH_RATE, loss, len(pictures), out / "decoder.pt", minutes)
    report(data, out / "decoder.pt")


def _descend(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rate: float,
    loss_on: Callable[[np.ndarray, torch.Generator], tuple[Tensor, float]],
    count: int,
    file: Path,
    minutes: float,
) -> None:
    generator = torch.Generator().manual_seed(SEED)
    ema = Ema(model, 0.998)
    state = {"model": model, "optimizer": optimizer, "ema": ema}
    step, spent = load_state(file, state, generator)
    begun, saved, running = time.monotonic() - spent, time.monotonic(), math.nan
    while (spent := time.monotonic() - begun) < 60 * minutes:
        for group in optimizer.param_groups:
            group["lr"] = rate * cosine_rate(spent / (60 * minutes))
        loss, squared = loss_on(torch.randint(count, (BATCH,), generator=generator).sort()[0].numpy(), generator)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)
        step += 1
        running = squared if math.isnan(running) else 0.98 * running + 0.02 * squared
        if step % 100 == 0:
            print(f"{file.stem} step {step} {spent:.0f} s, {-10 * math.log10(running):.2f} dB", flush=True)
        if time.monotonic() - saved > 120:
            save_state(file, state, generator, step, spent)
            saved = time.monotonic()
    save_state(file, state, generator, step, 60 * minutes)


def report(data: Path, file: Path) -> dict[str, float]:
    """PSNR of held-out pictures, and how far each colour moves on average."""
    model = build()
    model.load_state_dict(averaged(file))
    pictures, _ = dataset.load(data, "held_out")
    images = to_tensor(pictures[:256])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latents = torch.cat([model.encode(batch * 2 - 1).latents for batch in images.split(16)])
        decoded = torch.cat([model.decode(batch).sample.float() for batch in latents.split(16)]) / 2 + 0.5
    difference = decoded.clamp(0, 1) - images
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


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] -> [B, 3, S, S] in 0..1, channels last."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div(255)
