"""Train the mini world's UNet on latents of the drawn pictures, together with its text encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from mini_world.training import autoencoder, dataset
from mini_world.training.runs import averaged
from mini_world.training.text import BASE, WIDTH, Captions, Factors, TextTower
from mini_world.training.trainer import Course, descend

BATCH, RATE, AGAIN_RATE, SEED = 64, 1e-3, 6e-4, 2
NO_PROMPT, TEXT_LOSS, TEXT_RATE, SNR_LIMIT = 0.1, 0.03, 0.4, 5.0
CHANNELS = (64, 128, 192)


def build() -> UNet2DConditionModel:
    """A small SD2-like UNet with attention only at 8x8 and in the middle, as SDXL omits it at high resolution."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        # Declared as a tuple of one, and taken as one for each block.
        attention_head_dim=tuple(width // 32 for width in CHANNELS),  # pyright: ignore[reportArgumentType]
        use_linear_projection=True,
        cross_attention_dim=WIDTH,
    )
    unet.set_attn_processor(AttnProcessor())  # faster than SDPA in the backward pass on a CPU
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
    """UNet and text tower as one module, for training and saving."""

    def __init__(self, tower: TextTower):
        super().__init__()
        self.unet = build()
        self.tower = tower


def encode_pictures(data: Path, out: Path, split: str) -> Tensor:
    """Latents [N, 4, 16, 16] float16 of a split, computed once and cached on disk."""
    file = out / f"latents_{split}.npy"
    if not file.exists():
        model = autoencoder.build()
        model.load_state_dict(averaged(out / "autoencoder.pt"))
        pictures, _ = dataset.load(data, split)
        latents = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(pictures), 16):
                images = autoencoder.to_tensor(pictures[start : start + 16])
                latents.append(model.encode(images * 2 - 1, return_dict=False)[0].half())
        np.save(file, torch.cat(latents).contiguous().numpy())
    return torch.from_numpy(np.load(file))


def loss_weights(alphas: Tensor) -> Tensor:
    """Min-SNR weights of the noise loss (arXiv 2303.09556, Eq. 4 for eps) for each timestep."""
    snr = alphas / (1 - alphas)
    return snr.clamp(max=SNR_LIMIT) / snr


class Batches:
    """Batches of noised latents with prompt tokens, fully determined by the generator."""

    def __init__(self, data: Path, out: Path, splits: Sequence[str], captions: Captions):
        self.latents = torch.cat([encode_pictures(data, out, split) for split in splits])
        self.captions = captions
        self.alphas = schedule().alphas_cumprod
        self.empty = captions.vocabulary.encode_all([""])[0]

    def draw(self, count: int, generator: torch.Generator, no_prompt: float = NO_PROMPT) -> dict[str, Tensor]:
        index = torch.randint(len(self.latents), (count,), generator=generator)
        rows = self.captions.rows[index].clone()
        rows[torch.rand(count, generator=generator) < no_prompt] = self.empty
        latents = self.latents[index].float()
        # Stratified over the batch, to reduce the variance of the loss.
        t = ((torch.arange(count) + torch.rand(count, generator=generator)) / count * 1000).long()
        noise = torch.randn(latents.shape, generator=generator)
        alpha = self.alphas[t].reshape(-1, 1, 1, 1)
        noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        return {"index": index, "rows": rows, "t": t, "noise": noise, "noised": noised}


def denoising_loss(
    model: Denoiser, batch: Mapping[str, Tensor], factors: Factors, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The weighted noise loss, and the contexts of the prompts."""
    with torch.autocast("cpu", torch.bfloat16):
        context = model.tower.context(batch["rows"], factors)
        predicted = model.unet(batch["noised"], batch["t"], context).sample
    error = (predicted.float() - batch["noise"]).square().mean((1, 2, 3))
    return (weights[batch["t"]] * error).mean(), context.float()


def train(data: Path, out: Path, minutes: float, start: Callable[[Denoiser], None] | None = None) -> None:
    """Train for a given time, or resume an interrupted training.

    Args:
        start: loads initial weights into the model; the text encoder is that of the previous stage.
    """
    torch.manual_seed(SEED)
    captions = Captions(data, BASE)
    batches = Batches(data, out, BASE, captions)
    tower = TextTower(captions.vocabulary)
    tower.load_state_dict(averaged(out / "text.pt"))
    model = Denoiser(tower)
    if start:
        start(model)
    rate = AGAIN_RATE if start else RATE
    optimizer = torch.optim.AdamW(
        [
            {"params": model.unet.parameters(), "lr": rate},
            {"params": model.tower.parameters(), "lr": rate * TEXT_RATE},
        ],
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    weights = loss_weights(batches.alphas)

    def loss_of(generator: torch.Generator, _share: float) -> tuple[Tensor, float]:
        batch = batches.draw(BATCH, generator)
        factors = captions.factors.pick(batch["index"])
        loss, context = denoising_loss(model, batch, factors, weights)
        prompted = batch["rows"].ne(batches.empty).any(-1)
        ends = captions.vocabulary.ends(batch["rows"][prompted])
        reading = model.tower.loss(context[prompted], ends, factors.pick(prompted))
        return loss + TEXT_LOSS * reading, loss.item()

    course = Course(minutes=minutes, seed=SEED, decay=0.999, warm_up=0.01, floor=0.01)
    descend(model, optimizer, course, out / "unet.pt", loss_of)
