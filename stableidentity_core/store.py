"""Results of trainings on disk, found again by what went into them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .face.portrait import Face
from .files import read_tensors, save_tensors
from .fingerprint import WHOLE, fingerprint_tensors
from .identity.types import Identity
from .streams import get_logger
from .words.names import NameSpace
from .words.trained import TrainedProjector

FORMAT = "stableidentity-result-1"
REVISION = 3  # raise it when the same settings come to give other words
log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainResult:
    """All that a training returns."""

    identity: Identity
    projector: TrainedProjector
    losses: Tensor  # [steps]


def work_key(
    faces: Sequence[Face],
    name_spaces: Sequence[NameSpace],
    model: str,
    settings: Mapping[str, Any],
    start: TrainedProjector | None = None,
) -> str:
    """Hash of everything that decides the result of a training; so the order of the photos counts."""
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


class ResultStore:
    """One safetensors file per result in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def get(self, key: str) -> TrainResult | None:
        """The stored result, or None. A damaged file is reported, and counts as none."""
        path = self.path(key)
        if not path.is_file():
            return None
        try:
            return _unpack(*read_tensors(path))
        except (KeyError, ValueError) as error:  # ValueError: DamagedFileError among others
            log.warning("The stored training %s is damaged (%s); training anew.", path, error)
            return None

    def put(self, key: str, result: TrainResult) -> None:
        """Keep a result, atomically."""
        tensors = {f"words.{space}": words for space, words in result.identity.words.items()}
        tensors |= {f"projector.{name}": value for name, value in result.projector.state.items()}
        tensors["losses"] = result.losses
        metadata = {
            "format": FORMAT,
            "trigger": result.identity.trigger,
            "header": json.dumps(dict(result.identity.header), sort_keys=True),
            **result.projector.described(),
        }
        save_tensors(self.path(key), tensors, metadata)


def _unpack(tensors: dict[str, Tensor], metadata: dict[str, str]) -> TrainResult:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"format {metadata.get('format')!r}, needed {FORMAT!r}")
    words = {name.removeprefix("words."): value for name, value in tensors.items() if name.startswith("words.")}
    state = {name.removeprefix("projector."): value for name, value in tensors.items() if name.startswith("projector.")}
    projector = TrainedProjector.read(state, metadata)
    identity = Identity(trigger=metadata["trigger"], words=words, header=json.loads(metadata["header"]))
    return TrainResult(identity=identity, projector=projector, losses=tensors["losses"])
