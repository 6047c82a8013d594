"""ISM, SDS, view prompts and Perp-Neg against independent computations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from stableidentity_core.backends.guidance import guided_prediction, perp_neg_prediction, perpendicular
from stableidentity_core.backends.objective import Epsilon, Flow, Objective, VPrediction
from stableidentity_core.backends.protocol import Conditioning
from stableidentity_core.errors import WrongModelError
from stableidentity_core.head3d.guidance import (
    Levels,
    check_objective,
    draw_levels,
    inversion_levels,
    wanted_change,
)
from stableidentity_core.head3d.settings import HeadSettings
from stableidentity_core.head3d.view_prompts import (
    ViewPrompts,
    encode_view_prompts,
    encode_with_words,
    prompts_for,
    view_shares,
)

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS = (1 - BETAS).cumprod(0)


def output_of(z: Tensor, times: Tensor, context: Tensor) -> Tensor:
    """What a made-up network returns: some smooth function of all that it gets."""
    level = (times.to(z.dtype) / 1000).view(-1, 1, 1, 1)
    tone = context.mean((1, 2)).view(-1, 1, 1, 1)
    return (1.3 * z + tone).sin() * (0.5 + level) + 0.2 * z.roll(1, -1) * tone


class MadeUp:
    """A backend of nothing but that network."""

    device = torch.device("cpu")

    def __init__(self, objective: Objective):
        self.objective = objective
        self.calls = 0

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        self.calls += len(z_t)
        return output_of(z_t, times, conditioning.context.to(z_t))

    def check_cancelled(self) -> None:
        pass


def prompt(tone: float) -> Conditioning:
    return Conditioning(context=torch.full((1, 3, 2), tone, dtype=torch.float64))


PROMPTS = ViewPrompts(front=prompt(0.7), side=prompt(-0.4), back=prompt(1.6), negative=prompt(-1.0), empty=prompt(0.1))
KINDS = {"epsilon": Epsilon, "v_prediction": VPrediction}


def made_up(kind: str, dtype: torch.dtype) -> MadeUp:
    return MadeUp(KINDS[kind](ALPHAS.to(dtype)))


class SigmaSpace:
    """The same network as k-diffusion sees it: latents z + sigma noise, and a denoiser."""

    def __init__(self, kind: str, dtype: torch.dtype):
        self.kind = kind
        self.sigmas = ((1 - ALPHAS) / ALPHAS).sqrt().to(dtype)

    def noise(self, x: Tensor, level: int, tone: float | Tensor) -> Tensor:
        sigma = self.sigmas[level]
        context = torch.as_tensor(tone, dtype=x.dtype).expand(len(x)).view(-1, 1, 1).expand(-1, 3, 2)
        output = output_of(x / (sigma**2 + 1).sqrt(), torch.full((len(x),), level), context)
        if self.kind == "epsilon":
            denoised = x - sigma * output
        else:
            denoised = x / (sigma**2 + 1) - output * sigma / (sigma**2 + 1).sqrt()
        return (x - denoised) / sigma

    def change(
        self, z: Tensor, noise: Tensor, levels: Levels, stride: int, azimuths: list[float], cfg: float
    ) -> Tensor:
        """ISM with Perp-Neg, by Euler steps."""
        at = max(levels.low - 5 * stride, 0)
        x = z + self.sigmas[at] * noise
        while at < levels.low:
            following = min(at + stride, levels.low)
            x = x + (self.sigmas[following] - self.sigmas[at]) * self.noise(x, at, 0.1)
            at = following
        target = self.noise(x, at, 0.1)
        x = x + (self.sigmas[levels.high] - self.sigmas[at]) * target
        wanted = []
        for number, azimuth in enumerate(azimuths):
            own = x[number : number + 1]
            tone, avoided = by_hand(azimuth)
            base = self.noise(own, levels.high, -1.0)
            direction = self.noise(own, levels.high, tone) - base
            pushed = direction
            for other, weight in avoided:
                away = self.noise(own, levels.high, other) - base
                pushed = pushed + weight * (away - (away * direction).sum() / (direction**2).sum() * direction)
            wanted.append(base + cfg * pushed)
        return self.sigmas[levels.high] * (torch.cat(wanted) - target)


def by_hand(azimuth: float) -> tuple[float, list[tuple[float, float]]]:
    """The tone of the blended prompt, and tones to avoid with their weights, as LucidDreamer has them."""
    front, side, back = 0.7, -0.4, 1.6
    if abs(azimuth) < 90:
        r = 1 - abs(azimuth) / 90
        weights = [0 if r > 0.8 else -2 * math.exp(-2 * r), 0 if r < 0.2 else -2 * math.exp(-10 * (1 - r))]
        return r * front + (1 - r) * side, [(front, weights[0]), (side, weights[1])]
    r = 1 - (abs(azimuth) - 90) / 90
    return r * side + (1 - r) * back, [(side, 0 if r > 0.8 else -math.exp(-10 * r)), (front, -2)]


AZIMUTHS = [0.0, -30.0, 85.0, 120.0, 180.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("low", "high", "stride"), [(350, 500, 200), (940, 979, 50), (0, 60, 200)])
def test_interval_score_matching_is_that_of_sigma_space(kind, dtype, tolerance, low, high, stride):
    backend, g = made_up(kind, dtype), torch.Generator().manual_seed(0)
    z = torch.randn(len(AZIMUTHS), 4, 5, 5, generator=g, dtype=torch.float64).to(dtype)
    settings = HeadSettings(cfg=7.5, inversion_stride=stride)
    prompted = prompts_for(PROMPTS, torch.tensor(AZIMUTHS), by_view=True)
    levels = Levels(low=low, high=high)
    change = wanted_change(backend, z, prompted, PROMPTS.empty, settings, levels, torch.Generator().manual_seed(9))
    again = torch.Generator().manual_seed(9)
    noise = torch.randn(z.shape, generator=again) + 0.1 * torch.randn(1, 4, 1, 1, generator=again)
    twin = SigmaSpace(kind, dtype).change(z, noise.to(dtype), levels, stride, AZIMUTHS, 7.5)
    assert (change - twin).abs().max() <= tolerance * twin.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_score_distillation_wants_the_picture_that_the_model_predicts(kind):
    """latents - sigma / signal (prediction - noise) is the predicted z_0."""
    backend, g = made_up(kind, torch.float64), torch.Generator().manual_seed(0)
    z = torch.randn(2, 4, 5, 5, generator=g, dtype=torch.float64)
    settings, levels = HeadSettings(cfg=3.0, guidance="sds"), Levels(low=0, high=400)
    prompted = prompts_for(PROMPTS, torch.tensor([0.0, 10.0]), by_view=False)
    change = wanted_change(backend, z, prompted, PROMPTS.empty, settings, levels, torch.Generator().manual_seed(9))
    noise, times = torch.randn(z.shape, generator=torch.Generator().manual_seed(9)).double(), torch.full((2,), 400)
    noised = backend.objective.add_noise(z, noise, times)
    guided = guided_prediction(backend, noised, times, prompted.positive, prompted.negative, 3.0)
    assert (z - change - backend.objective.predicted_z0(guided, noised, times)).abs().max() < 1e-11
    assert backend.calls == 8


def test_inversion_ends_at_the_low_level_within_five_steps():
    assert inversion_levels(350, 200) == [0, 200, 350]
    assert inversion_levels(400, 50) == [150, 200, 250, 300, 350, 400]
    assert inversion_levels(0, 200) == [0]
    for low in range(0, 900, 37):
        levels = inversion_levels(low, 100)
        assert levels[-1] == low and len(levels) <= 6 and levels == sorted(set(levels))


def test_levels_begin_high_and_come_down_and_the_interval_grows():
    settings, g = HeadSettings(steps=1000), torch.Generator().manual_seed(0)
    drawn = {step: [draw_levels(settings, 1000, step, g) for _ in range(600)] for step in (0, 150, 300, 999)}
    highest = {step: max(levels.high for levels in found) for step, found in drawn.items()}
    assert 960 < highest[0] <= 980 and 720 < highest[150] <= 740 and highest[300] <= 500 and highest[999] <= 500
    assert min(levels.high for levels in drawn[999]) >= 20
    gaps = {step: {one.high - one.low for one in found if one.low} for step, found in drawn.items()}
    assert gaps == {0: {100}, 150: {125}, 300: {150}, 999: {150}}


def test_the_perpendicular_part_is_perpendicular():
    g = torch.Generator().manual_seed(0)
    vectors, along = (torch.randn(3, 4, 5, 5, generator=g, dtype=torch.float64) for _ in range(2))
    along[2] = 0
    found = perpendicular(vectors, along)
    assert (found * along).flatten(1).sum(1).abs().max() < 1e-12
    assert torch.equal(found[2], vectors[2])
    assert perpendicular(along, along)[:2].abs().max() < 1e-14


def test_without_anything_to_avoid_perp_neg_is_plain_guidance():
    backend, g = made_up("epsilon", torch.float64), torch.Generator().manual_seed(0)
    z, times = torch.randn(2, 4, 5, 5, generator=g, dtype=torch.float64), torch.full((2,), 100)
    positive, negative = (Conditioning(context=prompt(tone).context.expand(2, -1, -1)) for tone in (0.7, -1.0))
    plain = guided_prediction(backend, z, times, positive, negative, 5.0)
    backend.calls = 0
    avoided = [(negative, torch.zeros(2)), (positive, torch.tensor([-1.0, 0.0]))]
    found = perp_neg_prediction(backend, z, times, positive, negative, avoided, 5.0)
    assert (found - plain).abs().max() < 1e-12, "the positive prompt has no part perpendicular to itself"
    assert backend.calls == 6, "a prompt with weight 0 throughout does not go through the model"


def test_shares_of_the_views_at_known_angles():
    shares, weights = view_shares(torch.tensor([0.0, 45.0, -45.0, 90.0, 135.0, 180.0, -180.0]))
    assert shares.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    front, side = weights.T.tolist()
    assert front == pytest.approx([0, -2 * math.exp(-1), -2 * math.exp(-1), -2, -2, -2, -2])
    assert side == pytest.approx(
        [-2, -2 * math.exp(-5), -2 * math.exp(-5), 0, -math.exp(-5), -1, -1], rel=1e-6, abs=1e-9
    )


def test_view_prompts_name_the_view_and_hold_the_words(backend):
    words = {space.name: torch.randn(2, space.width) for space in backend.text_spaces}
    asked: list[str] = []

    def encode(texts: list[str]) -> list[Conditioning]:
        asked.extend(texts)
        return encode_with_words(backend, words)(texts)

    prompts = encode_view_prompts(encode, "a photo of {} in a hat", "ugly", by_view=True)
    assert asked == [*(f"a photo of {{}} in a hat, {view} view" for view in ("front", "side", "back")), "ugly", ""]
    assert not torch.equal(prompts.front.context, prompts.back.context)
    same = encode_view_prompts(encode_with_words(backend, words), "a photo of {}", "", by_view=False)
    assert torch.equal(same.front.context, same.back.context)
    (other,) = encode_with_words(backend, {name: -value for name, value in words.items()})(["a photo of {}"])
    assert not torch.equal(other.context, same.front.context), "the words are in it"


def test_models_that_do_not_suit_are_refused_in_a_sentence():
    with pytest.raises(WrongModelError, match="predicts flow; heads in 3D need"):
        check_objective(MadeUp(Flow.at_levels_of(Epsilon(ALPHAS))))
    pooled = Conditioning(context=torch.zeros(1, 3, 2), pooled=torch.zeros(1, 4))
    with pytest.raises(WrongModelError, match="SDXL"):
        encode_view_prompts(lambda texts: [pooled] * len(texts), "a", "", by_view=True)
