"""The mini world: a Stable Diffusion of drawn faces that comes with the pack."""

from __future__ import annotations

from dataclasses import replace

import torch
from comfy_api.latest import io

from ..mini_world import weights
from ..mini_world.describe import describe
from ..mini_world.look import CHOICES, Look
from ..mini_world.painter import paint
from ..mini_world.person import unseen_person
from ..mini_world.pipeline import mini_world_encoder
from ..mini_world.projector import mini_world_projector
from ..mini_world.recogniser import mini_world_recogniser
from . import categories
from .host.mini_world import mini_world
from .host.paths import file_state
from .host.resident import resident_encoder
from .types import FaceEncoderType, ProjectorType

FURTHEST = 2**53 - 1  # the largest integer that the browser holds exactly
TOOLTIPS = {
    "style": "Rendering style.",
    "hat": "A hat hides hair, which then cannot be learned.",
    "glasses": "Glasses cover part of the face and would be learned with it.",
    "shirt": "What the person wears.",
    "scene": "The background.",
    "expression": "The face's expression.",
    "gaze": "Where the eyes look.",
}


class MiniWorld(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityMiniWorld",
            display_name="Load Mini World (demo)",
            category=categories.DEMO,
            description="A tiny Stable Diffusion of drawn faces that comes with the pack, to try the method without "
            "downloading anything. Its images are 128x128: set resolution to 128 in StableIdentity Train, and width "
            "and height to 128 in EmptyLatentImage.",
            inputs=[],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The SD2-style diffusion model, for 128x128."),
                io.Clip.Output(
                    display_name="CLIP", tooltip="Its text encoder, which knows few words; see the help page."
                ),
                io.Vae.Output(display_name="VAE", tooltip="Its VAE."),
                FaceEncoderType.Output(display_name="face_encoder", tooltip="Its face encoder, for drawn faces only."),
                ProjectorType.Output(
                    display_name="projector",
                    tooltip="Trained on many drawn people: for Project to Name Space, which needs no training, "
                    "and for StableIdentity Train, which then needs only a few steps.",
                ),
                FaceEncoderType.Output(
                    display_name="recogniser",
                    tooltip="Trained apart from the face encoder, on other drawn people: for Score Pictures.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls) -> str:
        return file_state(weights.FILE)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        weights.check_file(weights.FILE)  # load_weights is cached and would not notice a change
        loaded = weights.load_weights(weights.FILE)
        encoder = resident_encoder(mini_world_encoder(loaded))
        recogniser = resident_encoder(mini_world_recogniser(loaded))
        return io.NodeOutput(*mini_world(loaded), encoder, mini_world_projector(), recogniser)


class DrawPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityMiniWorldPerson",
            display_name="Draw a Person (demo)",
            category=categories.DEMO,
            description="Draws a person the mini world has never seen, with exact face and hair masks. "
            "Stands in for your photo in the demo.",
            inputs=[
                io.Int.Input(
                    "person",
                    default=1,
                    min=-FURTHEST,
                    max=FURTHEST,
                    control_after_generate=False,  # each queued prompt would train on a new person
                    tooltip="Each number is a different person, always the same one.",
                ),
                *(
                    io.Combo.Input(
                        part, options=list(CHOICES[part]), default=default, optional=True, tooltip=TOOLTIPS[part]
                    )
                    for part, default in vars(Look()).items()
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The portrait, 128x128, for Prepare Face."),
                io.Mask.Output(display_name="face_mask", tooltip="Where the face is, exactly."),
                io.Mask.Output(display_name="hair_mask", tooltip="Where the hair is, exactly."),
                io.String.Output(display_name="who", tooltip="A description of the person."),
            ],
        )

    @classmethod
    def execute(cls, person: int, **look: str) -> io.NodeOutput:
        drawn = unseen_person(person)
        portrait = paint(drawn, replace(Look(), **look))
        image = torch.from_numpy(portrait.image.copy()).float() / 255
        masks = (torch.from_numpy(mask.copy()) for mask in (portrait.face_mask, portrait.hair_mask))
        return io.NodeOutput(image[None], *(mask[None] for mask in masks), describe(drawn))
