"""The layouts of embedding files: our own by their header, third-party files as ComfyUI reads them.

ComfyUI uses, in this order: the first entry of `string_to_param`; of a list of dicts all tensors of the text
encoder's width; the tensor under the encoder's key; the embeddings in a LoRA under `bundle_emb.`; otherwise the first
tensor, whatever its key. It silently ignores the rest. Here a file is accepted only if nothing is ignored except
`KEY_out`, which OneTrainer writes next to `KEY` for its own use.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import IdentityFileError

# Embedding widths of the text encoders, for files that do not name their encoder.
SPACE_BY_WIDTH = {768: "clip_l", 1024: "clip_h", 1280: "clip_g"}
SPACES = tuple(SPACE_BY_WIDTH.values())
PAIR = {"text_encoders_0": "clip_l", "text_encoders_1": "clip_g"}  # diffusers' names for SDXL
BUNDLE = "bundle_emb."
MAX_WORDS = 75
MAX_VALUES = 4 << 20  # many times the size of 75 words in every text space
# Types that convert to float32 with no loss except precision; not all exist in every torch version.
_WHOLE = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_EIGHT_BITS = ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")
_NAMES = (*_WHOLE, "bfloat16", "float16", "float32", "float64", *(f"float8_{kind}" for kind in _EIGHT_BITS))
NUMBERS = {getattr(torch, name) for name in _NAMES if hasattr(torch, name)}

Entries = list[tuple[str, Tensor]]


def own_words(tensors: Mapping[str, Tensor], header: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    """Words of one of this pack's files, {text space: [N, D] float32}; the header names the text spaces.

    Raises:
        IdentityFileError: header and tensors contradict each other, or contain no usable words.
    """
    spaces = header.get("text_space", "").split(",")
    widths = header.get("text_width", "").split(",")
    by_space = dict(zip(spaces, tensors.values(), strict=False)) if len(spaces) == 1 == len(tensors) else dict(tensors)
    found = {space: str(tensor.shape[-1]) if tensor.ndim else "none" for space, tensor in by_space.items()}
    if "" in spaces or found != dict(zip(spaces, widths, strict=False)):
        raise IdentityFileError(
            f"{path} contains {header.get('text_space')!r} of width {header.get('text_width')!r} according to its "
            f"header, but its tensors are {_listed(list(found))} of width {', '.join(found.values())}. "
            "It was changed after it was saved; use the original."
        )
    return {space: _matrix(tensor, path) for space, tensor in by_space.items()}


def foreign_words(content: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    """Words of another program's file, {text space: [N, D] float32}, and their key in the file, or "".

    Raises:
        IdentityFileError: not an embedding, or one that ComfyUI would only read in part.
    """
    if isinstance(content, list):
        return _of_list(content, path), ""
    if isinstance(content, Mapping) and isinstance(content.get("string_to_param"), Mapping):
        entries = _tensors(content["string_to_param"])
    else:
        entries = [("", content)] if isinstance(content, Tensor) and content.ndim else _tensors(content)
    if not entries:
        raise _no_embedding(content, path)
    bundled = _of_bundle(entries, path)
    if bundled:
        return bundled, ""
    return _of_entries(entries, path)


def _tensors(content: Any) -> Entries:
    """Tensors in ComfyUI's order; it cannot use scalars."""
    if not isinstance(content, Mapping):
        return []
    return [(str(key), value) for key, value in content.items() if isinstance(value, Tensor) and value.ndim]


def _of_entries(entries: Entries, path: Path) -> tuple[dict[str, Tensor], str]:
    spaces = {key: key for key, _tensor in entries if key in SPACES} or PAIR
    chosen = [(spaces[key], key, tensor) for key, tensor in entries if key in spaces]
    if not chosen or (spaces is PAIR and [tensor.shape[-1] for _, _, tensor in sorted(chosen)] != [1280, 768]):
        key, tensor = entries[0]
        chosen = [("", key, tensor)]
    taken = {key for _space, key, _tensor in chosen}
    _check_rest([key for key, _tensor in entries if key not in taken | {f"{key}_out" for key in taken}], entries, path)
    words = {space or _space(tensor, path): _matrix(tensor, path) for space, _key, tensor in chosen}
    single = len(chosen) == 1 and not chosen[0][0]
    return words, chosen[0][1] if single else ""


def _check_rest(rest: list[str], entries: Entries, path: Path) -> None:
    if not rest:
        return
    first = entries[0][0]
    many = len(entries) > MAX_WORDS
    raise IdentityFileError(
        f"{path} contains {len(entries)} tensors, including {_listed(rest)}, which are not keys of a known embedding "
        f"format, and ComfyUI would not use all of them. Supported are one tensor under any name, {', '.join(SPACES)}, "
        f"{' with '.join(PAIR)}, and each of these with NAME_out. "
        + (
            "This looks like a model or a LoRA: move it to its own folder and choose an embedding."
            if many
            else f"Save each embedding in its own file; the first one here is {first!r}."
        )
    )


