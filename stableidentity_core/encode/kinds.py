"""The kinds of face encoders, told from each other by what is in their files."""

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
    """One kind, as a menu offers it."""

    title: str
    width: str  # of its features
    licence: str
    purpose: str
    recognises: Callable[[WeightFile], bool]
    build: Callable[[WeightFile], FaceEncoder]
    mark: str  # by what a person recognises such a file


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
            purpose="scoring a training with another network than it was made with; training",
            recognises=arcface.is_arcface,
            build=arcface.build_arcface,
            mark="the key input_layer.0.weight",
        ),
        "CLIP": EncoderKind(
            title="CLIP image encoder (Hugging Face)",
            width="512 to 1280",
            licence=clip.LICENCE,
            purpose="the paper's ablation: sees less of who somebody is",
            recognises=clip.is_clip,
            build=clip.build_clip,
            mark="the key vision_model.embeddings.class_embedding",
        ),
        "timm": EncoderKind(
            title="face recognition network of timm",
            width="512 where it is an embedding, or that of the network",
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
        kind: a key of KINDS, to be sure; `auto` takes what the content is.

    Raises:
        MissingFileError: nothing at the path.
        MissingPackageError: the package that this kind needs does not work.
        StableIdentityError: of no kind or of another one than chosen; damaged or incomplete.
    """
    if kind not in (AUTO, *KINDS):
        raise StableIdentityError(f"The kind of face encoder is {kind!r}, needed one of {AUTO}, {', '.join(KINDS)}.")
    file = read_weight_file(path)
    found = kind_of(file)
    if kind not in (AUTO, found):
        raise StableIdentityError(
            f"{file.path} holds a face encoder of the kind {found} ({len(file.tensors)} tensors, the first "
            f"{file.first_keys}), but {kind} was chosen. Choose {AUTO} or {found}, or another file."
        )
    return KINDS[found].build(file)


def kind_of(file: WeightFile) -> str:
    """The key in KINDS of what a file holds.

    Raises:
        StableIdentityError: of no kind.
    """
    for key, kind in KINDS.items():
        if kind.recognises(file):
            return key
    hint = ""
    if "visual.conv1.weight" in file.tensors:
        hint = " This one is a CLIP as open_clip saves it; take its Hugging Face form."
    kinds = "; ".join(f"{key} by {kind.mark}" for key, kind in KINDS.items())
    raise StableIdentityError(
        f"{file.path} is no face encoder: it has {len(file.tensors)} tensors, the first {file.first_keys}. "
        f"Recognised are {kinds}.{hint} Choose another file."
    )
