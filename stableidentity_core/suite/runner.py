"""Running a suite to its end: what is done already stays, what fails is tried once more and named at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import StableIdentityError
from ..files.atomic import write_atomically
from ..files.locked import locked
from .add import added_to
from .bench import Bench
from .engines import Engine, Failure
from .failures import note_failures
from .folder import Folder, is_done
from .methods import method_of
from .spec import MethodSpec, Suite
from .stored import store_suite
from .tasks import Plan, Stage, Task
from .work import Work, png
from .world import World, ask_names, keep_names, names_are_kept, names_key, note_world, read_world

STAGES: tuple[Stage, ...] = ("learn", "paint", "score", "measure")
TRIES = 2
OF_THE_MODEL = ("model", "decoder")  # facts, see `Bench.model_facts`
NEED_FAILED = "what they need failed"
OF_ANOTHER = "their pictures are missing, or of another model, photo or setting; `evaluate run` paints them"


@dataclass
class Progress:
    """What the caller shows while a suite runs; each is called in the process that runs it."""

    begin: Callable[[Sequence[Task], int], None] = lambda tasks, workers: None  # what is left to do
    done: Callable[[Task], None] = lambda task: None
    failed: Callable[[Task, str, bool], None] = lambda task, reason, again: None


@dataclass
class Run:
    """The end of a run."""

    done: int = 0
    kept: int = 0  # were done before
    failed: dict[Task, str] = field(default_factory=dict)
    left_out: dict[Task, str] = field(default_factory=dict)  # what they need is not there, and why
    refused: dict[str, str] = field(default_factory=dict)  # people whose photos cannot be used, and why

    @property
    def ok(self) -> bool:
        return not (self.failed or self.left_out or self.refused)


def run_suite(
    suite: Suite,
    folder: Folder,
    engine: Engine,
    stages: Sequence[Stage] = STAGES,
    progress: Progress | None = None,
    prepare: Callable[[Plan, Sequence[Task]], None] = lambda plan, left: None,
) -> Run:
    """Do all tasks of these stages that are not done yet.

    Args:
        prepare: called before the first task with what is left; may raise to stop, as for a disk that is too small.

    Raises:
        StableIdentityError: the folder holds something else, or another process works in it; the models or photos
            cannot be used.
    """
    _check_use(folder)
    busy = f"Another process works in {folder.root}. Wait until it has ended, or give another folder."
    with locked(folder.lock, busy):
        return _run(suite, folder, engine, stages, progress or Progress(), prepare)


def _run(
    suite: Suite,
    folder: Folder,
    engine: Engine,
    stages: Sequence[Stage],
    progress: Progress,
    prepare: Callable[[Plan, Sequence[Task]], None],
) -> Run:
    if not folder.suite.is_file():  # so that the folder is known as an evaluation's, whatever happens
        store_suite(folder, suite)
    run = Run()
    described = _described(suite, folder, engine, stages)
    plan = _plan(suite, folder, engine, described, run)
    tasks = plan.tasks()
    undone = _undone(folder, tasks, stages)
    left = [task for task in tasks if task.stage in stages and task.key in undone]
    missing = {task.key for task in tasks if task.stage not in stages and task.key in undone}
    _check_needs(folder, [task for task in tasks if task.stage == "score" and task.stage in stages], missing)
    run.kept = sum(task.stage in stages for task in tasks) - len(left)
    prepare(plan, left)
    store_suite(folder, suite)
    note_world(folder, World(list(plan.photos), plan.facts, [task.key for task in tasks], described.stamp))
    work, elsewhere = Work(suite, folder), {*missing}
    for task in left:
        work.forget(task)
    progress.begin(left, engine.workers)
    for stage in stages:
        ready = []
        for task in (task for task in left if task.stage == stage):
            if stage == "measure" or not missing & {*task.needs}:
                ready.append(task)
            else:
                run.left_out[task] = OF_ANOTHER if elsewhere & {*task.needs} else NEED_FAILED
        failed = _run_stage(engine, work, ready, progress, run)
        run.failed |= failed
        missing |= {task.key for task in [*run.left_out, *failed]}
    photos = {f"photo of {person}": reason for person, reason in run.refused.items()}
    failures = {**photos, **{str(task): why for task, why in run.failed.items()}}
    note_failures(folder, failures, {str(task) for task in tasks if task.stage not in stages and task.key in undone})
    return run


def _undone(folder: Folder, tasks: Sequence[Task], stages: Sequence[Stage]) -> set[str]:
    """Keys of what is not done, or needs what is done again: on a GPU, that may turn out otherwise than before."""
    undone: set[str] = set()
    for task in tasks:  # each after those that it needs
        if (task.stage in stages and undone & {*task.needs}) or not is_done(folder, task.key):
            undone.add(task.key)
    return undone


def _check_needs(folder: Folder, scores: Sequence[Task], missing: set[str]) -> None:
    """Raises StableIdentityError where pictures are to be measured of which none is as the suite says."""
    if scores and all(missing & {*task.needs} for task in scores):
        raise StableIdentityError(
            f"None of the pictures in {folder.root} was painted with this suite, these models and these photos. "
            "Name those that they were painted with, or paint with these by `evaluate run`."
        )


def _run_stage(engine: Engine, work: Work, tasks: Sequence[Task], progress: Progress, run: Run) -> dict[Task, str]:
    failed: dict[Task, str] = dict.fromkeys(tasks, "")
    for number in range(1, TRIES + 1):
        again, failed = list(failed), {}
        for task, outcome in engine.run(work, again):
            if isinstance(outcome, Failure):
                failed[task] = outcome.reason
                progress.failed(task, outcome.reason, number < TRIES)
            else:
                run.done += 1
                progress.done(task)
        if not failed:
            break
    return failed


def _check_use(folder: Folder) -> None:
    """Raises StableIdentityError for a folder of something else, which is left alone; hidden files do not count."""
    is_new = not folder.root.is_dir() or all(path.name.startswith(".") for path in folder.root.iterdir())
    if not (is_new or folder.suite.is_file()):
        raise StableIdentityError(f"{folder.root} holds other files and no evaluation. Give an empty or new folder.")


def _plan(suite: Suite, folder: Folder, engine: Engine, described: Description, run: Run) -> Plan:
    run.refused |= described.refused
    if not described.photos:
        reasons = "\n".join(described.refused.values())
        raise StableIdentityError(f"None of the {len(described.refused)} photos can be used:\n{reasons}")
    if any(method_of(spec).learns_words for spec in suite.methods):
        _keep_names(folder, engine, names_key(described.facts))
    return Plan(suite, described.facts, described.photos, added_to(folder, suite), described.contents)


def _described(suite: Suite, folder: Folder, engine: Engine, stages: Sequence[Stage]) -> Description:
    """Where pictures are only measured, a model whose files have not changed since it was noted is not loaded."""
    noted = World() if {"learn", "paint"} & {*stages} else read_world(folder)
    return engine.ask(partial(_describe, suite=suite, folder=folder, noted=noted))


def _keep_names(folder: Folder, engine: Engine, key: str) -> None:
    if not names_are_kept(folder, key):
        spaces: Any = engine.ask(ask_names)
        if spaces:
            keep_names(folder, key, spaces)


@dataclass(frozen=True)
class Description:
    """What a bench says of a suite."""

    facts: dict[str, str]
    contents: dict[str, Any]  # of the files that each method names
    photos: dict[str, str]  # {person: seed and hash of the photo}
    refused: dict[str, str]  # {person: why the photo cannot be used}
    stamp: str  # of the model's files


def _describe(bench: Bench, suite: Suite, folder: Folder, noted: World) -> Description:
    """Also writes the photos into the folder."""
    photos, refused = {}, {}
    for person in bench.people:
        try:
            photos[person] = f"{bench.seed_of(person)} {bench.photo_hash(person)}"
            picture = png(bench.photo(person), {})
        except StableIdentityError as error:
            photos.pop(person, None)
            refused[person] = str(error)
        else:
            write_atomically(folder.photo(person), picture)
    contents = {spec.name: _content(bench, spec) for spec in suite.methods}
    stamp = bench.model_stamp()
    known = {name: noted.facts[name] for name in OF_THE_MODEL if name in noted.facts}
    unchanged = stamp and stamp == noted.stamp and len(known) == len(OF_THE_MODEL)
    facts = {**(known if unchanged else bench.model_facts()), **bench.facts()}
    return Description(facts, contents, photos, refused, stamp)


def _content(bench: Bench, spec: MethodSpec) -> Any:
    """A file that cannot be used is named by the tasks that need it, while the other methods go on."""
    try:
        return method_of(spec).content(bench)
    except StableIdentityError as error:
        return f"unknown: {error}"
