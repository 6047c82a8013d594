"""timm face recognition networks, published with a config.json that names the architecture.

The published ones (gau-nernst/timm-face, trained on MS1MV3) take ArcFace-aligned images of 112 pixels
and output 512 values from the layer that timm calls the classifier; the classification weights of
the training are not in the file. So a classifier with the width of an embedding is kept as the
embedding; any other is removed, and its input is the feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode

from ..devices import device_of
from ..errors import StableIdentityError
from ..fingerprint import fingerprint_tensors
from ..optional import optional_import
from .config_fields import three_numbers
from .crop import ARCFACE_BOX, ARCFACE_SIZE, FACE_BOX, crop_face, resize
from .weight_file import WeightFile, load_strictly

LICENCE = "not stated (timm-face's weights: trained on MS1MV3, photos for research only)"
EMBEDDINGS = (128, 256, 512)  # widths of face embeddings that are not class counts of common datasets
MAX_SIDE = 2048  # of the input images
_COUNTS = ("depth", "depths", "layers", "num_layers", "num_blocks")
_SMALL = 1024  # sizes up to this are always accepted
_NOT_OF_A_NETWORK = ("pretrained", "checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay")
_INTERPOLATIONS = {mode.value: mode for mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)}


class TimmFace:
    """A timm network as face encoder: [B, 3, S, S] in 0..1 -> [B, F].

    Networks with 112-pixel input get ArcFace's crop, others the crop of the paper's encoder; timm's
    own `crop_pct` is made for object photos and is ignored.

    Args:
        model: normalised images [B, 3, h, w] -> [B, F].
        settings: `input_size` (3, h, w), `mean`, `std` and `interpolation`, as in timm's pretrained_cfg.
        name: what was loaded, with a hash of its weights.
        licence: of the weights.

    Raises:
        StableIdentityError: the network does not output one vector per image.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, Any], *, name: str, licence: str):
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.licence = licence
        _, self.height, self.width_of_input = settings["input_size"]
        self.box = ARCFACE_BOX if self.height == self.width_of_input == ARCFACE_SIZE else FACE_BOX
        self.mean, self.std = list(settings["mean"]), list(settings["std"])
        self.interpolation = _INTERPOLATIONS[settings["interpolation"]]
        found = _shape_of_output(self.model, self.height, self.width_of_input, name)
        if len(found) != 2:
            raise StableIdentityError(
                f"{name} outputs {list(found)} for one picture, needed [1, width]: its config.json turns pooling off. "
                "Set global_pool in it, or choose another network."
            )
        self.width = found[1]

    def preprocess(self, portraits: Tensor) -> Tensor:
        """Crop, resize and normalise."""
        faces = resize(crop_face(portraits, self.box), self.height, self.width_of_input, self.interpolation)
        return TF.normalize(faces, self.mean, self.std)

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        with torch.no_grad():
            pixels = self.preprocess(portraits)
            pixels = pixels.flip(-1) if mirrored else pixels
            return self.model(pixels.to(device_of(self.model))).to(portraits.device)


