"""What the web extension shows on Prepare Face: each photo with its faces, see web/choose_face.js."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from comfy_api.latest import ui
from torch import Tensor

from ..stableidentity_core.errors import StableIdentityError
from ..stableidentity_core.face import Alignment, Candidate, FaceRule, align_face, choose_face, draw_candidates
from ..stableidentity_core.face.overlay import mask_layer
from ..stableidentity_core.face.portrait import OVAL_CENTRE, OVAL_RADII, SIZE
from ..stableidentity_core.face.prepare import Prepared

PHOTOS, STATE = "stableidentity_photos", "stableidentity_state"  # in the output for the frontend
MOST = 24  # photos shown
RULES: list[FaceRule] = [rule for rule in get_args(FaceRule) if rule != "number"]

Json = dict[str, Any]


@dataclass(kw_only=True)
class PhotoView:
    """One photo, as far as it was prepared."""

    photo: Tensor  # [3, H, W] in 0..1
    faces: Sequence[Candidate] = ()
    prepared: Prepared | None = None

    def on_detected(self, faces: Sequence[Candidate]) -> None:
        self.faces = tuple(faces)

    def as_json(self) -> Json:
        """Coordinates are pixels of the photo."""
        height, width = self.photo.shape[1:]
        faces = self.faces if self.prepared is None else self.prepared.detected
        found: Json = {
            "width": width,
            "height": height,
            "photo": _saved(draw_candidates(self.photo, ())),
            "faces": [_face(face, (height, width)) for face in faces],
            "numbers": {rule: _number(faces, rule, (height, width)) for rule in RULES} if faces else {},
        }
        if self.prepared is not None:
            found["used"] = self.prepared.chosen
            found["square"] = _square(self.prepared.alignment or _whole(height, width))
            found["portrait"] = _saved(self.prepared.face.image)
            found["mask"] = _saved(mask_layer(self.prepared.face.face_mask, self.prepared.face.hair_mask))
        return found


def views_ui(views: Sequence[PhotoView], report: str = "", problem: str = "") -> Json:
    """The photos for the `ui` of a node's output, with their report or why the node failed.

    After a failure, the photos are also sent as what ComfyUI itself shows.
    """
    photos = [view.as_json() for view in views[:MOST]]
    state = {"photos": len(views), "failed": not report, "oval": [*OVAL_CENTRE, *OVAL_RADII]}
    found: Json = {"text": (report or problem,), PHOTOS: photos, STATE: [state]}
    return found if report else {"images": [one["photo"] for one in photos], "animated": (False,), **found}


def _number(faces: Sequence[Candidate], rule: FaceRule, size: tuple[int, int]) -> int:
    return list(faces).index(choose_face(faces, rule, size)) + 1


def _face(face: Candidate, size: tuple[int, int]) -> Json:
    try:
        square = _square(align_face(face.landmarks, size))
    except StableIdentityError:
        square = None
    return {"box": _rounded(face.box), "points": [_rounded(point) for point in face.landmarks], "square": square}


def _square(alignment: Alignment) -> list[float]:
    """The upper left, upper right and lower left corner of the portrait in the photo: x, y, x, y, x, y."""
    return _rounded(alignment.corners[[0, 1, 3]].flatten())


def _whole(height: int, width: int) -> Alignment:
    scale = [[SIZE / width, 0, 0], [0, SIZE / height, 0]]
    return Alignment(matrix=torch.tensor(scale, dtype=torch.float64), size=SIZE)


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 2) for value in values.tolist()]


def _saved(picture: Tensor) -> Json:
    """Where the frontend finds a picture [C, H, W] in ComfyUI's temporary folder."""
    return dict(ui.PreviewImage(picture.movedim(0, -1)[None]).as_dict()["images"][0])
