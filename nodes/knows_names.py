"""Whether a model knows names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.encode import FaceEncoder
from ..stableidentity_core.evaluate.metrics.instruments import FindFaces
from ..stableidentity_core.evaluate.networks.aligned import aligned_already
from ..stableidentity_core.evaluate.networks.faces import SIZE, recogniser_of
from ..stableidentity_core.suite.known_names import (
    PROMPTS,
    Groups,
    NamesKnown,
    ask_for_names,
    name_groups,
    names_sheet,
    report,
    verdict,
)
from ..stableidentity_core.suite.known_names.groups import FEWEST, MOST
from ..stableidentity_core.suite.known_names.of_model import SIDE, names_of
from ..stableidentity_core.weights.face_nets import DETECTORS
from . import categories
from .host.any_text import host_text
from .host.face_nets import nets_state
from .host.measuring import AUTO, OFF, photo_finder
from .host.mini_world import DRAWN_SIDE, judges_drawn_people
from .host.models import check_models
from .host.out_of_memory import with_memory_advice
from .host.painting import paint
from .host.progress import counting
from .host.progress_text import tell, told_if_stopped
from .host.session import host_name_spaces
from .types import FaceEncoderType, NameSpaceType, advanced

NODE = "Does It Know Names?"


class KnowsNames(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityKnowsNames",
            display_name=NODE,
            category=categories.MEASURE,
            description="Asks a model whether it knows names, before a person is learned on it: paints celebrities, "
            "new names and scrambled ones, and compares the faces. Where names mean nothing, a word that is learned "
            "among names has nothing to land in. Experimental.",
            inputs=[*_inputs(), *_advanced_inputs()],
            outputs=[
                io.String.Output(display_name="report", tooltip="The answer, and a table of the three kinds of names."),
                io.Image.Output(display_name="sheet", tooltip="The first names of each kind, a row for each."),
                io.Float.Output(
                    display_name="separation",
                    tooltip="How often two pictures of one celebrity are more alike than pictures of two: 0.5 is "
                    "chance, 1 is one person for each name.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs) -> str:
        return nets_state()

    @classmethod
    def execute(
        cls, model, clip, vae, recogniser, names, resolution, draw, name_space=None, find_face=AUTO, download=False,
        steps=0, cfg=0.0
    ) -> io.NodeOutput:  # fmt: skip
        text = host_text(clip)
        check_models(model, text, vae, resolution, where=f"it is a widget of {NODE}", trains=False)
        sampling = text.family.sampling
        sampling = replace(sampling, steps=steps or sampling.steps, cfg=cfg or sampling.cfg)
        groups = name_groups(names_of(name_space or host_name_spaces(clip)), names, draw)
        find = _finder(recogniser, find_face, download)
        paint_one = partial(paint, model, clip, vae, side=resolution, sampling=sampling)
        with told_if_stopped():
            known = with_memory_advice(
                lambda: _asked(groups, paint_one, find, recogniser),
                lambda message: f"The device ran out of memory at {resolution} pixels ({message}). Lower resolution.",
            )
        sheet, told = names_sheet(known), f"{report(known, recogniser.name)}\nPainted with {sampling}"
        tell(verdict(known).partition(" (")[0])
        shown = {**ui.PreviewImage(sheet, cls=cls).as_dict(), "text": (told,)}
        return io.NodeOutput(told, sheet, known.separation, ui=shown)


def _inputs() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The diffusion model that people would be learned on."),
        io.Clip.Input("clip", tooltip="The text encoder of the same model."),
        io.Vae.Input("vae", tooltip="The VAE of the same model."),
        FaceEncoderType.Input(
            "recogniser",
            tooltip="Says which faces are alike: from Load Face Encoder, best ArcFace; for drawn people the "
            "recogniser of Load Mini World.",
        ),
        NameSpaceType.Input(
            "name_space",
            optional=True,
            tooltip="Other names than the pack's, from Celebrity Name Space.",
        ),
        io.Int.Input(
            "names",
            default=12,
            min=FEWEST,
            max=MOST,
            tooltip=f"Names of each of three kinds. Each is painted {len(PROMPTS)} times, so 12 are 144 "
            "pictures. More give a surer answer.",
        ),
        io.Int.Input("resolution", default=512, min=64, max=2048, step=8, tooltip="Of the pictures, in pixels."),
        io.Int.Input("draw", default=0, min=0, max=0xFFFFFFFF, tooltip="Which names are drawn from the list."),
    ]


def _advanced_inputs() -> list[io.Input]:
    return [
        advanced(
            io.Combo.Input(
                "find_face",
                options=[AUTO, *DETECTORS, OFF],
                default=AUTO,
                tooltip="auto: the first installed detector; for drawn people, as off. off: every picture is "
                "an aligned square portrait.",
            )
        ),
        advanced(
            io.Boolean.Input("download", default=False, tooltip="Download the face detector if it is missing (109 MB).")
        ),
        advanced(
            io.Int.Input(
                "steps",
                default=0,
                min=0,
                max=200,
                optional=True,
                tooltip="Of the sampler. 0: as many as suit the base; for Z-Image and Flux.2 klein those of "
                "the distilled models, so set 30 for their undistilled ones.",
            )
        ),
        advanced(
            io.Float.Input(
                "cfg",
                default=0.0,
                min=0.0,
                max=30.0,
                step=0.1,
                optional=True,
                tooltip="0: what suits the base; for Z-Image and Flux.2 klein 1, so set 4 for their "
                "undistilled models.",
            )
        ),
    ]


def _finder(recogniser: FaceEncoder, find_face: str, download: bool) -> FindFaces:
    drawn = judges_drawn_people(recogniser)
    if find_face == OFF or (drawn and find_face == AUTO):
        return aligned_already(DRAWN_SIDE if drawn else SIZE)
    return photo_finder(find_face, download, SIZE, told=False)


def _asked(groups: Groups, paint_one: Callable[..., Tensor], find: FindFaces, recogniser: FaceEncoder) -> NamesKnown:
    """With a bar of the pictures on the node."""
    on_done, done = counting(sum(map(len, groups.values())) * len(PROMPTS), "picture"), 0

    def painted(prompts: Sequence[str], first_seed: int) -> Tensor:
        nonlocal done
        made = []
        for at, prompt in enumerate(prompts):
            made.append(paint_one(prompt, seed=first_seed + at))
            done += 1
            on_done(done)
        return torch.cat(made).movedim(-1, 1)

    with torch.inference_mode():
        embed = recogniser_of(recogniser, {}).embed
        return ask_for_names(groups, paint=painted, find=find, embed=embed, side=SIDE)
