"""Text-to-video UNets of the ModelScope family: their files, weight names and clip sizes."""

from .names import WeightName, weight_names
from .sizes import FULL, VideoSizes
from .video_size import PRESETS, VideoSize, check_clip
from .weights import VideoWeights, arrange, recognise

__all__ = [
    "FULL",
    "PRESETS",
    "VideoSize",
    "VideoSizes",
    "VideoWeights",
    "WeightName",
    "arrange",
    "check_clip",
    "recognise",
    "weight_names",
]
