"""One projector over many drawn people: what a face encoder is worth when nobody is trained alone.

python benchmarks/shared_projector.py [--people 32] [--seeds 0 1 2] [--inputs vit generic random]
    [--starts known diffusion fresh] [--further 0 25 50 100 450] [--at-once 16]

A projector is learned over many people and applied to new ones, with 0 to 450 further steps each, beside the
per-person start (`fresh`). `known` learns from the celebrities, whose words are those of their names; `diffusion` by
the loss of the method over celebrities and people without a name. Its input is the face ViT's feature, that of a
network which reads hats and scenes, or a random vector per picture. Rows of references.py stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product, starmap

import torch
from learning import Words, words_after
from options import RESULTS, parser_of, results_of
from tables import Results, parts_of, write_tables
from torch import Tensor
from world import RESOLUTION, World, make_world, row_of_words, train_config

from mini_world.training.projector import photos
from stableidentity_core.face.portrait import Face, FaceFeature
from stableidentity_core.methods.trained import TrainedProjector
from stableidentity_core.train.pretraining import HELD_OUT, EncodedPeople, ProjectorPretraining, encode_people
from stableidentity_core.train.projector_init import make_projector
from stableidentity_core.train.projector_session import MANY_PEOPLE, learn_projector

NAMELESS = 600
RATE = 2e-4  # of the further steps, from whatever start
RANDOM_WIDTH = 96  # the face ViT's
MANY = replace(MANY_PEOPLE, resolution=RESOLUTION)
BESIDE = ("named", "paper")
TITLES = {"vit": "face ViT", "generic": "generic network", "random": "random vectors"}
Encoder = Callable[[Tensor], Tensor]  # portraits [B, 3, S, S] -> features [B, F]


def encoders(world: World) -> dict[str, Encoder]:
    """What the projector's input can be."""
    return {"vit": world.encoder, "generic": partial(read_generically, world), "random": _drawn}


def read_generically(world: World, portraits: Tensor) -> Tensor:  # [B, F]
    """What a network sees in portraits [B, 3, S, S] that was trained to read hats and scenes, not people."""
    small = torch.nn.functional.interpolate(portraits, (RESOLUTION,) * 2, mode="area")
    with torch.no_grad():
        features = world.evaluators.reader.features(small)
    return torch.nn.functional.layer_norm(features, features.shape[-1:])


def _drawn(portraits: Tensor) -> Tensor:
    """A vector per picture that knows nothing: its seed is the picture."""
    seeds = [int(portrait.double().sum().item() * 1e6) % 2**31 for portrait in portraits]
    return torch.stack([torch.randn(RANDOM_WIDTH, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def seen_by(encoder: Encoder, kind: str, face: Face) -> Face:
    """A photo with this encoder's feature; its mirror image is not shown where nothing is augmented."""
    plain = encoder(face.image[None])[0]
    return face.with_feature(FaceFeature(encoder=kind, licence="as the pack", plain=plain, mirrored=plain))


def training_people(world: World, kinds: Sequence[str], nameless: int) -> dict[str, EncodedPeople]:
    """Celebrities and so many people without a name, by input; none of them is measured."""
    known = {kind: encoders(world)[kind] for kind in kinds}
    seen: dict[str, list[Face]] = {kind: [] for kind in kinds}

    def watched() -> Iterator[tuple[str, Face]]:
        names = [name for name in world.names.names if len(name.split()) == 2]
        for number, (title, face) in enumerate(photos(names, nameless, world.encoder), 1):
            if number % HELD_OUT:
                for kind, encoder in known.items():
                    seen[kind].append(_without_picture(seen_by(encoder, kind, face)))
            yield title, face

    people = encode_people(world.backend, watched(), MANY)
    return {kind: _with_features(people, faces) for kind, faces in seen.items()}


def _without_picture(face: Face) -> Face:
    """Two thousand pictures would fill the memory."""
    nothing = torch.zeros(1, 1)
    return replace(face, image=torch.zeros(3, 1, 1), face_mask=nothing, hair_mask=nothing)


def _with_features(people: EncodedPeople, faces: Sequence[Face]) -> EncodedPeople:
    features = torch.stack([face.feature.plain for face in faces if face.feature is not None])
    learned = replace(people.learned, features=features)
    return replace(people, features=features, learned=learned, held_out=None, first=faces[0])


def start_of(kind: str, world: World, people: EncodedPeople, seed: int) -> TrainedProjector:
    """A projector learned over the people."""
    config = replace(MANY, seed=seed)
    projector = make_projector(world.backend, [people.first], world.name_spaces, config)
    warm_start = "only" if kind == "known" else "no"
    run = ProjectorPretraining(world.backend, people, projector, config, warm_start)
    return learn_projector(run, world.name_spaces).projector


@dataclass(frozen=True)
class Case:
    """What a row of the table begins with."""

    seed: int
    kind: str
    start: str

    def setting(self, steps: int) -> str:
        return f"{self.kind}_{self.start}_{steps}"

    def title(self, steps: int) -> str:
        return f"{TITLES[self.kind]}, {self.start} start, {steps} steps"

    def missing(self, results: Results, further: Collection[int]) -> list[int]:
        """Numbers of further steps that are not measured; no step from a fresh start is nothing."""
        wanted = [steps for steps in further if steps or self.start != "fresh"]
        return [steps for steps in wanted if not results.has(f"{self.setting(steps)}_{self.seed}")]


def further_words(
    world: World, case: Case, start: TrainedProjector | None, steps: Collection[int]
) -> Mapping[int, Sequence[Words]]:
    """Everybody's words after each of these numbers of steps of their own; None starts afresh for each person."""
    faces = [seen_by(encoders(world)[case.kind], case.kind, face) for face in world.faces]
    config = train_config(case.seed, "none", learning_rate=RATE, hair_weight=1.0)
    return words_after(world.backend, world.name_spaces, faces, config, world.at_once, steps, start)


def main() -> None:
    parser = parser_of(__doc__, "shared_projector", people=32, seeds=[0, 1, 2])
    parser.add_argument("--inputs", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--starts", nargs="+", choices=["known", "diffusion", "fresh"], default=["known", "fresh"])
    parser.add_argument("--further", type=int, nargs="+", default=[0, 25, 50, 100, 450])
    options = parser.parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    nameless = NAMELESS if "diffusion" in options.starts else 0  # from whom the known start learns nothing
    everybody = cache(lambda: training_people(world, options.inputs, nameless))
    for case in starmap(Case, product(options.seeds, options.inputs, options.starts)):
        missing = case.missing(results, options.further)
        if not missing:
            continue
        start = None if case.start == "fresh" else start_of(case.start, world, everybody()[case.kind], case.seed)
        for steps, words in further_words(world, case, start, missing).items():
            setting = case.setting(steps)
            work = partial(row_of_words, world, setting, case.title(steps), case.seed, words)
            results.measure(f"{setting}_{case.seed}", work)
    write_tables(results, beside=parts_of(RESULTS / "references.json", BESIDE))


if __name__ == "__main__":
    main()
