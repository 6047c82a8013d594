from .names import NameSpace, build_name_space, celebrity_names
from .place import PromptRows, place_words, prompt_rows
from .projector import StableIdentityProjector, TrainedProjector

__all__ = [
    "NameSpace",
    "PromptRows",
    "StableIdentityProjector",
    "TrainedProjector",
    "build_name_space",
    "celebrity_names",
    "place_words",
    "prompt_rows",
]
