"""The supported kinds of face encoders, recognised by the content of their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..errors import StableIdentityError
from . import arcface, clip, timm_vit, vit
from .protocol import FaceEncoder
from .weight_file import WeightFile, read_weight_file

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class EncoderKind:
    """One kind, as offered in a menu."""

    title: str
    width: str  # of its features
    licence: str
    purpose: str
    recognises: Callable[[WeightFile], bool]
    build: Callable[[WeightFile], FaceEncoder]
    mark: str  # how such a file is recognised, for messages


KINDS: Mapping[str, EncoderKind] = MappingProxyType(
    {
        "FR-ViT": EncoderKind(
            title="FR-ViT: ViT-B/16 for face recognition (Hugging Face)",
            width="768",
            licence=vit.LICENCE,
            purpose="the paper's encoder; the default",
            recognises=vit.is_face_vit,
            build=vit.build_face_vit,
            mark="the key embeddings.cls_token",
        ),
        "ArcFace": EncoderKind(
            title="ArcFace ir_se50 (facexlib)",
            width="512",
            licence=arcface.LICENCE,
            purpose="scoring a result with another network than it was trained with; training",
            recognises=arcface.is_arcface,
            build=arcface.build_arcface,
            mark="the key input_layer.0.weight",
        ),
        "CLIP": EncoderKind(
            title="CLIP image encoder (Hugging Face)",
            width="512 to 1280",
            licence=clip.LICENCE,
            purpose="the paper's ablation: captures less of a person's identity",
            recognises=clip.is_clip,
            build=clip.build_clip,
            mark="the key vision_model.embeddings.class_embedding",
        ),
        "timm": EncoderKind(
            title="timm face recognition network",
            width="512 for an embedding, otherwise the network's",
            licence=timm_vit.LICENCE,
            purpose="small and fast encoders, such as ViT-S/8 with CosFace; training or scoring",
            recognises=timm_vit.is_timm,
            build=timm_vit.build_timm,
            mark="a config.json with an architecture",
        ),
    }
)


def load_face_encoder(path: str | Path, kind: str = AUTO) -> FaceEncoder:
    """Load the face encoder in a file or folder.

    Args:
        path: `.safetensors`, `.bin` or `.pth`, or a folder with one of them.
        kind: a key of KINDS to require that kind; `auto` recognises it by the content.

    Raises:
        MissingFileError: nothing at the path.
        MissingPackageError: the package that this kind needs is not installed or broken.
        StableIdentityError: of an unknown kind or another one than chosen; damaged or incomplete.
    """
    if kind not in (AUTO, *KINDS):
        raise StableIdentityError(f"Unknown kind of face encoder {kind!r}, needed one of {AUTO}, {', '.join(KINDS)}.")
    file = read_weight_file(path)
    found = kind_of(file)
    if kind not in (AUTO, found):
        raise StableIdentityError(
            f"{file.path} is a face encoder of the kind {found} ({len(file.tensors)} tensors, the first "
            f"{file.first_keys}), but {kind} was chosen. Choose {AUTO} or {found}, or another file."
        )
    return KINDS[found].build(file)


def kind_of(file: WeightFile) -> str:
    """The key in KINDS of a file's content.

    Raises:
        StableIdentityError: not a known kind.
    """
    for key, kind in KINDS.items():
        if kind.recognises(file):
            return key
    hint = ""
    if "visual.conv1.weight" in file.tensors:
        hint = " This is a CLIP model in open_clip's format; use its Hugging Face version."
    kinds = "; ".join(f"{key} by {kind.mark}" for key, kind in KINDS.items())
    raise StableIdentityError(
        f"{file.path} is not a face encoder: it has {len(file.tensors)} tensors, the first {file.first_keys}. "
        f"Recognised are {kinds}.{hint} Choose another file."
    )