def is_timm(file: WeightFile) -> bool:
    """Whether config.json names a timm architecture, or the weights have the key names of timm's ViT."""
    named = file.config is not None and isinstance(file.config.get("architecture"), str)
    return named or file.tensors.keys() >= {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight"}


def build_timm(file: WeightFile) -> TimmFace:
    """Build the encoder from weights in memory and the config.json that timm saves with them.

    Raises:
        StableIdentityError: no config.json, an architecture unknown to this timm version, or weights that do not fit.
        MissingPackageError: timm is not installed or broken.
    """
    timm = optional_import("timm", feature="A timm face encoder", install="pip install timm")
    architecture, pretrained_cfg, classes, arguments = _parts(file)
    if not timm.is_model(architecture):
        raise StableIdentityError(
            f"{file.config_path} names the architecture {architecture!r}, which timm {timm.__version__} does not have. "
            "Update timm (pip install timm --upgrade), or choose another network."
        )
    try:
        model = timm.create_model(
            architecture, pretrained=False, pretrained_cfg=dict(pretrained_cfg), num_classes=classes, **arguments
        )
        settings = timm.data.resolve_data_config(pretrained_cfg=dict(pretrained_cfg))
    except Exception as error:  # timm accepts any arguments and raises many types for bad ones
        raise StableIdentityError(
            f"{file.config_path} describes a network {architecture} that timm {timm.__version__} cannot build: {error} "
            f"({type(error).__name__}). "
            "Download it again, or update timm (pip install timm --upgrade)."
        ) from error
    _check_settings(settings, file)
    load_strictly(model, file, f"{architecture} for its config.json")
    if classes not in (0, *EMBEDDINGS):
        model.reset_classifier(0)
    name = f"timm:{architecture}:{fingerprint_tensors(file.tensors.items())}"
    licence = pretrained_cfg.get("license")
    return TimmFace(model, settings, name=name, licence=licence if licence and isinstance(licence, str) else LICENCE)


def _parts(file: WeightFile) -> tuple[str, Mapping[str, Any], int, Mapping[str, Any]]:
    """Architecture, pretrained_cfg, number of classes and further arguments, as timm's `save_for_hf` writes them."""
    config = file.config
    if config is None:
        raise StableIdentityError(
            f"{file.path} looks like a timm network, but there is no config.json next to it that names the "
            f"architecture. Put the one that was published with it into {file.path.parent}."
        )
    architecture, pretrained_cfg = config.get("architecture"), config.get("pretrained_cfg")
    described = pretrained_cfg if isinstance(pretrained_cfg, Mapping) else {}
    classes = config.get("num_classes", described.get("num_classes"))
    arguments = config.get("model_args") or {}
    sound = isinstance(pretrained_cfg, Mapping) and type(classes) is int and isinstance(arguments, Mapping)
    if not (isinstance(architecture, str) and sound):
        raise StableIdentityError(
            f"{file.config_path} has {', '.join(sorted(config)) or 'nothing'}; needed architecture, num_classes and "
            "pretrained_cfg, as timm saves them. Download it again."
        )
    assert isinstance(pretrained_cfg, Mapping) and isinstance(classes, int)
    _check_arguments({**arguments, "num_classes": classes}, file)
    return architecture, pretrained_cfg, classes, {k: v for k, v in arguments.items() if k != "num_classes"}


def _check_arguments(arguments: Mapping[str, Any], file: WeightFile) -> None:
    """Raise for arguments that refer to other files, or that make the network far larger than the weights."""
    sides = [side for tensor in file.tensors.values() for side in tensor.shape]
    largest = max([_SMALL, *sides])
    for name, value in arguments.items():
        most = len(file.tensors) if name in _COUNTS else largest
        numbers = [number for number in _flat(value) if isinstance(number, int | float)]
        if name in _NOT_OF_A_NETWORK or any(not -1 <= number <= most for number in numbers):
            raise StableIdentityError(
                f"{file.config_path} sets the network argument {name} to {value!r:.80}, which does not fit the "
                f"{len(file.tensors)} tensors next to it. Download both again from the same source."
            )


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [inner for item in value for inner in _flat(item)]
    return [value]


def _shape_of_output(model: nn.Module, height: int, width: int, name: str) -> tuple[int, ...]:
    try:
        with torch.no_grad():
            return tuple(model(torch.zeros(1, 3, height, width)).shape)
    except Exception as error:  # another input size, or several outputs
        raise StableIdentityError(
            f"{name} does not accept a picture of {width}x{height} pixels, the size in its config.json: {error}. "
            "Download config.json again from the source of the weights."
        ) from error


def _check_settings(settings: Mapping[str, Any], file: WeightFile) -> None:
    size, mean, std = settings["input_size"], settings["mean"], settings["std"]
    sized = isinstance(size, list | tuple) and len(size) == 3 and size[0] == 3
    if not sized or not all(type(side) is int and 1 <= side <= MAX_SIDE for side in size):
        raise StableIdentityError(
            f"{file.config_path} has the input size {size!r:.80}, needed [3, height, width] with at most {MAX_SIDE} "
            "pixels per side. Choose a network for RGB pictures."
        )
    if not three_numbers(mean) or not three_numbers(std) or min(std) <= 0:
        raise StableIdentityError(
            f"{file.config_path} has mean {mean!r:.80} and std {std!r:.80}, needed three numbers each, with std above "
            "0. Choose a network for RGB pictures."
        )
    if not isinstance(settings["interpolation"], str) or settings["interpolation"] not in _INTERPOLATIONS:
        raise StableIdentityError(
            f"{file.config_path} has the interpolation {settings['interpolation']!r:.80}, needed one of "
            f"{', '.join(_INTERPOLATIONS)}. Change it to the closest one."
        )
