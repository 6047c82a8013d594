from .arcface import ArcFace
from .clip import ClipImageEncoder
from .kinds import AUTO, KINDS, EncoderKind, kind_of, load_face_encoder
from .protocol import FaceEncoder, encode_face
from .timm_vit import TimmFace
from .vit import FaceViT, load_face_vit

__all__ = [
    "AUTO",
    "KINDS",
    "ArcFace",
    "ClipImageEncoder",
    "EncoderKind",
    "FaceEncoder",
    "FaceViT",
    "TimmFace",
    "encode_face",
    "kind_of",
    "load_face_encoder",
    "load_face_vit",
]
