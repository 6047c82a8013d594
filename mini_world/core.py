"""Imports of the mini world from the core.

Inside ComfyUI the pack is a package, elsewhere its folder is on the path, so the core has two import names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING or "." not in (__package__ or ""):
    from stableidentity_core.backends.clip_text import packaged_tokenizer
    from stableidentity_core.backends.compute import has_matrix_units
    from stableidentity_core.backends.diffusers_sd import DiffusersBackend
    from stableidentity_core.backends.protocol import DiffusionBackend
    from stableidentity_core.cli.arguments import Parser
    from stableidentity_core.cli.run import run_command
    from stableidentity_core.cli.say import say
    from stableidentity_core.comfyui import ComfyServer, Event, Json, Run, RunResult
    from stableidentity_core.console.progress import progress_bar
    from stableidentity_core.encode import encode_face
    from stableidentity_core.encode.vit import FaceViT
    from stableidentity_core.errors import (
        DamagedFileError,
        FileTakenError,
        HostError,
        MissingFileError,
        StableIdentityError,
    )
    from stableidentity_core.evaluate.metrics import (
        FoundFaces,
        Instruments,
        Metric,
        PictureDistance,
        PictureFeatures,
        Recogniser,
        Sample,
        made_of,
        score,
    )
    from stableidentity_core.evaluate.metrics.face_similarity import FaceSimilarity
    from stableidentity_core.evaluate.metrics.features import WholePictureFeatures
    from stableidentity_core.evaluate.metrics.instruments import FindFaces
    from stableidentity_core.evaluate.metrics.of_faces import OfFaces
    from stableidentity_core.evaluate.metrics.other_people_similarity import OtherSimilarity
    from stableidentity_core.evaluate.metrics.rank_1 import Rank1
    from stableidentity_core.evaluate.sample import sample_pictures
    from stableidentity_core.face.parsing import NOT_FACE, FacePart
    from stableidentity_core.face.portrait import Face, FaceFeature, portrait
    from stableidentity_core.files.atomic import write_atomically
    from stableidentity_core.files.tensors import read_tensors
    from stableidentity_core.files.writable import check_folder
    from stableidentity_core.fingerprint import fingerprint_tensors
    from stableidentity_core.identity import Identity, load_identity, save_identity
    from stableidentity_core.methods.projector_file import load_projector
    from stableidentity_core.methods.trained import TrainedProjector
    from stableidentity_core.plots import require_matplotlib
    from stableidentity_core.shapes import check_shape
    from stableidentity_core.suite.folder import key_of
    from stableidentity_core.suite.spec import Suite
    from stableidentity_core.text.names import NameSpace, celebrity_names
    from stableidentity_core.train.config import TrainConfig
    from stableidentity_core.train.presets import with_preset
    from stableidentity_core.train.session import Person, TrainingSession, name_spaces_of
else:
    from ..stableidentity_core.backends.clip_text import packaged_tokenizer
    from ..stableidentity_core.backends.compute import has_matrix_units
    from ..stableidentity_core.backends.diffusers_sd import DiffusersBackend
    from ..stableidentity_core.backends.protocol import DiffusionBackend
    from ..stableidentity_core.cli.arguments import Parser
    from ..stableidentity_core.cli.run import run_command
    from ..stableidentity_core.cli.say import say
    from ..stableidentity_core.comfyui import ComfyServer, Event, Json, Run, RunResult
    from ..stableidentity_core.console.progress import progress_bar
    from ..stableidentity_core.encode import encode_face
    from ..stableidentity_core.encode.vit import FaceViT
    from ..stableidentity_core.errors import (
        DamagedFileError,
        FileTakenError,
        HostError,
        MissingFileError,
        StableIdentityError,
    )
    from ..stableidentity_core.evaluate.metrics import (
        FoundFaces,
        Instruments,
        Metric,
        PictureDistance,
        PictureFeatures,
        Recogniser,
        Sample,
        made_of,
        score,
    )
    from ..stableidentity_core.evaluate.metrics.face_similarity import FaceSimilarity
    from ..stableidentity_core.evaluate.metrics.features import WholePictureFeatures
    from ..stableidentity_core.evaluate.metrics.instruments import FindFaces
    from ..stableidentity_core.evaluate.metrics.of_faces import OfFaces
    from ..stableidentity_core.evaluate.metrics.other_people_similarity import OtherSimilarity
    from ..stableidentity_core.evaluate.metrics.rank_1 import Rank1
    from ..stableidentity_core.evaluate.sample import sample_pictures
    from ..stableidentity_core.face.parsing import NOT_FACE, FacePart
    from ..stableidentity_core.face.portrait import Face, FaceFeature, portrait
    from ..stableidentity_core.files.atomic import write_atomically
    from ..stableidentity_core.files.tensors import read_tensors
    from ..stableidentity_core.files.writable import check_folder
    from ..stableidentity_core.fingerprint import fingerprint_tensors
    from ..stableidentity_core.identity import Identity, load_identity, save_identity
    from ..stableidentity_core.methods.projector_file import load_projector
    from ..stableidentity_core.methods.trained import TrainedProjector
    from ..stableidentity_core.plots import require_matplotlib
    from ..stableidentity_core.shapes import check_shape
    from ..stableidentity_core.suite.folder import key_of
    from ..stableidentity_core.suite.spec import Suite
    from ..stableidentity_core.text.names import NameSpace, celebrity_names
    from ..stableidentity_core.train.config import TrainConfig
    from ..stableidentity_core.train.presets import with_preset
    from ..stableidentity_core.train.session import Person, TrainingSession, name_spaces_of

__all__ = [
    "NOT_FACE",
    "ComfyServer",
    "DamagedFileError",
    "DiffusersBackend",
    "DiffusionBackend",
    "Event",
    "Face",
    "FaceFeature",
    "FacePart",
    "FaceSimilarity",
    "FaceViT",
    "FileTakenError",
    "FindFaces",
    "FoundFaces",
    "HostError",
    "Identity",
    "Instruments",
    "Json",
    "Metric",
    "MissingFileError",
    "NameSpace",
    "OfFaces",
    "OtherSimilarity",
    "Parser",
    "Person",
    "PictureDistance",
    "PictureFeatures",
    "Rank1",
    "Recogniser",
    "Run",
    "RunResult",
    "Sample",
    "StableIdentityError",
    "Suite",
    "TrainConfig",
    "TrainedProjector",
    "TrainingSession",
    "WholePictureFeatures",
    "celebrity_names",
    "check_folder",
    "check_shape",
    "encode_face",
    "fingerprint_tensors",
    "has_matrix_units",
    "key_of",
    "load_identity",
    "load_projector",
    "made_of",
    "name_spaces_of",
    "packaged_tokenizer",
    "portrait",
    "progress_bar",
    "read_tensors",
    "require_matplotlib",
    "run_command",
    "sample_pictures",
    "save_identity",
    "say",
    "score",
    "with_preset",
    "write_atomically",
]
