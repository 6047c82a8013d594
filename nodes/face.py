"""Face encoders and what they see."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..stableidentity_core.encode import AUTO, KINDS, encode_face, load_face_encoder
from ..stableidentity_core.evaluate.similarity import similarity
from .host import paths
from .host.cancel import checked, stoppable
from .host.clip_vision import clip_vision_encoder
from .types import CATEGORY, FaceEncoderType, FaceType


class LoadFaceEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityLoadFaceEncoder",
            display_name="Load Face Encoder",
            category=CATEGORY,
            description="Loads the face recognition network that sees who is in the photo.",
            inputs=[
                io.Combo.Input(
                    "encoder_name",
                    options=paths.face_encoders(),
                    tooltip="A folder or file in models/stableidentity/face_encoders. The paper's encoder is "
                    "listed even before it is downloaded; running it then tells what to fetch.",
                ),
                io.Combo.Input(
                    "kind",
                    options=[AUTO, *KINDS],
                    default=AUTO,
                    optional=True,  # prompts saved before it came are without it
                    tooltip="auto: what the file holds. FR-ViT: the paper's. Another kind than the file's is an error.",
                ),
            ],
            outputs=[
                FaceEncoderType.Output(display_name="face_encoder", tooltip="For Encode Face and StableIdentity Train.")
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, encoder_name: str, kind: str = AUTO) -> str:
        return paths.file_state(paths.face_encoder_path(encoder_name))

    @classmethod
    def execute(cls, encoder_name: str, kind: str = AUTO) -> io.NodeOutput:
        path = paths.face_encoder_path(encoder_name)
        return io.NodeOutput(stoppable(lambda: load_face_encoder(path, kind)))


class ClipVisionFaceEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityClipVisionEncoder",
            display_name="CLIP Vision as Face Encoder",
            category=CATEGORY,
            description="Lets CLIP's image encoder see the face in place of a face recognition network: the paper's "
            "ablation, which knows less of who somebody is.",
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
            category=CATEGORY,
            description="Adds to a face what the face encoder sees in it.",
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
            category=CATEGORY,
            description="How alike two faces are to a face encoder. To score a training, take another encoder than the "
            "one it was made with.",
            inputs=[
                FaceEncoderType.Input("face_encoder", tooltip="From Load Face Encoder."),
                FaceType.Input("face", tooltip="From Prepare Face: the photo."),
                FaceType.Input("other", tooltip="From Prepare Face: the picture to be scored, or a batch of them."),
            ],
            outputs=[
                io.Float.Output(
                    display_name="similarity",
                    tooltip="Cosine of the features, -1 to 1; the mean over all pairs of several pictures.",
                )
            ],
        )

    @classmethod
    def execute(cls, face_encoder, face, other) -> io.NodeOutput:
        values = [similarity(face_encoder, a, b) for a in face for b in checked(other)]
        return io.NodeOutput(torch.tensor(values, dtype=torch.float64).mean().item())
