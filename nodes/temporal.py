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
from . import categories
from .host.blocked import blocked
from .host.cancel import checked
from .host.face_nets import detector, missing, nets_state
from .host.plots import configure_matplotlib
from .host.progress import counting
from .host.progress_text import tell, told_if_stopped
from .types import FaceEncoderType, FaceType

RULES = ("largest", "most central", "leftmost")


class TemporalScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityTemporalScore",
            display_name="Temporal Identity Score",
            category=categories.VIDEO,
            description="How well a clip keeps a face: the similarity of each frame to the photo, and of each frame to "
            "the next one. Frames without a face are reported and excluded from the means.",
            inputs=[
                FaceEncoderType.Input(
                    "face_encoder", tooltip="Scores the frames; best a different one from the one used for training."
                ),
                io.Image.Input("frames", tooltip="The clip: a batch of pictures in their order."),
                FaceType.Input(
                    "face",
                    optional=True,
                    tooltip="The photo, from Prepare Face; for several photos, their mean counts. Without it, frames "
                    "are only compared with each other.",
                ),
                *_settings(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="frame_to_photo",
                    tooltip="Mean similarity of the frames to the photo, -1 to 1. Without a photo, nodes "
                    "connected here do not run.",
                ),
                io.Float.Output(
                    display_name="frame_to_frame",
                    tooltip="Mean similarity of neighbouring frames, -1 to 1. With a single frame, nodes "
                    "connected here do not run.",
                ),
                io.Image.Output(display_name="plot", tooltip="Both over the frames, with gaps where there is no face."),
                io.String.Output(
                    display_name="report", tooltip="Means, lowest frame, first against last, and frames without a face."
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
        configure_matplotlib()
        check_plot()
        _check_frames(frames)
        find = _detector(find_face, download)
        with told_if_stopped():
            score = score_clip(
                _photos(frames),
                face_encoder,
                checked(face or ()),
                detector=find,
                choice=Choice(rule=which_face),
                on_frame=counting(len(frames), "frame"),
            )
        plot, text = clip_plot(score)[None], report(score)
        tell(text.partition("\n")[0])
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
            tooltip="auto: the first installed detector. off: the frames are square portraits, aligned as by "
            "Prepare Face, and all of them show the face.",
        ),
        io.Combo.Input(
            "which_face",
            options=list(RULES),
            default=RULES[0],
            tooltip="Which face to use if a frame has several. Each frame is processed independently.",
        ),
        io.Boolean.Input(
            "download",
            default=False,
            tooltip="Download the chosen detector (auto: the first one, 109 MB) if it is missing. Sources and "
            "licences: MODELS.md.",
        ),
    ]


def _check_frames(frames: Tensor) -> None:
    if frames.ndim != 4 or not len(frames):
        raise StableIdentityError(
            f"Temporal Identity Score got {len(frames)} frames (shape {list(frames.shape)}), needed at least 1. "
            "Check the node connected to it."
        )


def _photos(frames: Tensor) -> Iterator[Tensor]:  # [3, H, W] each
    for number, frame in enumerate(frames, start=1):
        try:
            yield photo_of_image(frame)
        except StableIdentityError as error:
            raise type(error)(f"Frame {number}: {error}") from error


def _detector(choice: str, download: bool) -> FaceDetector | None:
    """Unlike a photo, a clip is hardly ever an aligned portrait, so that needs an explicit `off`."""
    find = detector(choice, download)
    if find is None and choice != "off":
        raise MissingFileError(
            f"There is no detector installed to find the faces in the clip. {missing(DETECTORS[0])} Or turn on "
            "`download`; or set find_face to off, if every frame is an aligned portrait."
        )
    return find


def _or_blocked(value: float | None, why: str | None) -> Any:
    """The value, or a blocker that makes nodes using it show why there is none; all others run."""
    return blocked(why) if value is None else value
