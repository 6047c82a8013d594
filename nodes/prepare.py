"""From photos to a face."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import get_args

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import FaceRule, photo_of_image
from ..stableidentity_core.face.prepare import Choice, Prepared, prepare_face
from ..stableidentity_core.face.quality import report_text, require_good
from ..stableidentity_core.weights.face_nets import DETECTORS, PARSERS
from . import categories
from .face_view import PhotoView, views_ui
from .host.cancel import stoppable
from .host.face_nets import detector, missing, nets_state, parser
from .host.resident import loaded
from .host.show import show_now
from .types import FaceType


class PrepareFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StableIdentityPrepareFace",
            display_name="Prepare Face",
            category=categories.PHOTO,
            description="Finds the face in any photo, aligns it as in FFHQ, masks face and hair, and reports what is "
            "wrong with the photo. A batch is treated as several photos of one person.",
            is_output_node=True,  # runs alone, to choose the face; its photos are sent again from the cache
            inputs=[
                io.Image.Input(
                    "image", tooltip="A photo with a face in it. A batch is treated as several photos of one person."
                ),
                io.Mask.Input(
                    "face_mask",
                    optional=True,
                    tooltip="White on the face, in the photo: skin, brows, eyes, nose, mouth, ears; not hair, neck or "
                    "clothes. Overrides the parser's mask.",
                ),
                io.Mask.Input(
                    "hair_mask",
                    optional=True,
                    tooltip="White on the hair, in the photo. Overrides the parser's mask.",
                ),
                *_settings(),
            ],
            outputs=[
                FaceType.Output(display_name="face", tooltip="The portraits with their masks."),
                io.Image.Output(display_name="aligned", tooltip="The portrait as it will be learned, 512x512."),
                io.Mask.Output(display_name="face_mask", tooltip="The face region in the loss."),
                io.Mask.Output(display_name="hair_mask", tooltip="The hair region in the loss."),
                io.Image.Output(display_name="candidates", tooltip="The photo with all detected faces, numbered."),
                io.Image.Output(display_name="overlay", tooltip="The portrait: face in blue, hair in orange."),
                io.String.Output(display_name="report", tooltip="What is good and bad about the photo."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_inputs) -> str:
        return nets_state()

    @classmethod
    def execute(
        cls,
        image,
        face_mask=None,
        hair_mask=None,
        find_face="auto",
        which_face: FaceRule = "largest",
        face_number=1,
        parse_face="auto",
        strict=False,
        download=False,
    ) -> io.NodeOutput:
        photos = _photos(image)
        masks = [_masks(mask, name, len(photos)) for mask, name in ((face_mask, "face_mask"), (hair_mask, "hair_mask"))]
        views: list[PhotoView] = []
        try:
            find, parse = detector(find_face, download), parser(parse_face, download)
            if find is None and find_face == "auto":
                _check_square(photos)
            choice = Choice(rule=which_face, number=face_number)
            for number, (photo, face, hair) in enumerate(zip(photos, *masks, strict=True), start=1):
                views.append(PhotoView(photo=photo))
                with _photo_in_errors(number, len(photos)):
                    detect, mark = loaded(find, parse)
                    prepare = partial(prepare_face, photo, detector=detect, parser=mark, choice=choice)
                    prepare = partial(prepare, face_mask=face, hair_mask=hair, on_detected=views[-1].on_detected)
                    views[-1].prepared = stoppable(prepare)
                    if strict:
                        require_good(views[-1].prepared.report)
        except StableIdentityError as error:
            show_now(views_ui(views or [PhotoView(photo=photo) for photo in photos], problem=str(error)))
            raise
        return _output(views, cls)


def _output(views: list[PhotoView], cls: type[io.ComfyNode]) -> io.NodeOutput:
    done = [view.prepared for view in views if view.prepared is not None]
    report = report_text([one.report for one in done])
    seen = _candidates(done)
    return io.NodeOutput(
        tuple(one.face for one in done),
        torch.stack([one.face.image.movedim(0, -1) for one in done]),
        torch.stack([one.face.face_mask for one in done]),
        torch.stack([one.face.hair_mask for one in done]),
        seen,
        torch.stack([one.overlay.movedim(0, -1) for one in done]),
        report,
        ui={**ui.PreviewImage(seen, cls=cls).as_dict(), **views_ui(views, report)},
    )


def _settings() -> list[io.Input]:
    """Optional, because older saved prompts lack them."""
    return [
        io.Combo.Input(
            "find_face",
            options=["auto", *DETECTORS, "off"],
            default="auto",
            optional=True,
            tooltip="auto: the first installed detector; without one, the photo is used as an aligned "
            "square portrait. off: the photo is always used as such a portrait.",
        ),
        io.Combo.Input(
            "which_face",
            options=list(get_args(FaceRule)),
            default="largest",
            optional=True,
            tooltip="Which face to use if there are several. They are numbered from left to right, see candidates.",
        ),
        io.Int.Input(
            "face_number",
            default=1,
            min=1,
            max=1000,
            optional=True,
            tooltip="Used when which_face is 'number'; the leftmost face is 1.",
        ),
        io.Combo.Input(
            "parse_face",
            options=["auto", *PARSERS, "off"],
            default="auto",
            optional=True,
            tooltip="Creates the masks that are not connected. auto: the first installed parser; "
            "without one, an oval. off: always an oval.",
        ),
        io.Boolean.Input(
            "strict",
            default=False,
            optional=True,
            tooltip="A bad photo, or a mask that contradicts the face, is an error instead of a note in the report.",
        ),
        io.Boolean.Input(
            "download",
            default=False,
            optional=True,
            tooltip="Download the chosen networks (auto: the first ones, 163 MB) if they are missing. Sources and "
            "licences: MODELS.md.",
        ),
    ]


def _photos(image: Tensor) -> list[Tensor]:
    if image.ndim != 4 or not len(image):
        raise StableIdentityError(
            f"Prepare Face got {len(image)} pictures (shape {list(image.shape)}), needed at least 1. Check "
            "the node connected to it."
        )
    return [photo_of_image(picture) for picture in image]


def _masks(mask: Tensor | None, name: str, photos: int) -> list[Tensor | None]:
    if mask is None:
        return [None] * photos
    masks = mask[None] if mask.ndim == 2 else mask
    if masks.ndim != 3 or len(masks) != photos:
        raise StableIdentityError(
            f"Prepare Face got {len(masks)} masks as {name} (shape {list(mask.shape)}) and {photos} photos, needed one "
            "mask for each photo. Connect the masks of these pictures."
        )
    return list(masks)


def _check_square(photos: list[Tensor]) -> None:
    """Without a detector only square portraits work; the message says how to get one."""
    for photo in photos:
        height, width = photo.shape[1:]
        if abs(height - width) > 0.02 * max(height, width):
            raise StableIdentityError(
                f"The photo is {width}x{height} pixels, not a square portrait, and there is no detector installed to "
                f"find the face. {missing(DETECTORS[0])} Or turn on `download`, or crop the photo to the head."
            )


@contextmanager
def _photo_in_errors(number: int, count: int) -> Iterator[None]:
    """Prefix errors with the photo they are about, if there are several."""
    try:
        yield
    except StableIdentityError as error:
        if count == 1:
            raise
        raise StableIdentityError(f"Photo {number} of {count}: {error}") from error


def _candidates(done: list[Prepared]) -> Tensor:  # [N, H, W, 3]
    """Previews padded to one size, centred on grey."""
    pictures = [one.candidates for one in done]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (1, 2))
    canvas = torch.full((len(pictures), height, width, 3), 0.5)
    for row, picture in zip(canvas, pictures, strict=True):
        top, left = (height - picture.shape[1]) // 2, (width - picture.shape[2]) // 2
        row[top : top + picture.shape[1], left : left + picture.shape[2]] = picture.movedim(0, -1)
    return canvas
