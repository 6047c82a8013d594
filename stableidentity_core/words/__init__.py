from .basis import CelebBasisProjector
from .coefficients import read_coefficients
from .free import TextualInversionProjector, start_words
from .method import METHODS, Method, Projector
from .names import NameSpace, build_name_space, celebrity_names
from .place import PromptRows, place_words, prompt_rows
from .projector import StableIdentityProjector
from .trained import TrainedProjector, needs_face

__all__ = [
    "METHODS",
    "CelebBasisProjector",
    "Method",
    "NameSpace",
    "Projector",
    "PromptRows",
    "StableIdentityProjector",
    "TextualInversionProjector",
    "TrainedProjector",
    "build_name_space",
    "celebrity_names",
    "needs_face",
    "place_words",
    "prompt_rows",
    "read_coefficients",
    "start_words",
]
