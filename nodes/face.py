"""Face encoders and face features."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..stableidentity_core.encode import AUTO, KINDS, encode_face
from ..stableidentity_core.evaluate.similarity import similarity
from . import categories
from .host import paths
from .host.cancel import checked
from .host.clip_vision import clip_vision_encoder
from .host.encoders import face_encoder
from .types import FaceEncoderType, FaceType


class LoadFaceEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoadFaceEncoder",
            display_name="Load Face Encoder",
            category=categories.PHOTO,
            description="Loads the face recognition network that encodes the person in the photo.",
            inputs=[
                io.Combo.Input(
                    "encoder_name",
                    options=paths.face_encoders(),
                    tooltip="A folder or file in models/stableidentity/face_encoders. The paper's encoder is "
                    "listed even before it is downloaded, see `download`.",
                ),
                io.Combo.Input(
                    "kind",
                    options=[AUTO, *KINDS],
                    default=AUTO,
                    optional=True,  # missing in older saved prompts
                    tooltip="auto: detected from the file. FR-ViT: the paper's. A wrong kind is an error.",
                ),
                io.Boolean.Input(
                    "download",
                    default=False,
                    optional=True,
                    tooltip="Download the paper's encoder if it is missing: 343 MB, Apache-2.0. Off: the node says "
                    "what is missing and where it belongs.",
                ),
            ],
            outputs=[
                FaceEncoderType.Output(display_name="face_encoder", tooltip="For Encode Face and StableIdentity Train.")
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, encoder_name: str, kind: str = AUTO, download: bool = False) -> str:
        if download and not paths.is_installed(encoder_name):
            return "to be downloaded"
        return paths.file_state(paths.face_encoder_path(encoder_name))

    @classmethod
    def execute(cls, encoder_name: str, kind: str = AUTO, download: bool = False) -> io.NodeOutput:
        return io.NodeOutput(face_encoder(encoder_name, kind, download))


class ClipVisionFaceEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityClipVisionEncoder",
            display_name="CLIP Vision as Face Encoder",
            category=categories.PHOTO,
            description="Uses CLIP's image encoder in place of a face recognition network: the paper's "
            "ablation, which captures less of a person's identity.",
            inputs=[io.ClipVision.Input("clip_vision", tooltip="From Load CLIP Vision.")],
            outputs=[
                FaceEncoderType.Output(display_name="face_encoder", tooltip="For Encode Face and StableIdentity Train.")
            ],
        )

    @classmethod
    def execute(cls, clip_vision) -> io.NodeOutput:
        return io.NodeOutput(clip_vision_encoder(clip_vision))


class EncodeFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityEncodeFace",
            display_name="Encode Face",
            category=categories.PHOTO,
            description="Computes the face encoder's feature vector and adds it to the face.",
            inputs=[
                FaceEncoderType.Input("face_encoder", tooltip="From Load Face Encoder."),
                FaceType.Input("face", tooltip="From Prepare Face."),
            ],
            outputs=[FaceType.Output(display_name="face", tooltip="The face with its feature.")],
        )

    @classmethod
    def execute(cls, face_encoder, face) -> io.NodeOutput:
        return io.NodeOutput(tuple(encode_face(face_encoder, photo) for photo in checked(face)))


class FaceSimilarity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityFaceSimilarity",
            display_name="Face Similarity",
            category=categories.USE,
            description="How similar two faces are according to a face encoder. To score a training, use a different "
            "encoder from the one used for training.",
            inputs=[
                FaceEncoderType.Input("face_encoder", tooltip="From Load Face Encoder."),
                FaceType.Input("face", tooltip="From Prepare Face: the photo."),
                FaceType.Input("other", tooltip="From Prepare Face: the image to score, or a batch."),
            ],
            outputs=[
                io.Float.Output(
                    display_name="similarity",
                    tooltip="Cosine similarity of the features, -1 to 1; for several images, the mean over all pairs.",
                )
            ],
        )

    @classmethod
    def execute(cls, face_encoder, face, other) -> io.NodeOutput:
        values = [similarity(face_encoder, a, b) for a in face for b in checked(other)]
        return io.NodeOutput(torch.tensor(values, dtype=torch.float64).mean().item())
