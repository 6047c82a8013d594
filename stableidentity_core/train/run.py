"""The state of one person's training, which the loop advances; it can be saved and resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError, error_context
from ..face.portrait import Face
from ..fingerprint import WHOLE, fingerprint_tensors
from ..methods.base import Projector
from .batch import Source
from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig, compute_settings
from .finite_guard import FiniteGuard
from .loop import train_together
from .loss_scale import LossScale
from .optimizer import new_optimizer
from .photos import check_photos, mean_feature, without_features
from .scoring import ScoredSteps
from .step_report import StepReport
from .views import EncodedViews, encode_views


class TrainingRun:
    """The training of one person: projector, optimizer, random state and step count.

    Args:
        backend: the frozen diffusion model.
        faces: prepared photos of one person, of one size and each with its feature by one encoder, if the method
            looks at features. Each view is of one of them, drawn anew; with one photo nothing is drawn. Their order
            counts: it decides which is drawn.
        projector: maps features [B, F] to words {text space: [B, 2, D]}; trained in place.
        config: settings; the projector's own settings are taken as they are.
        name: of the person, which errors then say; for several people that are learned together.

    Raises:
        StableIdentityError: photos that do not go together, or a projector of another method than the settings'.
    """

    def __init__(
        self,
        backend: DiffusionBackend,
        faces: list[Face],
        projector: Projector,
        config: TrainConfig,
        name: str = "",
    ):
        if projector.method != config.method:
            raise StableIdentityError(
                f"The projector is of {projector.method}, the settings are for {config.method}. Make it for them."
            )
        check_photos(faces, projector.needs_face)
        self.name = name
        self.backend = backend
        self.faces = faces if projector.needs_face else without_features(faces)
        self.config = config
        self.projector = projector.to(backend.device).requires_grad_(True).train()
        self.optimizer = new_optimizer(self.projector, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.loss_scale = LossScale()
        self.step = 0
        self.scored: ScoredSteps | None = None  # where steps are scored
        self.finite_guard = FiniteGuard(backend.device)

    def __iter__(self) -> Iterator[StepReport]:
        """Train up to `config.steps`, yielding after each step.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero; on a GPU it is seen some steps later.
        """
        for (report,) in train_together([self]):
            yield report

    def computing(self) -> AbstractContextManager[None]:
        """Inside this context, the model computes with the precision and memory use of the settings."""
        return self.backend.computing(compute_settings(self.config))

    def words(self) -> dict[str, Tensor]:
        """The person's words {text space: [2, D]} so far, from the mean feature of the plain photos."""
        training = self.projector.training
        self.projector.eval()
        with torch.no_grad():
            words = self.projector(mean_feature(self.faces).to(self.backend.device))
        self.projector.train(training)
        return {space: value[0].float().cpu().clone() for space, value in words.items()}

    @cached_property
    def work(self) -> str:
        """Hash of what this run learns from: photos, model, initial projector and names; a checkpoint belongs to it."""
        parts = [face.fingerprint for face in self.faces]
        parts += [self.backend.fingerprint(), fingerprint_tensors(self.projector.fixed().items(), samples=WHOLE)]
        parts += [self.projector.origin.get("start", "")]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically as safetensors; raises the same errors as a training step."""
        self.finite_guard.check()
        save_checkpoint(self, path, self.work, self.scored)

    def load(self, path: Path) -> None:
        """Resume from a checkpoint of the same photos, model, names and settings (a larger `steps` is allowed)."""
        load_checkpoint(self, path, self.work, self.scored)

    @property
    def source(self) -> Source:
        """Where this person's training samples are drawn from."""
        with error_context(self.name):
            return Source(faces=self.faces, generator=self.generator, pool=self._pool, name=self.name)

    def held_out_source(self, generator: torch.Generator) -> Source:
        """The same photos for validation draws, which never come from the cached views."""
        with error_context(self.name):
            return Source(faces=self.faces, generator=generator, plain=self._plain, name=self.name)

    @cached_property
    def _pool(self) -> EncodedViews | None:
        """Cached views, where the settings ask for them; made from the seed alone, so a resumed run has the same."""
        if not self.config.cached_views:
            return None
        generator = torch.Generator().manual_seed(self.config.seed)
        turns = islice(cycle(self.faces), max(self.config.cached_views, len(self.faces)))  # every photo has its share
        return encode_views(self.backend, list(turns), self.config, generator)

    @cached_property
    def _plain(self) -> EncodedViews | None:
        if self.config.augmentation != "none":
            return None
        return encode_views(self.backend, self.faces, self.config, torch.Generator())  # nothing is drawn
