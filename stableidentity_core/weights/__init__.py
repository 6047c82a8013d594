from .check import difference
from .download import download, take_from_folder
from .lookup import facexlib_folder, find, locate
from .part import DownloadError
from .table import NEEDED, WEIGHTS, get_weight
from .weight import Weight

__all__ = [
    "NEEDED",
    "WEIGHTS",
    "DownloadError",
    "Weight",
    "difference",
    "download",
    "facexlib_folder",
    "find",
    "get_weight",
    "locate",
    "take_from_folder",
]
