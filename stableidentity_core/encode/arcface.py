"""ArcFace ir_se50 (arXiv 1801.07698) in facexlib's architecture, for training and for scoring.

facexlib's file `recognition_arcface_ir_se50.pth` is InsightFace_Pytorch's `model_ir_se50.pth`
(the same sha256, a035c768...). That network was trained and tested on BGR images
(TreB1eN/InsightFace_Pytorch issue 13: its `imgs` folder is BGR, its test sets are converted to BGR,
its demo passes OpenCV frames), normalised to -1..1; InfiniteYou uses it the same way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..devices import device_of
from ..fingerprint import fingerprint_tensors
from ..optional import optional_import
from .crop import ARCFACE_BOX, ARCFACE_SIZE, crop_face, resize
from .weight_file import WeightFile, load_strictly

LICENCE = "not stated for the weights (code: MIT; trained on MS1M, photos for research only)"
WIDTH = 512
_KEYS = {"input_layer.0.weight", "body.0.res_layer.1.weight", "output_layer.3.weight"}


class ArcFace:
    """facexlib's Backbone as face encoder: [B, 3, S, S] in 0..1 -> [B, 512].

    The network outputs unit vectors. They are scaled to a norm of sqrt(512), so that their elements
    have the magnitude of a layer-normed ViT's output, for which the projector's first layer and its
    LayerNorm were chosen. Angles between features do not change.
    """

    width = WIDTH
    licence = LICENCE

    def __init__(self, model: nn.Module, name: str):
        self.model = model.eval().requires_grad_(False)
        self.name = name

    def preprocess(self, portraits: Tensor) -> Tensor:
        """Crop to ArcFace's template, 112 pixels, BGR, -1..1."""
        faces = resize(crop_face(portraits, ARCFACE_BOX), ARCFACE_SIZE, ARCFACE_SIZE)
        return faces.flip(1) * 2 - 1

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        with torch.no_grad():
            pixels = self.preprocess(portraits)
            pixels = pixels.flip(-1) if mirrored else pixels
            return self.model(pixels.to(device_of(self.model))).to(portraits.device) * WIDTH**0.5


def is_arcface(file: WeightFile) -> bool:
    """Whether a file has the key names of InsightFace_Pytorch's residual networks."""
    return file.tensors.keys() >= _KEYS


def build_arcface(file: WeightFile) -> ArcFace:
    """Build the encoder from weights in memory.

    Raises:
        StableIdentityError: not a complete ir_se50.
        MissingPackageError: facexlib is not installed or broken.
    """
    network = optional_import(
        "facexlib.recognition.arcface_arch", feature="The ArcFace encoder", install="pip install facexlib"
    )
    model = network.Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se")
    load_strictly(model, file, "ArcFace ir_se50")
    return ArcFace(model, name=f"arcface:{fingerprint_tensors(file.tensors.items())}")
