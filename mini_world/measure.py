"""Metrics of sets of pictures: who is in them, and whether they show what their prompts say.

All metrics are closed-world: the evaluators only know drawn faces and say nothing about photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .core import FaceSimilarity, FoundFaces, OfFaces, OtherSimilarity, Rank1, Recogniser, Sample, check_shape, score
from .evaluators import Evaluators
from .look import CHOICES, Look, caption, draw_look
from .painter import paint
from .person import Person, generator, unseen_person

VIEWS = 6
DISTRACTORS, FIRST_DISTRACTOR = 200, 10**9  # far from the numbers that users type
CHUNK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Looks read from pictures, compared with the looks they should show."""

    right: Tensor  # [B, 7] bool: this attribute of the look was read correctly
    named: Tensor  # [B, 7] bool: the prompt names this attribute; the columns are those of CHOICES

    @property
    def accuracy(self) -> float:
        """Share of the named attributes that are read correctly; nan if no prompt names any."""
        return _share(self.right, self.named)

    @property
    def by_part(self) -> dict[str, float]:
        """The same for each attribute that any prompt names."""
        columns = zip(CHOICES, self.right.T, self.named.T, strict=True)
        return {part: _share(right, named) for part, right, named in columns if named.any()}


def _share(right: Tensor, named: Tensor) -> float:
    return (right & named).sum().item() / named.sum().item() if named.any() else float("nan")


def picture_tensor(person: Person, look: Look | None = None) -> Tensor:
    """A person as painted, [3, 128, 128] in 0..1."""
    return torch.from_numpy(paint(person, look).image.copy()).movedim(-1, 0) / 255


def clean_looks(count: int = VIEWS) -> list[Look]:
    """Random looks in which people are recognisable: photos without sunglasses, the same for all people."""
    looks = [draw_look(generator("mini world reference", number))[0] for number in range(count)]
    glasses = ["none" if look.glasses == "sunglasses" else look.glasses for look in looks]
    return [replace(look, style="photo", glasses=kind) for look, kind in zip(looks, glasses, strict=True)]


def embed(evaluators: Evaluators, pictures: Tensor) -> Tensor:
    """Pictures [B, 3, 128, 128] in 0..1 -> unit identity embeddings [B, 64]."""
    check_shape(pictures, "b 3 s s", "pictures")
    with torch.no_grad():
        return torch.cat([evaluators.recogniser(part) for part in pictures.float().split(CHUNK)])


def references(evaluators: Evaluators, person: Person, n: int = VIEWS) -> Tensor:
    """Unit mean [64] of the embeddings of n clean renders of a person."""
    pictures = torch.stack([picture_tensor(person, look) for look in clean_looks(n)])
    return F.normalize(embed(evaluators, pictures).mean(0), dim=-1)


@lru_cache(maxsize=4)  # painting a thousand pictures takes seconds
def distractors(evaluators: Evaluators, count: int = DISTRACTORS, n: int = VIEWS) -> Tensor:
    """References [count, 64] of other people."""
    return torch.stack([references(evaluators, unseen_person(FIRST_DISTRACTOR + number), n) for number in range(count)])


def whole_pictures(pictures: Tensor) -> FoundFaces:
    """Each picture [N, 3, H, W] as the face that it shows: people are painted in one place."""
    height, width = pictures.shape[-2:]
    boxes = torch.tensor([0.0, 0.0, width, height]).expand(len(pictures), -1)
    return FoundFaces(crops=pictures, boxes=boxes)


def read_looks(evaluators: Evaluators, pictures: Tensor, looks: Sequence[Look]) -> Reading:
    """Read pictures [B, 3, 128, 128] that should show these B looks, with the default `caption` as prompt."""
    check_shape(pictures, "b 3 s s", "pictures", b=len(looks))
    with torch.no_grad():
        logits = [evaluators.reader(part) for part in pictures.float().split(CHUNK)]
    read = torch.stack([torch.cat([part[name] for part in logits]).argmax(-1) for name in CHOICES], dim=1)
    wanted = torch.tensor([_indices(look) for look in looks])
    return Reading(right=read == wanted, named=wanted != torch.tensor(_indices(Look())))


