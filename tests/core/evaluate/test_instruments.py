"""Faces found and recognised for metrics, and all instruments loaded from a folder of models."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.faces import real_photo, trained_detector
from helpers.make import rand
from stableidentity_core.encode import load_face_encoder
from stableidentity_core.errors import MissingFileError, MissingPackageError, NoFaceError, StableIdentityError
from stableidentity_core.evaluate.metrics import Sample, made_of, score
from stableidentity_core.evaluate.networks import (
    check_recogniser,
    face_finder,
    load_instruments,
    load_recogniser,
    references_of,
)
from stableidentity_core.evaluate.networks.faces import COPIED_ARCFACE, recogniser_of
from stableidentity_core.face.detect import Detections
from stableidentity_core.face.prepare import aligned_portrait
from stableidentity_core.weights import get_weight

EYES_TO_MOUTH = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


class Detector:
    """Finds a small and a large face in every picture that is not black."""

    name = "two squares"

    def __call__(self, picture: torch.Tensor) -> Detections:
        height, width = picture.shape[1:]
        boxes = torch.tensor([[0.05, 0.05, 0.2, 0.2], [0.3, 0.3, 0.8, 0.8]]) * torch.tensor([width, height] * 2)
        corners, sizes = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
        seen = torch.full((2,), float(picture.max() > 0.5))
        return Detections(boxes=boxes, scores=seen, landmarks=corners + EYES_TO_MOUTH * sizes)


def test_the_largest_face_is_found_and_aligned_as_in_a_photo():
    pictures = rand(3, 3, 96, 128)
    pictures[1] = 0
    faces = face_finder(Detector())(pictures)
    assert faces.found.tolist() == [True, False, True] and faces.crops.shape == (3, 3, 256, 256)
    assert faces.boxes[0].tolist() == pytest.approx([0.3 * 128, 0.3 * 96, 0.8 * 128, 0.8 * 96], rel=1e-5)
    assert torch.equal(faces.crops[2], aligned_portrait(pictures[2], detector=Detector(), size=256))
    assert faces.boxes[1].isnan().all() and not faces.crops[1].any()


def test_a_recogniser_gives_unit_vectors_of_the_encoder(vit_folder):
    encoder, who = load_face_encoder(vit_folder), load_recogniser(vit_folder)
    crops = rand(20, 3, 64, 64)  # more than one chunk
    expected = nn.functional.normalize(encoder(crops), dim=-1)
    assert torch.allclose(who.embed(crops), expected, atol=1e-5)  # batches of another size, in float32
    assert who.name == encoder.name and who.label == "vit" and who.copied is None and who.references == {}


def test_only_arcface_has_a_known_similarity_of_copies():
    class Encoder:
        name, width, licence, model = "arcface:abc", 2, "", None

        def __call__(self, portraits, mirrored=False):
            return portraits.flatten(1)[:, :2]

    assert recogniser_of(Encoder(), {}).copied == COPIED_ARCFACE
    assert recogniser_of(Encoder(), {}, copied=0.3).copied == 0.3


def test_references_are_the_faces_of_photos_of_any_size(vit_folder):
    who, find = load_recogniser(vit_folder), face_finder(Detector())
    photos = {"anna": rand(3, 64, 80), "ben": rand(3, 100, 90, seed=1)}
    references = references_of(photos, who, find)
    for person, photo in photos.items():
        crop = aligned_portrait(photo, detector=Detector(), size=256)
        assert torch.allclose(references[person], who.embed(crop[None])[0], atol=1e-5)
    with pytest.raises(NoFaceError, match="cleo: No face was found in the photo"):
        references_of({"cleo": torch.zeros(3, 64, 64)}, who, find)


def test_the_training_encoder_must_not_score(vit_folder):
    who = load_recogniser(vit_folder)
    check_recogniser(who, "arcface:0123")
    kind, _colon, digest = who.name.partition(":")
    for same in (who.name, f"another_name:{digest}"):
        with pytest.raises(StableIdentityError, match=f"The recogniser {kind}:{digest} is the face encoder that"):
            check_recogniser(who, same)
    check_recogniser(recogniser_of(load_face_encoder(vit_folder), {}), "")


# All of them.


@pytest.fixture
def models(tmp_path) -> Path:
    """A folder of models with a face detector, whose file is not read before others are known to be there."""
    place = detector_place(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    return tmp_path


def detector_place(models: Path) -> Path:
    return get_weight("retinaface_mobile0.25").path(models)


def load(models: Path, vit_folder: Path, photos: dict[str, torch.Tensor], **more):
    chosen = {"clips": (), "distance": False, "inception": False, **more}
    return load_instruments([models], photos, recognisers=[vit_folder], detector="retinaface_mobile0.25", **chosen)


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ({"clips": ("clip_vit_b32",)}, "clip_vit_b32 clip_vocabulary clip_merges"),
        ({"distance": True}, "alexnet lpips_alex"),
        ({"inception": True}, "inception_fid"),
        ({"detector": "retinaface_resnet50"}, "retinaface_resnet50"),
        ({"recognisers": ["arcface_ir_se50"]}, "arcface_ir_se50"),
    ],
)
def test_missing_files_are_told_with_the_command_that_downloads_them(models, vit_folder, wanted, missing):
    chosen = {"clips": (), "distance": False, "inception": False, "detector": "retinaface_mobile0.25"}
    with pytest.raises(MissingFileError, match=f"stableidentity_core download {missing} --models"):
        load_instruments([models], {}, **{"recognisers": [vit_folder], **chosen, **wanted})


def test_inception_is_not_loaded_without_the_package_that_computes_fid(models, vit_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(MissingPackageError, match="pip install torchmetrics"):
        load(models, vit_folder, {}, inception=True)


def test_the_training_encoder_is_refused_before_anything_is_measured(models, vit_folder):
    name = load_face_encoder(vit_folder).name
    with pytest.raises(StableIdentityError, match="Score with another face encoder"):
        load(models, vit_folder, {}, training_encoders=["arcface:1", name])


def test_a_photo_and_what_is_no_face(models, vit_folder):
    """The same photo, its mirror image, and noise without a face, by the real detector and an untrained encoder."""
    shutil.copy(trained_detector(), detector_place(models))
    photo = real_photo("astronaut").float()
    instruments = load(models, vit_folder, {"ada": photo})
    pictures = torch.stack([photo, photo.flip(-1), 0.5 * rand(*photo.shape)])
    shown = Sample(person="ada", pictures=pictures, prompts=["{}"] * 3, photo=photo)
    scores = score([shown], made_of(instruments))
    assert scores.mean("detection_rate") == pytest.approx(2 / 3)
    similar = (
        shown.features[f"face_vectors:{instruments.recognisers[0].name}"] @ instruments.recognisers[0].references["ada"]
    )
    assert similar[0].item() == pytest.approx(1, abs=1e-5) and similar[1] < 1 and math.isnan(similar[2])
    assert scores.mean("face_similarity") == pytest.approx(similar[:2].sum().item() / 3, abs=1e-6)
