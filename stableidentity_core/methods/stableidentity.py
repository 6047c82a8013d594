"""From face feature to words: the MLP and AdaIN into the space of names (Sec. 3.2, Eq. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..errors import StableIdentityError
from ..text.names import WORDS, NameSpace
from .base import Projector, Start
from .settings import Setting

Normalization = Literal["per_word", "joint_affine", "none"]

# The published training re-initialises the equalised layers (declared as N(0, 1)) before it starts.
# At N(0, 1) the paper's 450 steps of 5e-5 would hardly move the words.
INIT_STD = 0.02


class EqualLinear(nn.Module):
    """Linear layer with N(0, 0.02) weights and zero bias, both scaled by `lr_mul` in use."""

    def __init__(self, width_in: int, width_out: int, generator: torch.Generator, lr_mul: float = 0.1):
        super().__init__()
        self.weight = nn.Parameter(INIT_STD * torch.randn(width_out, width_in, generator=generator))
        self.bias = nn.Parameter(torch.zeros(width_out))
        self.lr_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.lr_mul, self.bias * self.lr_mul)


class SpaceProjector(nn.Module):
    """The projector of one text space: [B, F] -> [B, 2, D]."""

    mean: Tensor  # [2, D]
    std: Tensor  # [2, D]

    def __init__(
        self,
        feature_width: int,
        name_space: NameSpace,
        normalization: Normalization,
        generator: torch.Generator,
    ):
        super().__init__()
        width = name_space.width
        self.normalization = normalization
        self.first = EqualLinear(feature_width, WORDS * width, generator)
        self.norm = nn.LayerNorm(WORDS * width)
        self.second = EqualLinear(WORDS * width, WORDS * width, generator)
        self.joint_norm = nn.LayerNorm(WORDS * width) if normalization == "joint_affine" else None
        self.register_buffer("mean", name_space.mean.clone())
        self.register_buffer("std", name_space.std.clone())

    def mlp(self, features: Tensor) -> Tensor:  # [B, F] -> [B, 2 D]
        hidden = F.leaky_relu(self.first(features), negative_slope=0.2)
        return self.second(self.norm(hidden))

    def normalize(self, raw: Tensor) -> Tensor:  # [B, 2 D] -> [B, 2, D]
        if self.joint_norm is not None:
            raw = self.joint_norm(raw)
        words = rearrange(raw, "b (n d) -> b n d", n=WORDS)
        if self.normalization == "per_word":
            words = F.layer_norm(words, words.shape[-1:], eps=1e-12)  # the MLP starts with small outputs
        return words

    def forward(self, features: Tensor) -> Tensor:
        words = self.normalize(self.mlp(features))
        if self.normalization == "none":
            return words
        return self.std * words + self.mean  # Eq. 4: AdaIN by the names' deviation and mean


class StableIdentityProjector(Projector):
    """The paper's projector.

    Args:
        feature_width: F, 768 for the paper's face encoder.
        name_spaces: one NameSpace per text space of the model.
        normalization: `per_word` is the paper's Eq. 4 (each word by its own mean and deviation);
            `joint_affine` is the published code's affine LayerNorm over both words together;
            `none` leaves the MLP's output as it is (the paper's ablation without AdaIN).
        generator: source of the initial weights; the global random state is not used.
    """

    method = "stableidentity"
    title = "StableIdentity"
    of_names = (".mean", ".std")
    settings = (
        Setting(
            name="normalization",
            default="per_word",
            choices=get_args(Normalization),
            help="per_word: the paper's Eq. 4. joint_affine: what the published code does. none: no AdaIN.",
        ),
    )

    def __init__(
        self,
        feature_width: int,
        name_spaces: Sequence[NameSpace],
        normalization: Normalization = "per_word",
        generator: torch.Generator | None = None,
    ):
        if normalization not in get_args(Normalization):
            raise StableIdentityError(f"normalization is {normalization!r}, needed one of {get_args(Normalization)}.")
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        super().__init__(
            feature_width,
            {ns.space: SpaceProjector(feature_width, ns, normalization, generator) for ns in name_spaces},
        )
        self.normalization: Normalization = normalization

    @classmethod
    def create(cls, start: Start, settings: Mapping[str, Any]) -> StableIdentityProjector:
        return cls(start.feature_width, start.name_spaces, settings["normalization"], start.generator)

    @classmethod
    def empty(
        cls, feature_width: int, name_spaces: Sequence[NameSpace], settings: Mapping[str, Any]
    ) -> StableIdentityProjector:
        return cls(feature_width, name_spaces, settings["normalization"])

    @classmethod
    def stays_in_name_space(cls, settings: Mapping[str, Any]) -> bool:
        return settings["normalization"] != "none"
