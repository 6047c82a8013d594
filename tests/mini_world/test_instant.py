"""The mini world's projector as it is shipped: strangers become words at once, and the words show them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from helpers.name_spaces import name_space_of
from mini_world.evaluators import Evaluators
from mini_world.measure import embed, references
from mini_world.painter import SIZE, paint
from mini_world.person import unseen_person
from mini_world.pipeline import mini_world_backend, mini_world_encoder
from mini_world.preset import CFG
from mini_world.projector import FILE, mini_world_projector
from mini_world.weights import load_weights
from stableidentity_core.encode import encode_face
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.face import portrait
from stableidentity_core.train.project import project

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = range(5001, 5007)  # in no benchmark


def test_the_file_is_the_one_that_is_listed():
    content = FILE.read_bytes()
    listed = (ROOT / "MODELS.md").read_text("utf-8")
    assert hashlib.sha256(content).hexdigest() in listed and f"{len(content):,}" in listed


def test_strangers_are_painted_without_any_training():
    """Measured: 0.61 to the right person, 0.01 to others; a dead projector gives equal rows."""
    weights = load_weights()
    backend, encoder, evaluators = (
        mini_world_backend(weights),
        mini_world_encoder(weights),
        Evaluators.of(weights.judge),
    )
    names, projector = [name_space_of(backend)], mini_world_projector()
    words = []
    for number in PEOPLE:
        drawn = paint(unseen_person(number))
        image = torch.from_numpy(drawn.image.copy()).movedim(-1, 0).float() / 255
        face = encode_face(encoder, portrait(image))
        words.append(project(face, projector, names, "stranger").words["clip_h"])
    pictures = sample_pictures(
        backend, ["a photo of {}"] * len(words), {"clip_h": torch.stack(words)}, size=SIZE, cfg=CFG, steps=15, seed=1
    )
    wanted = torch.stack([references(evaluators, unseen_person(number)) for number in PEOPLE])
    found = embed(evaluators, pictures) @ wanted.T  # [painted, wanted]
    own, others = found.diag().mean(), (found.sum() - found.diag().sum()) / (len(words) * (len(words) - 1))
    assert own > 0.4 and own - others > 0.3
