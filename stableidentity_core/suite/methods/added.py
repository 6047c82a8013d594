"""Pictures that another program made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ...errors import StableIdentityError
from ..bench import Bench
from ..spec import Sampling
from .base import Method, Painted


class Added(Method):
    """Taken in by `evaluate add`, with the base model and the program that made them."""

    kind = "added"
    options: ClassVar[Mapping[str, Any]] = {"base": "", "source": ""}
    learns = paints = False

    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        raise StableIdentityError(
            f"The pictures of {self.spec.name} are not there yet. Add them with: evaluate add DIR --method "
            f"{self.spec.name} --base BASE --pictures FOLDER"
        )
