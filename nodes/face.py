"""From picture to encoded face."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.encode import encode_face, load_face_vit
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import portrait
from .host import paths
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
                )
            ],
            outputs=[
                FaceEncoderType.Output(display_name="face_encoder", tooltip="For Encode Face and StableIdentity Train.")
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, encoder_name: str) -> str:
        return paths.file_state(paths.face_encoder_path(encoder_name))

    @classmethod
    def execute(cls, encoder_name: str) -> io.NodeOutput:
        return io.NodeOutput(load_face_vit(paths.face_encoder_path(encoder_name)))


class PrepareFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPrepareFace",
            display_name="Prepare Face",
            category=CATEGORY,
            description="Takes one aligned portrait (square, the face centred as in FFHQ) and where face and hair are.",
            inputs=[
                io.Image.Input("image", tooltip="One square portrait: upright, frontal, whole head, well lit."),
                io.Mask.Input(
                    "face_mask",
                    optional=True,
                    tooltip="White on the face: skin, brows, eyes, nose, mouth, ears; not hair, neck or clothes. "
                    "Without it the oval is taken in which an FFHQ-aligned face lies.",
                ),
                io.Mask.Input(
                    "hair_mask", optional=True, tooltip="White on the hair. Without it the hair is not learned."
                ),
            ],
            outputs=[
                FaceType.Output(display_name="face", tooltip="The portrait with its masks."),
                io.Image.Output(display_name="aligned", tooltip="The portrait as it will be learned, 512x512."),
                io.Mask.Output(display_name="face_mask", tooltip="Where the loss looks for the face."),
                io.Mask.Output(display_name="hair_mask", tooltip="Where the loss looks for the hair."),
            ],
        )

    @classmethod
    def execute(cls, image, face_mask=None, hair_mask=None) -> io.NodeOutput:
        if image.ndim != 4 or len(image) != 1:
            advice = "Choose one with ImageFromBatch." if len(image) else "The node before it gave none; look there."
            raise StableIdentityError(
                f"Prepare Face got {len(image)} pictures (shape {list(image.shape)}), needed exactly 1. {advice}"
            )
        face = portrait(image[0].movedim(-1, 0), _single(face_mask, "face_mask"), _single(hair_mask, "hair_mask"))
        return io.NodeOutput(face, face.image.movedim(0, -1)[None], face.face_mask[None], face.hair_mask[None])


def _single(mask, name: str):
    if mask is None or mask.ndim == 2:
        return mask
    if mask.ndim != 3 or len(mask) != 1:
        raise StableIdentityError(
            f"Prepare Face got {len(mask)} masks as {name} (shape {list(mask.shape)}), needed exactly 1. "
            "Connect the mask of this one picture."
        )
    return mask[0]


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
        return io.NodeOutput(encode_face(face_encoder, face))
