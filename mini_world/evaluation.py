"""The mini world as a bench of the evaluation suite: drawn people whom its networks have never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import (
    DamagedFileError,
    Face,
    FaceFeature,
    FindFaces,
    Instruments,
    Metric,
    PictureDistance,
    PictureFeatures,
    Recogniser,
    StableIdentityError,
    TrainedProjector,
    WholePictureFeatures,
    celebrity_names,
    encode_face,
    fingerprint_tensors,
    key_of,
    load_projector,
    made_of,
    name_spaces_of,
    read_tensors,
)
from .evaluators import Evaluators
from .look import PROMPTS, caption
from .measure import CHUNK, DISTRACTORS, PromptAccuracy, distractors, embed, references, whole_pictures
from .outcome import photo_of
from .person import unseen_person
from .pipeline import mini_world_backend, mini_world_encoder
from .projector import mini_world_projector
from .quick import quickened
from .weights import load_weights

if TYPE_CHECKING:
    from .core import DiffusersBackend, DiffusionBackend, FaceViT, NameSpace, Suite
    from .weights import Weights

SIDE = 128
LOOK = "look"
MOST = 100_000
NUMBERS = {"first": 1001, "distractors": DISTRACTORS}  # number of the first person; of people who are mixed up
SECOND = "second_recogniser"  # a file of another recogniser's weights, for a suite whose methods choose by one
OPTIONS = (*NUMBERS, SECOND)


class MiniWorldBench:
    """Painter, networks and recognisers; a photo is the painter's, with its exact masks.

    Raises:
        StableIdentityError: an option that it does not take, or pictures of another size.
    """

    def __init__(self, suite: Suite, device: str):
        self.suite, self.device = suite, device
        options = {**NUMBERS, **suite.world_options}
        if unknown := sorted(options.keys() - {*OPTIONS}):
            raise StableIdentityError(
                f"world_options has an unknown entry {unknown[0]!r}; known are {', '.join(OPTIONS)}."
            )
        if suite.sampling.size != SIDE:
            raise StableIdentityError(f"sampling.size is {suite.sampling.size}; the mini world paints {SIDE} pixels.")
        first, self._distractors = (_whole(name, options[name]) for name in NUMBERS)
        self._numbers = {f"person-{number}": number for number in range(first, first + suite.people)}

    @property
    def people(self) -> Sequence[str]:
        return list(self._numbers)

    def seed_of(self, person: str) -> int:
        return list(self._numbers).index(person)

    def photo(self, person: str) -> Tensor:
        return self._portrait(person).image

    def photo_hash(self, person: str) -> str:
        return self._portrait(person).fingerprint

    def face(self, person: str, encoder: str = "") -> Face:
        """`look` is an encoder that was trained to read hats and scenes, not people."""
        if encoder not in ("", LOOK):
            raise StableIdentityError(f"encoder is {encoder!r:.60}; beside its own, the mini world has {LOOK!r}.")
        face = self._portrait(person)
        return face.with_feature(self._look(face)) if encoder else encode_face(self._encoder, face)

    def encoder_name(self, encoder: str) -> str:
        return f"{encoder} {self._judge}"

    def _look(self, face: Face) -> FaceFeature:
        with torch.no_grad():
            features = look_features(self._evaluators, torch.stack([face.image, face.image.flip(-1)]))
        plain, mirrored = F.layer_norm(features, features.shape[-1:])
        return FaceFeature(encoder=LOOK, licence="as the pack (drawn faces)", plain=plain, mirrored=mirrored)

    def _portrait(self, person: str) -> Face:
        return photo_of(self._numbers[person])

    @cached_property
    def _weights(self) -> Weights:
        return load_weights()

    @cached_property
    def _encoder(self) -> FaceViT:
        return mini_world_encoder(self._weights)

    @cached_property
    def _evaluators(self) -> Evaluators:
        return Evaluators.of(self._weights.judge)

    @cached_property
    def backend(self) -> DiffusersBackend:
        return quickened(mini_world_backend(self._weights, self.device))

    def check_gradient(self, backend: DiffusionBackend) -> None:
        """Its networks are the pack's own; tests check their gradients."""

    def projector(self, file: str) -> TrainedProjector:
        return load_projector(Path(file)) if file else mini_world_projector()

    def weight(self, name: str) -> Path:
        raise StableIdentityError(f"The mini world has no {name}: it is for photos.")

    @property
    def names(self) -> Sequence[str]:
        return celebrity_names()

    @cached_property
    def name_spaces(self) -> list[NameSpace]:
        return name_spaces_of(self.backend)

    @cached_property
    def _instruments(self) -> Instruments:
        """The recogniser sees the middle of the picture, where the painter puts faces, so that one is always found."""
        evaluators, name = self._evaluators, self._judge
        recognisers = [self._recogniser(evaluators, name)]
        if self._second is not None:
            recognisers.append(self._recogniser(self._second, self._second_name, SECOND.replace("_", " ")))
        return Instruments(
            find_faces=whole_pictures,
            recognisers=tuple(recognisers),
            distance=PictureDistance(name=name, between=partial(look_distance, evaluators), label="difference in look"),
            inception=self._look_network,
        )

    def _recogniser(self, evaluators: Evaluators, name: str, label: str = "") -> Recogniser:
        return Recogniser(
            name=name,
            embed=partial(embed, evaluators),
            references={person: references(evaluators, unseen_person(at)) for person, at in self._numbers.items()},
            others=distractors(evaluators, self._distractors),
            label=label,
        )

    @cached_property
    def _second(self) -> Evaluators | None:
        """The look reader beside the second recogniser; None where the suite names none."""
        path = self.suite.world_options.get(SECOND)
        return with_recogniser(self._weights.judge, Path(str(path))) if path else None

    @cached_property
    def _second_name(self) -> str:
        return f"mini-world-second:{fingerprint_tensors(self._second.state_dict().items())}" if self._second else ""

    @cached_property
    def _look_network(self) -> PictureFeatures:
        features = partial(look_features, self._evaluators)
        return PictureFeatures(name=self._judge, features=features, label="look reader")

    @cached_property
    def _judge(self) -> str:
        """The networks that measure, by content."""
        return f"mini-world:{fingerprint_tensors(self._weights.judge.items())}"

    def metrics(self, compared: Tensor | None) -> list[Metric]:
        looks = {caption(look, "{}"): look for look in PROMPTS}
        accuracy = PromptAccuracy(evaluators=self._evaluators, looks=looks)
        own = [accuracy] if set(self.suite.prompts) <= looks.keys() else []
        return [*made_of(replace(self._instruments, compared=compared)), *own]

    def face_judge(self) -> tuple[FindFaces, Recogniser]:
        return whole_pictures, Recogniser(name=self._judge, embed=partial(embed, self._evaluators), references={})

    @property
    def inception_feature(self) -> str:
        return WholePictureFeatures(self._look_network).name

    def facts(self) -> dict[str, str]:
        return {
            "encoder": self._encoder.name,
            "names": key_of(list(self.names)),
            "measuring": f"{self._judge} {self._distractors} {self._second_name}".rstrip(),
        }

    def model_facts(self) -> dict[str, str]:
        return {"model": self.backend.fingerprint(), "decoder": self.backend.pictures_fingerprint()}

    def model_stamp(self) -> str:
        return ""  # it is loaded in no time


