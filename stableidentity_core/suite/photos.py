"""The bench of real weights: photos of people, a Stable Diffusion, a face encoder, and the networks that measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..backends.diffusers_sd import DiffusersBackend
from ..backends.load_diffusers import load_diffusers
from ..backends.protocol import DiffusionBackend
from ..encode import encode_face, load_face_encoder
from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError, error_context
from ..evaluate.metrics import Instruments, Metric, made_of
from ..evaluate.metrics.features import WholePictureFeatures
from ..evaluate.metrics.instruments import FindFaces, Recogniser
from ..face.folder import pictures_in
from ..face.parsers import load_parser
from ..face.photo import read_photo
from ..face.portrait import Face
from ..face.prepare import prepare_face
from ..face.retinaface import load_retinaface
from ..files.readable import read_text
from ..methods.projector_file import load_projector
from ..methods.trained import TrainedProjector
from ..text.names import NameSpace, celebrity_names, parse_names
from ..train.session import compare_in_fp32, name_spaces_of
from ..weights import find, locate
from ..weights.face_nets import DETECTORS, PARSERS
from ..weights.table import WEIGHTS
from .folder import key_of, sha256_of, stamp_of
from .methods import method_of
from .people import people_in, seed_of_name
from .spec import Suite

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FACES_HELD = 128  # prepared photos in memory, a few MB each
OPTIONS = {
    "photos": "folder with one photo of each person; the file's name is the person's",
    "model": "diffusers folder of SD1.5, SD2.x or SDXL, or single file of SD2.x",
    "dtype": f"of the model's weights: {', '.join(DTYPES)}",
    "v_prediction": "the single file is a v-prediction model",
    "models": "ComfyUI's models folder, with the networks that find and measure faces",
    "encoder": "the face encoder that is learned with: folder or file",
    "names": "text file of celebrity names (default: the pack's own)",
}


class PhotoBench:
    """Loads each network when it is first used.

    Raises:
        StableIdentityError: an option that it does not take.
    """

    def __init__(self, suite: Suite, device: str):
        self.suite, self.device = suite, device
        self._options: dict[str, Any] = dict(suite.world_options)
        if unknown := sorted(self._options.keys() - OPTIONS.keys()):
            raise StableIdentityError(
                f"world_options has an unknown entry {unknown[0]!r}; known are {', '.join(OPTIONS)}."
            )
        self._check_named()
        self._photos = people_in(pictures_in(self._needed("photos")).found, suite.people) if suite.methods else {}
        self._portrait = lru_cache(FACES_HELD)(self._prepare)
        self._encoders: dict[str, FaceEncoder] = {}

    @property
    def people(self) -> Sequence[str]:
        return list(self._photos)

    def seed_of(self, person: str) -> int:
        return seed_of_name(person)

    def photo(self, person: str) -> Tensor:
        return self._portrait(person).image

    def photo_hash(self, person: str) -> str:
        return self._portrait(person).fingerprint

    def face(self, person: str, encoder: str = "") -> Face:
        network = self._other_encoder(encoder) if encoder else self.encoder
        return encode_face(network, self._portrait(person))

    def encoder_name(self, encoder: str) -> str:
        return self._other_encoder(encoder).name

    def _prepare(self, person: str) -> Face:
        with error_context(str(self._photos[person])):
            photo = read_photo(self._photos[person])
            return prepare_face(photo, detector=self._detector, parser=self._parser).face

    @cached_property
    def backend(self) -> DiffusersBackend:
        dtype = str(self._options.get("dtype", "fp32"))
        if dtype not in DTYPES:
            raise StableIdentityError(f"dtype is {dtype!r}, needed one of {', '.join(DTYPES)}.")
        v_prediction = bool(self._options.get("v_prediction", False))
        model = self._needed("model")
        loaded = load_diffusers(model, device=self.device, dtype=DTYPES[dtype], v_prediction=v_prediction)
        return cast(DiffusersBackend, loaded)

    @cached_property
    def _gradient_is_right(self) -> bool:
        compare_in_fp32(self.backend)
        return True

    def check_gradient(self, backend: DiffusionBackend) -> None:
        assert self._gradient_is_right  # looked at once; the model stays the same

    def projector(self, file: str) -> TrainedProjector:
        if not file:
            raise StableIdentityError(
                "A projector method names no file. Give `projector`, as the command `projector` writes it."
            )
        return load_projector(Path(file).expanduser())

    def weight(self, name: str) -> Path:
        return find(name, [self._needed("models")])

    def _other_encoder(self, path: str) -> FaceEncoder:
        if path not in self._encoders:
            self._encoders[path] = load_face_encoder(Path(path).expanduser())
        return self._encoders[path]

    @cached_property
    def encoder(self) -> FaceEncoder:
        return load_face_encoder(self._needed("encoder"))

    @cached_property
    def names(self) -> Sequence[str]:
        file = self._options.get("names")
        return parse_names(read_text(Path(file), "a list of names, one a line")) if file else celebrity_names()

    @cached_property
    def name_spaces(self) -> list[NameSpace]:
        return name_spaces_of(self.backend, self.names)

    @cached_property
    def _detector(self) -> Any:
        roots = [self._needed("models")]
        return load_retinaface(find(next((name for name in DETECTORS if locate(name, roots)), DETECTORS[0]), roots))

    @cached_property
    def _parser(self) -> Any:
        roots = [self._needed("models")]
        return load_parser(find(next((name for name in PARSERS if locate(name, roots)), PARSERS[0]), roots))

    def _check_named(self) -> None:
        """All at once, before anything is loaded. The encoder is needed where people are learned with no other one."""
        learned = any(method_of(one).learns and not one.options.get("encoder") for one in self.suite.methods)
        needed = [*["photos"] * bool(self.suite.methods), "model", "models", *["encoder"] * learned]
        if missing := [name for name in needed if not self._options.get(name)]:
            raise StableIdentityError(
                "The suite does not name everything that it needs. Set it in [world_options], or on the command line:"
                + "".join(f"\n--{name}: {OPTIONS[name]}" for name in missing)
            )

    def _needed(self, name: str) -> Path:
        return Path(str(self._options[name])).expanduser()

    @cached_property
    def _instruments(self) -> Instruments:
        from ..evaluate.networks import load_instruments  # the networks that measure are large, and only needed here

        scoring = self.suite.scoring
        return load_instruments(
            [self._needed("models")],
            {person: self.photo(person) for person in self._usable},
            recognisers=[_file_or_name(name) for name in scoring.recognisers],
            training_encoders=[self.encoder.name] if self._options.get("encoder") else [],
            clips=scoring.clips,
            distance=scoring.distance,
            inception=scoring.inception,
            device=self.device,
        )

    @cached_property
    def _usable(self) -> list[str]:
        """People whose photos can be prepared; the runner has named the others."""

        def usable(person: str) -> bool:
            try:
                self._portrait(person)
            except StableIdentityError:
                return False
            return True

        return [person for person in self.people if usable(person)]

    def metrics(self, compared: Tensor | None) -> list[Metric]:
        return made_of(replace(self._instruments, compared=compared))

    def face_judge(self) -> tuple[FindFaces, Recogniser]:
        from ..evaluate.networks import load_instruments

        named = [_file_or_name(name) for name in self.suite.scoring.recognisers[:1]]
        if not named:
            raise StableIdentityError("The suite names no recogniser. Give one in [scoring].recognisers.")
        roots, none = [self._needed("models")], {"clips": (), "distance": False, "inception": False}
        known = load_instruments(roots, {}, recognisers=named, device=self.device, **none)
        assert known.find_faces is not None  # a recogniser was asked for
        return known.find_faces, known.recognisers[0]

    @property
    def inception_feature(self) -> str:
        network = self._instruments.inception
        return WholePictureFeatures(network).name if network else ""

    def facts(self) -> dict[str, str]:
        return {
            "encoder": self.encoder.name if self._options.get("encoder") else "none",
            "names": key_of(list(self.names)),
            "measuring": self._measuring(),
        }

    def model_facts(self) -> dict[str, str]:
        return {"model": self.backend.fingerprint(), "decoder": self.backend.pictures_fingerprint()}

    def model_stamp(self) -> str:
        loading = [self._options.get(name) for name in ("dtype", "v_prediction")]
        return stamp_of(self._needed("model"), loading)

    def _measuring(self) -> str:
        scoring = self.suite.scoring
        if not (scoring.recognisers or scoring.clips or scoring.distance or scoring.inception):
            return "nothing"
        from ..evaluate.networks.instruments import DETECTOR, TOKENIZER

        known = self._instruments
        networks = [*known.recognisers, *known.clips, known.distance, known.inception]
        others = [DETECTOR, *TOKENIZER] if scoring.clips else [DETECTOR]
        files = [sha256_of(find(name, [self._needed("models")])) for name in others]
        return key_of([network.name for network in networks if network is not None], files)


def _file_or_name(text: str) -> str | Path:
    """A name of the table of weights, or the path of a face encoder."""
    return text if text in WEIGHTS else Path(text).expanduser()
