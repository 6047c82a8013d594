"""The name space and the training."""

from __future__ import annotations

import time
from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.encode import encode_face
from ..stableidentity_core.errors import StableIdentityError, error_context
from ..stableidentity_core.face import Face
from ..stableidentity_core.identity.triggers import split_triggers, triggers_of
from ..stableidentity_core.methods import all_settings, get_method
from ..stableidentity_core.methods.registry import DEFAULT
from ..stableidentity_core.text.names import parse_names
from ..stableidentity_core.train import TrainConfig
from ..stableidentity_core.train.photos import without_features
from ..stableidentity_core.train.pictures import MOST, check_picture_prompt, picture_prompt, picture_steps
from ..stableidentity_core.train.presets import check_preset
from ..stableidentity_core.train.scoring import EVERY, LAST
from ..stableidentity_core.train.session import Person
from . import categories
from .host.blocked import blocked
from .host.encoders import paper_encoder
from .host.learned import Learned, Pictures, lines_of, shown, summary_of
from .host.painting import Painter
from .host.progress_text import tell
from .host.scoring import scoring_in_host
from .host.session import HostModels, host_name_spaces
from .host.training import train_in_host
from .train_settings import CUSTOM, PEOPLE_AT_ONCE, PICTURE_PROMPT, PICTURES, PREVIEW_EVERY, train_settings
from .types import (
    FaceEncoderType,
    FaceType,
    IdentityType,
    NameSpaceType,
    ProjectorType,
    fits,
    only,
)

NODE = "StableIdentity Train"


class CelebrityNameSpace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityNameSpace",
            display_name="Celebrity Name Space",
            category=categories.LEARN,
            description="Computes where celebrity names lie in the embedding space of a text encoder. "
            "New people are placed there, so that prompts treat them like a name.",
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the checkpoint the person will be learned on."),
                io.String.Input(
                    "names",
                    multiline=True,
                    default="",
                    placeholder="empty: the pack's own list",
                    tooltip="Full names, one per line; only those of exactly two CLIP tokens count. "
                    "Empty: the pack's own list of 1,400.",
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
            display_name=NODE,
            category=categories.LEARN,
            description="Learns a person from one photo as two words of the text encoder, by StableIdentity "
            "(arXiv 2401.15975), Celeb-Basis or Textual Inversion; or several people at once. The model is not "
            "changed. A training that was done before is not repeated. Flow-matching models (SD3.5, Z-Image, Wan) are "
            "experimental.",
            inputs=[*_sources(), *train_settings()],
            outputs=[
                IdentityType.Output(
                    display_name="identity",
                    is_output_list=True,
                    tooltip="The person's words, for Save and Apply Identity; for several people, one each, in order.",
                ),
                ProjectorType.Output(
                    display_name="projector",
                    is_output_list=True,
                    tooltip="The trained projector, for Project to Name Space; one per person.",
                ),
                io.Image.Output(
                    display_name="loss",
                    is_output_list=True,
                    tooltip="The loss over the steps, a curve for each of its two phases; one picture per person.",
                ),
                io.Image.Output(
                    display_name="picture",
                    is_output_list=True,
                    tooltip="What was painted, in the order of the steps; one batch per person. With pictures 0, nodes "
                    "connected here do not run.",
                ),
            ],
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, trigger=None, pictures=None, picture_prompt=None) -> bool | str:
        answers = [fits(split_triggers, text) for text in trigger or []]
        for count in pictures or []:  # the host does not check what this method takes
            whole = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST
            answers.append(whole or f"pictures is {count!r:.40}, needed a whole number from 0 to {MOST}.")
        if pictures != [0]:
            answers += [fits(check_picture_prompt, text) for text in picture_prompt or []]
        return next((answer for answer in answers if answer is not True), True)

    @classmethod
    def fingerprint_inputs(cls, force_retrain=(), **_others) -> int:
        return time.time_ns() if any(force_retrain) else 0  # otherwise the host would use its cached result

    @classmethod
    def execute(cls, face, trigger, **given) -> io.NodeOutput:
        one = {name: only(name, values, NODE) for name, values in given.items()}
        model, clip, vae = (one.pop(name) for name in ("model", "clip", "vae"))
        encoder, name_space = one.pop("face_encoder", None), one.pop("name_space", None)
        start = one.pop("projector", None)
        force, preview_every = one.pop("force_retrain"), one.pop("preview_every", PREVIEW_EVERY)
        at_once = one.pop("people_at_once", PEOPLE_AT_ONCE)
        preset = one.pop("preset")
        recogniser = one.pop("recogniser", None)
        keep, score_every = one.pop("keep", LAST), one.pop("score_every", EVERY)
        count, prompt = one.pop("pictures", PICTURES), one.pop("picture_prompt", PICTURE_PROMPT)
        config = _config(one)
        if preset != CUSTOM:
            check_preset(config, preset)
        if not face:
            raise StableIdentityError(f"{NODE} got no face; needed at least one, from Prepare Face or Encode Face.")
        triggers = triggers_of(trigger, len(face))
        for name in triggers if count else ():
            picture_prompt(prompt, name)
        people = []
        for name, photos in zip(triggers, face, strict=True):
            with error_context(name if len(face) > 1 else ""):
                people.append(Person(trigger=name, faces=_encoded(photos, encoder, config.method)))
        scoring = scoring_in_host(
            model, clip, vae, recogniser=recogniser, people=people, side=config.resolution, every=score_every, keep=keep
        )
        learned = train_in_host(
            HostModels(model, clip, vae, config.resolution),
            people=people,
            name_space=name_space,
            config=config,
            force=force,
            preview_every=preview_every,
            start=start,
            at_once=at_once,
            pictures=_pictures(model, clip, vae, config, count, prompt),
            scoring=scoring,
        )
        tell(summary_of(learned))
        return _output(cls, learned, count)


