"""Face encoders: found in the models folders, downloaded if asked for, under the host's memory management."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from ...stableidentity_core.encode import AUTO, FaceEncoder, load_face_encoder
from ...stableidentity_core.errors import MissingFileError
from . import paths
from .cancel import stoppable
from .face_nets import fetch_weight, model_roots
from .resident import resident_encoder

PAPER_FILES = ("fr_vit_config", "fr_vit")  # the weights last: what is there of them counts as installed


def face_encoder(name: str, kind: str = AUTO, download: bool = False) -> FaceEncoder:
    """The encoder of this name; `download` fetches the paper's if it is missing.

    Raises:
        MissingFileError: not there; says where to put it, its source and size.
    """
    if download and name == paths.PAPER_ENCODER and not paths.is_installed(name):
        for file in PAPER_FILES:
            fetch_weight(file, model_roots()[0])
    path = paths.face_encoder_path(name)
    with torch.inference_mode(False):  # cached for later nodes, which may run outside inference mode
        return _cached(path, paths.file_state(path), kind)


def paper_encoder() -> FaceEncoder:
    """The paper's encoder, for a training that nothing else is connected to.

    Raises:
        MissingFileError: as `face_encoder`, and how to get it.
    """
    try:
        return face_encoder(paths.PAPER_ENCODER)
    except MissingFileError as error:
        raise MissingFileError(
            f"No face encoder is connected, and the paper's is not installed. {error} Or connect Load Face Encoder "
            "with `download` turned on."
        ) from None


@lru_cache(maxsize=1)
def _cached(path: Path, _state: str, kind: str) -> FaceEncoder:
    return resident_encoder(stoppable(lambda: load_face_encoder(path, kind)))
