"""Everything a user can give, made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from .arguments import Arguments
from .category import Case, Category
from .downloads import Downloads
from .encoders import Encoders
from .identities import Identities
from .pictures import Pictures, Tensors
from .texts import FileNames, Names, Prompts, Triggers
from .trainings import Checkpoints, Projectors, Stored
from .videos import VideoModels, Videos

CATEGORIES: Mapping[str, Callable[[Path], Category]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Identities,
            Projectors,
            Checkpoints,
            Stored,
            Encoders,
            Names,
            Triggers,
            Prompts,
            FileNames,
            Tensors,
            Pictures,
            Arguments,
            Downloads,
            Videos,
            VideoModels,
        )
    }
)

__all__ = ["CATEGORIES", "Case", "Category"]
