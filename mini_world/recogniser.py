"""The mini world's recogniser as a face encoder, for scores: it was trained apart from the one that people are learned
with, on other people.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import Instruments, Metric, PictureDistance, Sample, fingerprint_tensors
from .evaluation import SIDE, look_distance
from .evaluators import EMBEDDING, Evaluators
from .evaluators import Recogniser as Network
from .look import look_of
from .measure import PromptAccuracy
from .weights import Weights

NAME = "mini-world-recogniser"


class MiniWorldRecogniser:
    """Portraits [B, 3, S, S] in 0..1 as the painter draws them -> [B, 64]; a FaceEncoder."""

    width = EMBEDDING
    licence = "as the pack (drawn faces)"

    def __init__(self, network: Network, name: str):
        self.model = network
        self.name = name

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        pixels = portraits.float()
        if pixels.shape[-1] != SIDE:
            pixels = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True).clamp(0, 1)
        pixels = (pixels.flip(-1) if mirrored else pixels).to(next(self.model.parameters()).device)
        with torch.no_grad():
            return self.model.features(pixels).to(portraits.device)


def mini_world_recogniser(weights: Weights) -> MiniWorldRecogniser:
    """The recogniser, with a hash of its weights in its name."""
    own = {key: value for key, value in weights.judge.items() if key.startswith("recogniser.")}
    return MiniWorldRecogniser(Evaluators.of(weights.judge).recogniser, f"{NAME}:{fingerprint_tensors(own.items())}")


def is_recogniser(encoder_name: str) -> bool:
    """Whether a face encoder of this name is this one."""
    return encoder_name.partition(":")[0] == NAME


class CaptionAccuracy:
    """Share of what the prompts ask for that the look reader sees in the pictures, 0 to 1.

    nan where no prompt is a sentence of the mini world that asks for anything.
    """

    name, title = PromptAccuracy.name, PromptAccuracy.title

    def __init__(self, evaluators: Evaluators):
        self.evaluators = evaluators

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self._of(sample) for sample in samples])

    def _of(self, sample: Sample) -> Tensor:
        _known, metric, part = self._readable(sample)
        return metric([part])[0] if part else torch.tensor(torch.nan)

    def each(self, sample: Sample) -> Tensor:
        """Of each picture, [N]; nan where the prompt asks for nothing that can be read."""
        known, metric, part = self._readable(sample)
        values = torch.full((len(sample.prompts),), torch.nan)
        if part:
            values[known] = metric.each(part).float()
        return values

    def _readable(self, sample: Sample) -> tuple[list[int], PromptAccuracy, Sample | None]:
        looks = {prompt: look for prompt in sample.prompts if (look := look_of(prompt)) is not None}
        metric = PromptAccuracy(evaluators=self.evaluators, looks=looks)
        known = [at for at, prompt in enumerate(sample.prompts) if prompt in looks]
        if not known:
            return known, metric, None
        pictures = F.interpolate(sample.pictures[known], (SIDE, SIDE), mode="bilinear", antialias=True).clamp(0, 1)
        part = Sample(person=sample.person, pictures=pictures, prompts=[sample.prompts[at] for at in known])
        return known, metric, part


def drawn_instruments(weights: Weights) -> tuple[Instruments, list[Metric]]:
    """What measures pictures of the mini world besides the recogniser: differences in look, and the look reader."""
    evaluators = Evaluators.of(weights.judge)
    name = f"mini-world:{fingerprint_tensors(weights.judge.items())}"
    distance = PictureDistance(name=name, between=partial(look_distance, evaluators), label="difference in look")
    return Instruments(distance=distance), [CaptionAccuracy(evaluators)]