def _whole(name: str, value: object) -> int:
    if not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST):
        raise StableIdentityError(f"world_options.{name} is {value!r:.60}, needed a whole number from 1 to {MOST:,}.")
    return value


def with_recogniser(judge: Mapping[str, Tensor], path: Path) -> Evaluators:
    """The networks that measure, with another recogniser, as `benchmarks/second_recogniser.py` writes it.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it holds something else.
    """
    other = read_tensors(path)[0]
    own = {name: value.shape for name, value in judge.items() if name.startswith("recogniser.")}
    if {name: value.shape for name, value in other.items()} != own:
        raise DamagedFileError(f"{path} does not hold the weights of a recogniser of the mini world.")
    return Evaluators.of({**judge, **other})


def look_features(evaluators: Evaluators, pictures: Tensor) -> Tensor:
    """What the look reader sees in pictures [N, 3, S, S], [N, 1024]."""
    if pictures.shape[-1] != SIDE:  # a photo
        pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
    return torch.cat([evaluators.reader.features(part) for part in pictures.float().split(CHUNK)])


def look_distance(evaluators: Evaluators, a: Tensor, b: Tensor) -> Tensor:
    """One minus the cosine of what the look reader sees, [A, B]; it stands where photos have LPIPS."""
    first, second = (F.normalize(look_features(evaluators, pictures), dim=-1) for pictures in (a, b))
    return (1 - first @ second.T).clamp(min=0)
