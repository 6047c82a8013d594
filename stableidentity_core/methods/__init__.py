"""The methods that turn a face into words."""

from .base import METHODS, Method, Projector
from .celeb_basis import CelebBasisProjector
from .coefficients import read_coefficients
from .stableidentity import StableIdentityProjector
from .textual_inversion import TextualInversionProjector, start_words
from .trained import TrainedProjector, needs_face

__all__ = [
    "METHODS",
    "CelebBasisProjector",
    "Method",
    "Projector",
    "StableIdentityProjector",
    "TextualInversionProjector",
    "TrainedProjector",
    "needs_face",
    "read_coefficients",
    "start_words",
]
