"""How good pictures of a person are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.evaluate.metrics import Instruments, Metric
from ..stableidentity_core.evaluate.networks import check_recogniser
from ..stableidentity_core.evaluate.networks.aligned import aligned_already
from ..stableidentity_core.evaluate.networks.faces import SIZE
from ..stableidentity_core.evaluate.networks.instruments import CLIPS
from ..stableidentity_core.identity import Identity
from ..stableidentity_core.identity.prompt import find_triggers
from ..stableidentity_core.suite.scored import (
    PictureScores,
    contact_sheet,
    prompts_of_pictures,
    report,
    score_pictures,
    with_slot,
)
from ..stableidentity_core.suite.scored.pictures import SIMILARITY
from ..stableidentity_core.weights.face_nets import DETECTORS
from . import categories
from .host.cancel import StoppableTorch
from .host.face_nets import nets_state
from .host.measuring import AUTO, DISTANCE, OFF, measuring_state, photo_finder, photo_instruments
from .host.mini_world import DRAWN_SIDE, judges_drawn_people, mini_world_instruments
from .host.progress_text import tell, told_if_stopped
from .types import FaceEncoderType, FaceType, IdentityType, ScoresType, only

NODE = "Score Pictures"
ALIGNED = "No face was looked for: the pictures were taken as aligned portraits."


class ScorePictures(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityScore",
            display_name=NODE,
            category=categories.MEASURE,
            description="How good pictures of a person are: how similar each face is to the photo, and how well each "
            "picture shows what its prompt says.",
            inputs=[
                io.Image.Input("pictures", tooltip="The pictures to measure, in the order of the prompts."),
                io.String.Input(
                    "prompts",
                    force_input=True,
                    tooltip="What the pictures were made with, from Prompt List: one picture of each, or as many of "
                    "each.",
                ),
                FaceType.Input(
                    "face", tooltip="The photo that was learned, from Prepare Face. Of several, their mean counts."
                ),
                FaceEncoderType.Input(
                    "recogniser",
                    tooltip="Judges the likeness. Another face encoder than the one used for training, from Load Face "
                    "Encoder; for drawn people the recogniser of Load Mini World.",
                ),
                IdentityType.Input(
                    "identity",
                    optional=True,
                    tooltip="The person in the pictures: names the report, and is checked to be learned with another "
                    "encoder than the recogniser.",
                ),
                *_settings(),
            ],
            outputs=[
                io.String.Output(display_name="table", tooltip="Means, and a Markdown table of all pictures."),
                io.Image.Output(
                    display_name="sheet",
                    tooltip="The photo and the pictures with their values, best and worst marked; of more than 96, "
                    "some.",
                ),
                io.Float.Output(
                    display_name="similarity",
                    tooltip="Mean similarity of the faces to the photo, -1 to 1. A picture without a face counts 0.",
                ),
                ScoresType.Output(
                    display_name="scores", tooltip="Everything that was measured, for Evaluation Report."
                ),
            ],
            is_output_node=True,  # its table and sheet are what a user wants, whatever follows
            is_input_list=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs) -> str:
        return f"{nets_state()} {measuring_state()}"

    @classmethod
    def execute(
        cls, pictures, prompts, face, recogniser, identity=None, name=("",), find_face=(AUTO,), clip=(AUTO,),
        distance=(AUTO,), download=(False,),
    ) -> io.NodeOutput:  # fmt: skip
        given = {"face": face, "recogniser": recogniser, "identity": identity or [None], "name": name}
        given |= {"find_face": find_face, "clip": clip, "distance": distance, "download": download}
        one = {key: only(key, values, NODE) for key, values in given.items()}
        with told_if_stopped(), StoppableTorch():
            scores = _scored(pictures, prompts, **one)
            sheet, text = contact_sheet(scores), report(scores)
        tell(". ".join(text.split("\n")[: 2 if scores.prompt_score else 1]))
        shown = {**ui.PreviewImage(sheet, cls=cls).as_dict(), "text": (text,)}
        return io.NodeOutput(text, sheet, scores.mean(SIMILARITY), scores, ui=shown)


def _settings() -> list[io.Input]:
    return [
        io.String.Input(
            "name",
            default="",
            placeholder="empty: <...> and embedding:...",
            tooltip="What else stands for the person in the prompts, such as the name of a celebrity. Triggers in "
            "angle brackets and embedding:NAME are known anyway.",
        ),
        io.Combo.Input(
            "find_face",
            options=[AUTO, *DETECTORS, OFF],
            default=AUTO,
            tooltip="auto: the first installed detector; for drawn people, as off. off: every picture is an aligned "
            "square portrait. The largest face of a picture counts.",
        ),
        io.Combo.Input(
            "clip",
            options=[AUTO, *CLIPS, OFF],
            default=AUTO,
            tooltip="Measures how well pictures follow their prompts (CLIP-T), with 'a person' in the person's place. "
            "auto: CLIP ViT-B/32 if it is installed; for drawn people, the mini world's own reader.",
        ),
        io.Combo.Input(
            "distance",
            options=[AUTO, DISTANCE, OFF],
            default=AUTO,
            tooltip="Measures how much the faces differ between the pictures and from the photo (LPIPS). auto: if it "
            "is installed; for drawn people, the mini world's own.",
        ),
        io.Boolean.Input(
            "download",
            default=False,
            tooltip="Download what is missing: the detector (109 MB), CLIP ViT-B/32 (605 MB, L/14: 1.7 GB) and LPIPS "
            "(244 MB), as far as they are not off. Sources and licences: MODELS.md.",
        ),
    ]


def _scored(
    batches: Sequence[Tensor],
    prompts: Sequence[str],
    *,
    face: Any,
    recogniser: Any,
    identity: Identity | None,
    name: str,
    find_face: str,
    clip: str,
    distance: str,
    download: bool,
) -> PictureScores:
    pictures = _together(batches)
    each = prompts_of_pictures(prompts, [len(batch) for batch in batches])
    drawn = judges_drawn_people(recogniser)
    notes = _checked_encoder(recogniser, identity)
    side = DRAWN_SIDE if drawn else SIZE
    aligned = find_face == OFF or (drawn and find_face == AUTO)
    find = aligned_already(side) if aligned else photo_finder(find_face, download, side)
    tell("loading what measures")
    others, more, left_out = _instruments(drawn, clip, distance, download)
    tell(f"measuring {len(pictures)} {'picture' if len(pictures) == 1 else 'pictures'}")
    person = identity.trigger.strip("<>") if identity else name or _who(prompts)
    return score_pictures(
        pictures,
        [with_slot(prompt, name) for prompt in each],
        [one.image for one in face],
        recogniser=recogniser,
        find=find,
        side=side,
        others=others,
        more=more,
        looked=not aligned,
        person=_as_name(person, "person"),
        method=_as_name((identity.header.get("method", "") if identity else name) or "", "pictures"),
        notes=(*notes, *left_out, *([ALIGNED] if aligned and not drawn else [])),
        drawn=drawn,
    )


def _instruments(drawn: bool, clip: str, distance: str, download: bool) -> tuple[Instruments, list[Metric], list[str]]:
    """Networks besides finder and recogniser, further metrics, and what is to be said about what is left out."""
    if not drawn:
        found, left_out = photo_instruments(clip, distance, download)
        return found, [], left_out
    own, more = mini_world_instruments()
    found, left_out = photo_instruments(OFF if clip == AUTO else clip, OFF if distance == AUTO else distance, download)
    if distance == AUTO:
        found = replace(found, distance=own.distance)
    return found, more if clip == AUTO else [], left_out


def _together(batches: Sequence[Tensor]) -> Tensor:  # [N, 3, H, W]
    sizes = {tuple(batch.shape[1:3]) for batch in batches if batch.ndim == 4}
    odd = next((batch for batch in batches if batch.ndim != 4 or batch.shape[-1] not in (3, 4) or not len(batch)), None)
    if odd is not None or not batches:
        shape = "no picture" if odd is None else f"pictures of shape {list(odd.shape)}"
        raise StableIdentityError(f"{NODE} got {shape}, needed RGB pictures. Check the node connected to it.")
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise StableIdentityError(
            f"{NODE} got pictures of several sizes ({listed}), needed one. Use a separate {NODE} for each size."
        )
    return torch.cat([batch[..., :3].float().cpu() for batch in batches]).movedim(-1, 1).clamp(0, 1).contiguous()


def _checked_encoder(recogniser: Any, identity: Identity | None) -> list[str]:
    """What is to be said where it is not known what the person was learned with."""
    trained_with = identity.header.get("face_encoder") if identity else None
    if trained_with:
        check_recogniser(recogniser, trained_with)
        return []
    why = "the identity does not name it" if identity else "no identity is connected"
    return [f"Not checked: whether the recogniser is the encoder of the training, for {why}."]


def _who(prompts: Sequence[str]) -> str:
    """The first trigger in the prompts."""
    return next((trigger.strip("<>") for prompt in prompts for trigger in find_triggers(prompt)), "")


def _as_name(text: str, otherwise: str) -> str:
    """As a name of a folder."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:60] or otherwise
