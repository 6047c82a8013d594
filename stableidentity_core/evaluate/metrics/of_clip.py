"""What metrics of whole pictures have in common that are measured with an encoder of pictures and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .features import PictureVectors
from .instruments import Instruments, PicturesAndTexts, label_of, suffix_of

if TYPE_CHECKING:
    from typing_extensions import Self


class OfClip:
    """A metric that exists once for each pair of encoders; all but the first give name and title a suffix."""

    name = title = ""

    def __init__(self, clip: PicturesAndTexts, *, first: bool = True):
        self.clip = clip
        self.pictures = PictureVectors(clip)
        if not first:
            self.name, self.title = f"{self.name}_{suffix_of(clip)}", f"{self.title} ({label_of(clip)})"

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[Self]:
        return [cls(clip, first=not number) for number, clip in enumerate(instruments.clips)]
