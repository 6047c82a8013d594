"""Prompts to pictures with any backend, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..backends.guidance import guided_prediction
from ..backends.objective import Objective
from ..backends.protocol import Conditioning, DiffusionBackend
from ..errors import StableIdentityError
from ..shapes import check_shape
from ..text.prompts import tokenize_templates


def sample_pictures(
    backend: DiffusionBackend,
    templates: Sequence[str],
    words: Mapping[str, Tensor],
    *,
    size: int,
    cfg: float,
    steps: int,
    seed: int,
    negative: str = "",
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """DDIM without noise (arXiv 2010.02502, eta 0) and classifier-free guidance, all prompts as one batch.

    With a noise or v model, step for step what ComfyUI's KSampler does with sampler `ddim`, scheduler `ddim_uniform`
    and seeds `seed`, `seed + 1`, ... for the prompts.

    Args:
        templates: N prompts, each with the same number of slots `{}` for words.
        words: {text space: [W, D] for all prompts, or [N, W, D]}, the words of all slots one after the other.
        size: side of the pictures in pixels.
        negative: the negative prompt, without slots.
        on_step: called after each step.

    Returns:
        Pictures [N, 3, size, size] in 0..1, on the CPU.

    Raises:
        StableIdentityError: more steps than the model has noise levels, or words that do not fill the slots.
    """
    count, objective = len(templates), backend.objective
    times = sampling_times(objective, steps)
    with torch.no_grad():
        positive = _encode(backend, templates, {name: _for_each(value, count) for name, value in words.items()})
        unwanted = encode_texts(backend, [negative] * count)
        latents = first_latents(backend, count, size=size, steps=steps, seed=seed)
        for time, next_time in zip(times, [*times[1:], None], strict=True):
            backend.check_cancelled()
            now = _batch(time, latents)
            output = guided_prediction(backend, latents, now, positive, unwanted, cfg)
            picture = objective.predicted_z0(output, latents, now)
            noise = objective.predicted_noise(output, latents, now)
            latents = picture if next_time is None else objective.add_noise(picture, noise, _batch(next_time, noise))
            on_step()
        return backend.decode(latents).float().cpu()


def first_latents(backend: DiffusionBackend, count: int, *, size: int, steps: int, seed: int) -> Tensor:
    """What sampling begins with, [N, C, h, w] on the backend's device: each picture's own noise at the first time."""
    noise = _noise(backend, count, size, seed).to(backend.device)
    first = sampling_times(backend.objective, steps)[0]
    return backend.objective.add_noise(torch.zeros_like(noise), noise, _batch(first, noise))


def sampling_times(objective: Objective, steps: int) -> list[int]:
    """`steps` times from the noisiest down, evenly spaced by whole levels, each one level above a multiple.

    Raises:
        StableIdentityError: fewer than one step, or more than there are levels.
    """
    if not 1 <= steps <= len(objective):
        raise StableIdentityError(f"The number of sampling steps is {steps}, needed 1 to {len(objective)}.")
    spacing = len(objective) // steps
    return [min(number * spacing + 1, len(objective) - 1) for number in reversed(range(steps))]


def _batch(time: int, like: Tensor) -> Tensor:  # [N]
    return torch.full((len(like),), time, device=like.device)


def _for_each(words: Tensor, count: int) -> Tensor:  # [N, W, D]
    words = words.expand(count, -1, -1) if words.ndim == 2 else words
    check_shape(words, "n w d", "words", n=count)
    return words


def encode_texts(backend: DiffusionBackend, texts: Sequence[str]) -> Conditioning:
    """Of N prompts without slots."""
    return _encode(backend, texts, {})


def _encode(backend: DiffusionBackend, templates: Sequence[str], words: Mapping[str, Tensor]) -> Conditioning:
    rows = {space.name: tokenize_templates(templates, space) for space in backend.text_spaces}
    none = {space.name: torch.zeros(len(templates), 0, space.width) for space in backend.text_spaces}
    return backend.encode_text(rows, {name: value.to(backend.device) for name, value in (words or none).items()})


def _noise(backend: DiffusionBackend, count: int, size: int, seed: int) -> Tensor:  # [N, C, h, w]
    """Each picture's own, from its own seed."""
    shape = (backend.latents.channels, size // backend.latents.factor, size // backend.latents.factor)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(count)])
