"""The benchmarks learn people by the shipped training loop, and keep results that can be trusted."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from helpers.make import some_face
from helpers.trainings import FEATURES, small
from mini_world.evaluation import MiniWorldBench
from stableidentity_core.evaluate.metrics.face_similarity import FaceSimilarity
from stableidentity_core.face import Face
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.methods.judge import judge_of
from stableidentity_core.suite.read import suite_of
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.result import trained_projector
from stableidentity_core.train.session import Person, TrainingSession, unchecked

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FACES = [some_face(features=FEATURES, seed=10 * number) for number in range(3)]
CONDITIONS = {"people": 2, "weights": "a"}
# Of the way that the words go, in float64; somebody else's draw gives about 1, another order of sums the last bit.
SAME = 1e-3


@pytest.fixture
def benchmark(monkeypatch):
    """Import a module of the benchmarks, which are scripts that find each other in their folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def imported(name: str) -> ModuleType:
        module = importlib.import_module(name)
        assert module.__file__ and Path(module.__file__).parent == BENCHMARKS
        return module

    return imported


def session_of(backend, names, face: Face, config: TrainConfig, **start) -> TrainingSession:
    person = Person(trigger="anna", faces=[face])
    return TrainingSession(backend, [person], config, name_spaces=[names], check=unchecked, **start)


def alone(backend, names, faces: list[Face], config: TrainConfig, learning: ModuleType) -> list[torch.Tensor]:
    """Each person's words by a session of their own."""
    sessions = [
        session_of(backend, names, face, replace(config, seed=learning.seed_of(config.seed, person)))
        for person, face in enumerate(faces)
    ]
    return [session.learn()[0].identity.words["clip_h"] for session in sessions]


def test_references_learn_people_as_a_training_session_does_bit_by_bit(backend, names, benchmark, monkeypatch):
    """But for the size of it all, which is that of the tiny model here."""
    monkeypatch.setattr("stableidentity_core.train.validation.DRAWS", 2)  # for time
    references, learning, world = benchmark("references"), benchmark("learning"), benchmark("world")
    config, seen = small(seed=3, steps=2, cached_views=2), []
    monkeypatch.setattr(references, "train_config", lambda seed: config)
    monkeypatch.setattr(
        references, "row_of_words", lambda world, setting, title, seed, words, seconds: seen.append(words)
    )
    people = world.World(
        backend=backend, encoder=None, evaluators=None, name_spaces=[names], people=[], faces=FACES[:2], at_once=1
    )
    references.paper(people, seed=3)
    for own, expected in zip(seen[0], alone(backend, names, people.faces, config, learning), strict=True):
        assert torch.equal(own["clip_h"], expected)


def test_each_person_and_seed_has_a_seed_of_its_own(benchmark):
    learning = benchmark("learning")
    seeds = [learning.seed_of(seed, person) for seed in range(3) for person in range(100)]
    assert len(set(seeds)) == 300


def test_suites_and_scripts_mean_the_same_by_the_papers_settings(benchmark):
    closed, world = benchmark("closed_world"), benchmark("world")
    expected = TrainConfig(seed=1, resolution=128, cached_views=96)
    assert world.train_config(1) == expected
    for name in ("parts", "settings", "keep"):
        suite = closed.with_seed(closed.read_suite(closed.SUITES / f"{name}.toml"), 1)
        assert method_of(suite.method("paper")).config == expected, name


def test_people_learned_together_are_the_same_but_for_rounding(exact_backend, names, benchmark, monkeypatch):
    monkeypatch.setattr("stableidentity_core.train.validation.DRAWS", 2)
    learning, config = benchmark("learning"), small(steps=2, cached_views=2)
    found = learning.words_after(exact_backend, [names], FACES, config, at_once=2, steps=[0, 2])  # two, then one
    expected = alone(exact_backend, names, FACES, config, learning)
    for start, own, other in zip(found[0], found[2], expected, strict=True):
        way = (other - start["clip_h"]).norm()
        assert way > 0 and (own["clip_h"] - other).norm() < SAME * way


