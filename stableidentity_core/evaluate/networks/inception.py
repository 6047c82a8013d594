"""Inception v3 as FID's authors used it: TensorFlow's network of 2015-12-05, in the weights of torch-fidelity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import Inception3

from ...devices import device_of
from ...shapes import check_shape
from ..metrics.instruments import PictureFeatures
from .files import in_chunks, load_network

SIDE, CLASSES, WIDTH = 299, 1008, 2048
_AVERAGING = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7b")


def load_inception(path: Path, device: str | torch.device = "cpu") -> PictureFeatures:
    """The 2,048 features of the last pooling layer of pictures [N, 3, H, W] in 0..1.

    Args:
        path: torch-fidelity's `weights-inception-2015-12-05-6726825d.pth`.

    Raises:
        MissingFileError: no such file.
        StableIdentityError: a damaged file, or one of another network.
    """
    network, digest = load_network(tensorflow_inception(), path, "Inception v3 of 2015-12-05")
    network.fc = nn.Identity()
    network.to(device)

    def features(pictures: Tensor) -> Tensor:
        check_shape(pictures, "n 3 h w", "pictures")
        return in_chunks(lambda part: network(preprocess(part).to(device_of(network))), pictures)

    return PictureFeatures(name=f"inception:{digest}", features=features)


def tensorflow_inception() -> Any:
    """torchvision's network with TensorFlow's pooling: averages leave out the padding, the last block takes maxima."""
    network = Inception3(num_classes=CLASSES, aux_logits=False, transform_input=False, init_weights=False)
    for name in _AVERAGING:
        getattr(network, name).branch_pool.register_forward_pre_hook(_without_padding)
    _pool_by_maximum(network.Mixed_7c)
    return network


def preprocess(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 -> [N, 3, 299, 299] in -1..1, of 8 bits and resized as TensorFlow 1 does."""
    pixels = (pictures * 255).round()
    for axis in (-2, -1):
        pixels = _resize_axis(pixels, axis)
    return (pixels - 128) / 128


def _resize_axis(pictures: Tensor, axis: int) -> Tensor:
    """Linear interpolation at multiples of the scale, from corner to corner and without antialiasing."""
    length = pictures.shape[axis]
    at = torch.arange(SIDE, dtype=torch.float64) * (length / SIDE)
    low = at.long()
    high = (low + 1).clamp(max=length - 1)
    share = (at - low).float().to(pictures.device)
    share = share[:, None] if axis == -2 else share
    low, high = low.to(pictures.device), high.to(pictures.device)
    return torch.lerp(pictures.index_select(axis, low), pictures.index_select(axis, high), share)


def _without_padding(_module: nn.Module, args: tuple[Tensor]) -> Tensor:
    """Averages over 3x3 pixels of which some are padding -> averages over the others."""
    (averages,) = args
    counts = F.avg_pool2d(torch.ones_like(averages[:1, :1]), 3, stride=1, padding=1)
    return averages / counts


def _pool_by_maximum(block: Any) -> None:
    seen: list[Tensor] = []
    block.register_forward_pre_hook(lambda _block, args: seen.append(args[0]))
    block.branch_pool.register_forward_pre_hook(lambda _branch, _args: F.max_pool2d(seen.pop(), 3, stride=1, padding=1))
