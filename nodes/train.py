"""The name space and the training."""

from __future__ import annotations

import time
from typing import Any, get_args

from comfy_api.latest import io

from ..stableidentity_core.encode import encode_face
from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Face
from ..stableidentity_core.identity import normalize_trigger
from ..stableidentity_core.train import TrainConfig
from ..stableidentity_core.train.config import Augmentation, LossArea, ReconstructionLatents
from ..stableidentity_core.words.names import parse_names
from ..stableidentity_core.words.projector import Normalization
from .host.training import host_name_space, train_in_host
from .types import (
    CATEGORY,
    TRIGGER_TOOLTIP,
    FaceEncoderType,
    FaceType,
    IdentityType,
    NameSpaceType,
    ProjectorType,
    advanced,
    fits,
)

PAPER = TrainConfig()


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
        return io.NodeOutput(host_name_space(clip, parse_names(names) or None))


class Train(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTrain",
            display_name="StableIdentity Train",
            category=CATEGORY,
            description="Learns a person from one photo as two words of the text encoder (arXiv 2401.15975). "
            "The model is not changed. The same work queued again is not repeated.",
            inputs=[*_sources(), *_main_settings(), *_further_settings()],
            outputs=[
                IdentityType.Output(
                    display_name="identity", tooltip="The person's words, for Save and Apply Identity."
                ),
                ProjectorType.Output(display_name="projector", tooltip="The trained MLP, for Project to Name Space."),
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
        **settings,
    ) -> io.NodeOutput:
        identity, projector, curve = train_in_host(
            model,
            clip,
            vae,
            faces=_encoded(face, face_encoder),
            name_space=name_space,
            trigger=trigger,
            config=TrainConfig(**settings),
            force=force_retrain,
            preview_every=preview_every,
        )
        return io.NodeOutput(identity, projector, curve)


def _encoded(photos: tuple[Face, ...], encoder: Any) -> list[Face]:
    if encoder is not None:
        return [encode_face(encoder, photo) for photo in photos]
    if any(photo.feature is None for photo in photos):
        raise StableIdentityError(
            "The face has no feature yet: connect a face encoder to StableIdentity Train, or put Encode Face before it."
        )
    return list(photos)


def _sources() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The diffusion model, SD2.1-base in the paper. Load it unquantised."),
        io.Clip.Input("clip", tooltip="Its text encoder."),
        io.Vae.Input("vae", tooltip="Its VAE."),
        FaceType.Input("face", tooltip="The photo, from Prepare Face or Encode Face."),
        FaceEncoderType.Input(
            "face_encoder", optional=True, tooltip="Not needed when the face comes from Encode Face."
        ),
        NameSpaceType.Input(
            "name_space",
            optional=True,
            tooltip="Without it the pack's own list of names is used with the connected CLIP.",
        ),
        io.String.Input("trigger", default="person-1", tooltip=TRIGGER_TOOLTIP),
    ]


def _main_settings() -> list[io.Input]:
    return [
        io.Int.Input("steps", default=PAPER.steps, min=1, max=100_000, tooltip="Training steps (paper: 450)."),
        io.Float.Input(
            "learning_rate",
            default=PAPER.learning_rate,
            min=1e-7,
            max=1.0,
            step=1e-6,
            round=1e-8,
            tooltip="Step size of AdamW (paper: 0.00005).",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=False,  # a new seed at each queueing would train each time
            tooltip="Decides the start and every draw: the same seed gives the same words.",
        ),
        io.Float.Input(
            "hair_weight",
            default=PAPER.hair_weight,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="Weight of the hair beside the face (paper: 0.1). Higher keeps the haircut more; without a hair "
            "mask it does nothing.",
        ),
        io.Int.Input(
            "preview_every", default=10, min=0, max=1000, tooltip="Steps between preview pictures; 0 for none."
        ),
        io.Boolean.Input(
            "force_retrain", default=False, tooltip="Train at every queueing, even when the same work was done before."
        ),
    ]


def _further_settings() -> list[io.Input]:
    """In the order of their widgets, which saved workflows rely on: new ones go to the end."""
    settings = [
        io.Int.Input("batch_size", default=PAPER.batch_size, min=1, max=64, tooltip="Views a step (paper: 1)."),
        io.Int.Input(
            "resolution",
            default=PAPER.resolution,
            min=64,
            max=2048,
            step=8,
            tooltip="Side of the training picture: what the model was made for, 512 for SD2.1-base.",
        ),
        io.Float.Input(
            "alpha",
            default=PAPER.alpha,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Steps noisier than this share of the schedule learn the noise, the others the picture "
            "(paper: 0.6).",
        ),
        io.Combo.Input(
            "normalization",
            options=list(get_args(Normalization)),
            default=PAPER.normalization,
            tooltip="per_word: the paper's Eq. 4. joint_affine: what the published code does. none: no AdaIN.",
        ),
        io.Combo.Input(
            "reconstruction_latents",
            options=list(get_args(ReconstructionLatents)),
            default=PAPER.reconstruction_latents,
            tooltip="unscaled: as the published code, the reconstruction weighs 30 times more. scaled: on SD's "
            "latents.",
        ),
        io.Combo.Input(
            "loss_area",
            options=list(get_args(LossArea)),
            default=PAPER.loss_area,
            tooltip="canvas: means over the whole picture, as published. mask: over the face only.",
        ),
        io.Int.Input(
            "view_pool",
            default=PAPER.view_pool,
            min=0,
            max=4096,
            optional=True,  # prompts saved before it came are without it
            tooltip="Views made and encoded once, then drawn from: faster steps. 0: fresh ones at each step, "
            "as published.",
        ),
        io.Combo.Input(
            "augmentation",
            options=list(get_args(Augmentation)),
            default=PAPER.augmentation,
            optional=True,
            tooltip="published: at each step the photo is jittered in colour, mirrored, cropped and shrunk onto black. "
            "none: the photo as it is.",
        ),
    ]
    return [advanced(setting) for setting in settings]