def _indices(look: Look) -> list[int]:
    return [options.index(getattr(look, part)) for part, options in CHOICES.items()]


def spread(features: Tensor, groups: Tensor) -> float:
    """Mean cosine distance of features [B, D] over all pairs from different groups [B]; 0 if there are none."""
    unit = F.normalize(features, dim=-1)
    pairs = groups[:, None] != groups[None]
    return (1 - unit @ unit.T)[pairs].mean().item() if pairs.any() else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptAccuracy:
    """Share of the parts of the looks named in the prompts that are read in the pictures as they should be, 0 to 1."""

    name, title = "prompt_accuracy", "prompt accuracy"
    evaluators: Evaluators
    looks: Mapping[str, Look]  # by prompt

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.tensor([self._read(sample).accuracy for sample in samples])

    def each(self, sample: Sample) -> Tensor:
        """Of each picture, [N]; nan where the prompt names nothing."""
        reading = self._read(sample)
        return (reading.right & reading.named).sum(1) / reading.named.sum(1)

    def _read(self, sample: Sample) -> Reading:
        return read_looks(self.evaluators, sample.pictures, [self.looks[prompt] for prompt in sample.prompts])


class TrustedFaceDiversity(OfFaces):
    """How much the pictures of one person differ between prompts, as far as they show that person.

    Mean over all pairs of pictures of different prompts of one minus the cosine of the look reader's features, times
    the mean face similarity. The paper's figure of this name measures the difference by LPIPS; this is not LPIPS, and
    its values do not compare with the paper's.
    """

    name, title = "trusted_face_diversity", "trusted face diversity"

    def __init__(self, evaluators: Evaluators, recogniser: Recogniser):
        super().__init__(recogniser, whole_pictures)
        self.evaluators = evaluators

    def of_sample(self, sample: Sample) -> Tensor:
        with torch.no_grad():
            parts = sample.pictures.float().split(CHUNK)
            features = torch.cat([self.evaluators.reader.features(part) for part in parts])
        numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(sample.prompts))}
        prompts = torch.tensor([numbers[prompt] for prompt in sample.prompts])
        return spread(features, prompts) * self.similarities(sample).mean()


def measure_people(
    evaluators: Evaluators,
    pictures: Tensor,
    people: Sequence[Person],
    looks: Sequence[Look],
    others: Tensor | None = None,
) -> dict[str, Any]:
    """All metrics of pictures [P, N, 3, 128, 128]: each of P people in the same N looks.

    Args:
        others: references [M, 64] of other people, by default of the 200 distractors.

    Returns:
        Means over the people; `prompt_accuracy_by_part`; and `per_person`, each metric as a list of P values.
    """
    check_shape(pictures, "p n 3 s s", "pictures", p=len(people), n=len(looks))
    by_prompt = {caption(look, "{}"): look for look in looks}
    samples = [
        Sample(person=str(number), pictures=shown, prompts=[caption(look, "{}") for look in looks])
        for number, shown in enumerate(pictures)
    ]
    recogniser = Recogniser(
        name="mini world",
        embed=partial(embed, evaluators),
        references={str(number): references(evaluators, person) for number, person in enumerate(people)},
        others=distractors(evaluators) if others is None else others,
    )
    metrics = [
        FaceSimilarity(recogniser, whole_pictures),
        OtherSimilarity(recogniser, whole_pictures),
        Rank1(recogniser, whole_pictures),
        PromptAccuracy(evaluators=evaluators, looks=by_prompt),
        TrustedFaceDiversity(evaluators, recogniser),
    ]
    scores = score(samples, metrics)
    per_person = {name: values.tolist() for name, values in scores.values.items()}
    reading = read_looks(evaluators, pictures.flatten(0, 1), list(looks) * len(people))
    means = {key: sum(values) / len(values) for key, values in per_person.items()}
    return {**means, "prompt_accuracy_by_part": reading.by_part, "per_person": per_person}
