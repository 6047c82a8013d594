"""Doing one task."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..evaluate.metrics import Sample
from ..evaluate.metrics.base import features_of
from ..files.atomic import write_atomically
from ..files.tensors import read_tensors, save_tensors
from .bench import Bench
from .folder import Folder, write_json, write_record
from .measure import measure
from .memory import forget_peak, peak_bytes
from .methods import method_of
from .spec import Suite
from .tasks import Task


@dataclass(frozen=True)
class Work:
    """What is to be done with each task of a suite; its results lie in the folder."""

    suite: Suite
    folder: Folder

    def __call__(self, bench: Bench, task: Task) -> float:
        """Do a task and note it as done; returns the seconds it took."""
        begun = time.monotonic()
        forget_peak(bench.device)
        act = {"learn": self._learn, "paint": self._paint, "score": self._score, "measure": self._measure}[task.stage]
        files = act(bench, task)
        seconds = time.monotonic() - begun
        about = {"stage": task.stage, "method": task.method, "people": len(task.people)}
        cost = {"seconds": seconds, "peak_bytes": peak_bytes(bench.device)}
        write_json(self.folder.times(task.key), {**about, **cost})
        if task.stage != "measure" or self._all_scored(task):  # what is missing may come
            about = {"stage": task.stage, "method": task.method, "people": task.people}
            write_record(self.folder, task.key, files, about)
        return seconds

    def forget(self, task: Task) -> None:
        """Remove what earlier work has written in the places of this task, so that nothing old is taken for new."""
        for person in task.people:
            if task.stage == "learn":
                self.folder.learned(task.method, person).unlink(missing_ok=True)
            elif task.stage == "paint":
                for path in self.folder.pictures(task.method, person).glob("*.png"):
                    path.unlink()
            elif task.stage == "score":
                self.folder.features(task.method, person).unlink(missing_ok=True)
        if task.stage == "measure":
            self.folder.values(task.method).unlink(missing_ok=True)

    def _learn(self, bench: Bench, task: Task) -> list[Path]:
        writers = method_of(self.suite.method(task.method)).learn(bench, task.people)
        paths = {person: self.folder.learned(task.method, person) for person in task.people}
        for person, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            writers[person](path)
        return list(paths.values())

    def _paint(self, bench: Bench, task: Task) -> list[Path]:
        method, (person,) = method_of(self.suite.method(task.method)), task.people
        learned = self.folder.learned(task.method, person) if method.learns else None
        paths = []
        with torch.no_grad():
            for number, seed, picture in method.paint(bench, person, learned, self.suite.prompts, self.suite.sampling):
                path = self.folder.picture(task.method, person, number, seed)
                about = {
                    "key": task.key,
                    "prompt": self.suite.prompts[number],
                    "seed": str(seed),
                    "method": task.method,
                }
                write_atomically(path, png(picture, about))
                paths.append(path)
        return paths

    def _score(self, bench: Bench, task: Task) -> list[Path]:
        (person,) = task.people
        sample = self.sample(bench, task.method, person)
        with torch.no_grad():
            features = {name: sample.of(feature) for name, feature in features_of(bench.metrics(None)).items()}
        path = self.folder.features(task.method, person)
        save_tensors(path, features, {"person": person, "method": task.method})
        return [path]

    def _measure(self, bench: Bench, task: Task) -> list[Path]:
        people = [person for person in task.people if self._scored(task.method, person)]
        samples = {person: self.sample(bench, task.method, person) for person in people}
        others = self.suite.scoring.compared
        if others is None or others == task.method:  # not with itself
            compared = []
        else:
            compared = [self._features(others, person) for person in task.people if self._scored(others, person)]
        path = self.folder.values(task.method)
        write_json(path, measure(bench, self.suite, samples, compared))
        return [path]

    def _scored(self, method: str, person: str) -> bool:
        return self.folder.features(method, person).is_file()

    def _all_scored(self, task: Task) -> bool:
        methods = {task.method, self.suite.scoring.compared or task.method}
        return all(self._scored(method, person) for method in methods for person in task.people)

    def _features(self, method: str, person: str) -> dict[str, Tensor]:
        return read_tensors(self.folder.features(method, person))[0]

    def sample(self, bench: Bench, method: str, person: str) -> Sample:
        """The pictures of one person, which are read when they are needed, with the features that are known."""
        rows, shown = rows_of(self.suite), method_of(self.suite.method(method)).shows_the_person
        paths = [self.folder.picture(method, person, number, seed) for number, seed in rows]
        return Sample(
            person=person if shown else f"in place of {person}",
            pictures=partial(_read_all, paths),
            prompts=[self.suite.prompts[number] for number, _seed in rows],
            photo=bench.photo(person) if shown else None,
            features=self._features(method, person) if self._scored(method, person) else {},
        )


def rows_of(suite: Suite) -> list[tuple[int, int]]:
    """Number of the prompt and seed of each picture of one person, in the order of all tables."""
    return [(number, seed) for number in range(len(suite.prompts)) for seed in suite.sampling.seeds]


def png(picture: Tensor, about: dict[str, str]) -> bytes:
    """A picture [3, S, S] in 0..1 as PNG, with texts."""
    pixels = (picture.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    texts, file = PngInfo(), io.BytesIO()
    for name, text in about.items():
        texts.add_itxt(name, text)
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def read_picture(path: Path) -> Tensor:
    """A picture file as [3, H, W] in 0..1.

    Raises:
        MissingFileError, DamagedFileError
    """
    try:
        with Image.open(path) as file:
            pixels = np.array(file.convert("RGB"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"The picture {path} is missing. Run the evaluation again, and it is made anew."
        ) from error
    except Exception as error:  # PIL raises many types for damaged pictures
        raise DamagedFileError(
            f"The picture {path} cannot be read: {error}. Replace it, or remove it and run again."
        ) from error
    return torch.from_numpy(pixels).movedim(-1, 0) / 255


def _read_all(paths: Sequence[Path]) -> Tensor:  # [N, 3, S, S]
    pictures = [read_picture(path) for path in paths]
    sizes = {f"{picture.shape[2]} x {picture.shape[1]}" for picture in pictures}
    if len(sizes) > 1:
        raise StableIdentityError(
            f"The pictures in {paths[0].parent} are of {' and '.join(sorted(sizes)[:3])} pixels, needed all of one "
            "size."
        )
    return torch.stack(pictures)
