from .protocol import FaceEncoder, encode_face
from .vit import FaceViT, load_face_vit

__all__ = ["FaceEncoder", "FaceViT", "encode_face", "load_face_vit"]
