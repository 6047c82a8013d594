"""LPIPS 0.1 with AlexNet (arXiv 1801.03924): how different pictures look."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import AlexNet

from ...devices import device_of
from ...encode.weight_file import read_weight_file
from ...errors import StableIdentityError
from ...shapes import check_shape
from ..metrics.instruments import PictureDistance
from .files import CHUNK, hash_of, load_network

# LPIPS scales pictures in -1..1 by these, which are rounded values of ImageNet's means and deviations in 0..1.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LAYERS = (1, 4, 7, 9, 11)  # the ReLUs among AlexNet's features
WIDTHS = (64, 192, 384, 256, 256)
EPSILON = 1e-10  # added to lengths, some of which are 0
SMALLEST = 31  # pixels; smaller pictures are pooled away


def load_lpips(alexnet: Path, heads: Path, device: str | torch.device = "cpu") -> PictureDistance:
    """LPIPS between all pictures of two sets; AlexNet sees each picture once.

    Args:
        alexnet: torchvision's `alexnet-owt-7be5be79.pth`.
        heads: `alex.pth` of LPIPS 0.1, the weights of AlexNet's channels.

    Raises:
        MissingFileError: no such file.
        StableIdentityError: a damaged file, or one of another network.
    """
    network, digest = load_network(AlexNet(), alexnet, "AlexNet")
    layers = nn.Sequential(*list(network.features.children())[: LAYERS[-1] + 1]).to(device)
    weights, heads_digest = _read_heads(heads)

    def between(a: Tensor, b: Tensor) -> Tensor:
        for name, pictures in {"a": a, "b": b}.items():
            side = check_shape(pictures, "n 3 s s", name)["s"]
            if side < SMALLEST:
                raise StableIdentityError(f"LPIPS needs pictures of at least {SMALLEST} pixels, got {side}.")
        maps = feature_maps(layers, a)
        return distances(maps, maps if b is a else feature_maps(layers, b), weights)

    return PictureDistance(name=f"lpips_alex:{digest}:{heads_digest}", between=between)


def feature_maps(layers: nn.Sequential, pictures: Tensor) -> list[Tensor]:
    """Pictures [N, 3, S, S] in 0..1 -> for each layer [N, C, h, w], of length 1 along C, on the CPU."""
    shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
    found: list[list[Tensor]] = [[] for _layer in LAYERS]
    with torch.no_grad():
        for part in pictures.float().split(CHUNK):
            values = ((part * 2 - 1 - shift.to(part)) / scale.to(part)).to(device_of(layers))
            for number, layer in enumerate(layers):
                values = layer(values)
                if number in LAYERS:
                    length = values.square().sum(1, keepdim=True).sqrt()
                    found[LAYERS.index(number)].append((values / (length + EPSILON)).cpu())
    return [torch.cat(parts) for parts in found]


def distances(a: list[Tensor], b: list[Tensor], weights: list[Tensor]) -> Tensor:
    """Sums over layers of weighted squared differences, averaged over places: maps of A and B pictures -> [A, B].

    The squares are expanded to products of matrices, in float64 since they nearly cancel for similar pictures.
    """
    return torch.stack([_of_layer(*layer) for layer in zip(a, b, weights, strict=True)]).sum(0).clamp(min=0)


def _of_layer(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    weighted = a.double() * (weights.double()[:, None, None] / a[0, 0].numel())
    lengths = [(maps.double().square() * weights.double()[:, None, None]).mean((2, 3)).sum(1) for maps in (a, b)]
    products = weighted.flatten(1) @ b.double().flatten(1).T
    return lengths[0][:, None] + lengths[1] - 2 * products


def _read_heads(path: Path) -> tuple[list[Tensor], str]:
    file = read_weight_file(path)
    names = [f"lin{number}.model.1.weight" for number in range(len(WIDTHS))]
    shapes = [list(file.tensors[name].shape) if name in file.tensors else None for name in names]
    if shapes != [[1, width, 1, 1] for width in WIDTHS] or len(file.tensors) != len(names):
        raise StableIdentityError(
            f"{path} has {len(file.tensors)} tensors (e.g. {file.first_keys}), needed the {len(names)} of LPIPS 0.1 "
            f"for AlexNet, {names[0]} to {names[-1]}. Download it again."
        )
    return [file.tensors[name].float().flatten() for name in names], hash_of(file)
