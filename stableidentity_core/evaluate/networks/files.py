"""Reading the weights of networks that measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...encode.weight_file import WeightFile, load_strictly, read_weight_file
from ...fingerprint import fingerprint_tensors

CHUNK = 16  # pictures at a time
Network = TypeVar("Network", bound=nn.Module)


def load_network(network: Network, path: Path, what: str) -> tuple[Network, str]:
    """Load a file's weights into a network and freeze it; gives the network and the hash of the weights.

    Raises:
        MissingFileError: no such file.
        StableIdentityError: a damaged file, or one of another network.
    """
    file = read_weight_file(path)
    load_strictly(network, file, what)
    return network.float().eval().requires_grad_(False), hash_of(file)


def hash_of(file: WeightFile) -> str:
    return fingerprint_tensors(file.tensors.items())


def in_chunks(compute: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """Apply a network to a few pictures at a time, without gradients; the result is on the CPU."""
    shown = pictures.float() if len(pictures) else torch.zeros(1, *pictures.shape[1:])  # networks refuse empty batches
    with torch.no_grad():
        return torch.cat([compute(part).cpu() for part in shown.split(CHUNK)])[: len(pictures)]
