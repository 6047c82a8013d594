"""What is killed in the middle: each act prepares its folder, is done in a child, and is looked at afterwards."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import ClassVar

import skimage.data
import torch
from PIL import Image

from helpers.make import randn, some_identity
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.cli import main
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity import Identity, load_identity, save_identity
from stableidentity_core.identity.save import save_under_name
from stableidentity_core.methods import TrainedProjector
from stableidentity_core.store import ResultStore, TrainResult
from stableidentity_core.weights import download, get_weight
from stableidentity_core.weights.weight import Weight

SUFFIX = ".safetensors"
DOWNLOADED = Random(0).randbytes(6_000_000)
BEFORE, KEY = (f"{number:032x}" for number in (1, 2))  # of stored trainings
WEIGHT = "parsing_bisenet.pth"


def left_over(folder: Path) -> list[str]:
    """Files that only a write in progress needs."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    names = (path.relative_to(folder).as_posix() for path in found)
    unfinished = (".part", ".tmp", ".lock", ".incomplete")
    return sorted(name for name in names if name.rpartition("/")[2].startswith(".") or name.endswith(unfinished))


def empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def person(seed: int, trigger: str = "anna", width: int = 4096) -> Identity:
    """Large enough to be written in several pieces."""
    return Identity(trigger=trigger, words={"clip_h": randn(8, width, seed=seed)}, header={"method": "made up"})


def same(one: Identity, other: Identity) -> bool:
    return (
        one.trigger == other.trigger
        and one.words.keys() == other.words.keys()
        and all(torch.equal(one.words[space], other.words[space]) for space in one.words)
    )


@dataclass(frozen=True)
class Act:
    """One thing that writes.

    Attributes:
        folder: all that it writes is here.
    """

    folder: Path
    traced: ClassVar[tuple[str, ...]] = ()  # parts of the names of the files at whose lines it is killed
    by_line: ClassVar[float] = 0.5  # share of the kills at lines; the others are by the clock

    @property
    def what(self) -> str:
        raise NotImplementedError

    def prepare(self) -> None:
        """An empty folder with what was there before."""
        empty(self.folder)

    def run(self) -> None:
        """In the child."""
        raise NotImplementedError

    def state(self) -> str:
        """What a user finds after the kill; raises AssertionError when something is lost or half."""
        raise NotImplementedError

    def end(self) -> None:
        """Raises AssertionError unless, run once more to its end, all is as if there had been no kill."""
        raise NotImplementedError


@dataclass(frozen=True)
class Saving(Act):
    if_exists: IfExists = IfExists.REPLACE
    traced: ClassVar[tuple[str, ...]] = ("/atomic.py", "/files.py", "/identity/")

    @property
    def what(self) -> str:
        return f"saving an identity, {self.if_exists.value}"

    def prepare(self) -> None:
        super().prepare()
        save_identity(person(1), self.folder / f"anna{SUFFIX}")

    def run(self) -> None:
        save_under_name(person(2), self.folder, "anna", self.if_exists)

    def state(self) -> str:
        found = self._people()
        assert found.pop("anna") in ((1, 2) if self.if_exists is IfExists.REPLACE else (1,)), "the old person is lost"
        assert set(found.values()) <= {2}, f"strangers: {found}"
        return "new file" if found or self._people()["anna"] == 2 else "old file"

    def end(self) -> None:
        wanted = {"anna": 2} if self.if_exists is IfExists.REPLACE else {"anna": 1, "anna-2": 2}
        assert self._people() == wanted, f"{self._people()}, needed {wanted}"

    def _people(self) -> dict[str, int]:
        return {path.stem: _whole(path, (person(1), person(2))) for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}"))}


def _whole(path: Path, people: tuple[Identity, ...]) -> int:
    """Which of these people (1, 2, ...) a file holds."""
    try:
        there = load_identity(path)
    except StableIdentityError as error:
        raise AssertionError(f"half file {path.name}: {error}") from error
    for number, one in enumerate(people, start=1):
        if same(there, one):
            return number
    raise AssertionError(f"{path.name} holds somebody else")


