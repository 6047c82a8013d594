"""Tiles of Gaussians to pixels, with a backward pass by hand.

In a tile, the exponent of a Gaussian is a polynomial of second degree in the pixel's place, so that the exponents of
all pixels are one matrix product, and the gradient of the polynomial's six numbers is another. How much light reaches a
Gaussian is kept for blocks of them only and computed again in the backward pass, which saves memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..train.exact_arithmetic import exact_arithmetic
from .project import ALPHA_LEAST
from .tiles import TILE, TileLists

ALPHA_MOST = 0.999
OPAQUE = 1e-6  # of what is behind, less than this is seen: the rest of the list is left out
BLOCK = 32  # Gaussians of a list at a time
ON_CPU, ON_GPU = 1 << 18, 1 << 24  # numbers that are worked on at a time; on a CPU they stay in its cache
NOT_THERE = 1e4  # taken off the exponent of what fills up a block


def rasterise(
    centres: Tensor,  # [M, 2]
    conics: Tensor,  # [M, 3]
    opacities: Tensor,  # [M]
    features: Tensor,  # [M, C]
    lists: TileLists,
    check: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """Blended features [tiles, TILE^2, C] and the light [tiles, TILE^2] that nothing stops; differentiable.

    Args:
        check: called between parts of the work, in the backward pass too; may raise to stop it.
    """
    return _Rasterise.apply(centres, conics, opacities, features, lists, check)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class _Block:
    """Some of the Gaussians of some tiles."""

    tiles: Tensor  # [T]
    first: int  # place in their lists
    length: int  # K, at most BLOCK
    before: Tensor  # [T, TILE^2], the light that reaches the first


class _Rasterise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        centres: Tensor,
        conics: Tensor,
        opacities: Tensor,
        features: Tensor,
        lists: TileLists,
        check: Callable[[], None],
    ) -> tuple[Tensor, Tensor]:
        with exact_arithmetic():
            pairs = _Pairs(centres, conics, opacities, features, lists)
            light = centres.new_ones(len(lists.counts), TILE * TILE)
            canvas = centres.new_zeros(*light.shape, features.shape[1])
            kept: list[_Block] = []
            for block in _blocks(lists, light):
                check()
                places, there = pairs.places(block)
                alphas = pairs.alphas(block, places, there)
                before, after = _light(alphas, block.before)
                canvas[block.tiles] += alphas.mul_(before).mT @ pairs.features[places]
                light[block.tiles] = after
                kept.append(block)
        ctx.pairs, ctx.blocks, ctx.check = pairs, kept, check
        ctx.save_for_backward(light)
        return canvas, light

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        to_canvas, to_light = (gradient.contiguous() for gradient in gradients)
        (light,) = ctx.saved_tensors
        pairs: _Pairs = ctx.pairs
        with exact_arithmetic():
            behind = light * to_light  # what the pixels behind contribute to the loss
            to_exponents = light.new_zeros(len(pairs), len(pairs.basis))
            to_features = light.new_zeros(len(pairs), pairs.features.shape[1])
            for block in reversed(ctx.blocks):
                ctx.check()
                places, there = pairs.places(block)
                alphas = pairs.alphas(block, places, there)
                before, _after = _light(alphas, block.before)
                weights = before.mul_(alphas)
                wanted = to_canvas[block.tiles]  # [T, TILE^2, C]
                shares = (pairs.features[places] @ wanted.mT).mul_(weights)
                hidden, behind[block.tiles] = _behind(shares, behind[block.tiles])
                # d exponent = share - hidden alpha / (1 - alpha); none where alpha is at its end
                shares.sub_(hidden.mul_(alphas / (1 - alphas)))
                if pairs.any_solid:
                    shares.masked_fill_(alphas >= ALPHA_MOST, 0)
                to_exponents[places[there]] = (shares @ pairs.basis.T)[there]
                to_features[places[there]] = (weights @ wanted)[there]
            return *pairs.gradients(to_exponents, to_features), None, None


class _Pairs:
    """Each Gaussian of each list as the polynomial of its exponent around the middle of the tile."""

    def __init__(self, centres: Tensor, conics: Tensor, opacities: Tensor, features: Tensor, lists: TileLists):
        self.lists, self.shapes = lists, len(centres)
        tiles = torch.repeat_interleave(torch.arange(len(lists.counts), device=centres.device), lists.counts)
        self.opacities = opacities[lists.gaussians]
        self.any_solid = bool((self.opacities >= ALPHA_MOST).any())
        self.features = features[lists.gaussians]
        self.offsets = centres[lists.gaussians] - lists.corners[tiles].to(centres)
        self.conics = conics[lists.gaussians]
        u, v = self.offsets.unbind(-1)
        a, b, c = self.conics.unbind(-1)
        at_middle = self.opacities.log() - 0.5 * (a * u * u + c * v * v) - b * u * v
        self.terms = torch.stack([at_middle, a * u + b * v, b * u + c * v, -0.5 * a, -b, -0.5 * c], dim=-1)
        line = torch.arange(TILE, device=centres.device, dtype=centres.dtype) - (TILE - 1) / 2
        y, x = (part.flatten() for part in torch.meshgrid(line, line, indexing="ij"))
        self.basis = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])  # [6, TILE^2]

    def __len__(self) -> int:
        return len(self.features)

    def places(self, block: _Block) -> tuple[Tensor, Tensor]:
        """Which pairs [T, K] the block holds, and which of them are there."""
        order = torch.arange(block.first, block.first + block.length, device=block.tiles.device)
        there = order < self.lists.counts[block.tiles, None]
        return (self.lists.starts[block.tiles, None] + order).clamp_max_(len(self) - 1), there

    def alphas(self, block: _Block, places: Tensor, there: Tensor) -> Tensor:
        """How much of the light each Gaussian stops in each pixel, [T, K, TILE^2]."""
        terms = self.terms[places]
        terms[..., 0] -= NOT_THERE * ~there
        alphas = (terms.flatten(0, 1) @ self.basis).exp_()
        torch.threshold_(alphas, ALPHA_LEAST, 0.0)
        return alphas.clamp_max_(ALPHA_MOST).unflatten(0, places.shape)

    def gradients(self, to_exponents: Tensor, to_features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of centres, conics, opacities and features, from those of the six numbers' monomials."""
        one, x, y, xx, xy, yy = to_exponents.unbind(-1)
        (u, v), (a, b, c) = self.offsets.unbind(-1), self.conics.unbind(-1)
        dx, dy = x - u * one, y - v * one
        parts = [
            *(a * dx + b * dy, b * dx + c * dy),
            *(-0.5 * (xx - u * (x + dx)), -(xy - u * y - v * dx), -0.5 * (yy - v * (y + dy))),
            one / self.opacities,
            *to_features.unbind(-1),
        ]
        summed = [one.new_zeros(self.shapes).index_add_(0, self.lists.gaussians, part) for part in parts]
        return (
            torch.stack(summed[:2], dim=-1),
            torch.stack(summed[2:5], dim=-1),
            summed[5],
            torch.stack(summed[6:], dim=-1),
        )


