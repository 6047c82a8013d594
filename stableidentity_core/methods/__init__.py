"""The methods that turn a face into words."""

from .base import Projector, Start
from .celeb_basis import CelebBasisProjector
from .coefficients import read_coefficients
from .registry import METHODS, all_settings, get_method
from .settings import Setting
from .stableidentity import StableIdentityProjector
from .textual_inversion import TextualInversionProjector
from .trained import TrainedProjector

__all__ = [
    "METHODS",
    "CelebBasisProjector",
    "Projector",
    "Setting",
    "StableIdentityProjector",
    "Start",
    "TextualInversionProjector",
    "TrainedProjector",
    "all_settings",
    "get_method",
    "read_coefficients",
]
