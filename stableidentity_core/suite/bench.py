"""What the work of a suite is done with: one diffusion model, the photos, and the networks that measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..evaluate.metrics import Metric
from ..evaluate.metrics.instruments import FindFaces, Recogniser
from ..face.portrait import Face
from ..methods.trained import TrainedProjector
from ..text.names import NameSpace

if TYPE_CHECKING:
    from .spec import Suite


class Bench(Protocol):
    """One world on one device. What is not needed is not loaded."""

    suite: Suite
    device: str

    @property
    def people(self) -> Sequence[str]:
        """The people of the suite in their order, by the names of their photos."""
        ...

    def seed_of(self, person: str) -> int:
        """A whole number from 0, different for each person, whoever else is in the suite."""
        ...

    def photo(self, person: str) -> Tensor:
        """The aligned photo of a person, [3, S, S] in 0..1."""
        ...

    def photo_hash(self, person: str) -> str:
        """By the content of the photo and its masks."""
        ...

    def face(self, person: str, encoder: str = "") -> Face:
        """What is learned from, with the feature of the suite's face encoder or of another one.

        Raises:
            StableIdentityError: the photo cannot be used.
        """
        ...

    def encoder_name(self, encoder: str) -> str:
        """Of another face encoder, by the content of its weights.

        Raises:
            StableIdentityError: it cannot be used.
        """
        ...

    @property
    def backend(self) -> DiffusionBackend: ...

    def check_gradient(self, backend: DiffusionBackend) -> None:
        """Before the first training; raises TrainingError for gradients that cannot be right."""
        ...

    def projector(self, file: str) -> TrainedProjector:
        """A trained projector; the world's own where no file is named.

        Raises:
            StableIdentityError: it has none, or the file cannot be used.
        """
        ...

    def weight(self, name: str) -> Path:
        """A file of the table of weights.

        Raises:
            MissingFileError: it is not there; the message says how to download it.
            StableIdentityError: this world has no such files.
        """
        ...

    @property
    def name_spaces(self) -> list[NameSpace]: ...

    @property
    def names(self) -> Sequence[str]:
        """Of celebrities, whose pictures are compared with people's."""
        ...

    def metrics(self, compared: Tensor | None) -> list[Metric]:
        """All that can be measured here.

        Args:
            compared: Inception's features of the pictures that FID and KID compare with.
        """
        ...

    def face_judge(self) -> tuple[FindFaces, Recogniser]:
        """What finds and recognises the faces of people who are not the suite's; without references."""
        ...

    @property
    def inception_feature(self) -> str:
        """The name of the feature that FID and KID are computed from; empty where there is none."""
        ...

    def facts(self) -> dict[str, str]:
        """What results depend on beside the model, by content: encoder, names, and measuring (the networks that
        measure)."""
        ...

    def model_facts(self) -> dict[str, str]:
        """The same of the diffusion model, which is loaded for it: model, and decoder (what else of it makes
        pictures)."""
        ...

    def model_stamp(self) -> str:
        """Changes when the model's files do, by their names, sizes and times, without loading them; empty where that
        cannot be said."""
        ...


OpenBench = Callable[["Suite", str], Bench]  # of a suite, on a device
