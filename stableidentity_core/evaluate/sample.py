"""Prompts to pictures without ComfyUI, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...mini_world.sizes import SCHEDULE
from ..backends.diffusers_sd import DiffusersBackend
from ..backends.objective import scales
from ..backends.protocol import Conditioning
from ..shapes import check_shape
from ..text.prompts import PromptRows, TextSpace, prompt_rows

LATENT = (4, 16, 16)


def sample_pictures(
    backend: DiffusersBackend,
    templates: Sequence[str],
    words: Tensor,
    *,
    cfg: float,
    steps: int,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """DDIM without noise (arXiv 2010.02502, eta 0) and classifier-free guidance, all prompts as one batch.

    Step for step what ComfyUI's KSampler does with sampler `ddim`, scheduler `ddim_uniform` and seeds
    `seed`, `seed + 1`, ... for the prompts.

    Args:
        templates: N prompts, each with one `{}` for the words.
        words: [2, D] for all prompts, or [N, 2, D].
        on_step: called after each step.

    Returns:
        Pictures [N, 3, 128, 128] in 0..1.
    """
    from diffusers import DDIMScheduler

    space, count = backend.text_spaces[0], len(templates)
    words = words.expand(count, -1, -1) if words.ndim == 2 else words
    check_shape(words, "n 2 d", "words", n=count, d=space.width)
    rows = prompt_rows(templates, space, lambda text: backend.tokenize(space.name, text))
    empty = _encode(backend, _empty_prompts(space, count), words[:, :0])
    conditioning = Conditioning(context=torch.cat([_encode(backend, rows, words), empty]))
    # The host goes all the way to the picture, not to the schedule's lowest noise.
    scheduler: Any = DDIMScheduler(**{**SCHEDULE, "set_alpha_to_one": True})
    scheduler.set_timesteps(steps)
    _signal, sigma = scales(scheduler.alphas_cumprod, scheduler.timesteps[:1])
    latents = sigma * _noise(count, seed)  # an empty latent at the first step's noise
    latents = latents.to(backend.device)
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            backend.check_cancelled()
            both = backend.predict(
                latents.repeat(2, 1, 1, 1), timestep.expand(2 * count).to(latents.device), conditioning
            )
            wanted, unwanted = both.chunk(2)
            latents = scheduler.step(unwanted + cfg * (wanted - unwanted), timestep, latents).prev_sample
            on_step()
        return (backend.vae.decode(latents.to(backend.vae.dtype)).sample.float().cpu() / 2 + 0.5).clamp(0, 1)


def _encode(backend: DiffusersBackend, rows: PromptRows, words: Tensor) -> Tensor:  # [B, 77, D]
    space = backend.text_spaces[0].name
    with torch.no_grad():
        return backend.encode_text({space: rows}, {space: words}).context


def _empty_prompts(space: TextSpace, count: int) -> PromptRows:
    ids = [space.start, space.end] + [space.pad] * (space.length - 2)
    return PromptRows(token_ids=torch.tensor([ids] * count), positions=torch.zeros(count, 0, dtype=torch.long))


def _noise(count: int, seed: int) -> Tensor:  # [N, 4, 16, 16]
    """Each picture's own, from its own seed."""
    return torch.stack([torch.randn(LATENT, generator=torch.Generator().manual_seed(seed + i)) for i in range(count)])
