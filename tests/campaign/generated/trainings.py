"""Files that trainings leave: projectors, checkpoints, stored results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch

from campaign.generated.category import Case
from campaign.generated.identities import MB, odd_content, torch_bytes
from campaign.judge import Refused
from campaign.mutate import changed_header, spoilt
from helpers.make import some_face, some_identity, some_names
from helpers.tiny import tiny_sd
from helpers.trainings import new_run, small
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.identity import save_identity
from stableidentity_core.methods import CelebBasisProjector, StableIdentityProjector, TextualInversionProjector
from stableidentity_core.methods.projector_file import load_projector, save_projector
from stableidentity_core.methods.trained import TrainedProjector
from stableidentity_core.plots import loss_curve
from stableidentity_core.store import ResultStore, TrainResult
from stableidentity_core.store.folder import Kind
from stableidentity_core.train.project import project


def spoilt_file(valid: bytes, random: Random) -> tuple[str, bytes]:
    """A valid safetensors file spoilt in one of many ways, and the way."""
    way = random.random()
    if way < 0.35:
        return "spoilt", spoilt(valid, random)
    if way < 0.9:
        return "header", changed_header(valid, random)
    if way < 0.95:
        return "torch file", torch_bytes(odd_content(random))
    return "noise", random.choice((b"", b"\0" * 50, random.randbytes(random.randrange(2000))))


def trained_projectors() -> list[TrainedProjector]:
    names = [some_names()]
    generator = torch.Generator().manual_seed(1)
    made = [
        StableIdentityProjector(8, names, "per_word", generator),
        StableIdentityProjector(8, names, "joint_affine", generator),
        CelebBasisProjector(8, names),
        TextualInversionProjector({"clip_h": torch.zeros(2, 16)}),
    ]
    kinds = ("per_word", "joint_affine", "none", "none")
    facts = {"projector_people": "4", "projector_steps": "3"}
    return [
        TrainedProjector(
            state=one.state_dict(),
            feature_width=8,
            settings={"normalization": kind} if one.method == "stableidentity" else {},
            encoder="random",
            method=one.method,
            facts=facts,
        )
        for one, kind in zip(made, kinds, strict=True)
    ]


class Projectors:
    name = "projector files"
    memory = 200 * MB

    def __init__(self, folder: Path):
        self.valid = []
        for number, projector in enumerate(trained_projectors()):
            path = folder / f"{number}.safetensors"
            save_projector(projector, path)
            self.valid.append(path.read_bytes())
        self.face, self.names = some_face(), [some_names()]

    def case(self, random: Random, folder: Path) -> Case:
        label, content = spoilt_file(random.choice(self.valid), random)
        path = folder / "projector.safetensors"
        path.write_bytes(content)

        def act() -> None:
            projector = load_projector(path)
            identity = project([self.face], projector, self.names, "anna")
            save_identity(identity, folder / "anna.safetensors")
            save_projector(projector, folder / "again.safetensors")

        return Case(label, act)


class Checkpoints:
    name = "checkpoints"
    memory = 200 * MB

    def __init__(self, folder: Path):
        self.backend = load_diffusers(tiny_sd(folder / "model"))
        self.names = some_names(width=64)
        run = new_run(self.backend, self.names)
        for report in run:
            if report.step == 2:
                break
        run.save(folder / "valid.safetensors")
        self.valid = (folder / "valid.safetensors").read_bytes()

    def case(self, random: Random, folder: Path) -> Case:
        label, content = spoilt_file(self.valid, random)
        path = folder / "checkpoint.safetensors"
        path.write_bytes(content)

        def act() -> None:
            run = new_run(self.backend, self.names, small(), weights=9)
            before = {key: value.clone() for key, value in run.projector.state_dict().items()}
            try:
                run.load(path)
            except ValueError:
                after = run.projector.state_dict()
                assert run.step == 0, "the run's step was changed by a refused checkpoint"
                assert all(torch.equal(after[key], before[key]) for key in before), (
                    "a refused checkpoint changed the run"
                )
                raise
            assert 0 <= run.step <= 4, f"step {run.step}"
            list(run)

        return Case(label, act)


class _Warned(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


class Stored:
    """What ResultStore kept; one that is damaged counts as none, and the log says so."""

    name = "stored trainings"
    memory = 200 * MB

    def __init__(self, folder: Path):
        identity = some_identity(16, steps="3", method="stableidentity", held_out_loss_before="1.0", settings="{}")
        self.results = [
            TrainResult(identity=identity, projector=projector, losses=torch.tensor([3.0, 2.0, 1.0]))
            for projector in trained_projectors()
        ]
        store = ResultStore(folder / "store")
        self.valid = []
        for number, result in enumerate(self.results):
            store.put(key := f"{number:032x}", result)
            self.valid.append({kind: store.path(key, kind).read_bytes() for kind in (Kind.WORDS, Kind.PROJECTOR)})
        self.names = [some_names()]

    def case(self, random: Random, folder: Path) -> Case:
        number = random.randrange(len(self.valid))
        files = dict(self.valid[number])
        kind = random.choice(list(files))
        label, files[kind] = spoilt_file(files[kind], random)
        store, key = ResultStore(folder / "store"), f"{number:032x}"
        store.folder.mkdir()
        for one, content in files.items():
            store.path(key, one).write_bytes(content)
        return Case(f"{kind.name} {label}", lambda: self._used(store, key, self.results[number], folder))

    def _used(self, store: ResultStore, key: str, valid: TrainResult, folder: Path) -> None:
        """As the nodes do with what they find."""
        result = watched(lambda: store.get(key, lambda: valid))
        save_identity(result.identity.renamed("ben"), folder / "ben.safetensors")
        loss_curve(result.losses, "title")
        save_projector(result.projector, folder / "projector.safetensors")
        result.projector.build(self.names)


def watched(get: Callable[[], TrainResult | None]) -> TrainResult:
    """The result; Refused when there is none and the log says why."""
    root, handler = logging.getLogger(), _Warned()
    root.addHandler(handler)
    try:
        found = get()
    finally:
        root.removeHandler(handler)
    if found is None:
        assert handler.seen, "a damaged file counts as none without a word"
        raise Refused
    return found
