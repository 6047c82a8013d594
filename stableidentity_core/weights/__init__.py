from .check import difference
from .download import download, take_from_folder
from .lookup import facexlib_folder, find, find_all, locate
from .part import DownloadError
from .table import FOR_EVALUATION, NEEDED, WEIGHTS, get_weight
from .weight import Weight

__all__ = [
    "FOR_EVALUATION",
    "NEEDED",
    "WEIGHTS",
    "DownloadError",
    "Weight",
    "difference",
    "download",
    "facexlib_folder",
    "find",
    "find_all",
    "get_weight",
    "locate",
    "take_from_folder",
]
