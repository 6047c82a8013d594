"""The base class of methods, which turn a face's feature into two words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..shapes import check_shape
from ..text.names import NameSpace
from ..text.space import TextSpace
from .settings import Setting


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """What a method may build its initial projector from."""

    feature_width: int  # F of the face encoder; 0 for a method that does not look at the face
    name_spaces: Sequence[NameSpace]  # one for each text space of the model
    text_spaces: Sequence[TextSpace]
    generator: torch.Generator  # of the initial weights


class Projector(nn.Module):
    """Face features [B, F] -> words {text space: [B, 2, D]}.

    To add a method, write a subclass and give it a row in `registry.py`.

    Args:
        feature_width: F; 0 for a method that does not look at the face.
        spaces: one module per text space, each [B, F] -> [B, 2, D].
    """

    method: ClassVar[str]  # its name in settings, widgets and files
    title: ClassVar[str]  # in texts
    needs_face: ClassVar[bool] = True  # whether it looks at the face encoder's feature
    in_name_space: ClassVar[bool] = True  # whether its words come to lie among the names
    settings: ClassVar[tuple[Setting, ...]] = ()  # of its own
    defaults: ClassVar[Mapping[str, Any]] = {}  # training settings in which its publication differs from StableIdentity
    # Suffixes of buffers that another list of names may replace after training.
    of_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, feature_width: int, spaces: Mapping[str, nn.Module]):
        super().__init__()
        self.feature_width = feature_width
        self.origin: dict[str, str] = {}  # header entries of the projector that it started from
        self.spaces = nn.ModuleDict(spaces)

    @classmethod
    @abstractmethod
    def create(cls, start: Start, settings: Mapping[str, Any]) -> Projector:
        """The initial projector of a training.

        Args:
            settings: values of all of the method's own settings.
        """

    @classmethod
    @abstractmethod
    def empty(cls, feature_width: int, name_spaces: Sequence[NameSpace], settings: Mapping[str, Any]) -> Projector:
        """A projector whose weights are then replaced by stored ones."""

    @classmethod
    def stays_in_name_space(cls, settings: Mapping[str, Any]) -> bool:
        """Whether words by these settings come to lie among the names."""
        return cls.in_name_space

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        check_shape(features, "b f", "face features", f=self.feature_width)
        return {name: space(features) for name, space in self.spaces.items()}

    def fixed(self) -> dict[str, Tensor]:
        """Tensors that are not trained but affect the words; they identify the list of names."""
        return dict(self.named_buffers())

    def facts(self, feature: Tensor) -> dict[str, str]:
        """Entries for an identity's header.

        Args:
            feature: [1, F] of the person.
        """
        check_shape(feature, "1 f", "feature of a person", f=self.feature_width)
        return {}
