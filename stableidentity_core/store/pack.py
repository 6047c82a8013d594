"""Packing training results into tensors and metadata of a safetensors file, and unpacking them with checks."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..files.json_text import parse_texts
from ..identity.types import Identity
from ..methods.trained import TrainedProjector
from ..shapes import check_shape
from .types import ProjectorResult, TrainResult

WORDS_FORMAT = "stableidentity-words-1"
PROJECTOR_FORMAT = "stableidentity-stored-projector-1"
Packed = tuple[dict[str, Tensor], dict[str, str]]


def pack_words(result: TrainResult) -> Packed:
    """Everything except the projector's weights."""
    tensors = {f"words.{space}": words for space, words in result.identity.words.items()}
    metadata = {
        "format": WORDS_FORMAT,
        "trigger": result.identity.trigger,
        "header": json.dumps(dict(result.identity.header), sort_keys=True),
        **result.projector.described(),
    }
    return {**tensors, **_pack_losses(result)}, metadata


def unpack_words(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> TrainResult:
    """The inverse; the projector has no weights yet.

    Raises:
        StableIdentityError: something is missing or invalid.
    """
    _check_format(metadata, WORDS_FORMAT)
    header = parse_texts(_text(metadata, "header"), "its identity header")
    for key in ("method", "steps"):
        _text(header, key)
    for key in ("held_out_loss_before", "held_out_loss_after"):
        _check_number(header.get(key, "0"), key)
    words = _under(tensors, "words.")
    return TrainResult(
        identity=Identity(trigger=_text(metadata, "trigger"), words=words, header=header),
        projector=TrainedProjector.of_header({}, metadata),
        losses=_losses(tensors),
        phase_losses=_phase_losses(tensors),
    )


def pack_projector(result: TrainResult | ProjectorResult) -> Packed:
    """The projector, and the loss curve, which for a training over many people is stored nowhere else."""
    state = {f"projector.{name}": value for name, value in result.projector.state.items()}
    return {**state, **_pack_losses(result)}, {"format": PROJECTOR_FORMAT, **result.projector.described()}


def unpack_projector(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> ProjectorResult:
    """The inverse.

    Raises:
        StableIdentityError: something is missing or invalid.
    """
    _check_format(metadata, PROJECTOR_FORMAT)
    projector = TrainedProjector.read(_under(tensors, "projector."), metadata)
    return ProjectorResult(projector=projector, losses=_losses(tensors), phase_losses=_phase_losses(tensors))


def _pack_losses(result: TrainResult | ProjectorResult) -> dict[str, Tensor]:
    phases = {} if result.phase_losses is None else {"phase_losses": result.phase_losses}
    return {"losses": result.losses, **phases}


def _check_format(metadata: Mapping[str, str], needed: str) -> None:
    if metadata.get("format") != needed:
        raise StableIdentityError(f"its format is {metadata.get('format')!r}, needed {needed!r}.")


def _text(texts: Mapping[str, str], key: str) -> str:
    if key not in texts:
        raise StableIdentityError(f"its header lacks {key!r}.")
    return texts[key]


def _check_number(text: str, key: str) -> None:
    try:
        float(text)
    except ValueError as error:
        raise StableIdentityError(f"its header has {text[:40]!r} under {key!r}, needed a number.") from error


def _losses(tensors: Mapping[str, Tensor]) -> Tensor:
    if "losses" not in tensors:
        raise StableIdentityError("it lacks the losses.")
    losses = tensors["losses"]
    check_shape(losses, "steps", "losses")
    return _as_float32(losses, "losses")


def _phase_losses(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """Of both phases; None in files that were written before they were kept."""
    if "phase_losses" not in tensors:
        return None
    losses = tensors["phase_losses"]
    check_shape(losses, "phases steps", "phase_losses", phases=2, steps=len(_losses(tensors)))
    return _as_float32(losses, "phase_losses")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): _as_float32(value, key) for key, value in tensors.items() if key.startswith(prefix)
    }


def _as_float32(value: Tensor, key: str) -> Tensor:
    if value.dtype != torch.float32:
        raise StableIdentityError(f"{key} is {value.dtype}, needed torch.float32.")
    return value
