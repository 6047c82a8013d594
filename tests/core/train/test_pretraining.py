"""One projector over many people: how it learns, goes on, is kept, and what becomes of a new face."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import some_face, some_names
from helpers.trainings import FEATURES, finish, new_run, small
from stableidentity_core.errors import DamagedFileError, MissingFileError, StableIdentityError
from stableidentity_core.face import FaceFeature
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.methods import StableIdentityProjector, TrainedProjector
from stableidentity_core.methods.projector_file import load_projector, save_projector
from stableidentity_core.methods.textual_inversion import TextualInversionProjector
from stableidentity_core.store import ResultStore
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.optimizer import rate_at
from stableidentity_core.train.pretraining import ProjectorPretraining, encode_people
from stableidentity_core.train.project import project
from stableidentity_core.train.projector_init import make_projector
from stableidentity_core.train.projector_session import learn_projector


def many(**settings) -> TrainConfig:
    return small(**({"augmentation": "none", "batch_size": 3} | settings))


def people(count: int):
    return [some_face(features=FEATURES, seed=seed) for seed in range(count)]


def untitled(faces):
    return (("", face) for face in faces)


def shared_run(backend, names, config: TrainConfig, faces=None) -> ProjectorPretraining:
    everybody = encode_people(backend, untitled(faces or people(4)), config)
    return ProjectorPretraining(backend, everybody, make_projector(backend, [everybody.first], [names], config), config)


def test_many_photos_of_one_person_are_learned_as_a_single_run_does_it(exact_backend, names):
    """Two equal photos are a pool of two views. Only the VAE rounds otherwise: there it takes both at once."""
    config = many(batch_size=1)
    face = some_face(features=FEATURES)
    shared = shared_run(exact_backend, names, config, [face, face])
    single = new_run(exact_backend, names, replace(config, cached_views=2), [face])
    for (ours, t), (theirs, same_t) in zip(finish(shared), finish(single), strict=True):
        assert t == same_t and ours == pytest.approx(theirs, rel=1e-5)  # float32 numbers of float64 sums
    feature = face.feature.plain[None]
    assert torch.allclose(shared.projector(feature)["clip_h"], single.projector(feature)["clip_h"], atol=1e-5)


def test_every_twentieth_person_is_kept_aside(backend):
    encoded = encode_people(backend, untitled(people(41)), many())
    assert encoded.people == 41 and len(encoded.learned) == 39 and encoded.held_out is not None
    expected = torch.stack([people(41)[index].feature.plain for index in (19, 39)])
    assert torch.equal(encoded.held_out.features, expected)
    assert encode_people(backend, untitled(people(19)), many()).held_out is None


def test_augmented_people_have_several_views(backend):
    encoded = encode_people(backend, untitled(people(2)), many(augmentation="published"))
    assert len(encoded.learned) == 16


def test_pictures_are_not_kept(backend):
    """Thousands of portraits of 5 MB would not fit."""
    references = []

    def faces():
        for face in people(3):
            references.append(weakref.ref(face.image))
            yield face

    encode_people(backend, untitled(faces()), many())
    gc.collect()
    assert sum(reference() is not None for reference in references) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_one_person_is_not_many(backend, count):
    with pytest.raises(StableIdentityError, match=rf"got {count}, needed at least 2"):
        encode_people(backend, untitled(people(count)), many())


def test_a_person_seen_by_another_encoder_is_named(backend):
    odd = people(3)
    feature = odd[2].feature
    odd[2] = odd[2].with_feature(FaceFeature(**{**vars(feature), "encoder": "other"}))
    with pytest.raises(StableIdentityError, match=r"Person 3 .*'?other"):
        encode_people(backend, untitled(odd), many())


def test_a_method_without_faces_is_refused(backend, names):
    config = many(method="textual_inversion")
    encoded = encode_people(backend, untitled(people(2)), config)
    projector = TextualInversionProjector({"clip_h": torch.zeros(2, names.width)})
    with pytest.raises(StableIdentityError, match="textual_inversion does not look at faces"):
        ProjectorPretraining(backend, encoded, projector, config)


def test_going_on_equals_the_uninterrupted_run_bit_by_bit(backend, names, tmp_path):
    config = many(rate_schedule="cosine")
    whole = shared_run(backend, names, config)
    losses = finish(whole)
    broken = shared_run(backend, names, config)
    for report in broken:
        if report.step == 2:
            break
    broken.save(tmp_path / "run.safetensors")
    resumed = shared_run(backend, names, config)
    resumed.load(tmp_path / "run.safetensors")
    assert finish(resumed) == losses[2:]
    for ours, theirs in zip(resumed.projector.parameters(), whole.projector.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_going_on_with_other_people_or_another_course_of_the_rate_is_refused(backend, names, tmp_path):
    config = many(rate_schedule="cosine")
    run = shared_run(backend, names, config)
    run.save(tmp_path / "run.safetensors")
    with pytest.raises(StableIdentityError, match="another photo"):
        shared_run(backend, names, config, people(5)).load(tmp_path / "run.safetensors")
    with pytest.raises(StableIdentityError, match=r"steps 4 -> 5"):
        shared_run(backend, names, many(rate_schedule="cosine", steps=5)).load(tmp_path / "run.safetensors")


def test_the_rate_falls_as_torch_has_it():
    config = TrainConfig(steps=7, learning_rate=0.3, rate_schedule="cosine")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    twin = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7)
    for step in range(7):
        assert rate_at(config, step) == pytest.approx(twin.get_last_lr()[0], rel=1e-9)  # two ways to write it
        optimizer.step()
        twin.step()
    assert rate_at(TrainConfig(learning_rate=0.3), 5) == 0.3


@pytest.fixture(scope="module")
def learned(backend, names):
    config = many(steps=3)
    return learn_projector(shared_run(backend, names, config, people(20)), [names])


def test_what_was_learned_is_told(learned, backend):
    facts = learned.projector.facts
    assert (facts["projector_people"], facts["projector_steps"]) == ("20", "3")
    assert facts["base_fingerprint"] == backend.fingerprint()
    assert facts["projector_held_out_loss_before"] != facts["projector_held_out_loss_after"]
    assert len(learned.losses) == 3


def test_a_new_face_becomes_words_that_say_where_they_come_from(learned, names):
    faces = [some_face(features=FEATURES, seed=seed) for seed in (90, 91)]
    first, second = (project(face, learned.projector, [names], "anna") for face in faces)
    assert not torch.allclose(first.words["clip_h"], second.words["clip_h"], atol=1e-3)
    assert first.header["steps"] == "0" and first.header["projector_people"] == "20"
    spread = first.words["clip_h"] - names.mean
    assert ((spread / names.std).mean(1).abs() < 1e-4).all()  # AdaIN: fp32's rounding over 32 values


def test_a_projector_file_comes_back(learned, names, tmp_path):
    path = tmp_path / "many.safetensors"
    save_projector(learned.projector, path)
    there = load_projector(path)
    assert there.described() == learned.projector.described()
    face = some_face(features=FEATURES, seed=90)
    ours, theirs = (project(face, projector, [names], "a").words["clip_h"] for projector in (learned.projector, there))
    assert torch.equal(ours, theirs)


def test_a_kept_result_comes_back(learned, tmp_path):
    store = ResultStore(tmp_path)
    store.put_projector("key", learned)
    there = store.get_projector("key")
    assert torch.equal(there.losses, learned.losses)
    assert there.projector.described() == learned.projector.described()
    assert there.projector.state.keys() == learned.projector.state.keys()


def test_other_files_are_no_projectors(learned, tmp_path):
    foreign, cut = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"a": torch.zeros(2)}, foreign)
    save_projector(learned.projector, cut)
    cut.write_bytes(cut.read_bytes()[:-50])
    for path, kind, said in (
        (foreign, StableIdentityError, "is not a projector"),
        (cut, DamagedFileError, "not a complete safetensors file"),
        (tmp_path / "none.safetensors", MissingFileError, "No projector at"),
    ):
        with pytest.raises(kind, match=said):
            load_projector(path)
    with pytest.raises(StableIdentityError, match=r"ending in \.safetensors"):
        save_projector(learned.projector, Path("x.pt"))


def test_a_training_that_starts_from_a_projector_begins_with_its_words(learned, backend, names):
    face, config = some_face(features=FEATURES, seed=90), small(learning_rate=1e-9, steps=1)
    start = make_projector(backend, [face], [names], config, learned.projector)
    words = start(face.feature.plain[None])["clip_h"][0]
    expected = project(face, learned.projector, [names], "anna").words["clip_h"]
    assert torch.equal(words, expected)
    fresh = make_projector(backend, [face], [names], config)
    assert not torch.allclose(fresh(face.feature.plain[None])["clip_h"][0], expected, atol=1e-2)


@pytest.mark.parametrize(
    "settings,said",
    [({"method": "celeb_basis"}, "method stableidentity"), ({"normalization": "none"}, "normalization per_word")],
)
def test_a_start_of_another_kind_is_refused(learned, backend, names, settings, said):
    face = some_face(features=FEATURES)
    with pytest.raises(StableIdentityError, match=said):
        make_projector(backend, [face], [names], small(**settings), learned.projector)


def test_a_start_that_knows_another_encoder_is_refused(learned, backend, names):
    feature = FaceFeature(**{**vars(some_face(features=FEATURES).feature), "encoder": "other"})
    face = some_face(features=FEATURES).with_feature(feature)
    with pytest.raises(StableIdentityError, match="encoded by other"):
        make_projector(backend, [face], [names], small(), learned.projector)


def test_a_file_of_an_unknown_method_is_told(learned, tmp_path):
    save_projector(learned.projector, tmp_path / "good.safetensors")
    state, header = read_tensors(tmp_path / "good.safetensors")
    save_tensors(tmp_path / "odd.safetensors", state, {**header, "method": "lora"})
    with pytest.raises(DamagedFileError, match=r"odd\.safetensors cannot be used: its method is 'lora'.*newer version"):
        load_projector(tmp_path / "odd.safetensors")


def test_a_projector_without_facts_is_read(names):
    """Files of earlier versions have none."""
    state = StableIdentityProjector(8, [some_names()]).state_dict()
    header = {"feature_width": "8", "normalization": "per_word", "encoder": "random"}
    assert TrainedProjector.read(state, header).facts == {}


@pytest.mark.parametrize("growth", [0.0, 0.5])
def test_a_loss_that_grew_is_told(backend, names, growth):
    """In the projector's facts, and so in the header of everybody that it projects."""

    class Grown:
        measured = 0

        def each(self, projectors):
            self.measured += 1
            return torch.full((1, 16), 1 + growth * self.measured)

    run = shared_run(backend, names, many(steps=1))
    run.held_out = Grown()
    facts = learn_projector(run, [names]).projector.facts
    assert facts["projector_held_out_loss_after"] == f"{1 + 2 * growth:.6g}"
    told = "The validation loss rose from 1.5 to 2: training made it worse. Lower learning_rate (0.001)."
    assert facts.get("projector_warning", "") == (told if growth else "")
