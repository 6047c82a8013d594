"""Names that are no file names, and disks without room, lose nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from helpers.people import applying, person
from helpers.prompts import learn
from helpers.refusal import node

_SEEDS = count(4000)


def was_trained(result) -> bool:
    """For trainings of 3 steps."""
    return any(event.data.get("max") == 3 for event in result.of("progress"))


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("../../x", ("contains '/'",)),
        ("a/b", ("contains '/'",)),
        ("a\\b", ("contains",)),
        ("C:x", ("contains ':'",)),
        ("anna smith", ("contains ' '",)),
        ("", ("is empty",)),
        ("..", ("dot",)),
        ("CON", ("reserved name on Windows",)),
        ("nul.safetensors", ("reserved name on Windows",)),
        ("a" * 300, ("300 characters", "at most 100")),
        ("line\nbreak", ("contains",)),
        ("com\u00b9", ("reserved name on Windows",)),
    ],
)
def test_names_that_no_file_can_have(world, bad, name, needed):
    """Told before anything runs, and so before the training."""
    prompt = learn(world.eps, name=name)
    del prompt["curve"]
    bad.refused(prompt, "The name", *needed, "Use letters, digits", "'anna-2026'", by="our check")
    assert not list(world.server.base.parent.glob("x*")) and not list(world.server.models.glob("x*"))


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("2026", ("as a number", "(embedding:2026)", "'person-2026'")),
        ("anna.pt", ("ends in '.pt'", "two files", "'anna'")),
    ],
)
def test_names_that_no_prompt_can_say(world, bad, people, name, needed):
    prompt = {"who": person("bert")}
    prompt["save"] = node("StableIdentitySave", identity=["who", 0], name=name, if_exists="add a number")
    bad.refused(prompt, "The name", *needed, by="our check")


def test_a_bad_name_that_arrives_by_a_link(world, bad):
    """The widget's check does not see it; the node does."""
    prompt = learn(world.eps, name="bad", steps=1)
    prompt["text"] = node("PrimitiveString", value="../../x")
    prompt["save"]["inputs"]["name"] = ["text", 0]
    bad.refused(prompt, "'../../x'", "contains '/'", "Use letters, digits")


def test_a_name_that_is_taken(world, bad, people):
    prompt = {"who": person("bert")}
    prompt["save"] = node("StableIdentitySave", identity=["who", 0], name="good", if_exists="stop")
    bad.refused(prompt, "embedding:good already refers to", "good.safetensors", "'add a number'", "'replace'")


def test_a_bad_name_costs_no_training(world, bad):
    """The host runs the outputs that are in order, here the loss curve; the next try finds the training."""
    training = {"steps": 3, "seed": next(_SEEDS)}
    status, answer = world.server.client.post("/prompt", {"prompt": learn(world.eps, name="a/b", **training)})
    assert status == 200 and "contains '/'" in answer["node_errors"]["save"]["errors"][0]["details"]
    result = world.server.run(learn(world.eps, name="a-b", preview_every=0, **training))
    assert result.status == "success" and not was_trained(result), result.error
    assert world.embedding("a-b").is_file()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A real file system of its own over the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("bad disks are made by mounting a tmpfs; there is no `mount` here")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"bad disks are made by mounting a tmpfs, which is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of one page, filled to the last byte."""
    with mounted(folder, "size=4k"):
        (folder / "full").write_bytes(bytes(4096))
        yield folder


def test_a_disk_without_room_while_saving(world, bad):
    """The training outlives the failed saving: with room again, another name is saved without training."""
    seed = next(_SEEDS)
    world.server.run(learn(world.eps, name="good", steps=1))
    with full_disk(world.server.models / "embeddings") as folder:
        log = world.server.log_file.stat().st_size
        failed = world.server.run(learn(world.eps, name="no-room", steps=3, seed=seed))
        assert failed.status == "error" and was_trained(failed), failed.error
        print(failed.error)
        for word in ("no-room.safetensors", "No space left on device", "bytes", "Free some space"):
            assert word in failed.error
        assert [path.name for path in folder.iterdir()] == ["full"]
        bad.clean(log)
    world.server.run(learn(world.eps, name="good", steps=1))  # so that the host forgets the failed prompt
    again = world.server.run(learn(world.eps, name="room", steps=3, seed=seed))
    assert again.status == "success", again.error
    assert "train" in again.executed_nodes and not was_trained(again), "it trained again"
    assert world.embedding("room").is_file() and not world.embedding("no-room").exists()
    bad.good("a full disk")


def test_a_disk_that_is_read_only(world, bad):
    with mounted(world.server.models / "embeddings", "ro"):
        log = world.server.log_file.stat().st_size
        failed = world.server.run(learn(world.eps, name="read-only", steps=1))
        assert failed.status == "error" and "read-only.safetensors" in failed.error
        assert "Read-only file system" in failed.error and "choose another name or folder" in failed.error
        bad.clean(log)
    bad.good("a read-only disk")


def test_a_disk_without_room_for_the_store(world, bad):
    """A training that cannot be kept for the next time is saved all the same."""
    with full_disk(world.server.user / "stableidentity" / "trained") as folder:
        log = world.server.log_file.stat().st_size
        result = world.server.run(learn(world.eps, name="not-kept", steps=3, seed=next(_SEEDS)))
        assert result.status == "success", result.error
        assert world.embedding("not-kept").is_file()
        assert [path.name for path in folder.iterdir()] == ["full"]
        told = world.server.log_tail()
        assert "could not be stored for next time" in told and "No space left" in told
        bad.clean(log, errors=0)
    bad.good("a full disk")


def test_a_disk_without_room_for_a_prompt(world, bad, people):
    """Apply Identity hands words to stock nodes through a file in the temp folder."""
    temp = world.server.base / "temp" / "stableidentity"
    shutil.rmtree(temp, ignore_errors=True)
    with full_disk(temp):
        prompt = applying(world, "<lisa> by the sea", lisa=person("bert", trigger="lisa"))
        bad.refused(prompt, "No space left on device", "Free some space")
