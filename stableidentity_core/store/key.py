"""The lookup key of a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..face.portrait import Face
from ..fingerprint import WHOLE, fingerprint_tensors
from ..methods.trained import TrainedProjector
from ..text.names import NameSpace

REVISION = 3  # increase it when the same settings give different words than before


def work_key(
    faces: Sequence[Face],
    name_spaces: Sequence[NameSpace],
    model: str,
    settings: Mapping[str, Any],
    start: TrainedProjector | None = None,
) -> str:
    """Hash of everything that determines the result of a training, including the order of the photos."""
    parts = {
        "faces": [face.fingerprint for face in faces],
        "names": [fingerprint_tensors(_names(ns), samples=WHOLE) for ns in name_spaces],
        "model": model,
        "settings": dict(settings),
        "revision": REVISION,
    }
    if start is not None:
        parts["start"] = fingerprint_tensors(start.state.items(), samples=WHOLE)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _names(names: NameSpace) -> list[tuple[str, Tensor]]:
    longer = [] if names.longer is None else [("longer", names.longer)]
    return [(names.space, names.embeddings), *longer]
