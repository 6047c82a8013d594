"""Train the mini world's UNet on latents of the drawn pictures, together with its text encoder."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from . import autoencoder, dataset
from .runs import Ema, averaged, cosine_rate, load_state, save_state
from .text import WIDTH, Captions, TextTower, Vocabulary

BATCH, RATE, SEED = 64, 1e-3, 2
NO_PROMPT, TEXT_LOSS, TEXT_RATE, SNR_LIMIT = 0.1, 0.03, 0.4, 5.0
CHANNELS = (64, 128, 192)


def build() -> UNet2DConditionModel:
    """A small SD2 UNet: attention at 8x8 and in the middle, as SDXL spares it where it costs most."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=tuple(width // 32 for width in CHANNELS),
        use_linear_projection=True,
        cross_attention_dim=WIDTH,
    )
    unet.set_attn_processor(AttnProcessor())  # on the CPU its backward is faster than SDPA's
    return unet


def schedule() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


class Denoiser(nn.Module):
    """UNet and text tower as one thing to train and save."""

    def __init__(self, tower: TextTower):
        super().__init__()
        self.unet = build()
        self.tower = tower


def encode_pictures(data: Path, out: Path, split: str) -> Tensor:
    """Latents [N, 4, 16, 16] float16 of a split, made once and kept."""
    file = out / f"latents_{split}.npy"
    if not file.exists():
        model = autoencoder.build()
        model.load_state_dict(averaged(out / "autoencoder.pt"))
        pictures, _ = dataset.load(data, split)
        latents = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(pictures), 16):
                images = autoencoder.to_tensor(pictures[start : start + 16])
                latents.append(model.encode(images * 2 - 1).latents.half())
        np.save(file, torch.cat(latents).contiguous().numpy())
    return torch.from_numpy(np.load(file))


def loss_weights(alphas: Tensor) -> Tensor:
    """Min-SNR weights of the noise loss (arXiv 2303.09556, Eq. 4 for eps) for each timestep."""
    snr = alphas / (1 - alphas)
    return snr.clamp(max=SNR_LIMIT) / snr


class Batches:
    """Latents, noised, with rows of prompts; the generator decides everything."""

    def __init__(self, data: Path, out: Path, split: str, captions: Captions):
        self.latents = encode_pictures(data, out, split)
        self.captions = captions
        self.alphas = schedule().alphas_cumprod
        self.empty = captions.vocabulary.encode_all([""])[0]

    def draw(self, count: int, generator: torch.Generator, no_prompt: float = NO_PROMPT) -> dict[str, Tensor]:
        index = torch.randint(len(self.latents), (count,), generator=generator)
        rows = self.captions.rows[index].clone()
        rows[torch.rand(count, generator=generator) < no_prompt] = self.empty
        latents = self.latents[index].float()
        # Stratified over the batch, which evens out the loss.
        t = ((torch.arange(count) + torch.rand(count, generator=generator)) / count * 1000).long()
        noise = torch.randn(latents.shape, generator=generator)
        alpha = self.alphas[t].reshape(-1, 1, 1, 1)
        noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        return {"index": index, "rows": rows, "t": t, "noise": noise, "noised": noised}


def denoising_loss(model: Denoiser, batch: Mapping[str, Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted loss of the noise, and the contexts of the prompts."""
    with torch.autocast("cpu", torch.bfloat16):
        context = model.tower.context(batch["rows"])
        predicted = model.unet(batch["noised"], batch["t"], context).sample
    error = (predicted.float() - batch["noise"]).square().mean((1, 2, 3))
    return (weights[batch["t"]] * error).mean(), context.float()


def train(
    data: Path, out: Path, minutes: float, name: str = "unet", start: str | None = None, rate: float = RATE
) -> None:
    """Train for a time, or go on with a training that was broken off; `start` names an earlier one to begin with."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    captions = Captions(data, "base")
    batches = Batches(data, out, "base", captions)
    tower = TextTower(captions.vocabulary)
    tower.load_state_dict(averaged(out / "text.pt"))
    model = Denoiser(tower)
    if start:
        model.load_state_dict(averaged(out / f"{start}.pt"))
    optimizer = torch.optim.AdamW(
        [
            {"params": model.unet.parameters(), "rate": rate},
            {"params": model.tower.parameters(), "rate": rate * TEXT_RATE},
        ],
        rate,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    ema = Ema(model, 0.999)
    state = {"model": model, "optimizer": optimizer, "ema": ema}
    step, spent = load_state(out / f"{name}.pt", state, generator)
    weights = loss_weights(batches.alphas)
    begun, saved, running = time.monotonic() - spent, time.monotonic(), math.nan
    while (spent := time.monotonic() - begun) < 60 * minutes:
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * cosine_rate(spent / (60 * minutes), warm_up=0.01, floor=0.01)
        batch = batches.draw(BATCH, generator)
        loss, context = denoising_loss(model, batch, weights)
        told = batch["rows"].ne(batches.empty).any(-1)
        reading = model.tower.loss(
            context[told], captions.vocabulary.ends(batch["rows"][told]), captions.factors.pick(batch["index"][told])
        )
        (loss + TEXT_LOSS * reading).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)
        step += 1
        running = loss.item() if math.isnan(running) else 0.99 * running + 0.01 * loss.item()
        if step % 100 == 0:
            print(f"step {step} {spent:.0f} s, loss {running:.5f}, text {reading.item():.4f}", flush=True)
        if time.monotonic() - saved > 180:
            save_state(out / f"{name}.pt", state, generator, step, spent)
            saved = time.monotonic()
    save_state(out / f"{name}.pt", state, generator, step, 60 * minutes)


@torch.no_grad()
def sample(
    model: Denoiser, vocabulary: Vocabulary, prompts: list[str], *, steps: int = 25, cfg: float = 4.0, seed: int = 0
) -> Tensor:
    """Latents [B, 4, 16, 16] by DDIM with classifier-free guidance."""
    scheduler = schedule()
    scheduler.set_timesteps(steps)
    rows = torch.cat([vocabulary.encode_all(prompts), vocabulary.encode_all([""] * len(prompts))])
    context = model.tower.context(rows)
    z = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    for t in scheduler.timesteps:
        with torch.autocast("cpu", torch.bfloat16):
            told, untold = model.unet(torch.cat([z, z]), t, context).sample.float().chunk(2)
        z = scheduler.step(untold + cfg * (told - untold), t, z).prev_sample
    return z


def mean_loss(model: Denoiser, batches: Batches, draws: int = 8) -> float:
    """Denoising loss without weights on fixed draws of held-out pictures."""
    generator = torch.Generator().manual_seed(99)
    ones = torch.ones(1000)
    with torch.no_grad():
        losses = [denoising_loss(model, batches.draw(BATCH, generator, 0.0), ones)[0].item() for _ in range(draws)]
    return sum(losses) / draws
