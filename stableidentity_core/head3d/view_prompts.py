"""Prompts that depend on where the camera stands: front, side and back view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.protocol import Conditioning, DiffusionBackend
from ..errors import WrongModelError
from ..text.prompts import SLOT, tokenize_templates

VIEWS = ("front view", "side view", "back view")
# Weights of what is avoided: -height exp(-fall r), and 0 where r is on the far side of `ends`. Of LucidDreamer.
HEIGHT, NEAR_SIDE = 2.0, (2.0, 0.8)
FAR_SIDE = (10.0, 0.2)
BEHIND_HEIGHT, BEHIND = 1.0, (10.0, 0.8)

EncodeTexts = Callable[[Sequence[str]], list[Conditioning]]


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewPrompts:
    """Encoded prompts, each a batch of 1; without view prompts all three views are the same."""

    front: Conditioning
    side: Conditioning
    back: Conditioning
    negative: Conditioning
    empty: Conditioning


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompted:
    """What V views are to show, and what they are to avoid."""

    positive: Conditioning  # of V prompts
    negative: Conditioning
    avoided: list[tuple[Conditioning, Tensor]]  # with weights [V]


def encode_view_prompts(encode: EncodeTexts, prompt: str, negative: str, *, by_view: bool) -> ViewPrompts:
    """Encode a prompt for all views.

    Args:
        encode: gives a conditioning, a batch of 1, for each text.
        by_view: whether to add ", front view" and so on.

    Raises:
        WrongModelError: a model that takes a pooled prompt, as SDXL does.
    """
    texts = [f"{prompt}, {view}" for view in VIEWS] if by_view else [prompt]
    *views, unwanted, empty = encode([*texts, negative, ""])
    if empty.pooled is not None:
        raise WrongModelError(
            "The model is of SDXL, with which heads in 3D were not tried: it needs pictures of 1024 pixels. Use SD1.5 "
            "or SD2.x; the paper's is stable-diffusion-2-1-base."
        )
    front, side, back = views if by_view else views * 3
    return ViewPrompts(front=front, side=side, back=back, negative=unwanted, empty=empty)


def encode_with_words(backend: DiffusionBackend, words: Mapping[str, Tensor]) -> EncodeTexts:
    """An encoder of texts in which `{}` stands for the words, {text space: [W, D]}."""

    def encode(texts: Sequence[str]) -> list[Conditioning]:
        return [_encoded(backend, text, words) for text in texts]

    return encode


@torch.no_grad()
def _encoded(backend: DiffusionBackend, text: str, words: Mapping[str, Tensor]) -> Conditioning:
    slots, rows, placed = text.count(SLOT), {}, {}
    for space in backend.text_spaces:
        own = words[space.name].to(backend.device)
        rows[space.name] = tokenize_templates([text], space, len(own))
        placed[space.name] = own.repeat(slots, 1)[None]
    return backend.encode_text(rows, placed)


def prompts_for(prompts: ViewPrompts, azimuths: Tensor, *, by_view: bool) -> Prompted:
    """The prompts of views at azimuths [V] in degrees: neighbouring ones are blended, others avoided."""
    count = len(azimuths)
    negative = repeated(prompts.negative, count)
    if not by_view:
        return Prompted(positive=repeated(prompts.front, count), negative=negative, avoided=[])
    shares, weights = view_shares(azimuths)
    contexts = torch.cat([prompts.front.context, prompts.side.context, prompts.back.context])
    blended = torch.einsum("vk,kld->vld", shares.to(contexts), contexts)
    avoided = [(repeated(prompts.front, count), weights[:, 0]), (repeated(prompts.side, count), weights[:, 1])]
    return Prompted(positive=Conditioning(context=blended), negative=negative, avoided=avoided)


def view_shares(azimuths: Tensor) -> tuple[Tensor, Tensor]:
    """Shares [V, 3] of front, side and back in the prompt, and weights [V, 2] with which front and side are avoided.

    Azimuths [V] in degrees; both in float64.
    """
    angle = azimuths.double().abs()
    before = angle < 90
    r = torch.where(before, 1 - angle / 90, 1 - (angle - 90) / 90).clamp(0, 1)  # 1 at the nearer to the front
    none = torch.zeros_like(r)
    shares = torch.stack([r.where(before, none), (1 - r).where(before, r), none.where(before, 1 - r)], dim=-1)
    front = (-HEIGHT * (-NEAR_SIDE[0] * r).exp()).where(r <= NEAR_SIDE[1], none)
    side = (-HEIGHT * (-FAR_SIDE[0] * (1 - r)).exp()).where(r >= FAR_SIDE[1], none)
    side_behind = (-BEHIND_HEIGHT * (-BEHIND[0] * r).exp()).where(r <= BEHIND[1], none)
    weights = torch.stack([front.where(before, torch.full_like(r, -HEIGHT)), side.where(before, side_behind)], dim=-1)
    return shares, weights


def repeated(prompt: Conditioning, count: int) -> Conditioning:
    """A prompt, a batch of 1, for `count` pictures."""
    return Conditioning(context=prompt.context.expand(count, -1, -1))
