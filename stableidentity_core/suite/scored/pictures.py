"""The measurements of one person's pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...encode.protocol import FaceEncoder
from ...errors import StableIdentityError
from ...evaluate.metrics import Instruments, Metric, Sample, made_of
from ...evaluate.metrics.features import PHOTO_BOX, PHOTO_CROP
from ...evaluate.metrics.instruments import FindFaces
from ...evaluate.networks.aligned import as_face
from ...evaluate.networks.faces import recogniser_of
from ...fingerprint import fingerprint_tensors
from ...shapes import check_shape
from ..measure import values_of

SIMILARITY = "face_similarity"
PROMPT_SCORES = ("prompt_accuracy", "clip_t")  # the first that was measured is shown beside the similarity
# Metrics that need nobody else; all others compare people.
OF_ONE_PERSON = (
    SIMILARITY,
    "found_similarity",
    "detection_rate",
    *PROMPT_SCORES,
    "clip_i",
    "face_diversity",
    "trusted_face_diversity",
    "photo_distance",
    "copied",
)
OF_FINDING = ("found_similarity", "detection_rate")


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureScores:
    """What is known of pictures of one person by one method.

    Attributes:
        person: the name, such as anna.
        method: how the words were learned; in tables.
        photo: [3, S, S] in 0..1, the aligned portrait.
        pictures: [N, 3, H, W] uint8.
        prompts: N, with `{}` where the person is named.
        metrics: {name: what `suite.measure.values_of` gives}, of one person.
        networks: names of those that measured, the recogniser first.
        notes: what else a reader must know, a sentence each.
        drawn: people of the mini world.
    """

    person: str
    method: str
    photo: Tensor
    pictures: Tensor
    prompts: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, Any]]
    networks: tuple[str, ...]
    notes: tuple[str, ...] = ()
    drawn: bool = False

    def mean(self, metric: str) -> float | None:
        """The value of all pictures together; None if it is not defined or was not measured."""
        values = self.metrics.get(metric, {}).get("people")
        return values[0] if values else None

    def each(self, metric: str) -> list[float | None]:
        """Of each picture; None where it is not defined."""
        values = self.metrics.get(metric, {}).get("pictures")
        return values[0] if values else [None] * len(self.prompts)

    @property
    def prompt_score(self) -> str | None:
        """The metric that says how well the prompts are followed."""
        return next((name for name in PROMPT_SCORES if name in self.metrics), None)

    @property
    def face(self) -> str:
        """Different for each photo."""
        return fingerprint_tensors([("photo", self.photo)])


def score_pictures(
    pictures: Tensor,
    prompts: Sequence[str],
    photos: Sequence[Tensor],
    *,
    recogniser: FaceEncoder,
    find: FindFaces,
    side: int,
    others: Instruments | None = None,
    more: Sequence[Metric] = (),
    looked: bool = True,
    **about: Any,
) -> PictureScores:
    """Measure pictures of one person.

    Args:
        pictures: [N, 3, H, W] in 0..1.
        prompts: N, with `{}` where the person is named.
        photos: aligned portraits [3, S, S] in 0..1; the mean of their features is the person, and the first stands for
            them where pictures are compared with a photo.
        find: finds faces, with crops of `side` pixels.
        others: networks besides the finder and the recogniser: `clips` and `distance`.
        more: further metrics.
        looked: whether faces are looked for; otherwise how many were found is no measurement.
        about: further fields of PictureScores.

    Raises:
        ShapeError: other shapes or numbers.
        StableIdentityError: no photo, or a feature without a direction.
    """
    check_shape(pictures, "n 3 h w", "pictures", n=len(prompts))
    faces = torch.cat([as_face(photo, side) for photo in photos])
    embedded = recogniser_of(recogniser, {})
    person = str(about["person"])
    reference = F.normalize(embedded.embed(faces).mean(0), dim=-1)
    if not reference.isfinite().all() or not reference.any():
        raise StableIdentityError(
            f"Face encoder '{recogniser.name}' gave the photo a feature without a direction; its file may be damaged."
        )
    instruments = replace(
        others or Instruments(), find_faces=find, recognisers=(replace(embedded, references={person: reference}),)
    )
    known = {PHOTO_CROP: faces[:1], PHOTO_BOX: torch.tensor([[0.0, 0.0, side, side]])}
    sample = Sample(person=person, pictures=pictures, prompts=prompts, photo=photos[0], features=known)
    with torch.no_grad():
        wanted = [name for name in OF_ONE_PERSON if looked or name not in OF_FINDING]
        metrics = [metric for metric in made_of(instruments) if metric.name in wanted]
        found = {metric.name: values_of(metric, [sample]) for metric in [*metrics, *more]}
    return PictureScores(
        photo=photos[0].float().cpu(),
        pictures=(pictures.clamp(0, 1) * 255).round().byte().cpu(),
        prompts=tuple(prompts),
        metrics={name: found[name] for name in OF_ONE_PERSON if name in found},
        networks=_names(instruments),
        **about,
    )


def _names(instruments: Instruments) -> tuple[str, ...]:
    networks = [*instruments.recognisers, *instruments.clips, instruments.distance]
    return tuple(network.name for network in networks if network is not None)