def test_words_after_some_steps_are_those_of_a_training_of_so_many(backend, names, benchmark):
    """From a shared projector, whose words are those after no step."""
    learning, config = benchmark("learning"), small()
    feature = FACES[0].feature
    assert feature is not None
    start = trained_projector(session_of(backend, names, FACES[0], config).runs[0].projector, config, feature.encoder)
    found = learning.words_after(backend, [names], FACES[:2], config, 2, [0, 1, 3], start)
    assert list(found) == [0, 1, 3]
    projector = start.build([names])
    for face, own in zip(FACES, found[0], strict=False):
        assert face.feature is not None
        assert torch.equal(own["clip_h"], projector(face.feature.plain[None])["clip_h"][0])
    fewer = learning.words_after(backend, [names], FACES[:2], config, 2, [1], start)
    for own, other in zip(found[1], fewer[1], strict=True):
        assert torch.equal(own["clip_h"], other["clip_h"])
    assert not torch.equal(found[1][0]["clip_h"], found[3][0]["clip_h"])


@pytest.mark.parametrize("name", ["fewer_steps", "keep", "methods", "parts", "settings"])
def test_a_suite_is_learned_and_painted_anew_with_each_seed(benchmark, name):
    closed = benchmark("closed_world")
    suite = closed.read_suite(closed.SUITES / f"{name}.toml")
    one, two = (closed.with_seed(suite, seed) for seed in (1, 2))
    assert one.sampling.seeds == (1,) and two.sampling.seeds == (2,)
    assert {spec.options.get("seed", 1) for spec in one.methods} == {1}
    learned = [spec for spec in two.methods if spec.kind == "learn"]
    assert len(learned) >= 3 and all(spec.options["seed"] == 2 for spec in learned)


def test_who_chooses_a_step_is_not_who_measures_it(benchmark):
    closed = benchmark("closed_world")
    suite = closed.read_suite(closed.SUITES / "keep.toml")
    bench = MiniWorldBench(replace(suite, people=1, world_options={**suite.world_options, "distractors": 1}), "cpu")
    first, second = (one.recogniser for one in bench.metrics(None) if isinstance(one, FaceSimilarity))
    assert judge_of(bench, "").recogniser is second and first.name != second.name
    pictures = torch.nn.functional.interpolate(bench.photo(bench.people[0])[None], (128, 128), mode="area")
    assert not torch.allclose(first.embed(pictures), second.embed(pictures), atol=0.1)


def test_the_closed_world_compares_people_with_themselves(benchmark):
    """Two people, two seeds: a mean over seeds first, then over people; who lacks a seed is left out."""
    closed = benchmark("closed_world")
    given = {
        ("a", "p", 0): 0.4, ("a", "p", 1): 0.6, ("a", "q", 0): 0.1, ("a", "q", 1): 0.1,
        ("b", "p", 0): 0.7, ("b", "p", 1): 0.7, ("b", "q", 0): 0.3, ("b", "q", 1): 0.3,
        ("c", "p", 0): 0.9, ("c", "p", 1): 0.9, ("c", "q", 0): 0.9, ("c", "q", 1): None,
    }  # fmt: skip
    columns = ("face_similarity", "rank_1", "prompt_accuracy", "trusted_face_diversity")
    measured = closed.Measured({key: dict.fromkeys(columns, value) for key, value in given.items()})
    assert measured.of("a", "rank_1") == [0.5, 0.1] and measured.of("c", "rank_1") == [0.9, None]
    methods = [{"name": name, "group": "others" if name == "d" else "methods"} for name in "abcd"]
    suite = suite_of({"world": "mini world", "prompts": ["{}"], "methods": methods}, Path())
    _head, _line, *lines = closed.markdown(suite, measured, {}).splitlines()
    assert lines[0].startswith("| a | 0.300 [0.100, 0.500] |")
    assert "| +0.200 [+0.200, +0.200] |" in lines[1] and lines[2].endswith("| 0.900 |  |  |")
    both = closed.Measured({**measured.values, ("d", "p", 0): {**dict.fromkeys(columns, 0.8), "kept_step": 75.0}})
    others = closed.markdown(suite, both, {"d": 2.51}).split("\n\n")[1]
    assert "against d | seconds a person |" in others and others.rstrip().endswith("| 75 |  |  | 2.5 |")


