"""The identity file: safetensors that every reader of textual inversions takes.

One text space (SD1, SD2): a single tensor [N, D] whose key is the trigger. Several (SDXL): one tensor
per space under the keys `clip_l` and `clip_g`. All else stands in the header as strings, because
a second tensor makes ComfyUI take the wrong one and diffusers and A1111 refuse the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import IdentityFileError, MissingFileError, StableIdentityError
from ..files import read_pickled_tensors, read_tensors, save_tensors
from .prompt import normalize_trigger
from .types import Identity

FORMAT = "stableidentity-1"
SUFFIXES = (".safetensors", ".pt", ".bin")

# Widths of the text encoders' embeddings, for files that do not say which one they are for.
SPACE_BY_WIDTH = {768: "clip_l", 1024: "clip_h", 1280: "clip_g"}
MAX_WORDS = 75
MAX_BYTES = 16 << 20  # many times what 75 words take in every text space


def save_identity(identity: Identity, path: Path, *, replace: bool = True) -> None:
    """Write an identity atomically; `path` should end in `.safetensors` and lie in `models/embeddings`.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: the disk is full or the folder cannot be written.
    """
    spaces = sorted(identity.words)
    tensors = {identity.trigger if len(spaces) == 1 else space: identity.words[space].float() for space in spaces}
    widths = ",".join(str(identity.words[space].shape[-1]) for space in spaces)
    header = {
        **identity.header,
        "format": FORMAT,
        "trigger": identity.trigger,
        "text_space": ",".join(spaces),
        "text_width": widths,
    }
    save_tensors(path, tensors, header, replace=replace)


def load_identity(path: Path, trigger: str | None = None) -> Identity:
    """Read an identity: our own file, the published `.pt` [1, 2, 1024], or someone's textual inversion.

    Args:
        path: `.safetensors`, `.pt` or `.bin`.
        trigger: replaces the file's own; foreign files without a usable one take the file's name.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: cut short; IdentityFileError: not an embedding, or a pickle that holds code (never run).
    """
    if not path.is_file():
        raise MissingFileError(f"No identity file at {path}. Files end in {', '.join(SUFFIXES)}.")
    if path.stat().st_size > MAX_BYTES:
        raise IdentityFileError(
            f"{path} has {path.stat().st_size:,} bytes, an embedding has less than {MAX_BYTES:,}: this is a model or a "
            "LoRA. Move it to its own folder and choose an embedding."
        )
    content, header = read_tensors(path) if path.suffix == ".safetensors" else (read_pickled_tensors(path), {})
    words = _words(content, header, path)
    return Identity(trigger=trigger or _trigger(content, header, path), words=words, header=header)


def _words(content: Any, header: Mapping[str, str], path: Path) -> dict[str, Tensor]:
    tensors = _tensors(content)
    if not tensors:
        raise IdentityFileError(
            f"{path} holds no embedding: found {type(content).__name__}, needed tensors [N, D]. Choose another file."
        )
    by_space = {key: value for key, value in tensors.items() if key in SPACE_BY_WIDTH.values()}
    if by_space:
        return {space: _matrix([value], path) for space, value in by_space.items()}
    matrix = _matrix(list(tensors.values()), path)
    own = header.get("format") == FORMAT
    space = header.get("text_space") if own else SPACE_BY_WIDTH.get(matrix.shape[-1])
    if not space:
        raise IdentityFileError(
            f"{path} holds an embedding of width {matrix.shape[-1]}; known are "
            f"{', '.join(f'{width} ({name})' for width, name in SPACE_BY_WIDTH.items())}. It is for another kind of "
            "model; choose another file."
        )
    return {space: matrix}


def _tensors(content: Any) -> dict[str, Tensor]:
    """All embedding tensors of the layouts in use: bare, A1111's `string_to_param`, or a flat dict."""
    if isinstance(content, Tensor):
        return {"": content}
    if not isinstance(content, Mapping):
        return {}
    inner = content.get("string_to_param", content)
    if not isinstance(inner, Mapping):
        return {}
    return {str(key): value for key, value in inner.items() if isinstance(value, Tensor) and value.ndim >= 1}


def _matrix(rows: list[Tensor], path: Path) -> Tensor:  # [N, D]
    widths = {row.shape[-1] for row in rows}
    if len(widths) != 1 or len(rows) > MAX_WORDS:
        raise IdentityFileError(
            f"{path} holds {len(rows)} tensors of {'several widths' if len(widths) > 1 else 'width'} "
            f"{sorted(widths)[:8]}, needed one embedding [N, D]: this looks like a model or a LoRA. Move it to its own "
            "folder and choose an embedding."
        )
    if 0 in widths:
        raise IdentityFileError(f"{path} holds embeddings of width 0. Choose another file.")
    matrix = torch.cat([row.detach().float().reshape(-1, row.shape[-1]) for row in rows])
    if not 1 <= len(matrix) <= MAX_WORDS:
        raise IdentityFileError(
            f"{path} holds {len(matrix)} words, needed 1 to {MAX_WORDS}: this is no embedding. Choose another file."
        )
    if not matrix.isfinite().all():
        raise IdentityFileError(f"{path} holds values that are not finite (NaN or infinite). Copy or learn it again.")
    return matrix.clone()


def _trigger(content: Any, header: Mapping[str, str], path: Path) -> str:
    keys = list(_tensors(content))
    technical = {*SPACE_BY_WIDTH.values(), "emb_params"}
    candidates = [header.get("trigger", ""), *(key for key in keys if len(keys) == 1 and key not in technical)]
    for candidate in candidates:
        try:
            return normalize_trigger(candidate)
        except StableIdentityError:
            continue
    return normalize_trigger(re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-")[:64] or "person")
