"""One projector learned over many people, so that a new face becomes words without any step of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError
from ..face.portrait import Face
from ..fingerprint import WHOLE, fingerprint_tensors
from ..methods.base import Projector
from ..methods.registry import methods_with_a_face
from ..text.names import NameSpace
from .batch import Source
from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig, compute_settings
from .finite_guard import FiniteGuard
from .loop import train_together
from .loss_scale import LossScale
from .optimizer import new_optimizer
from .photos import check_photos, feature_of
from .step_report import StepReport
from .validation import SEED, ValidationSet
from .views import EncodedViews, encode_views, joined_views
from .warm_start import WarmStart, fit_known, known_places

MIN_PEOPLE = 2
HELD_OUT = 20  # one in so many people is kept aside
VIEWS = {"none": 1, "published": 8}  # of each person, by augmentation


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPeople:
    """Views of many people without their pictures, which would fill the memory."""

    learned: EncodedViews
    held_out: EncodedViews | None  # of people that are not learned from; None where there are too few
    people: int
    titles: tuple[str, ...]  # of those that are learned, such as the names of their files; may be empty texts
    features: Tensor  # [people that are learned, F] of their photos as they are
    first: Face  # one of them, with its feature
    fingerprint: str  # of the photos and features


def encode_people(backend: DiffusionBackend, photos: Iterable[tuple[str, Face]], config: TrainConfig) -> EncodedPeople:
    """Draw and encode views of people as they come; every twentieth person is kept aside.

    Args:
        photos: title and prepared photo, with its feature, of each person.

    Raises:
        StableIdentityError: fewer than two people, or faces that do not go together.
    """
    generator = torch.Generator().manual_seed(config.seed)
    learned, held_out, titles, features, digest = [], [], [], [], hashlib.sha256()
    first = None
    for number, (title, face) in enumerate(photos, 1):
        backend.check_cancelled()
        first = first or face
        _check(first, face, number)
        digest.update(face.fingerprint.encode())
        views = encode_views(backend, [face] * VIEWS[config.augmentation], config, generator)
        if number % HELD_OUT:
            learned.append(views)
            titles.append(title)
            features.append(feature_of(face))
        else:
            held_out.append(views)
    people = len(learned) + len(held_out)
    if first is None or people < MIN_PEOPLE:
        raise StableIdentityError(
            f"A projector is learned over many people: got {people}, needed at least {MIN_PEOPLE}, better some "
            "hundreds. For one person use StableIdentity Train."
        )
    return EncodedPeople(
        learned=joined_views(learned),
        held_out=joined_views(held_out) if held_out else None,
        people=people,
        titles=tuple(titles),
        features=torch.stack(features),
        first=first,
        fingerprint=digest.hexdigest()[:32],
    )


def _check(first: Face, face: Face, number: int) -> None:
    try:
        check_photos([first, face])
    except StableIdentityError as error:
        raise StableIdentityError(f"Person {number} does not go with the first one: {error}") from error


class ProjectorPretraining:
    """One projector being learned over many people.

    Args:
        backend: the frozen diffusion model.
        people: from `encode_people`, by the same settings.
        projector: of a method that looks at faces; trained in place.
        config: settings; `batch_size` people, drawn anew, make a step.
        warm_start: `first` begins among the people whose title is a name that the text encoder knows; `only` ends
            there, without any step of the diffusion model.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        people: EncodedPeople,
        projector: Projector,
        config: TrainConfig,
        warm_start: WarmStart = "no",
    ):
        if not projector.needs_face:
            raise StableIdentityError(
                f"{projector.method} does not look at faces, so it has nothing to learn over many people. Choose "
                f"{methods_with_a_face()}."
            )
        self.name = ""
        self.backend = backend
        self.people = people
        self.config = config
        self.warm_start: WarmStart = warm_start
        self.projector = projector.to(backend.device).requires_grad_(True).train()
        self.optimizer = new_optimizer(self.projector, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.loss_scale = LossScale()
        self.step = 0
        self.finite_guard = FiniteGuard(backend.device)

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step; raises as TrainingRun does."""
        for (report,) in train_together([self]):
            yield report

    @property
    def source(self) -> Source:
        """What the draws come from: everybody's views."""
        return Source(faces=[], generator=self.generator, pool=self.people.learned)

    def computing(self) -> AbstractContextManager[None]:
        """Inside, the model computes as the settings ask; outside it does as it was loaded."""
        return self.backend.computing(compute_settings(self.config))

    def known(self, name_spaces: Sequence[NameSpace]) -> int:
        """How many of the people are known, where that counts."""
        return 0 if self.warm_start == "no" else len(known_places(self.people.titles, name_spaces))

    def start_known(self, name_spaces: Sequence[NameSpace]) -> None:
        """Begin among the people whose titles are names that the text encoder knows.

        Raises:
            StableIdentityError: they are too few, see `fit_known`.
        """
        known = known_places(self.people.titles, name_spaces)
        words = {name: torch.stack([pair[name] for pair in known.values()]) for name in next(iter(known.values()), {})}
        features = self.people.features[list(known)]
        fit_known(self.projector, features, words, name_spaces, self.config.seed, self.backend.check_cancelled)

    @cached_property
    def held_out(self) -> ValidationSet | None:
        """Draws of the people kept aside, the same for all measurements; None where there is nobody."""
        if self.people.held_out is None:
            return None
        source = Source(faces=[], generator=torch.Generator().manual_seed(SEED), pool=self.people.held_out)
        return ValidationSet(self.backend, [source], self.config)

    def held_out_losses(self) -> Tensor | None:  # [draws]
        """Losses on the people kept aside."""
        return self.held_out and self.held_out.each([self.projector])[0]

    @cached_property
    def work(self) -> str:
        """Hash of what this run learns from; a checkpoint belongs to it."""
        parts = [self.people.fingerprint, self.backend.fingerprint()]
        parts += [fingerprint_tensors(self.projector.fixed().items(), samples=WHOLE), self.warm_start]
        if self.warm_start != "no":
            parts += self.people.titles
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]

    def save(self, path: Path) -> None:
        """Write everything needed to go on later, atomically, as safetensors; raises as the steps do."""
        self.finite_guard.check()
        save_checkpoint(self, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same people, model, names and settings."""
        load_checkpoint(self, path)
