"""The methods that make two words of a face, and what training, store and files need of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from ..shapes import check_shape

Method = Literal["stableidentity", "celeb_basis", "textual_inversion"]
METHODS: tuple[Method, ...] = get_args(Method)
WORDS = 2


class Projector(nn.Module):
    """Face features [B, F] -> words {text space: [B, 2, D]}.

    Args:
        feature_width: F; 0 for a method that does not look at the face.
        spaces: one module per text space, each [B, F] -> [B, 2, D].
    """

    method: ClassVar[Method]
    needs_face: ClassVar[bool] = True
    # How the names of buffers end that another list of names may exchange after training.
    of_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, feature_width: int, spaces: Mapping[str, nn.Module]):
        super().__init__()
        self.feature_width = feature_width
        self.origin: dict[str, str] = {}  # of what it was made, where it did not begin afresh
        self.spaces = nn.ModuleDict(spaces)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        check_shape(features, "b f", "face features", f=self.feature_width)
        return {name: space(features) for name, space in self.spaces.items()}

    def fixed(self) -> dict[str, Tensor]:
        """What is not learned and still decides the words: it tells one list of names from another."""
        return dict(self.named_buffers())

    def facts(self, feature: Tensor) -> dict[str, str]:
        """What an identity's header says of this method, beside the words.

        Args:
            feature: [1, F] of the person.
        """
        check_shape(feature, "1 f", "feature of a person", f=self.feature_width)
        return {}