def _of_list(items: list[Any], path: Path) -> dict[str, Tensor]:
    """A list of dicts, from which every text encoder uses all tensors of its width."""
    entries = [entry for item in items for entry in _tensors(item)]
    if not entries or any(not isinstance(item, Mapping) or len(_tensors(item)) < len(item) for item in items):
        raise _no_embedding(items, path)
    by_space: dict[str, list[Tensor]] = {}
    for _key, tensor in entries:
        _check_storage(tensor, path)
        by_space.setdefault(_space(tensor, path), []).append(tensor.reshape(-1, tensor.shape[-1]))
    return {space: _joined(tensors, path) for space, tensors in by_space.items()}


def _of_bundle(entries: Entries, path: Path) -> dict[str, Tensor]:
    """The embeddings bundled in a LoRA; empty if there are none."""
    bundle = [(key, tensor) for key, tensor in entries if key.startswith(BUNDLE) and tensor.ndim == 2]
    plain = [tensor for key, tensor in bundle if key.endswith(".string_to_param.*")]
    if any(key in SPACES for key, _tensor in entries):
        return {}
    if plain:
        return {_space(plain[0], path): _joined(plain, path)}
    by_space = {space: [tensor for key, tensor in bundle if key.endswith(f".{space}")] for space in SPACES}
    return {space: _joined(tensors, path) for space, tensors in by_space.items() if tensors}


def _joined(tensors: list[Tensor], path: Path) -> Tensor:
    widths = {tensor.shape[-1] for tensor in tensors}
    if len(widths) > 1:
        raise IdentityFileError(
            f"{path} contains embeddings of several widths {sorted(widths)} for one text encoder. Choose another file."
        )
    for tensor in tensors:
        _check_storage(tensor, path)
    return _matrix(torch.cat([tensor.detach().float() for tensor in tensors]), path)


def _space(tensor: Tensor, path: Path) -> str:
    width = tensor.shape[-1]
    if width not in SPACE_BY_WIDTH:
        raise IdentityFileError(
            f"{path} contains an embedding of width {width}, needed one of "
            f"{', '.join(f'{known} ({name})' for known, name in SPACE_BY_WIDTH.items())}. It is for another kind of "
            "model; choose another file."
        )
    return SPACE_BY_WIDTH[width]


def _matrix(tensor: Tensor, path: Path) -> Tensor:  # [N, D]
    _check_storage(tensor, path)
    *lead, width = tensor.shape
    # [N, 1, D] is N words for ComfyUI too; [1, N, D] is how StableIdentity's published code saves them.
    if prod(lead[1:]) != 1 and prod(lead[:-1]) != 1:
        raise IdentityFileError(f"{path} contains a tensor {list(tensor.shape)}, needed [N, D]. Choose another file.")
    words = prod(lead)
    if not width or not 1 <= words <= MAX_WORDS:
        raise IdentityFileError(
            f"{path} contains {words} words of width {width}, needed 1 to {MAX_WORDS}, the length of one prompt. "
            "Choose another file."
        )
    matrix = tensor.detach().float().reshape(words, width).clone()
    if not matrix.isfinite().all():
        raise IdentityFileError(
            f"{path} contains values that are not finite in float32 (NaN, infinite or too large). Copy or learn it "
            "again."
        )
    return matrix


def _check_storage(tensor: Tensor, path: Path) -> None:
    """Check before anything is copied: a file of a few bytes may expand to many gigabytes."""
    if tensor.is_nested or tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        kind = "meta" if tensor.is_meta else "quantised" if tensor.is_quantized else "nested or sparse"
        raise IdentityFileError(f"{path} contains a {kind} tensor, needed plain numbers. Choose another file.")
    if tensor.dtype not in NUMBERS:
        raise IdentityFileError(
            f"{path} contains values of type {tensor.dtype}, needed floats or integers. Choose another file."
        )
    if tensor.numel() > MAX_VALUES:
        raise IdentityFileError(
            f"{path} contains a tensor {list(tensor.shape)}, needed at most {MAX_VALUES:,} values: this is not an "
            "embedding. Choose another file."
        )


def _no_embedding(content: Any, path: Path) -> IdentityFileError:
    return IdentityFileError(
        f"{path} does not contain an embedding: found {type(content).__name__}, needed tensors [N, D]. Choose another "
        "file."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
