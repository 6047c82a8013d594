"""Results on disk: found again by all that went into them, and by nothing else."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import randn, rng, some_face, some_identity, some_names
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face, FaceFeature
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.methods import StableIdentityProjector, TrainedProjector
from stableidentity_core.store import ResultStore, TrainResult, results, work_key
from stableidentity_core.store.folder import Kind
from stableidentity_core.store.pack import pack_projector, pack_words
from stableidentity_core.text import NameSpace
from stableidentity_core.train import TrainConfig

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def some_result() -> TrainResult:
    projector = StableIdentityProjector(8, [some_names()], "joint_affine", rng(4))
    trained = TrainedProjector(
        state=projector.state_dict(), feature_width=8, settings={"normalization": "joint_affine"}, encoder="random"
    )
    identity = some_identity(16, method="stableidentity", steps="3")
    phases = torch.tensor([[3.0, torch.nan, 1.0], [torch.nan, 2.0, torch.nan]])
    return TrainResult(identity=identity, projector=trained, losses=torch.tensor([3.0, 2.0, 1.0]), phase_losses=phases)


def test_a_result_comes_back_bit_by_bit(store):
    put = some_result()
    store.put("key", put)
    got = ResultStore(store.folder).get("key")  # as after a restart
    assert torch.equal(got.identity.words["clip_h"], put.identity.words["clip_h"])
    assert (got.identity.trigger, got.identity.header) == (put.identity.trigger, put.identity.header)
    assert torch.equal(got.losses, put.losses)
    assert torch.equal(got.phase_losses.nan_to_num(-1), put.phase_losses.nan_to_num(-1))
    assert (got.projector.feature_width, got.projector.settings, got.projector.encoder) == (
        8,
        {"normalization": "joint_affine"},
        "random",
    )
    features = randn(2, 8)
    expected = StableIdentityProjector(8, [some_names()], "joint_affine", rng(4))(features)["clip_h"]
    assert torch.equal(got.projector.build([some_names()])(features)["clip_h"], expected)


def test_a_result_from_before_the_phases_were_kept_is_read(store):
    """The files of version 1.0 have the losses of both phases in one row."""
    store.put("key", some_result())
    for kind in (Kind.WORDS, Kind.PROJECTOR):
        tensors, header = read_tensors(store.path("key", kind))
        save_tensors(store.path("key", kind), {k: v for k, v in tensors.items() if k != "phase_losses"}, header)
    got = store.get("key")
    assert torch.equal(got.losses, some_result().losses) and got.phase_losses is None


def test_an_unknown_key_and_a_missing_folder_give_none(store):
    assert store.get("key") is None
    store.put("other", some_result())
    assert store.get("key") is None


def packed(result: TrainResult | None = None):
    """Both files as they are written: [words, projector] of (tensors, header)."""
    result = result or some_result()
    return [pack_words(result), pack_projector(result)]


def with_json(**header) -> str:
    return json.dumps({**some_result().identity.header, **header})


WORDS, PROJECTOR = range(2)
ODD_HEADERS = {
    "no header at all": (WORDS, lambda tensors, header: header.clear()),
    "other format": (WORDS, lambda tensors, header: header.update(format="stableidentity-result-0")),
    "header is a list": (WORDS, lambda tensors, header: header.update(header="[]")),
    "header is not valid JSON": (WORDS, lambda tensors, header: header.update(header="{")),
    "header nested without end": (WORDS, lambda tensors, header: header.update(header="[" * 100_000)),
    "header with numbers": (WORDS, lambda tensors, header: header.update(header=with_json(seed=1))),
    "header without steps": (WORDS, lambda tensors, header: header.update(header='{"method": "stableidentity"}')),
    "held-out loss is no number": (WORDS, lambda t, h: h.update(header=with_json(held_out_loss_after="low"))),
    "no trigger": (WORDS, lambda tensors, header: header.pop("trigger")),
    "odd trigger": (WORDS, lambda tensors, header: header.update(trigger="a b")),
    "no encoder": (WORDS, lambda tensors, header: header.pop("encoder")),
    "no losses": (WORDS, lambda tensors, header: tensors.pop("losses")),
    "losses of 2 dimensions": (WORDS, lambda tensors, header: tensors.update(losses=torch.zeros(2, 2))),
    "losses of three phases": (WORDS, lambda tensors, header: tensors.update(phase_losses=torch.zeros(3, 3))),
    "phases of other steps": (WORDS, lambda tensors, header: tensors.update(phase_losses=torch.zeros(2, 4))),
    "no words": (WORDS, lambda tensors, header: tensors.pop("words.clip_h")),
    "words of 3 dimensions": (WORDS, lambda t, h: t.update({"words.clip_h": torch.zeros(1, 2, 16)})),
    "whole numbers": (WORDS, lambda t, h: t.update({"words.clip_h": torch.zeros(2, 16, dtype=torch.int64)})),
    "words that are not finite": (WORDS, lambda t, h: t.update({"words.clip_h": torch.full((2, 16), torch.nan)})),
    "facts is a list": (PROJECTOR, lambda tensors, header: header.update(facts="[1]")),
    "facts with numbers": (PROJECTOR, lambda tensors, header: header.update(facts='{"a": 1}')),
    "width is no number": (PROJECTOR, lambda tensors, header: header.update(feature_width="١")),
    "width is huge": (PROJECTOR, lambda tensors, header: header.update(feature_width="9" * 5000)),
    "width of another encoder": (PROJECTOR, lambda tensors, header: header.update(feature_width="9")),
    "unknown method": (PROJECTOR, lambda tensors, header: header.update(method="magic")),
    "unknown normalization": (PROJECTOR, lambda tensors, header: header.update(normalization="some")),
    "no weights": (PROJECTOR, lambda t, h: [t.pop(key) for key in list(t) if "losses" not in key]),
    "half weights": (PROJECTOR, lambda t, h: t.update({key: t[key].half() for key in t})),
}


@pytest.mark.parametrize("damage", ["empty", "cut", "noise"])
@pytest.mark.parametrize("kind", [Kind.WORDS, Kind.PROJECTOR])
def test_a_damaged_file_counts_as_none_is_reported_and_can_be_replaced(store, caplog, damage, kind):
    store.put("key", some_result())
    path = store.path("key", kind)
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "noise": bytes(range(256)) * 8}[damage])
    with caplog.at_level(logging.WARNING):
        assert store.get("key") is None
    assert str(path) in caplog.text
    store.put("key", some_result())
    assert store.get("key") is not None


@pytest.mark.parametrize("name", ODD_HEADERS)
def test_a_file_of_odd_content_is_reported_and_trained_again(store, caplog, name):
    which, change = ODD_HEADERS[name]
    tensors, header = packed()[which]
    change(tensors, header)
    store.put("key", some_result())
    path = store.path("key", [Kind.WORDS, Kind.PROJECTOR][which])
    save_file(tensors, path, header)
    with caplog.at_level(logging.WARNING):
        assert store.get("key") is None
    assert str(path) in caplog.text


def test_a_folder_in_the_place_of_a_file_counts_as_none(store):
    store.path("key").mkdir(parents=True)
    assert store.get("key") is None


def test_the_projector_is_trained_again_when_somebody_looks_at_it_and_not_before(store):
    store.put("key", some_result())
    store.path("key", Kind.PROJECTOR).unlink()
    assert store.get("key") is None, "half a result, and nobody who could make the other half"
    done = []

    def again() -> TrainResult:
        done.append(1)
        return some_result()

    got = store.get("key", again)
    assert (got.projector.encoder, got.projector.feature_width) == ("random", 8)
    assert torch.equal(got.losses, some_result().losses) and not done
    features = randn(2, 8)
    for _ in range(2):
        words = got.projector.build([some_names()])(features)["clip_h"]
        assert torch.equal(words, some_result().projector.build([some_names()])(features)["clip_h"])
    assert len(done) == 1


def test_a_full_disk_leaves_no_half_of_a_result(store, monkeypatch):
    def fails(path, *_packed):
        if path == store.path("key"):
            raise StableIdentityError("No space left")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")

    monkeypatch.setattr(results, "save_tensors", fails)
    with pytest.raises(StableIdentityError, match="No space left"):
        store.put("key", some_result())
    assert not list(store.folder.iterdir())


def key(face: Face | None = None, names=None, model: str = "model-1", **settings) -> str:
    return work_key(
        [face or some_face()], [names or some_names()], model, TrainConfig().with_settings(**settings).as_dict()
    )


def one_pixel(image: torch.Tensor, amount: float = 1 / 255) -> torch.Tensor:
    changed = image.clone()
    changed[..., 10, 20] += amount
    return changed


def test_the_same_work_has_the_same_key():
    assert key() == key()
    settings = TrainConfig().as_dict()
    backwards = dict(reversed(settings.items()))
    assert key() == work_key([some_face()], [some_names()], "model-1", backwards)


@pytest.mark.parametrize(
    "change",
    [
        lambda: key(replace(some_face(), image=one_pixel(some_face().image))),
        lambda: key(replace(some_face(), face_mask=one_pixel(some_face().face_mask))),
        lambda: key(replace(some_face(), hair_mask=one_pixel(some_face().hair_mask))),
        lambda: key(replace(some_face(), face_mask=some_face().hair_mask, hair_mask=some_face().face_mask)),
        lambda: key(with_feature(plain=randn(8, seed=5))),
        lambda: key(with_feature(mirrored=randn(8, seed=5))),
        lambda: key(with_feature(encoder="another")),
        lambda: key(model="model-2"),
        lambda: key(names=some_names(seed=3)),
        lambda: key(names=some_names(count=29)),
        lambda: key(names=some_names(space="clip_l")),
        *[
            lambda name=name, value=value: key(**{name: value})
            for name, value in {
                "steps": 449,
                "learning_rate": 5.0001e-5,
                "batch_size": 2,
                "seed": 1,
                "resolution": 256,
                "alpha": 0.601,
                "hair_weight": 0.2,
                "normalization": "joint_affine",
                "reconstruction_latents": "scaled",
                "loss_area": "mask",
                "weight_decay": 0.0,
                "max_grad_norm": 2.0,
            }.items()
        ],
    ],
)
def test_every_ingredient_changes_the_key(change):
    assert change() != key()


def with_feature(**parts) -> Face:
    face = some_face()
    assert isinstance(face.feature, FaceFeature)
    return replace(face, feature=replace(face.feature, **parts))


def test_every_pixel_of_a_full_size_photo_counts():
    """A hash of samples would miss it."""
    large = some_face(512)
    assert key(large) != key(replace(large, image=one_pixel(large.image, 1e-6)))


def test_a_longer_name_is_not_the_same_as_its_first_two_tokens():
    """Robert Downey Jr and Robert Downey: the first does not count in StableIdentity's statistics."""
    all_of_two = some_names(count=30)
    first = {"space": all_of_two.space, "names": all_of_two.names[:29], "embeddings": all_of_two.embeddings[:29]}
    one_longer = NameSpace(**first, longer=all_of_two.embeddings[29:])
    assert torch.equal(one_longer.leading, all_of_two.leading)
    assert len({key(names=all_of_two), key(names=one_longer), key(names=NameSpace(**first))}) == 3


def test_order_and_number_of_photos_count():
    one, two = some_face(seed=0), some_face(seed=2)
    keys = [work_key(faces, [some_names()], "m", {}) for faces in ([one], [one, two], [two, one], [one, one])]
    assert len(set(keys)) == 4


def test_the_key_is_the_same_in_another_process():
    """Not even a restart trains again."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from helpers.make import some_face, some_names\n"
        "from stableidentity_core.store import work_key\n"
        "from stableidentity_core.train import TrainConfig\n"
        "print(work_key([some_face()], [some_names()], 'model-1', TrainConfig().as_dict()))"
    )
    command = [sys.executable, "-c", code, str(ROOT), str(ROOT / "tests")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == key()


def test_a_stored_result_is_renamed_without_training():
    renamed = some_result().identity.renamed("bob")
    assert renamed.trigger == "<bob>" and renamed.content_hash == some_result().identity.content_hash
