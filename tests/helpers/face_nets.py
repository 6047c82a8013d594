"""Detection and parsing networks of the real architectures and file formats, which nobody trained."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from pathlib import Path

import torch

# Where the five points lie around the middle of a face, in widths of its box.
POINTS = ((-0.18, -0.12), (0.18, -0.12), (0.0, 0.05), (-0.14, 0.22), (0.14, 0.22))
VARIANCE = 0.1  # of RetinaFace's centres and points


def pointing_retinaface(path: Path, small: bool = False) -> Path:
    """RetinaFace mobile0.25 that sees one face at every place of its coarsest map, 512 pixels large, or 256.

    Its heads have no weights, only biases, so that what it says is known: the photo's middle shows most of a face.
    """
    from facexlib.detection.retinaface import RetinaFace

    with torch.random.fork_rng(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.manual_seed(5)
        net = RetinaFace(network_name="mobile0.25", device="cpu")
        for level in range(3):
            for head in (net.ClassHead, net.BboxHead, net.LandmarkHead):
                head[level].conv1x1.weight.zero_()
                head[level].conv1x1.bias.zero_()
            scores = net.ClassHead[level].conv1x1.bias  # of two sizes: no face, face
            scores.copy_(torch.tensor([6.0, -6.0] * 2))
        at = 0 if small else 2
        net.ClassHead[2].conv1x1.bias[at : at + 2] = torch.tensor([-6.0, 6.0])
        for size in range(2):
            points = torch.tensor(POINTS).flatten() / VARIANCE
            net.LandmarkHead[2].conv1x1.bias[10 * size : 10 * size + 10] = points
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(OrderedDict((f"module.{key}", value) for key, value in net.state_dict().items()), path)
    return path


def random_bisenet(path: Path) -> Path:
    """BiSeNet with random weights, which marks patches of all kinds."""
    from facexlib.parsing.bisenet import BiSeNet

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        net = BiSeNet(num_class=19)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        net.train()(torch.randn(2, 3, 128, 128))  # statistics of its own activations: nothing explodes
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return path
