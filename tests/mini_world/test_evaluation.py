"""The evaluation suite on the mini world: the same files whichever engine works, whatever is killed in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mini_world.evaluation import MiniWorldBench
from stableidentity_core.cli import main
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.files.tensors import save_tensors
from stableidentity_core.identity import load_identity
from stableidentity_core.suite.engines import Local, WithRay
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.read import read_suite, suite_of
from stableidentity_core.suite.runner import Progress, run_suite
from stableidentity_core.suite.spec import Suite

ROOT = Path(__file__).resolve().parents[2]
TOML = """
title = "Small"
world = "mini world"
people = 2
at_once = 2
prompts = ["a photo of {}", "a pencil sketch of {}"]
world_options = { distractors = 2 }
sampling = { size = 128, steps = 2, cfg = 4.0, at_once = 2 }
scoring = { compared = "names" }
methods = [
    { name = "fast", preset = "fast", settings = { resolution = 128, steps = 2 } },
    { name = "projector", kind = "projector" },
    { name = "names", kind = "names" },
]
"""


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "small.toml"
    path.write_text(TOML)
    return path


def command(suite: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "stableidentity_core", "evaluate", "run", str(suite), "--out", str(out)]


@pytest.fixture(scope="module")
def whole(suite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The evaluation by one process that nobody disturbed."""
    out, threads = tmp_path_factory.mktemp("whole") / "out", torch.get_num_threads()
    assert main(["evaluate", "run", str(suite_file), "--out", str(out)]) == 0
    torch.set_num_threads(threads)
    assert "| fast | 2 |" in (out / "table-methods.md").read_text()
    return Folder(out)


def content(folder: Folder) -> dict[str, bytes]:
    """What is the same for the same work: all but the times, and the tables and pages that are made of them."""
    files = [path for part in ("methods", "scores", "records") for path in (folder.root / part).rglob("*")]
    return {path.relative_to(folder.root).as_posix(): path.read_bytes() for path in files if path.is_file()}


def test_it_measures_what_the_mini_world_can_show(whole):
    values = json.loads(whole.values("projector").read_text())["metrics"]
    assert {"face_similarity", "rank_1", "prompt_accuracy", "trusted_face_diversity", "fid", "kid"} <= values.keys()
    assert "clip_t" not in values, "the mini world has no CLIP"
    assert values["fid"]["note"] and values["face_diversity"]["pairs"] and values["face_similarity"]["pictures"]
    names = json.loads(whole.values("names").read_text())["metrics"]
    assert names["face_similarity"]["people"] == names["rank_1"]["people"] == [None, None], "these are other people"
    assert None not in names["face_diversity"]["people"]
    assert json.loads(whole.values("names").read_text())["metrics"]["fid"]["all"] is None, "not compared with itself"


def test_killed_twice_and_resumed_it_gives_the_same_files(whole, suite_file, suite, tmp_path):
    folder = Folder(tmp_path / "out")
    for part in ("methods/fast/pictures", "methods/names/pictures"):
        process = subprocess.Popen(command(suite_file, folder.root), cwd=ROOT, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list((folder.root / part).rglob("*.png")):
            time.sleep(0.02)
        process.kill()
        process.wait()
    before = len(list((folder.root / "records").glob("*.json")))
    assert 0 < before < len(list((whole.root / "records").glob("*.json")))
    with Local(suite, "cpu") as engine:
        ended = run_suite(suite, folder, engine)
    assert ended.ok and ended.kept == before
    assert content(folder) == content(whole)


@pytest.fixture
def suite(suite_file: Path) -> Iterator[Suite]:
    threads = torch.get_num_threads()
    yield read_suite(suite_file)
    torch.set_num_threads(threads)


def test_ray_gives_the_same_files_though_a_worker_is_killed_at_work(whole, suite, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's own is 15, and beside other tests that is minutes
    folder = Folder(tmp_path / "out")
    with WithRay(suite, "cpu", workers=2) as engine:
        first: list[int] = []

        def begin(tasks: object, workers: int) -> None:
            """Kill the worker that has begun to learn."""
            first.append(engine.ask(lambda _bench: os.getpid()))
            threading.Thread(target=kill_at_work, args=(first[0], folder), daemon=True).start()

        ended = run_suite(suite, folder, engine, progress=Progress(begin=begin))
        assert ended.ok and engine.workers == 2
    assert not alive(first[0])
    assert content(folder) == content(whole)


def kill_at_work(process: int, folder: Folder) -> None:
    while not list(folder.root.glob("methods/*/*")):
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": {"size": 256}}, "paints 128 pixels"),
        ({"world_options": {"frist": 3}}, "unknown entry 'frist'"),
        ({"world_options": {"first": "first"}}, "world_options.first is 'first', needed a whole number"),
        ({"world_options": {"distractors": 10**9}}, "world_options.distractors is 1000000000"),
    ],
)
def test_what_the_mini_world_cannot_do(changes, message):
    given = {"world": "mini world", "prompts": ["{}"], "methods": [{"name": "a"}], "sampling": {"size": 128}}
    with pytest.raises(StableIdentityError, match=message):
        MiniWorldBench(suite_of({**given, **changes}, Path()), "cpu")


def test_a_second_recogniser_that_is_none(tmp_path):
    save_tensors(tmp_path / "other.safetensors", {"recogniser.out.bias": torch.zeros(64)}, {})
    given = {"world": "mini world", "prompts": ["{}"], "methods": [{"name": "a"}], "sampling": {"size": 128}}
    options = {"distractors": 1, "second_recogniser": "other.safetensors"}
    suite = suite_of({**given, "world_options": options}, tmp_path)
    with pytest.raises(DamagedFileError, match=r"other\.safetensors does not hold the weights of a recogniser"):
        MiniWorldBench(suite, "cpu").facts()


def test_an_encoder_that_it_does_not_have():
    given = {"world": "mini world", "prompts": ["{}"], "methods": [{"name": "a"}], "sampling": {"size": 128}}
    bench = MiniWorldBench(suite_of(given, Path()), "cpu")
    assert bench.face(bench.people[0], "look").feature.encoder == "look"
    with pytest.raises(StableIdentityError, match="beside its own, the mini world has 'look'"):
        bench.face(bench.people[0], "clip")


def test_a_lora_and_a_best_step_in_the_mini_world_and_why_ip_adapter_is_not_there(tmp_path):
    content = {
        "world": "mini world",
        "people": 1,
        "prompts": ["a photo of {}"],
        "world_options": {"distractors": 2},
        "sampling": {"size": 128, "steps": 2, "cfg": 4.0},
        "methods": [
            {"name": "LoRA", "kind": "lora", "steps": 2, "resolution": 128},
            {
                "name": "best",
                "preset": "fast",
                "settings": {"resolution": 128, "steps": 2},
                "keep": "best",
                "score_every": 1,
            },
            {"name": "IP-Adapter", "kind": "ip_adapter"},
        ],
    }
    suite, folder = suite_of(content, tmp_path), Folder(tmp_path / "out")
    with Local(suite, "cpu") as engine:
        run = run_suite(suite, folder, engine)
    assert {task.method for task in [*run.failed, *run.left_out]} == {"IP-Adapter"}
    assert any("IP-Adapter was published for SD1.5 and SDXL" in why for why in run.failed.values())
    (person,) = engine.worker.bench.people
    header = load_identity(folder.learned("best", person)).header
    assert header["kept_step"] in ("1", "2") and header["scored_by"].startswith("mini-world:")
    for name in ("LoRA", "best"):
        values = json.loads(folder.values(name).read_text())["metrics"]["face_similarity"]["people"]
        assert values[0] is not None
