"""Training one projector on many people, so that a new face needs no training of its own."""

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
HELD_OUT = 20  # every twentieth person is held out
VIEWS = {"none": 1, "published": 8}  # of each person, by augmentation


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedPeople:
    """Encoded views of many people; their pictures, which would not fit into memory, are dropped."""

    learned: EncodedViews
    held_out: EncodedViews | None  # of people that are not trained on; None where there are too few
    people: int
    titles: tuple[str, ...]  # of those that are learned, such as the names of their files; may be empty texts
    features: Tensor  # [people that are learned, F] of their photos as they are
    first: Face  # one of them, with its feature
    fingerprint: str  # of the photos and features


def encode_people(backend: DiffusionBackend, photos: Iterable[tuple[str, Face]], config: TrainConfig) -> EncodedPeople:
    """Draw and encode views of people one after the other; every twentieth person is held out.

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
    """The training of one projector on many people.

    Args:
        backend: the frozen diffusion model.
        people: from `encode_people`, by the same settings.
        projector: of a method that looks at faces; trained in place.
        config: settings; each step draws `batch_size` people at random.
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
        """Where samples are drawn from: the views of all people."""
        return Source(faces=[], generator=self.generator, pool=self.people.learned)

    def computing(self) -> AbstractContextManager[None]:
        """Inside this context, the model computes with the precision and memory use of the settings."""
        return self.backend.computing(compute_settings(self.config))

    def known(self, name_spaces: Sequence[NameSpace]) -> int:
        """How many people have a title that is a name of the name spaces; 0 without a warm start."""
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
        """Validation draws of the held-out people, the same for all measurements; None where nobody is held out."""
        if self.people.held_out is None:
            return None
        source = Source(faces=[], generator=torch.Generator().manual_seed(SEED), pool=self.people.held_out)
        return ValidationSet(self.backend, [source], self.config)

    def held_out_losses(self) -> Tensor | None:  # [draws]
        """Losses on the held-out people."""
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
        """Write a checkpoint atomically as safetensors; raises the same errors as a training step."""
        self.finite_guard.check()
        save_checkpoint(self, path, self.work)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same people, model, names and settings."""
        load_checkpoint(self, path, self.work)
