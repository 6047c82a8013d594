"""Results on disk: found again by all that went into them, and by nothing else."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.make import randn, rng, some_face, some_identity, some_names
from stableidentity_core.face import Face, FaceFeature
from stableidentity_core.store import ResultStore, TrainResult, work_key
from stableidentity_core.train import TrainConfig
from stableidentity_core.words import NameSpace, StableIdentityProjector, TrainedProjector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def some_result() -> TrainResult:
    projector = StableIdentityProjector(8, [some_names()], "joint_affine", rng(4))
    trained = TrainedProjector(
        state=projector.state_dict(), feature_width=8, normalization="joint_affine", encoder="random"
    )
    return TrainResult(identity=some_identity(16, steps="3"), projector=trained, losses=torch.tensor([3.0, 2.0, 1.0]))


def test_a_result_comes_back_bit_by_bit(store):
    put = some_result()
    store.put("key", put)
    got = ResultStore(store.folder).get("key")  # as after a restart
    assert torch.equal(got.identity.words["clip_h"], put.identity.words["clip_h"])
    assert (got.identity.trigger, got.identity.header) == (put.identity.trigger, put.identity.header)
    assert torch.equal(got.losses, put.losses)
    assert (got.projector.feature_width, got.projector.normalization, got.projector.encoder) == (
        8,
        "joint_affine",
        "random",
    )
    features = randn(2, 8)
    expected = StableIdentityProjector(8, [some_names()], "joint_affine", rng(4))(features)["clip_h"]
    assert torch.equal(got.projector.build([some_names()])(features)["clip_h"], expected)


def test_an_unknown_key_and_a_missing_folder_give_none(store):
    assert store.get("key") is None
    store.put("other", some_result())
    assert store.get("key") is None


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "no header", "other format", "no losses", "folder"])
def test_a_damaged_file_counts_as_none_is_reported_and_can_be_replaced(store, caplog, damage):
    store.put("key", some_result())
    path = store.path("key")
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
        assert store.get("key") is None
        return
    ways = {
        "empty": lambda: path.write_bytes(b""),
        "cut": lambda: path.write_bytes(content[: len(content) // 2]),
        "noise": lambda: path.write_bytes(bytes(range(256)) * 8),
        "no header": lambda: save_file({"losses": torch.zeros(1)}, path),
        "other format": lambda: save_file({"losses": torch.zeros(1)}, path, {"format": "stableidentity-result-0"}),
        "no losses": lambda: path.write_bytes(content.replace(b'"losses"', b'"lasses"')),
    }
    ways[damage]()
    with caplog.at_level(logging.WARNING):
        assert store.get("key") is None
    assert str(path) in caplog.text
    store.put("key", some_result())
    assert store.get("key") is not None


def key(face: Face | None = None, names=None, model: str = "model-1", **settings) -> str:
    return work_key([face or some_face()], [names or some_names()], model, TrainConfig(**settings).as_dict())


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
        "from core.make import some_face, some_names\n"
        "from stableidentity_core.store import work_key\n"
        "from stableidentity_core.train import TrainConfig\n"
        "print(work_key([some_face()], [some_names()], 'model-1', TrainConfig().as_dict()))"
    )
    command = [sys.executable, "-c", code, str(ROOT), str(ROOT / "tests")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == key()


def test_a_stored_result_is_renamed_without_training():
    renamed = some_result().identity.renamed("bob")
    assert renamed.trigger == "<bob>" and renamed.content_hash == some_result().identity.content_hash
