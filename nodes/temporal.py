"""How well a clip keeps a face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.errors import MissingFileError, StableIdentityError
from ..stableidentity_core.evaluate.temporal import (
    check_plot,
    clip_plot,
    report,
    score_clip,
    undefined_to_next,
    undefined_to_photo,
)
from ..stableidentity_core.face import FaceDetector, FaceRule, photo_of_image
from ..stableidentity_core.face.prepare import Choice
from ..stableidentity_core.weights.face_nets import DETECTORS
from .host.blocked import blocked
from .host.cancel import checked
from .host.face_nets import detector, missing, nets_state
from .host.plots import settle_matplotlib
from .host.progress import counting
from .types import CATEGORY, FaceEncoderType, FaceType

RULES = ("largest", "most central", "leftmost")


class TemporalScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTemporalScore",
            display_name="Temporal Identity Score",
            category=CATEGORY,
            description="How well a clip keeps a face: the similarity of each frame to the photo, and of each frame to "
            "the next one. Frames without a face are told of and left out of the means.",
            inputs=[
                FaceEncoderType.Input(
                    "face_encoder", tooltip="Who evaluators: best another one than the person was learned with."
                ),
                io.Image.Input("frames", tooltip="The clip: a batch of pictures in their order."),
                FaceType.Input(
                    "face",
                    optional=True,
                    tooltip="From Prepare Face: the photo. Several photos: the mean. Without it frames are compared "
                    "with each other only.",
                ),
                *_settings(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="frame_to_photo",
                    tooltip="Mean similarity of the frames to the photo, -1 to 1. Without a photo, nodes behind it "
                    "do not run.",
                ),
                io.Float.Output(
                    display_name="frame_to_frame",
                    tooltip="Mean similarity of neighbouring frames, -1 to 1. With a single frame, nodes behind it "
                    "do not run.",
                ),
                io.Image.Output(display_name="plot", tooltip="Both along the frames, with gaps where no face is."),
                io.String.Output(
                    display_name="report", tooltip="Means, the least frame, first to last, and frames without a face."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs) -> str:
        return nets_state()

    @classmethod
    def execute(
        cls, face_encoder, frames, face=None, find_face="auto", which_face: FaceRule = "largest", download=False
    ) -> io.NodeOutput:
        settle_matplotlib()
        check_plot()
        _check_frames(frames)
        find = _detector(find_face, download)
        score = score_clip(
            _photos(frames),
            face_encoder,
            checked(face or ()),
            detector=find,
            choice=Choice(rule=which_face),
            on_frame=counting(len(frames)),
        )
        plot, text = clip_plot(score)[None], report(score)
        to_photo = score.to_photo.mean if score.to_photo else None
        return io.NodeOutput(
            _or_blocked(to_photo, undefined_to_photo(score)),
            _or_blocked(score.to_next.mean, undefined_to_next(score)),
            plot,
            text,
            ui={**ui.PreviewImage(plot, cls=cls).as_dict(), "text": (text,)},
        )


def _settings() -> list[io.Input]:
    return [
        io.Combo.Input(
            "find_face",
            options=["auto", *DETECTORS, "off"],
            default="auto",
            tooltip="auto: with the first detector that is in place. off: the frames are square portraits, aligned as "
            "Prepare Face does it, and none is without a face.",
        ),
        io.Combo.Input(
            "which_face",
            options=list(RULES),
            default=RULES[0],
            tooltip="Which one, when a frame has several. Each frame is looked at by itself.",
        ),
        io.Boolean.Input(
            "download",
            default=False,
            tooltip="Fetch the chosen detector (auto: the first one, 109 MB) when it is not in place. Sources and "
            "licences: MODELS.md.",
        ),
    ]


def _check_frames(frames: Tensor) -> None:
    if frames.ndim != 4 or not len(frames):
        raise StableIdentityError(
            f"Temporal Identity Score got {len(frames)} frames (shape {list(frames.shape)}), needed at least 1. The "
            "node before it gave none; look there."
        )


def _photos(frames: Tensor) -> Iterator[Tensor]:  # [3, H, W] each
    for number, frame in enumerate(frames, start=1):
        try:
            yield photo_of_image(frame)
        except StableIdentityError as error:
            raise type(error)(f"Frame {number}: {error}") from error


def _detector(choice: str, download: bool) -> FaceDetector | None:
    """Unlike a photo, a clip is hardly ever an aligned portrait: that has to be said."""
    find = detector(choice, download)
    if find is None and choice != "off":
        raise MissingFileError(
            f"There is no detector in place to find the faces of the clip. {missing(DETECTORS[0])} Or turn on "
            "`download`; or set find_face to off, if every frame is an aligned portrait."
        )
    return find


def _or_blocked(value: float | None, why: str | None) -> Any:
    """The value; where there is none, nodes that ask for it are told why, and all others run."""
    return blocked(why) if value is None else value
