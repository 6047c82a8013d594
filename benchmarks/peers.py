"""The pack beside its peers on the same people and prompts of the mini world, in one run of the evaluation suite.

COMFYUI_PATH=... python benchmarks/peers.py [--people 8] [--seeds 0 1 2] [--work out/peers]

StableIdentity (paper, fast, from the projector with 0 and 25 steps) and Textual Inversion are methods of the suite.
ComfyUI's node Train LoRA runs in a real server; its pictures, of the same prompts, noises and solver, are added to the
suite as those of any other program. Seconds are the processor's, for one person in one process on one thread; in
the suite everybody is learned together. A run that was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from options import RESULTS
from peers_host import WORD, Host, LoraSetting, Sampler, comfyui_folder, moved
from peers_table import markdown, without_seed
from tables import weights_hash

from mini_world.evaluation import MiniWorldBench
from mini_world.look import PROMPTS, caption
from stableidentity_core.files.atomic import write_atomically
from stableidentity_core.suite.add import add_pictures
from stableidentity_core.suite.engines import Local
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.read import suite_of
from stableidentity_core.suite.runner import Progress, run_suite
from stableidentity_core.suite.spec import NOISES, MethodSpec, Suite
from stableidentity_core.suite.stored import with_added
from stableidentity_core.suite.work import read_picture

FIRST, SIDE, SAMPLING_STEPS, CFG, NOISE = 1001, 128, 16, 4.0, 1
LOOKS = (0, 1, 3, 9)  # of the mini world's prompts: plain, red hat in the snow, smiling in a forest, sketch
DEMO = {"resolution": SIDE, "hair_weight": 1.0, "augmentation": "none", "cached_views": 1}
WITH_SEEDS: dict[str, dict[str, Any]] = {
    "StableIdentity-paper": {"preset": "paper", "settings": {"resolution": SIDE, "cached_views": 96}},
    "StableIdentity-fast": {"preset": "fast", "settings": {"resolution": SIDE, "hair_weight": 1.0}},
    "projector-25-steps": {"kind": "projector", "steps": 25, "settings": {**DEMO, "learning_rate": 2e-4}},
}
ONCE: dict[str, dict[str, Any]] = {
    "projector": {"kind": "projector"},
    "Textual-Inversion": {"method": "textual_inversion", "settings": {**DEMO, "steps": 300}, "mask": False},
}
DEFAULTS = LoraSetting()
SWEEP = (
    LoraSetting(learning_rate=5e-4, steps=450),
    LoraSetting(learning_rate=1e-3, steps=150),
    LoraSetting(learning_rate=1e-3, steps=450),
    LoraSetting(rank=32, learning_rate=1e-3, steps=450),
)
SWEPT = 1  # people
NAMES = 4  # of celebrities, whose pictures are compared with and without a LoRA


class Peers:
    """One folder: the suite, what was added to it, and what was measured beside it."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.seeds: list[int] = options.seeds
        self.numbers = range(FIRST, FIRST + options.people)
        self.prompts = [caption(PROMPTS[number], "{}") for number in LOOKS]
        self.folder = Folder(options.work / "suite")
        self.notes = options.work / "notes.json"
        self.sampler = Sampler(size=SIDE, steps=SAMPLING_STEPS, cfg=CFG)

    def suite(self, seeds: Sequence[int]) -> Suite:
        methods = [{"name": name, **self._seeded(given, self.seeds[0])} for name, given in ONCE.items()]
        for seed in seeds:
            methods += [{"name": f"{name}-{seed}", **self._seeded(given, seed)} for name, given in WITH_SEEDS.items()]
        content = {
            "title": "Peers",
            "world": "mini world",
            "people": len(self.numbers),
            "at_once": len(self.numbers),
            "prompts": self.prompts,
            "world_options": {"first": FIRST},
            "sampling": {"size": SIDE, "steps": SAMPLING_STEPS, "cfg": CFG, "at_once": len(LOOKS), "seeds": [NOISE]},
            "methods": methods,
        }
        return suite_of(content, Path())

    @staticmethod
    def _seeded(given: Mapping[str, Any], seed: int) -> dict[str, Any]:
        return {"kind": "learn", **given, "seed": seed}

    @cached_property
    def bench(self) -> MiniWorldBench:
        return MiniWorldBench(self.suite(self.seeds[:1]), "cpu")

    def noted(self, name: str, work: Callable[[], Any]) -> Any:
        """What the work gave, which is done once."""
        known = json.loads(self.notes.read_text("utf-8")) if self.notes.is_file() else {}
        if name not in known:
            value = work()
            self.note(name, value)
            return value
        return known[name]

    def note(self, name: str, value: Any) -> None:
        known = json.loads(self.notes.read_text("utf-8")) if self.notes.is_file() else {}
        self.notes.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.notes, (json.dumps({**known, name: value}, indent=1) + "\n").encode())

    def run(self, suite: Suite, stages: Sequence[Any] = ("learn", "paint", "score", "measure")) -> None:
        progress = Progress(done=lambda task: print(task, flush=True))
        with Local(suite, "cpu") as engine:
            ended = run_suite(suite, self.folder, engine, stages, progress)
        if not ended.ok:
            raise SystemExit(f"Not everything could be done: {ended}")

    def alone(self) -> dict[str, float]:
        """Processor seconds of learning the first person alone, by method."""
        return {
            name: self.noted(f"alone {name}", partial(self._alone, name, given))
            for name, given in {**ONCE, **WITH_SEEDS}.items()
        }

    def _alone(self, name: str, given: Mapping[str, Any]) -> float:
        options = {**self._seeded(given, self.seeds[0])}
        method = method_of(MethodSpec(name=name, kind=options.pop("kind"), options=options))
        person = next(iter(self.bench.people))
        self.bench.face(person), self.bench.backend, self.bench.name_spaces, self.bench.projector("")  # loaded before
        before = time.process_time()
        method.learn(self.bench, [person])
        return time.process_time() - before

    # ComfyUI's Train LoRA.

    def best_setting(self, host: Host) -> LoraSetting:
        """Of the sweep, by the similarity to the person of all prompts' pictures of a few people."""
        rows = {}
        for setting in SWEEP:
            rows[str(setting)] = self.noted(f"sweep {setting}", partial(self._tried, host, setting))
        return max(SWEEP, key=lambda setting: rows[str(setting)]["similarity"])

    def _tried(self, host: Host, setting: LoraSetting) -> dict[str, float]:
        found, spent = [], 0.0
        for number in self.numbers[:SWEPT]:
            spent += host.train(number, setting, self.seeds[0])[0]
            pictures = host.paint(self._texts(WORD), self._noises(), (number, setting, self.seeds[0]))
            found.append(self._similarity(number, pictures))
        print(f"{setting}: {sum(found) / SWEPT:.3f}", flush=True)
        return {"similarity": sum(found) / SWEPT, "seconds": spent / SWEPT}

    def add_lora(self, host: Host, name: str, setting: LoraSetting, seeds: Sequence[int]) -> None:
        for seed in seeds:
            method = f"{name}-{seed}"
            place = self.options.work / "added" / method
            for number in self.numbers:
                work = partial(self._lora, host, setting, number, seed, place / f"person-{number}")
                self.noted(f"{method}, person-{number}", work)
            spec = MethodSpec(
                name=method,
                kind="added",
                options={"base": "the mini world in ComfyUI", "source": f"Train LoRA, {setting}"},
            )
            add_pictures(
                self.folder, self.suite(self.seeds[:1]), [f"person-{number}" for number in self.numbers], spec, place
            )

    def _lora(self, host: Host, setting: LoraSetting, number: int, seed: int, place: Path) -> dict[str, Any]:
        seconds, size = host.train(number, setting, seed)
        of = (number, setting, seed)
        moved(host.paint(self._texts(WORD), self._noises(), of), lambda at: place / f"{at + 1:03d}-{NOISE}.png")
        print(f"{place}: {seconds:.1f} s", flush=True)
        found = {"seconds": seconds, "bytes": size}
        if seed != self.seeds[0]:
            return found
        changed = self._vectors(host.paint(self._names(), self._name_noises(), of))
        return {**found, **self._effect_on_names(host, number, changed)}

    def _effect_on_names(self, host: Host, number: int, changed: torch.Tensor) -> dict[str, float]:
        """How similar pictures of names stay to those without the LoRA, and how similar they become to the person."""
        plain = torch.tensor(
            self.noted("names", lambda: self._vectors(host.paint(self._names(), self._name_noises())).tolist())
        )
        person = self._recogniser.references[f"person-{number}"]
        return {
            "names_same": (plain * changed).sum(1).mean().item(),
            "names_like_person": (changed @ person).mean().item(),
            "names_like_person_before": (plain @ person).mean().item(),
        }

    @property
    def _recogniser(self) -> Any:
        return next(metric for metric in self.bench.metrics(None) if metric.name == "face_similarity").recogniser  # type: ignore[attr-defined]

    def _vectors(self, pictures: Sequence[Path]) -> torch.Tensor:
        return self._recogniser.embed(torch.stack([read_picture(path) for path in pictures]))

    def _similarity(self, number: int, pictures: Sequence[Path]) -> float:
        return (self._vectors(pictures) @ self._recogniser.references[f"person-{number}"]).mean().item()

    def _texts(self, who: str) -> list[str]:
        return [prompt.replace("{}", who) for prompt in self.prompts]

    def _noises(self) -> list[int]:
        return [NOISE * NOISES + number for number in range(len(LOOKS))]

    def _names(self) -> list[str]:
        return [f"a photo of {name}" for name in self.bench.names[:NAMES]]

    def _name_noises(self) -> list[int]:
        return [NOISE * NOISES + number for number in range(NAMES)]

    def rows(self, suite: Suite, best: LoraSetting) -> dict[str, Any]:
        """All that the tables are made of."""
        notes = json.loads(self.notes.read_text("utf-8"))
        people = [f"person-{number}" for number in self.numbers]
        methods = {}
        for spec in with_added(suite, self.folder).methods:
            values = json.loads(self.folder.values(spec.name).read_text("utf-8"))["metrics"]
            metrics = {name: values[name]["people"] for name in ("face_similarity", "rank_1", "prompt_accuracy")}
            costs = [notes[key] for person in people if (key := f"{spec.name}, {person}") in notes]
            learned = [self.folder.learned(spec.name, person) for person in people]
            methods[spec.name] = {
                "metrics": metrics,
                "seconds": [cost["seconds"] for cost in costs] or [notes[f"alone {without_seed(spec.name)}"]],
                "bytes": [cost["bytes"] for cost in costs] or [path.stat().st_size for path in learned],
                "names": [{key: one for key, one in cost.items() if key.startswith("names")} for cost in costs],
            }
        plain = torch.tensor(notes["names"])
        others = (plain @ plain.T)[~torch.eye(len(plain), dtype=torch.bool)].mean().item()
        conditions = {"people": len(people), "prompts": len(LOOKS), "sampling_steps": SAMPLING_STEPS}
        return {
            "conditions": {**conditions, "weights": weights_hash()},
            "best": str(best),
            "sweep": {str(setting): notes[f"sweep {setting}"] for setting in SWEEP},
            "names_of_each_other": others,
            "methods": methods,
        }

    def report(self, suite: Suite, best: LoraSetting) -> None:
        rows, out = self.rows(suite, best), self.options.out
        write_atomically(out, (json.dumps(rows, indent=1) + "\n").encode())
        write_atomically(out.with_suffix(".md"), markdown(rows).encode())
        print(markdown(rows), flush=True)


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    peers = Peers(options)
    peers.alone()
    for seeds in [peers.seeds[:count] for count in range(1, len(peers.seeds) + 1)]:  # so that there is a table early
        suite = peers.suite(seeds)
        peers.run(with_added(suite, peers.folder))
        with Host(comfyui_folder(), options.work / "comfyui", peers.sampler) as host:
            best = peers.best_setting(host)
            peers.add_lora(host, "LoRA-defaults", DEFAULTS, seeds)
            peers.add_lora(host, "LoRA-best", best, [seed for seed in options.best_seeds if seed in seeds])
        peers.run(with_added(suite, peers.folder), ("score", "measure"))
        peers.report(suite, best)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--people", type=int, default=8, help="(default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of trainings (default: %(default)s)")
    add("--best-seeds", type=int, nargs="+", default=[0], help="of the best LoRA (default: %(default)s)")
    add("--work", type=Path, default=Path("out/peers"), help="folder for all files (default: %(default)s)")
    add("--out", type=Path, default=RESULTS / "peers.json", help="(default: benchmarks/results/peers.json)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