def some_result(seed: int) -> TrainResult:
    state = {"weight": randn(256, 256, seed=seed)}
    projector = TrainedProjector(state=state, feature_width=256, settings={"normalization": "none"}, encoder="made up")
    facts = {"method": "stableidentity", "steps": "20", "settings": "{}", "held_out_loss_before": "1.0"}
    identity = some_identity(1024, seed=seed, **facts)
    return TrainResult(identity=identity, projector=projector, losses=randn(20, seed=seed))


@dataclass(frozen=True)
class Storing(Act):
    what = "storing a training"
    traced: ClassVar[tuple[str, ...]] = ("/atomic.py", "/files.py", "/store")

    def prepare(self) -> None:
        super().prepare()
        ResultStore(self.folder).put(BEFORE, some_result(1))

    def run(self) -> None:
        ResultStore(self.folder).put(KEY, some_result(2))

    def state(self) -> str:
        store = ResultStore(self.folder)
        before = store.get(BEFORE)
        assert before is not None and same(before.identity, some_result(1).identity), "an older training is lost"
        if not store.path(KEY).exists():
            return "nothing yet"
        found = store.get(KEY)
        assert found is not None and same(found.identity, some_result(2).identity), "half file: the stored training"
        return "new file"

    def end(self) -> None:
        assert self.state() == "new file", "it was not stored"


@dataclass(frozen=True)
class Training(Act):
    """On the command line, with a checkpoint after each step."""

    world: Path = Path()  # with model/, encoder/ and photo.png
    what = "training with a checkpoint"
    traced: ClassVar[tuple[str, ...]] = ("/atomic.py", "/train/checkpoint.py", "/train/run.py", "/cli/progress.py")
    by_line: ClassVar[float] = 0.8  # by the clock it is killed while it loads the model, mostly

    @property
    def out(self) -> Path:
        return self.folder / f"anna{SUFFIX}"

    def run(self) -> None:
        self.out.unlink(missing_ok=True)  # whole, as `state` has seen
        options = (
            f"--model {self.world / 'model'} --encoder {self.world / 'encoder'} --photo {self.world / 'photo.png'}"
        )
        settings = f"--device cpu --steps 6 --resolution 64 --trigger anna --out {self.out}"
        keep = f"--checkpoint {self.folder / 'check'}{SUFFIX} --checkpoint-every 1"
        code = main(["train", *options.split(), *settings.split(), *keep.split()])
        assert code == 0, f"exit code {code}"

    def state(self) -> str:
        if self.out.exists():
            self.end()
            return "done"
        return "at a checkpoint" if (self.folder / f"check{SUFFIX}").exists() else "nothing yet"

    def end(self) -> None:
        """The words are those of a training that nobody interrupted."""
        whole = load_identity(self.world / f"whole{SUFFIX}")
        assert _whole(self.out, (whole,)) == 1

    def remember(self) -> None:
        """Keep the result of a run that was not killed, as what all others are compared with."""
        self.out.replace(self.world / f"whole{SUFFIX}")
        (self.folder / f"check{SUFFIX}").unlink(missing_ok=True)


def weight_at(url: str) -> Weight:
    digest = hashlib.sha256(DOWNLOADED).hexdigest()
    return replace(get_weight("bisenet"), urls=(url,), bytes=len(DOWNLOADED), sha256=digest, about=None)


@dataclass(frozen=True)
class Downloading(Act):
    url: str = ""
    what = "downloading"
    traced: ClassVar[tuple[str, ...]] = ("/atomic.py", "/weights/")

    @property
    def target(self) -> Path:
        return weight_at(self.url).path(self.folder)

    def run(self) -> None:
        download(weight_at(self.url), self.folder)

    def state(self) -> str:
        if self.target.exists():
            self.end()
            return "done"
        kept = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return "a part" if kept else "nothing yet"

    def end(self) -> None:
        assert self.target.read_bytes() == DOWNLOADED, "the file under the final name is not whole"


def make_world(folder: Path) -> Path:
    """What the training on the command line needs."""
    tiny_sd(folder / "model")
    tiny_face_vit(folder / "encoder")
    Image.fromarray(skimage.data.astronaut()).save(folder / "photo.png")
    return folder


def acts(folder: Path, url: str) -> Iterator[Act]:
    yield Saving(folder / "replace", IfExists.REPLACE)
    yield Saving(folder / "number", IfExists.NUMBER)
    yield Storing(folder / "store")
    yield Downloading(folder / "download", url)
    yield Training(folder / "training", make_world(folder / "world"))