def row(setting: str, seed: int = 0, value: float = 0.5) -> dict:
    figures = dict.fromkeys(("face_similarity", "rank_1", "prompt_accuracy", "trusted_face_diversity"), value)
    per_person = {key: [value, value + 0.1] for key in figures}
    about = {"setting": setting, "title": setting, "seed": seed, "computed_in": "float32", "value_range": [0.0, 1.0]}
    return {**about, **figures, "per_person": per_person}


def test_results_resume_after_an_interruption(benchmark, tmp_path):
    tables, path = benchmark("tables"), tmp_path / "results.json"

    def interrupted():
        raise KeyboardInterrupt

    first = tables.Results(path, CONDITIONS)
    first.measure("paper_0", lambda: row("paper"))
    with pytest.raises(KeyboardInterrupt):
        first.measure("paper_1", interrupted)
    resumed = tables.Results(path, CONDITIONS)
    resumed.measure("paper_0", interrupted)  # is there, so that nothing is done
    assert resumed.has("paper_0") and not resumed.has("paper_1")
    resumed.measure("paper_1", lambda: row("paper", 1))
    assert resumed.rows() == [row("paper"), row("paper", 1)]


@pytest.mark.parametrize("other", [{"weights": "b"}, {"people": 3}, {"augmentation": "none"}])
def test_rows_of_other_weights_or_conditions_do_not_count_and_are_kept(benchmark, tmp_path, other):
    tables, path = benchmark("tables"), tmp_path / "results.json"
    tables.Results(path, {**CONDITIONS, **other}).measure("paper_0", lambda: row("paper"))
    ours = tables.Results(path, CONDITIONS)
    assert not ours.has("paper_0") and ours.rows() == []
    ours.measure("paper_0", lambda: row("paper", value=0.7))
    assert ours.rows() == [row("paper", value=0.7)]
    assert [part["conditions"] for part in json.loads(path.read_text())] == [{**CONDITIONS, **other}, CONDITIONS]
    assert tables.Results(path, {**CONDITIONS, **other}).rows() == [row("paper")]


def test_tables_have_a_section_for_each_set_of_conditions(benchmark, tmp_path):
    tables, path = benchmark("tables"), tmp_path / "results.json"
    for people in (2, 3):
        results = tables.Results(path, {**CONDITIONS, "people": people})
        results.measure("paper_0", lambda: row("paper"))
        results.measure("fast_0", lambda: row("fast", value=0.6))
    tables.write_tables(results, "paper")
    text = path.with_suffix(".md").read_text()
    assert text.count("\n## ") + text.startswith("## ") == 2 and "## 3 people, weights a" in text
    assert text.count("+0.100 ± 0.000") == 4  # similarity and prompts, person by person
    assert path.with_suffix(".png").stat().st_size > 0


def test_the_results_of_the_pack_can_be_read(benchmark):
    """Each row under its name, with the figures that the tables need."""
    tables = benchmark("tables")
    for name in ("references", "shared_projector", "busy_photos", "augmentation_parts"):
        parts = tables.Results(BENCHMARKS / "results" / f"{name}.json", {}).parts()
        assert parts and all(part.rows for part in parts)
        for part in parts:
            assert all(key == f"{one['setting']}_{one['seed']}" for key, one in part.rows.items())
            assert all(len(one["per_person"]["rank_1"]) == part.conditions["people"] for one in part.rows.values())
            assert tables.markdown(list(part.rows.values()))
