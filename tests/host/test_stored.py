"""Stored trainings in the real server: what the limit removes, what becomes of it, and what a start sweeps away."""

from __future__ import annotations

import json
from itertools import count

import pytest
import torch

from helpers.prompts import learn, node
from helpers.world import World
from stableidentity_core.identity import load_identity

STEPS = 4  # no other test's
_SEEDS, _WIDGETS = count(9000), count(7)


def training(world: World, name: str, seed: int):
    """With another widget each time, so that the host's own cache has not got it."""
    return learn(world.eps, name=name, steps=STEPS, seed=seed, preview_every=next(_WIDGETS))


def was_trained(result) -> bool:
    return any(event.data.get("max") == STEPS for event in result.of("progress"))


def projecting(prompt, name: str):
    """The prompt with its projector used for the same face."""
    project = node(
        "StableIdentityProject", face=["encoded", 0], projector=["train", 1], name_space=["names", 0], trigger="anna"
    )
    save = node("StableIdentitySave", identity=["project", 0], name=name, if_exists="stop")
    return {**prompt, "project": project, "projected": save}


@pytest.fixture
def stored(world: World):
    """Learns under a name, and gives prompt's seed and the files of the training: words and projector."""

    def learned(name: str):
        before, seed = set(world.store.glob("*")), next(_SEEDS)
        result = world.server.run(training(world, name, seed))
        assert result.status == "success" and was_trained(result), result.error
        words, projector = sorted(set(world.store.glob("*")) - before, key=lambda path: path.name.count("."))
        assert projector.name == f"{words.stem}.projector.safetensors"
        return seed, words, projector

    return learned


def words_of(world: World, name: str) -> torch.Tensor:
    return load_identity(world.embedding(name)).words["clip_h"]


def test_without_its_projector_a_training_is_found_and_trained_again_only_where_the_projector_is_used(world, stored):
    seed, words, projector = stored("evicted")
    content = projector.stat().st_size, words.read_bytes()
    projector.unlink()
    prompt = training(world, "evicted", seed)
    again = world.server.run(prompt)
    assert again.status == "success" and "train" in again.executed_nodes, again.error
    assert not was_trained(again) and not projector.exists() and not world.embedding("evicted-2").exists()
    # The host's cache hands the same output to a node that is connected afterwards.
    used = world.server.run(projecting(prompt, "evicted-projected"))
    assert used.status == "success" and "train" not in used.executed_nodes, used.error
    assert was_trained(used)
    assert torch.equal(words_of(world, "evicted-projected"), words_of(world, "evicted"))
    assert (projector.stat().st_size, words.read_bytes()) == content
    third = world.server.run(projecting(training(world, "evicted", seed), "evicted-projected"))
    assert third.status == "success" and not was_trained(third), third.error


def test_the_limit_in_the_settings_holds_and_the_oldest_leaves(world, stored):
    settings = world.store.parent / "settings.json"
    seed, words, projector = stored("oldest")
    size = sum(path.stat().st_size for path in world.store.iterdir())
    settings.write_text(json.dumps({"trained_gb": (size + 100) / 1e9}))
    try:
        kept = stored("newest")
        assert all(path.exists() for path in kept[1:]) and words.exists()
        assert sum(path.stat().st_size for path in world.store.iterdir()) <= size + 100
        settings.write_text('{"trained_gb": 0}')
        result = world.server.run(training(world, "nothing-kept", next(_SEEDS)))
        assert result.status == "success" and world.embedding("nothing-kept").exists(), result.error
        assert not list(world.store.iterdir())
        settings.write_text("damaged")
        result = world.server.run(training(world, "oldest", seed))
        assert result.status == "success" and was_trained(result) and projector.exists(), result.error
        assert "settings.json is ignored" in world.server.log_tail()
    finally:
        settings.unlink()


def test_save_projector_loses_no_other_projector(world):
    folder = world.server.models / "stableidentity" / "projectors"

    def saved(seed: int, **more):
        prompt = training(world, "saved", seed)
        del prompt["save"]
        prompt["many"] = node("StableIdentitySaveProjector", projector=["train", 1], name="taken", **more)
        return world.server.run(prompt)

    first, second = next(_SEEDS), next(_SEEDS)
    for seed, name in ((first, "taken.safetensors"), (second, "taken-2.safetensors"), (first, "taken.safetensors")):
        assert saved(seed).outputs["many"]["text"] == [name]
    content = (folder / "taken.safetensors").read_bytes()
    refused = saved(second, if_exists="stop")
    assert refused.status == "error" and "taken.safetensors holds another projector" in refused.error
    assert (folder / "taken.safetensors").read_bytes() == content
    assert saved(second, if_exists="replace").outputs["many"]["text"] == ["taken.safetensors"]
    assert (folder / "taken.safetensors").read_bytes() != content


def test_a_start_removes_what_killed_processes_left(world):
    """Half-written files may hold a person's words."""
    models = world.server.models
    folders = [models / "embeddings", models / "stableidentity" / "projectors", world.store]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".si-abcdefgh.part").write_bytes(b"half")
        (folder / "mine.part").write_bytes(b"whole")
    (world.store / f"{'0' * 32}.lock").write_bytes(b"")
    world.server.restart()
    assert not list(world.server.base.rglob(".si-*")) and not list(world.store.glob("*.lock"))
    for folder in folders:
        (folder / "mine.part").unlink()
