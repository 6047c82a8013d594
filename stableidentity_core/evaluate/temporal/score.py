"""Face similarity along a clip: of each frame to the photo, and of each frame to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ...encode import FaceEncoder
from ...errors import NoFaceError, StableIdentityError
from ...face import Face, FaceDetector
from ...face.prepare import Choice, aligned_portrait
from ..similarity import direction

LARGEST = Choice()


@dataclass(frozen=True)
class Series:
    """Similarities -1..1 in the order of the frames; None where a face is missing."""

    values: tuple[float | None, ...]

    @property
    def known(self) -> dict[int, float]:
        """{place from 0 on: value} of those that are there."""
        return {place: value for place, value in enumerate(self.values) if value is not None}

    @property
    def mean(self) -> float | None:
        """Over those that are there; None without any."""
        return sum(self.known.values()) / len(self.known) if self.known else None

    @property
    def least(self) -> int | None:
        """Place of the smallest value, the first of equal ones; None without any."""
        return min(self.known, key=self.known.__getitem__, default=None)


@dataclass(frozen=True, kw_only=True)
class TemporalScore:
    """The score of a clip of F frames. Frames are counted from 0 here, and from 1 in texts and plots."""

    encoder: str
    looked: bool  # for faces; else all frames were taken as aligned portraits
    faces: tuple[bool, ...]  # [F]
    to_photo: Series | None  # [F], of several photos the mean; None without a photo
    to_next: Series  # [F - 1], of frames i and i + 1
    first_to_last: float | None  # of the first and the last frame with a face; None where they are the same

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last frame with a face."""
        there = [frame for frame, found in enumerate(self.faces) if found]
        return there[0], there[-1]

    @property
    def missing(self) -> list[int]:
        """Frames without a face."""
        return [frame for frame, found in enumerate(self.faces) if not found]


def score_clip(
    frames: Iterable[Tensor],  # F pictures [C, H, W] in 0..1
    encoder: FaceEncoder,
    photos: Iterable[Face | Tensor] = (),
    *,
    detector: FaceDetector | None = None,
    choice: Choice = LARGEST,
    on_frame: Callable[[int], None] | None = None,
) -> TemporalScore:
    """Score a clip.

    Args:
        photos: of the person, as Prepare Face makes them or aligned portraits [3, S, S]; none leaves frame to photo
            out.
        detector: None takes the frames as aligned, square portraits.
        choice: which face of a frame; each frame is looked at by itself.
        on_frame: called after each frame with the number of frames done.

    Raises:
        NoFaceError: no face in any frame.
        StableIdentityError: no frames, or one that cannot be used; the message names it.
    """
    references = [direction(encoder, photo, f"photo {number}") for number, photo in enumerate(photos, start=1)]
    features: list[Tensor | None] = []
    refused: NoFaceError | None = None
    for number, frame in enumerate(frames, start=1):
        try:
            face = aligned_portrait(frame, detector=detector, choice=choice)
            features.append(direction(encoder, face, "its face"))
        except NoFaceError as error:
            refused = refused or error
            features.append(None)
        except StableIdentityError as error:
            raise type(error)(f"Frame {number}: {error}") from error
        if on_frame is not None:
            on_frame(number)
    if refused is not None and not any(feature is not None for feature in features):
        raise NoFaceError(f"No face in any of the clip's {len(features)} frames. The first one: {refused}")
    return compare(features, references, encoder=encoder.name, looked=detector is not None)


def compare(
    features: Sequence[Tensor | None],  # F directions [D], or None for a frame without a face
    references: Sequence[Tensor],  # of the photos
    *,
    encoder: str,
    looked: bool,
) -> TemporalScore:
    """The score of features of length 1.

    Raises:
        StableIdentityError: no frame, or none with a face.
    """
    there = [feature for feature in features if feature is not None]
    if not there:
        raise StableIdentityError(
            f"The clip has {len(features)} frames and a face in none of them, needed at least one. Look at the node "
            "or file that it comes from."
        )
    photo = torch.stack(list(references)).mean(0) if references else None  # the mean cosine is that to the mean
    return TemporalScore(
        encoder=encoder,
        looked=looked,
        faces=tuple(feature is not None for feature in features),
        to_photo=None if photo is None else Series(tuple(_cosine(feature, photo) for feature in features)),
        to_next=Series(tuple(_cosine(one, other) for one, other in pairwise(features))),
        first_to_last=_cosine(there[0], there[-1]) if len(there) > 1 else None,
    )


def _cosine(one: Tensor | None, other: Tensor | None) -> float | None:
    return None if one is None or other is None else torch.dot(one, other).item()
