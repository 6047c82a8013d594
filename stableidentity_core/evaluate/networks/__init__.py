"""Networks that measure pictures, from files that the command `download` places; no library fetches any."""

from .clip import load_clip
from .faces import check_recogniser, face_finder, load_recogniser, references_of
from .inception import load_inception
from .instruments import load_instruments
from .lpips import load_lpips

__all__ = [
    "check_recogniser",
    "face_finder",
    "load_clip",
    "load_inception",
    "load_instruments",
    "load_lpips",
    "load_recogniser",
    "references_of",
]
