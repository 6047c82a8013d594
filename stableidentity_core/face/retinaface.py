"""facexlib's RetinaFace (Deng et al., CVPR 2020, arXiv 1905.00641) as a face detector."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torchvision
from torch import Tensor, nn

from ..devices import device_of
from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..files.tensors import read_any_tensors
from ..optional import optional_import
from ..shapes import check_shape
from .detect import Detections

RetinaFaceKind = Literal["resnet50", "mobile0.25"]
PUBLISHED = {"resnet50": "detection_Resnet50_Final.pth", "mobile0.25": "detection_mobilenet0.25_Final.pth"}

MEAN_BGR = (104.0, 117.0, 123.0)
NMS_OVERLAP = 0.4
MIN_SCORE = 0.02  # low-scoring boxes are kept for the error message when no face is found
MAX_BOXES = 2000  # before NMS; a trained network yields far fewer


class RetinaFaceDetector:
    """A loaded RetinaFace, which computes where its network is; see `load_retinaface`."""

    def __init__(self, net: nn.Module, settings: Mapping[str, Any], kind: RetinaFaceKind):
        self.net, self.settings, self.kind = net, settings, kind

    @property
    def name(self) -> str:
        return f"RetinaFace {self.kind}"

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> Detections:
        """Find faces.

        Args:
            picture: [3, h, w] RGB in 0..1; faces of about 16 to 500 pixels are found.

        Raises:
            StableIdentityError: the network's output is not finite.
        """
        check_shape(picture, "3 h w", "picture for RetinaFace")
        offsets, classes, points = (part[0].float().cpu() for part in self.net(self.prepare(picture)))
        if not (offsets.isfinite().all() and classes.isfinite().all()):
            raise StableIdentityError(f"{self.name} outputs values that are not finite. Download its weights again.")
        return self.decode(offsets, classes[:, 1], points, picture.shape[1], picture.shape[2])

    def prepare(self, picture: Tensor) -> Tensor:  # [3, h, w] in 0..1 -> [1, 3, h, w]
        """BGR in 0..255 minus the mean colour: the network was trained on images as OpenCV reads them."""
        bgr = picture.detach().to(device_of(self.net), torch.float32).flip(0) * 255
        return (bgr - torch.tensor(MEAN_BGR, device=bgr.device)[:, None, None])[None]

    def decode(self, offsets: Tensor, scores: Tensor, points: Tensor, height: int, width: int) -> Detections:
        """Decode the network's raw outputs for a picture of that size into faces in its pixels.

        Args:
            offsets: [n, 4] of the boxes from the anchors.
            scores: [n] in 0..1.
            points: [n, 10] offsets of the landmarks from the anchor centres.
        """
        utils = _facexlib("retinaface_utils")
        best = scores.topk(min(MAX_BOXES, len(scores))).indices
        best = best[scores[best] >= MIN_SCORE]
        anchors = make_anchors(height, width, self.settings["min_sizes"], self.settings["steps"])[best]
        variances = self.settings["variance"]
        boxes = utils.decode(offsets[best], anchors, variances) * torch.tensor([width, height, width, height])
        landmarks = utils.decode_landm(points[best], anchors, variances).view(-1, 5, 2) * torch.tensor([width, height])
        kept = torchvision.ops.nms(boxes, scores[best], NMS_OVERLAP)
        return Detections(boxes=boxes[kept], scores=scores[best][kept], landmarks=landmarks[kept])


def make_anchors(height: int, width: int, min_sizes: list[list[int]], steps: list[int]) -> Tensor:  # [n, 4]
    """Anchors as fractions of the picture: centre x, centre y, width, height.

    In the network's order: level, row, column, size. facexlib builds the same anchors in Python loops
    that take as long as the smaller network.
    """
    levels = []
    for sizes, step in zip(min_sizes, steps, strict=True):
        y = (torch.arange(math.ceil(height / step)) + 0.5) * step / height
        x = (torch.arange(math.ceil(width / step)) + 0.5) * step / width
        size = torch.tensor(sizes, dtype=torch.float32)
        rows, columns, which = torch.meshgrid(y, x, size, indexing="ij")
        levels.append(torch.stack([columns, rows, which / width, which / height], dim=-1).view(-1, 4))
    return torch.cat(levels)


def load_retinaface(
    path: Path, kind: RetinaFaceKind | None = None, device: str | torch.device = "cpu"
) -> RetinaFaceDetector:
    """Load published RetinaFace weights.

    Args:
        path: facexlib's `detection_Resnet50_Final.pth` or `detection_mobilenet0.25_Final.pth`, or
            the same tensors as safetensors.
        kind: which of the two networks; None recognises it from the file.
        device: where to put the network.

    Raises:
        MissingFileError: no such file.
        MissingPackageError: facexlib is missing or broken.
        DamagedFileError: an incomplete file, or tensors of another network.
    """
    if not path.is_file():
        raise MissingFileError(
            f"No RetinaFace weights at {path}, needed {' or '.join(PUBLISHED.values())} of facexlib. "
            "Run: python -m stableidentity_core download"
        )
    tensors = _read_weights(path)
    kind = _kind_of(tensors, path, kind)
    net, settings = _build(kind)
    _check_fit(net, tensors, path, kind)
    net.load_state_dict(tensors, strict=True, assign=True)
    return RetinaFaceDetector(net.float().requires_grad_(False).to(device).eval(), settings, kind)


def _read_weights(path: Path) -> dict[str, Tensor]:
    content, _header = read_any_tensors(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DamagedFileError(f"{path} does not contain network weights (a dict of named tensors). Download it again.")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _kind_of(tensors: Mapping[str, Tensor], path: Path, asked: RetinaFaceKind | None) -> RetinaFaceKind:
    if asked is not None and asked not in get_args(RetinaFaceKind):
        raise StableIdentityError(
            f"Unknown RetinaFace network {asked!r}, needed one of {', '.join(get_args(RetinaFaceKind))}."
        )
    signs: dict[RetinaFaceKind, str] = {"resnet50": "body.layer1.", "mobile0.25": "body.stage1."}
    found: list[RetinaFaceKind] = [
        kind for kind, sign in signs.items() if any(name.startswith(sign) for name in tensors)
    ]
    if len(found) != 1:
        raise DamagedFileError(
            f"{path} contains {len(tensors)} tensors, such as {next(iter(tensors), 'none')!r}, and is not a RetinaFace "
            f"network; needed {' or '.join(PUBLISHED.values())} of facexlib."
        )
    if asked not in (None, found[0]):
        raise DamagedFileError(f"{path} is a RetinaFace {found[0]}, needed {asked} ({PUBLISHED[asked]}).")
    return found[0]


def _build(kind: RetinaFaceKind) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network without weights: on `meta`, which skips initialisation and leaves the global random state alone."""
    module = _facexlib("retinaface")
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")  # torchvision's, about the `pretrained` that facexlib passes
        net = module.RetinaFace(network_name=kind, device=torch.device("meta"))
    return net, net.cfg


def _facexlib(module: str) -> Any:
    return optional_import(f"facexlib.detection.{module}", feature="Face detection", install="pip install facexlib")


def _check_fit(net: nn.Module, tensors: Mapping[str, Tensor], path: Path, kind: RetinaFaceKind) -> None:
    needed = {name: value.shape for name, value in net.state_dict().items()}
    counted = {name for name in needed if name.endswith("num_batches_tracked")}  # old files have none
    missing = sorted(needed.keys() - tensors.keys() - counted)
    unknown = sorted(tensors.keys() - needed.keys())
    other = [name for name in needed.keys() & tensors.keys() if tensors[name].shape != needed[name]]
    problems = [
        f"{len(names)} {what}, such as {names[0]}"
        for names, what in ((missing, "missing"), (unknown, "unknown"))
        if names
    ]
    if other:
        name = min(other)
        problems.append(
            f"{len(other)} of the wrong shape, such as {name}: {list(tensors[name].shape)}, needed {list(needed[name])}"
        )
    if problems:
        raise DamagedFileError(
            f"{path} does not fit RetinaFace {kind}: of its {len(tensors)} tensors, {'; '.join(problems)}. "
            f"Needed facexlib's {PUBLISHED[kind]}; download it again."
        )
