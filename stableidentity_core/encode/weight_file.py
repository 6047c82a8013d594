"""The file or folder of a face encoder: its weights and the config.json beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..files.readable import files_in, read_json_object, stands_at
from ..files.tensors import read_any_tensors

REPOSITORY = "jayanta/vit-base-patch16-224-in21k-face-recognition"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
LONGEST_NAME = 500
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightFile:
    """Named tensors of one network, and what its config.json says."""

    path: Path  # of the weights
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] | None  # None without a config.json

    @property
    def config_path(self) -> Path:
        return self.path.with_name("config.json")

    @property
    def first_keys(self) -> list[str]:
        """The first names, which tell a person what the file is."""
        return sorted(self.tensors)[:3]


def read_weight_file(path: str | Path) -> WeightFile:
    """Read a `.safetensors`, or a torch file of plain tensors, or the one of them in a folder.

    Raises:
        MissingFileError: nothing at the path, or a folder without weights.
        StableIdentityError: several files to choose from, a damaged file, or one that holds more than tensors.
    """
    weights = _weights_at(Path(path))
    content = read_any_tensors(weights)[0]
    if not isinstance(content, Mapping):
        raise StableIdentityError(
            f"{weights} holds a {type(content).__name__}, needed the named weights of a face encoder. "
            "Choose another file."
        )
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise StableIdentityError(
            f"{weights} holds {len(others)} entries that are no weights, the first is {others[0]!r}: it looks like the "
            "state of a training. Choose a file of weights alone."
        )
    odd = [key for key in content if not str(key).isprintable() or len(str(key)) > LONGEST_NAME]
    if odd:
        raise DamagedFileError(f"{weights} holds {len(odd)} tensors whose names are no names. Choose another file.")
    tensors = {str(key): value for key, value in content.items()}
    return WeightFile(path=weights, tensors=tensors, config=read_config(weights.with_name("config.json")))


def read_config(path: Path) -> Mapping[str, Any] | None:
    """A JSON object, or None where there is no such file.

    Raises:
        DamagedFileError: there is one, but not of a JSON object.
    """
    return None if stands_at(path) == "nothing" else read_json_object(path, "the configuration of a network")


def check_axes(tensors: Mapping[str, Tensor], axes: Mapping[str, int], path: Path) -> None:
    """Raise unless tensors that tell the sizes of a network are there and have so many axes, none of them empty.

    Raises:
        DamagedFileError: naming the first that is missing or has another shape.
    """
    for name, count in axes.items():
        shape = list(tensors[name].shape) if name in tensors else None
        if shape is None or len(shape) != count or 0 in shape:
            found = "is missing" if shape is None else f"has the shape {shape}"
            raise DamagedFileError(
                f"{path} is not whole: {name} {found}, needed a tensor of {count} axes. Download it again."
            )


def missing_encoder_message(path: Path) -> str:
    """What to fetch and where to put it."""
    return (
        f"No face encoder at {path}. Download model.safetensors (343 MB; revision refs/pr/1) or pytorch_model.bin "
        f"(343 MB) and config.json from https://huggingface.co/{REPOSITORY} into that folder, or type, in the pack's "
        "folder: python -m stableidentity_core download fr_vit fr_vit_config --models MODELS_FOLDER"
    )


def load_strictly(network: nn.Module, file: WeightFile, what: str) -> None:
    """Give a network all weights of a file.

    Raises:
        StableIdentityError: one is missing, left over, or of another shape; the message names the first of each.
    """
    own = network.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # of training; old files lack them
    missing = sorted(own.keys() - file.tensors.keys() - counters)
    unexpected = sorted(file.tensors.keys() - own.keys())
    unfit = sorted(key for key in own.keys() & file.tensors.keys() if not _alike(own[key], file.tensors[key]))
    if missing or unexpected or unfit:
        kinds = {"missing": missing, "unexpected": unexpected, "mismatched": unfit}
        counts = ", ".join(
            f"{len(keys)} {kind} keys (e.g. {keys[0]})" if keys else f"0 {kind} keys" for kind, keys in kinds.items()
        )
        raise StableIdentityError(f"{file.path} is not a complete {what}: {counts}. Download it again.")
    network.load_state_dict({key: file.tensors.get(key, value) for key, value in own.items()})


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point()


def _weights_at(path: Path) -> Path:
    standing = stands_at(path)
    if standing == "file":
        return path
    files = [file for file in files_in(path) if file.suffix.lower() in SUFFIXES] if standing == "folder" else []
    for name in WEIGHT_FILES:
        if path / name in files:
            return path / name
    if not files:
        raise MissingFileError(missing_encoder_message(path))
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:4])
        raise StableIdentityError(f"{path} holds {len(files)} files of weights ({names}). Choose one of them.")
    return files[0]
