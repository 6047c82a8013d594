"""From face feature to words: the MLP and AdaIN into the space of names (Sec. 3.2, Eq. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..errors import StableIdentityError
from ..shapes import check_shape
from .names import NameSpace

Normalization = Literal["per_word", "joint_affine", "none"]
WORDS = 2

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


class StableIdentityProjector(nn.Module):
    """Face features [B, F] -> words {text space: [B, 2, D]}.

    Args:
        feature_width: F, 768 for the paper's face encoder.
        name_spaces: one NameSpace per text space of the model.
        normalization: `per_word` is the paper's Eq. 4 (each word by its own mean and deviation);
            `joint_affine` is the published code's affine LayerNorm over both words together;
            `none` leaves the MLP's output as it is (the paper's ablation without AdaIN).
        generator: source of the initial weights; the global random state is not used.
    """

    method = "stableidentity"

    def __init__(
        self,
        feature_width: int,
        name_spaces: Sequence[NameSpace],
        normalization: Normalization = "per_word",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if normalization not in get_args(Normalization):
            raise StableIdentityError(f"normalization is {normalization!r}, needed one of {get_args(Normalization)}.")
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        self.feature_width = feature_width
        self.normalization: Normalization = normalization
        self.spaces = nn.ModuleDict(
            {ns.space: SpaceProjector(feature_width, ns, normalization, generator) for ns in name_spaces}
        )

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        check_shape(features, "b f", "face features", f=self.feature_width)
        return {name: projector(features) for name, projector in self.spaces.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedProjector:
    """A projector's weights and what it takes to use them on another face."""

    state: Mapping[str, Tensor]  # of StableIdentityProjector
    feature_width: int
    normalization: Normalization
    encoder: str  # the face encoder it was trained with

    def build(self, name_spaces: Sequence[NameSpace]) -> StableIdentityProjector:
        """The projector with these weights; mean and deviation are those of the given name spaces.

        Raises:
            StableIdentityError: the weights are of other text spaces or widths.
        """
        projector = StableIdentityProjector(self.feature_width, name_spaces, self.normalization)
        own = projector.state_dict()
        state = {key: own[key] if key.endswith((".mean", ".std")) else self.state.get(key) for key in own}
        unfit = [key for key, value in state.items() if value is None or value.shape != own[key].shape]
        if unfit:
            spaces = ", ".join(f"{ns.space} (width {ns.width})" for ns in name_spaces)
            raise StableIdentityError(
                f"The projector was not trained for {spaces}: {len(unfit)} of its weights do not fit, "
                f"the first is {unfit[0]}. Connect the name space of the CLIP it was trained with."
            )
        projector.load_state_dict(state)
        return projector.requires_grad_(False).eval()