def _pictures(model: Any, clip: Any, vae: Any, config: TrainConfig, count: int, prompt: str) -> Pictures:
    if not count:
        return Pictures(painter=None)
    painter = Painter(model, clip, vae, prompt=prompt, side=config.resolution, seed=config.seed)
    return Pictures(painter=painter, during=frozenset(picture_steps(config.steps, count)[:-1]))


def _output(node: type[io.ComfyNode], people: list[Learned], count: int) -> io.NodeOutput:
    last = shown(people)
    images = {} if last is None else ui.PreviewImage(last, cls=node).as_dict()
    return io.NodeOutput(
        [one.identity for one in people],
        [one.projector for one in people],
        [one.curve for one in people],
        [_batch(one.pictures, count) for one in people],
        ui={**images, "text": lines_of(people)},
    )


def _batch(pictures: list[Tensor], count: int) -> Any:
    """One person's pictures [N, H, W, 3], or what stops the nodes behind."""
    if pictures:
        return torch.cat(pictures)
    why = "pictures is 0. Set it to 1 or more" if not count else "painting failed, as the log says"
    return blocked(f"{NODE} has painted no picture: {why}.")


def _config(widgets: dict[str, Any]) -> TrainConfig:
    """The settings shown by the widgets, without those of other methods."""
    method = widgets.get("method", DEFAULT)
    others = all_settings().keys() - {setting.name for setting in get_method(method).settings}
    return TrainConfig().with_settings(**{name: value for name, value in widgets.items() if name not in others})


def _encoded(photos: tuple[Face, ...], encoder: Any, method: str) -> list[Face]:
    """The photos with the features that the method needs."""
    if not get_method(method).needs_face:
        return without_features(photos)
    if encoder is None and all(photo.feature is not None for photo in photos):
        return list(photos)
    used = encoder or paper_encoder()
    return [encode_face(used, photo) if encoder or photo.feature is None else photo for photo in photos]


def _sources() -> list[io.Input]:
    return [
        io.Model.Input(
            "model",
            tooltip="The diffusion model: SD1.5, SD2.x (the paper's is 2.1-base) or SDXL. "
            "Experimental: flow models such as SD3.5, Z-Image and Wan.",
        ),
        io.Clip.Input("clip", tooltip="Its text encoder; all of them where there are several."),
        io.Vae.Input("vae", tooltip="Its VAE."),
        FaceType.Input(
            "face", tooltip="The photo, from Prepare Face or Encode Face; or several people, from Several People."
        ),
        FaceEncoderType.Input(
            "face_encoder",
            optional=True,
            tooltip="Default: the paper's, if the face does not come from Encode Face.",
        ),
        NameSpaceType.Input(
            "name_space",
            optional=True,
            tooltip="Default: the pack's own list of names, with the connected CLIP.",
        ),
        ProjectorType.Input(
            "projector",
            optional=True,
            tooltip="A projector to start from, trained on many people; about 25 steps may then be enough.",
        ),
        FaceEncoderType.Input(
            "recogniser",
            optional=True,
            tooltip="Scores the person's pictures while they are learned. Another face encoder than the one used for "
            "training, from Load Face Encoder; for drawn people the recogniser of Load Mini World.",
        ),
    ]
