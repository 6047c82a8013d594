"""The name space and the training."""

from __future__ import annotations

import time
from typing import Any

from comfy_api.latest import io

from ..stableidentity_core.encode import encode_face
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.identity import normalize_trigger
from ..stableidentity_core.train import TrainConfig
from ..stableidentity_core.train.photos import without_features
from ..stableidentity_core.words import Method, needs_face
from ..stableidentity_core.words.names import parse_names
from .host.training import host_name_spaces, train_in_host
from .train_settings import train_settings
from .types import (
    CATEGORY,
    TRIGGER_TOOLTIP,
    FaceEncoderType,
    FaceType,
    IdentityType,
    NameSpaceType,
    ProjectorType,
    fits,
)


class CelebrityNameSpace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityNameSpace",
            display_name="Celebrity Name Space",
            category=CATEGORY,
            description="Finds where the names of famous people lie among the words of a text encoder. "
            "New people are placed there, so that prompts treat them like a name.",
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the checkpoint the person will be learned on."),
                io.String.Input(
                    "names",
                    multiline=True,
                    default="",
                    placeholder="empty: the pack's own list",
                    tooltip="Full names, one a line; only those of exactly two CLIP tokens count. "
                    "Empty: the pack's own list of several hundred.",
                ),
            ],
            outputs=[NameSpaceType.Output(display_name="name_space", tooltip="Mean and deviation of the names.")],
        )

    @classmethod
    def execute(cls, clip, names: str) -> io.NodeOutput:
        return io.NodeOutput(host_name_spaces(clip, parse_names(names) or None))


class Train(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTrain",
            display_name="StableIdentity Train",
            category=CATEGORY,
            description="Learns a person from one photo as two words of the text encoder, by StableIdentity "
            "(arXiv 2401.15975), Celeb-Basis or Textual Inversion. The model is not changed. The same work queued "
            "again is not repeated.",
            inputs=[*_sources(), *train_settings()],
            outputs=[
                IdentityType.Output(
                    display_name="identity", tooltip="The person's words, for Save and Apply Identity."
                ),
                ProjectorType.Output(display_name="projector", tooltip="What was trained, for Project to Name Space."),
                io.Image.Output(display_name="loss", tooltip="The loss over the steps."),
            ],
        )

    @classmethod
    def validate_inputs(cls, trigger: str | None = None) -> bool | str:
        return fits(normalize_trigger, trigger)

    @classmethod
    def fingerprint_inputs(cls, force_retrain=False, **_others) -> int:
        return time.time_ns() if force_retrain else 0  # or the host would take its cached result

    @classmethod
    def execute(
        cls,
        model,
        clip,
        vae,
        face,
        trigger,
        force_retrain,
        preview_every,
        face_encoder=None,
        name_space=None,
        projector=None,
        **settings,
    ) -> io.NodeOutput:
        config = TrainConfig(**settings)
        identity, projector, curve = train_in_host(
            model,
            clip,
            vae,
            faces=_encoded(face, face_encoder, config.method),
            name_space=name_space,
            trigger=trigger,
            config=config,
            force=force_retrain,
            preview_every=preview_every,
            start=projector,
        )
        return io.NodeOutput(identity, projector, curve)


def _encoded(photos: tuple[Face, ...], encoder: Any, method: Method) -> list[Face]:
    """The photos with what the method looks at."""
    if not needs_face(method):
        return without_features(photos)
    if encoder is not None:
        return [encode_face(encoder, photo) for photo in photos]
    if any(photo.feature is None for photo in photos):
        raise StableIdentityError(
            f"The face has no feature yet, which {method} learns from: connect a face encoder to StableIdentity "
            "Train, or put Encode Face before it."
        )
    return list(photos)


def _sources() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The diffusion model: SD1.5, SD2.x (the paper's is 2.1-base) or SDXL."),
        io.Clip.Input("clip", tooltip="Its text encoder; with SDXL its two."),
        io.Vae.Input("vae", tooltip="Its VAE."),
        FaceType.Input("face", tooltip="The photo, from Prepare Face or Encode Face."),
        FaceEncoderType.Input(
            "face_encoder",
            optional=True,
            tooltip="Not needed when the face comes from Encode Face, nor by the method textual_inversion.",
        ),
        NameSpaceType.Input(
            "name_space",
            optional=True,
            tooltip="Without it the pack's own list of names is used with the connected CLIP.",
        ),
        ProjectorType.Input(
            "projector",
            optional=True,
            tooltip="Where to start from, instead of afresh: a projector that was learned over many people and with "
            "which some 25 steps may do.",
        ),
        io.String.Input("trigger", default="person-1", tooltip=TRIGGER_TOOLTIP),
    ]