def _blocks(lists: TileLists, light: Tensor) -> Iterator[_Block]:
    """Block after block of all lists, long lists together; `light` [tiles, TILE^2] is to be kept up to date."""
    numbers = ON_CPU if light.device.type == "cpu" else ON_GPU
    at_once = max(1, numbers // (BLOCK * TILE * TILE))
    tiles = lists.counts.argsort(descending=True, stable=True)
    first = 0
    while True:
        tiles = tiles[(lists.counts[tiles] > first) & (light[tiles].amax(-1) > OPAQUE)]
        if not len(tiles):
            return
        for some in tiles.split(at_once):
            length = min(BLOCK, int(lists.counts[some[0]]) - first)
            yield _Block(some, first, length, light[some])
        first += BLOCK


def _light(alphas: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The light [T, K, S] before each Gaussian, and [T, S] behind the last; `start` [T, S] reaches the first."""
    passing = 1 - alphas
    if alphas.device.type != "cpu":
        passed = passing.cumprod(1).mul_(start[:, None])
        return torch.cat([start[:, None], passed[:, :-1]], dim=1), passed[:, -1]
    before = torch.empty_like(alphas)
    before[:, 0] = start
    for k in range(1, alphas.shape[1]):
        torch.mul(before[:, k - 1], passing[:, k - 1], out=before[:, k])
    return before, before[:, -1] * passing[:, -1]


def _behind(shares: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The sums [T, K, S] of all shares behind each Gaussian, and [T, S] of all; `start` [T, S] is behind the last."""
    if shares.device.type != "cpu":
        from_end = shares.flip(1).cumsum(1).flip(1).add_(start[:, None])
        return torch.cat([from_end[:, 1:], start[:, None]], dim=1), from_end[:, 0]
    behind = torch.empty_like(shares)
    behind[:, -1] = start
    for k in range(shares.shape[1] - 2, -1, -1):
        torch.add(behind[:, k + 1], shares[:, k + 1], out=behind[:, k])
    return behind, behind[:, 0] + shares[:, 0]
