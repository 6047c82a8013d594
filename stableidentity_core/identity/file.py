"""The identity file: safetensors in the format of a textual inversion embedding.

One text space (SD1, SD2): a single tensor [N, D] whose key is the trigger. Several (SDXL): one tensor
per space under the space's name, such as `clip_l` and `clip_g`. Everything else is stored in the header as strings,
because with a second tensor ComfyUI may use the wrong one, and diffusers and A1111 reject the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ..errors import IdentityFileError, StableIdentityError
from ..files.readable import file_size
from ..files.tensors import is_safetensors, read_any_tensors, save_tensors
from .layouts import PAIR, SPACES, foreign_words, own_words
from .prompt import normalize_trigger
from .types import Identity

FORMAT = "stableidentity-1"
ENDINGS = (".safetensors", ".pt", ".bin")  # in the order in which ComfyUI tries them
MAX_BYTES = 16 << 20  # many times the size of 75 words in every text space
_TECHNICAL = {*SPACES, *PAIR, "emb_params", "emb_params_out"}


def save_identity(identity: Identity, path: Path, *, replace: bool = True) -> None:
    """Write an identity atomically; `path` should end in `.safetensors` and be in `models/embeddings`.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: the disk is full or the folder is not writable.
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
    """Read an identity: our own file, the published `.pt` [1, 2, 1024], or any textual inversion.

    The format is recognised by the content, not by the extension.

    Args:
        path: a safetensors or torch file.
        trigger: replaces the file's own; a third-party file without a usable trigger gets its file name.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: truncated; IdentityFileError: not an embedding, or one that ComfyUI would read differently.
    """
    content, header = _read(path)
    if header.get("format") == FORMAT:
        words, key = own_words(content, header, path), ""
    else:
        words, key = foreign_words(content, path)
    return Identity(trigger=trigger or _trigger(header, key, path), words=words, header=header)


def _read(path: Path) -> tuple[Any, Mapping[str, str]]:
    """Content and header."""
    size = file_size(path)
    if size > MAX_BYTES:
        raise IdentityFileError(
            f"{path} has {size:,} bytes, needed an embedding of at most {MAX_BYTES:,} bytes: this is a model or a "
            "LoRA. Move it to its own folder and choose an embedding."
        )
    content, header = read_any_tensors(path)
    if is_safetensors(path) and len(content) > 1:
        content = {key: content[key] for key in load_file(path)}  # in the host's order
    return content, header


def _trigger(header: Mapping[str, str], key: str, path: Path) -> str:
    for candidate in (header.get("trigger", ""), "" if key in _TECHNICAL else key):
        try:
            return normalize_trigger(candidate)
        except StableIdentityError:
            continue
    return normalize_trigger(re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-")[:64] or "person")
