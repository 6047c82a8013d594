"""The file or folder of a face encoder: its weights and the config.json next to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..files.readable import files_in, path_kind, read_json_object
from ..files.tensors import read_any_tensors

REPOSITORY = "jayanta/vit-base-patch16-224-in21k-face-recognition"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
LONGEST_NAME = 500
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightFile:
    """Named tensors of one network, and its config.json."""

    path: Path  # of the weights
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] | None  # None without a config.json

    @property
    def config_path(self) -> Path:
        return self.path.with_name("config.json")

    @property
    def first_keys(self) -> list[str]:
        """The first names, for messages."""
        return sorted(self.tensors)[:3]


def read_weight_file(path: str | Path) -> WeightFile:
    """Read a `.safetensors` file or a torch file of plain tensors, or the only such file in a folder.

    Raises:
        MissingFileError: nothing at the path, or a folder without weights.
        StableIdentityError: several files to choose from, a damaged file, or one that contains more than tensors.
    """
    weights = _weights_at(Path(path))
    content = read_any_tensors(weights)[0]
    if not isinstance(content, Mapping):
        raise StableIdentityError(
            f"{weights} contains a {type(content).__name__}, needed the named weights of a face encoder. "
            "Choose another file."
        )
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise StableIdentityError(
            f"{weights} contains {len(others)} entries that are not weights, the first is {others[0]!r}: it looks like "
            "a training checkpoint. Choose a file with only weights."
        )
    odd = [key for key in content if not str(key).isprintable() or len(str(key)) > LONGEST_NAME]
    if odd:
        raise DamagedFileError(f"{weights} contains {len(odd)} tensors with invalid names. Choose another file.")
    tensors = {str(key): value for key, value in content.items()}
    return WeightFile(path=weights, tensors=tensors, config=read_config(weights.with_name("config.json")))


def read_config(path: Path) -> Mapping[str, Any] | None:
    """A JSON object, or None if there is no such file.

    Raises:
        DamagedFileError: the file is not a JSON object.
    """
    return None if path_kind(path) == "nothing" else read_json_object(path, "the configuration of a network")


def check_axes(tensors: Mapping[str, Tensor], axes: Mapping[str, int], path: Path) -> None:
    """Check that the tensors that a network's sizes are read from exist and have the given number of non-empty axes.

    Raises:
        DamagedFileError: names the first tensor that is missing or has another shape.
    """
    for name, count in axes.items():
        shape = list(tensors[name].shape) if name in tensors else None
        if shape is None or len(shape) != count or 0 in shape:
            found = "is missing" if shape is None else f"has the shape {shape}"
            raise DamagedFileError(
                f"{path} is incomplete: {name} {found}, needed a tensor with {count} axes. Download it again."
            )


def missing_encoder_message(path: Path) -> str:
    """What to download and where to put it."""
    return (
        f"No face encoder at {path}. Download model.safetensors (343 MB; revision refs/pr/1) or pytorch_model.bin "
        f"(343 MB) and config.json from https://huggingface.co/{REPOSITORY} into that folder, or run, in the pack's "
        "folder: python -m stableidentity_core download fr_vit fr_vit_config --models MODELS_FOLDER"
    )


def load_strictly(network: nn.Module, file: WeightFile, what: str) -> None:
    """Load all weights of a file into a network.

    Raises:
        StableIdentityError: weights are missing, unexpected or of another shape; the message names the first of each.
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
    kind = path_kind(path)
    if kind == "file":
        return path
    files = [file for file in files_in(path) if file.suffix.lower() in SUFFIXES] if kind == "folder" else []
    for name in WEIGHT_FILES:
        if path / name in files:
            return path / name
    if not files:
        raise MissingFileError(missing_encoder_message(path))
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:4])
        raise StableIdentityError(f"{path} contains {len(files)} weight files ({names}). Choose one of them.")
    return files[0]
