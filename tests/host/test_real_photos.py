"""Portraits of real people, from a folder named by STABLEIDENTITY_TEST_FACES; none are in the repository."""

from __future__ import annotations

import shutil

from helpers.faces import NAMES, real_portrait
from helpers.prompts import learn
from helpers.world import World
from stableidentity_core.identity import load_identity


def test_portraits_are_learned_as_different_people(world: World):
    words = []
    for photo in map(real_portrait, NAMES):
        shutil.copy(photo, world.server.input)
        name = f"photo-{photo.stem}"
        result = world.server.run(learn(world.eps, image=photo.name, name=name))
        assert result.status == "success", result.error
        words.append(load_identity(world.embedding(name)).words["clip_h"])
    distances = [(a - b).norm().item() for i, a in enumerate(words) for b in words[:i]]
    assert len(words) >= 2 and min(distances) > 1e-3
