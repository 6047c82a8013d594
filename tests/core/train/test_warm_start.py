"""A projector's start among people whom the text encoder knows by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.make import randn, rng, some_face, some_names
from helpers.trainings import FEATURES, small
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.methods import StableIdentityProjector
from stableidentity_core.train.pretraining import ProjectorPretraining, encode_people
from stableidentity_core.train.projector_init import make_projector
from stableidentity_core.train.projector_session import learn_projector
from stableidentity_core.train.warm_start import fit_known, known_places


def test_titles_are_names_however_they_are_written():
    space = replace(some_names(3), names=("Tom Cruise", "Jean-Luc Godard", "Ann Lee"))
    found = known_places(["tom_cruise", "somebody", "ANN.LEE", "jean luc godard", "Tom"], [space])
    assert list(found) == [0, 2, 3]
    for place, row in ((0, 0), (2, 2), (3, 1)):
        assert torch.equal(found[place]["clip_h"], space.embeddings[row])


def test_a_name_must_be_known_in_every_text_space():
    first = replace(some_names(2, space="clip_l"), names=("Tom Cruise", "Ann Lee"))
    second = replace(some_names(2, space="clip_g"), names=("Tom Cruise", "Bo Derek"))
    found = known_places(["Tom Cruise", "Ann Lee", "Bo Derek"], [first, second])
    assert list(found) == [0] and found[0].keys() == {"clip_l", "clip_g"}


def test_new_faces_come_near_where_their_names_would_be():
    """Words that are a linear function of the face are learned; those of unrelated faces stay as far as the mean."""
    features, new = randn(400, 8, seed=1), randn(100, 8, seed=2)
    turn = randn(8, 2 * 16, seed=3) / 8**0.5
    space = replace(some_names(400), names=tuple(f"n {i}" for i in range(400)))
    space = replace(space, embeddings=0.1 * (features @ turn).reshape(400, 2, 16))
    errors = {}
    for kind, faces in (("own", features), ("other", features.roll(1, 0))):
        projector = StableIdentityProjector(8, [space], generator=rng(0))
        fit_known(projector, faces, {"clip_h": space.embeddings}, [space], seed=0)
        wanted = 0.1 * (new @ turn).reshape(100, 2, 16)
        with torch.no_grad():
            made = projector(new)["clip_h"]
        errors[kind] = ((made - wanted) / space.std).square().mean().item()
    # AdaIN takes each word's own mean and deviation away, so even the right words are not reached; 1 is the mean's.
    assert errors["own"] < 0.4 < 0.9 < errors["other"]


def test_too_few_known_people_are_refused():
    space = some_names(60)
    projector = StableIdentityProjector(8, [space])
    with pytest.raises(StableIdentityError, match=r"Only 49 of the photos .* needed at least 50"):
        fit_known(projector, randn(49, 8), {"clip_h": space.embeddings[:49]}, [space], seed=0)


@pytest.fixture(scope="module")
def photos(names):
    titles = [*names.names[:60], *(f"nobody {i}" for i in range(5))]
    return [(title, some_face(features=FEATURES, seed=seed)) for seed, title in enumerate(titles)]


def test_a_run_that_begins_with_known_people_says_so(backend, names, photos):
    config = small(augmentation="none", steps=1, learning_rate=1e-9)
    words = {}
    for known in ("no", "first", "only"):
        people = encode_people(backend, photos, config)
        run = ProjectorPretraining(
            backend, people, make_projector(backend, [people.first], [names], config), config, known
        )
        learned = learn_projector(run, [names]).projector
        words[known] = learned.build([names])(people.features[:50])["clip_h"]
        assert learned.facts["projector_known_people"] == ("0" if known == "no" else "57")  # three are kept aside
    targets = names.embeddings[[place for place in range(52) if (place + 1) % 20]][:50]
    far, near, only = (((made - targets) / names.std).square().mean() for made in words.values())
    assert near < 0.8 < far and torch.allclose(near, only, rtol=1e-3)  # one step of a billionth lies between them


def test_a_run_without_known_people_refuses_to_begin_with_them(backend, names):
    config = small(augmentation="none", steps=1)
    people = encode_people(backend, [("", some_face(features=FEATURES, seed=seed)) for seed in range(3)], config)
    run = ProjectorPretraining(
        backend, people, make_projector(backend, [people.first], [names], config), config, "first"
    )
    with pytest.raises(StableIdentityError, match="Only 0 of the photos"):
        learn_projector(run, [names])


def test_fitting_sees_a_cancel_at_each_step():
    class Cancelled(BaseException):
        pass

    steps = []

    def on_step() -> None:
        steps.append(1)
        if len(steps) == 3:
            raise Cancelled

    space = some_names(60)
    with pytest.raises(Cancelled):
        fit_known(StableIdentityProjector(8, [space]), randn(60, 8), {"clip_h": space.embeddings}, [space], 0, on_step)
    assert len(steps) == 3
