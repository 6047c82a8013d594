"""A head in 3D from a prompt that names a person."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.head3d import PRESETS, HeadSettings, Splat, furthest_azimuth, with_preset
from ..stableidentity_core.head3d.settings import NEGATIVE
from ..stableidentity_core.head3d.turntable import views_of
from ..stableidentity_core.head3d.verdict import verdict
from ..stableidentity_core.identity.prompt import check_triggers
from . import categories
from .head3d_settings import widgets_of
from .host import paths
from .host.head3d import MadeHead, duration_of, make_head
from .host.progress_text import tell
from .host.prompts import apply_identities
from .host.splats import from_host, on_device, to_host
from .types import HeadSettingsType, IdentityType, SplatType, advanced
from .widgets import seed

NODE = "Head 3D"
OWN = 0  # for a number that the preset gives
MOST_SIDE = 512  # pixels of the pictures that are given


class Head3D(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityHead3D",
            display_name=NODE,
            category=categories.HEAD,
            description="Makes a head in 3D, as Gaussians, of a person in a prompt: pictures of it from all around are "
            "pushed to what the diffusion model wants to see (LucidDreamer's interval score matching). Nothing is "
            "trained but the Gaussians. After a cancel, the same goes on where it was.",
            inputs=[*_sources(), *_widgets()],
            outputs=[
                SplatType.Output(
                    display_name="splat",
                    tooltip="The head, for Turntable and Save Splat; in recent ComfyUI also for its own splat nodes.",
                ),
                io.Image.Output(display_name="pictures", tooltip="Four views of the head."),
                io.String.Output(display_name="report", tooltip="Time, number of Gaussians, and what went wrong."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, restart: bool = False, **_others: Any) -> int:
        return time.time_ns() if restart else 0

    @classmethod
    def execute(
        cls,
        model,
        clip,
        vae,
        prompt: str,
        negative: str,
        preset: str,
        steps: int,
        seed: int,
        identity=None,
        settings: HeadSettings | None = None,
        start=None,
        restart: bool = False,
    ) -> io.NodeOutput:
        chosen = settings_of(settings, preset, steps, seed)
        if clip is not None and identity is not None:
            clip = apply_identities(clip, [identity], paths.session_folder())
        known = getattr(getattr(clip, "tokenizer", None), "identities", {})
        check_triggers(prompt, known, required=[] if identity is None else [identity.trigger])
        made = make_head(
            model,
            clip,
            vae,
            prompt=prompt,
            negative=negative,
            settings=chosen,
            start=None if start is None else from_host(start),
            restart=restart,
        )
        pictures = _pictures(made.splat, chosen)
        text = report_of(made, chosen)
        tell(text.partition("\n")[0])
        shown = {**ui.PreviewImage(pictures, cls=cls).as_dict(), "text": (text,)}
        return io.NodeOutput(to_host(made.splat), pictures, text, ui=shown)


def settings_of(settings: HeadSettings | None, preset: str, steps: int, seed: int) -> HeadSettings:
    """What is to be done: connected settings, or those of the preset, with the node's own steps and seed."""
    base = with_preset(HeadSettings(), preset) if settings is None else settings
    return replace(base, seed=seed, steps=steps or base.steps)


def report_of(made: MadeHead, settings: HeadSettings) -> str:
    """What was done, and what went wrong."""
    lines = [
        f"{len(made.splat):,} Gaussians, {settings.steps} steps {duration_of(made)}",
        f"{settings.guidance} with gradient {settings.gradient}, {settings.views} views of {settings.resolution} "
        f"pixels, about {made.memory:.1f} GB beside the models",
    ]
    return "\n".join([*lines, *verdict(made.splat, made.deviations, furthest_azimuth(settings))])


def _pictures(splat: Splat, settings: HeadSettings) -> Tensor:  # [4, S, S, 3]
    """All around, or from as far to the side as the head was seen."""
    reach = furthest_azimuth(settings)
    azimuths = [0.0, 90.0, 180.0, -90.0] if reach >= 90 else [-reach, -reach / 3, reach / 3, reach]
    with torch.no_grad():
        found = views_of(on_device(splat), azimuths, min(settings.resolution, MOST_SIDE))
    return found.movedim(1, -1).cpu()


def _sources() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The diffusion model: SD1.5 or SD2.x (the paper's is 2.1-base)."),
        io.Clip.Input("clip", tooltip="Its text encoder, as it is or from Apply Identity."),
        io.Vae.Input("vae", tooltip="Its VAE."),
        IdentityType.Input(
            "identity", optional=True, tooltip="The person in the prompt, if CLIP does not come from Apply Identity."
        ),
        HeadSettingsType.Input(
            "settings", optional=True, tooltip="From Head 3D Settings; they take the place of the preset."
        ),
        SplatType.Input(
            "start", optional=True, tooltip="Gaussians to begin with, in place of a grey bust: a head from elsewhere."
        ),
    ]


def _widgets() -> list[io.Input]:
    return [
        io.String.Input(
            "prompt",
            multiline=True,
            default="a photo of <person-1>",
            tooltip="What the head is of, with the person's trigger in angle brackets.",
        ),
        io.String.Input(
            "negative", multiline=True, default=NEGATIVE, tooltip="What its pictures are not to look like."
        ),
        io.Combo.Input(
            "preset",
            options=list(PRESETS),
            default="quick",
            tooltip="paper: as published, 5,000 steps at 512 pixels through the VAE's encoder. quick: 1,200 steps "
            "towards decoded pictures, with less memory. mini_world: for the mini world, about a minute on a CPU.",
        ),
        io.Int.Input("steps", default=OWN, min=0, max=100_000, tooltip="Steps; 0 for those of the preset or settings."),
        seed("Determines where Gaussians begin and all random draws: on a CPU the same seed gives the same head."),
        advanced(
            io.Boolean.Input(
                "restart",
                default=False,
                optional=True,
                tooltip="Begin again even if the same head was stopped before, and each time it is queued.",
            )
        ),
    ]


class Head3DSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityHead3DSettings",
            display_name="Head 3D Settings",
            category=categories.HEAD,
            description="Settings of Head 3D in place of its preset. New nodes show those of the paper. For SDS, pixel "
            "goals, less memory, other views or more Gaussians.",
            inputs=widgets_of(HeadSettings()),
            outputs=[HeadSettingsType.Output(display_name="settings", tooltip="For Head 3D.")],
        )

    @classmethod
    def execute(cls, preset: str, elevation_from: float, elevation_to: float, **values: Any) -> io.NodeOutput:
        values["elevation"] = elevation_from, elevation_to
        return io.NodeOutput(replace(with_preset(HeadSettings(), preset), **values))
