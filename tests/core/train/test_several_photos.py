"""Several photos of one person; and one photo, which stays what it was."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.make import randn, rng, some_face
from helpers.trainings import FEATURES, draw_batch, finish, learn_identity, new_run, small, words
from stableidentity_core.cli import main
from stableidentity_core.cli.photos import read_faces
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face
from stableidentity_core.identity import load_identity
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.batch import Source
from stableidentity_core.train.photos import check_photos, mean_feature
from stableidentity_core.train.project import project
from stableidentity_core.train.projector_init import make_projector
from stableidentity_core.train.views import draw_index, encode_views


def some_photos(count: int = 3, size: int = 64) -> list[Face]:
    return [some_face(size, features=FEATURES, seed=3 * number) for number in range(count)]


def drawn(batch_features: torch.Tensor, photos: list[Face]) -> list[int]:
    """Which photo each row is of."""
    own = [torch.stack([face.feature.plain, face.feature.mirrored]) for face in photos]
    return [next(i for i, pair in enumerate(own) if (row == pair).all(1).any()) for row in batch_features]


# Recorded before several photos were worked on (commit b53c9fc): settings, timesteps of four steps, state of the
# random generator after them, losses, every 32nd number of the two words. Those of the pool anew when its latents came
# to be sampled at each step.
ONE_PHOTO = [
    (
        {},
        [(753,), (876,), (425,), (210,)],
        "c7220f37f3dca304",
        [0.1454019, 0.5168627, 9.246084, 5.992111],
        [0.1035611, 0.1375731, -0.06588129, 0.06943601],
    ),
    (
        {"batch_size": 3},
        [(979, 543, 163), (399, 386, 154), (944, 455, 346), (969, 648, 315)],
        "2e23328b5b6dc59a",
        [15.11494, 9.784308, 12.60566, 0.7913675],
        [0.006811036, 0.1993701, -0.04512718, 0.03805911],
    ),
    (
        {"cached_views": 4},
        [(420,), (759,), (300,), (567,)],
        "f31aaa30020a3079",
        [15.95926, 0.2873594, 5.293416, 29.32403],
        [0.05302492, -0.1582663, 0.02893712, -0.1254398],
    ),
]


@pytest.mark.parametrize(("settings", "timesteps", "state", "losses", "values"), ONE_PHOTO)
def test_one_photo_trains_as_it_did_before_there_were_several(
    backend, names, settings, timesteps, state, losses, values
):
    run = new_run(backend, names, small(seed=11, **settings))
    reports = finish(run)
    assert [drawn_at for _, drawn_at in reports] == timesteps
    # Exact: not one draw more or less, on whatever machine.
    assert hashlib.sha256(run.generator.get_state().numpy().tobytes()).hexdigest()[:16] == state
    # Equal bit by bit where they were recorded. Other processors add up in another order, and Adam makes more of it, so
    # what counts is how near it is beside a training with other draws.
    other = new_run(backend, names, small(seed=12, **settings))
    finish(other)
    found, of_other = (words(one).reshape(-1)[::32] - torch.tensor(values) for one in (run, other))
    assert found.norm() < 0.1 * of_other.norm()
    assert [loss for loss, _ in reports] == pytest.approx(losses, rel=0.02)


def test_a_single_photo_is_chosen_without_a_draw():
    generator = rng(1)
    before = generator.get_state()
    assert draw_index(1, generator) == 0 and torch.equal(generator.get_state(), before)
    assert draw_index(2, generator) in (0, 1) and not torch.equal(generator.get_state(), before)


def test_the_mean_feature_of_one_photo_is_its_own_to_the_bit():
    face = some_face(features=768)
    assert torch.equal(mean_feature([face]), face.feature.plain[None])


def test_the_mean_feature_of_several_is_that_of_a_slow_sum():
    photos = some_photos(5)
    slow = [sum(face.feature.plain[i].item() for face in photos) / 5 for i in range(FEATURES)]
    assert mean_feature(photos)[0].tolist() == pytest.approx(slow, abs=1e-6)  # five float32 sums of values around 1


def test_each_step_takes_one_photo_and_all_have_their_turn(backend):
    photos = some_photos()
    seen = [
        drawn(draw_batch(backend, Source(faces=photos, generator=rng(seed)), small()).features, photos)
        for seed in range(40)
    ]
    assert all(len(one) == 1 for one in seen)
    counts = [sum(one == [number] for one in seen) for number in range(3)]
    # Binomial of 40 draws with probability 1/3: outside 4..24 once in a thousand for any of the three.
    assert sum(counts) == 40 and all(4 <= count <= 24 for count in counts), counts


def test_picture_masks_and_feature_of_a_view_are_of_the_same_photo(own_backend):
    """A dark photo without hair and a light one that is hair all over."""
    photos = []
    for number, face in enumerate(some_photos(2)):
        grey, mask = torch.full_like(face.image, 0.2 + 0.6 * number), torch.full_like(face.hair_mask, number)
        photos.append(replace(face, image=grey, face_mask=torch.ones_like(mask), hair_mask=mask))
    pictures: list[torch.Tensor] = []
    encode = own_backend.encode_posterior
    own_backend.encode_posterior = lambda images: pictures.extend(images) or encode(images)
    views = encode_views(own_backend, 6 * photos, small(), rng(4))
    numbers = drawn(views.features, photos)
    assert set(numbers) == {0, 1} and len(pictures) == 12
    for number, hair_mask, image in zip(numbers, views.hair_mask, pictures, strict=True):
        assert bool(hair_mask.any()) == (number == 1)
        assert (image.max() > 0.5) == (number == 1)  # jitter changes brightness by a fifth


@pytest.mark.parametrize("size", [1, 16])
def test_a_pool_of_views_holds_all_photos(backend, names, size):
    photos = some_photos(2)
    run = new_run(backend, names, small(cached_views=size), faces=photos)
    assert run._pool is not None and set(drawn(run._pool.features, photos)) == {0, 1}
    assert len(finish(run)) == 4


def test_several_photos_learn_the_words_of_their_mean_and_the_header_counts_them(backend, names):
    photos = some_photos()
    run = new_run(backend, names, faces=photos)
    result = learn_identity(run, [names], "anna")
    assert result.identity.header["photos"] == "3"
    with torch.no_grad():
        expected = run.projector(sum(face.feature.plain for face in photos)[None] / 3)["clip_h"][0]
    # The mean is summed in another order; LayerNorms keep the words near one.
    assert (result.identity.words["clip_h"] - expected).abs().max() < 1e-5
    one = learn_identity(new_run(backend, names, small(steps=1)), [names], "anna")
    assert one.identity.header["photos"] == "1"


def test_projecting_several_photos_takes_their_mean(backend, names):
    photos = some_photos()
    run = new_run(backend, names, faces=photos)
    result = learn_identity(run, [names], "anna")
    again = project(tuple(photos), result.projector, [names], "again")
    assert torch.equal(again.words["clip_h"], result.identity.words["clip_h"]) and again.header["photos"] == "3"
    single, listed = (project(faces, result.projector, [names], "b") for faces in (photos[1], [photos[1]]))
    assert torch.equal(single.words["clip_h"], listed.words["clip_h"]) and single.header["photos"] == "1"
    with pytest.raises(StableIdentityError, match="no face to project"):
        project([], result.projector, [names], "b")
    other = replace(photos[1], feature=replace(photos[1].feature, encoder="another"))
    with pytest.raises(StableIdentityError, match=r"Face 2 of 3 was encoded by another, the projector .* random"):
        project([photos[0], other, photos[2]], result.projector, [names], "b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda face: replace(face, feature=None), "photo 2 of 3 has none"),
        (
            lambda face: replace(face, feature=replace(face.feature, encoder="another")),
            "Photo 2 of 3 was encoded by another, photo 1 by random",
        ),
        (
            lambda face: replace(face, feature=replace(face.feature, plain=randn(5), mirrored=randn(5))),
            "Photo 2 of 3 has a feature of width 5, photo 1 one of 8",
        ),
        (lambda face: some_face(32, features=FEATURES), "Photo 2 of 3 is 32x32 pixels, photo 1 64x64"),
    ],
    ids=["no feature", "encoder", "width", "size"],
)
def test_the_photo_that_does_not_go_with_the_first_is_named(backend, names, change, said):
    photos = some_photos()
    photos[1] = change(photos[1])
    for use in (check_photos, lambda faces: new_run(backend, names, faces=faces)):
        with pytest.raises(StableIdentityError, match=said):
            use(photos)


def test_a_projector_is_not_made_for_photos_of_two_encoders_and_says_which(backend, names):
    photos = some_photos(2)
    photos[1] = replace(photos[1], feature=replace(photos[1].feature, encoder="another"))
    with pytest.raises(StableIdentityError, match="Photo 2 of 2 was encoded by another"):
        make_projector(backend, photos, [names], TrainConfig())
    with pytest.raises(StableIdentityError, match="there is no photo"):
        check_photos([])


def test_a_checkpoint_belongs_to_its_photos_and_their_order(backend, names, tmp_path):
    photos = some_photos()
    path = tmp_path / "checkpoint.safetensors"
    new_run(backend, names, faces=photos).save(path)
    new_run(backend, names, faces=some_photos()).load(path)
    for others in (photos[:2], photos[::-1], [*photos, photos[0]], photos[:1]):
        with pytest.raises(StableIdentityError, match="another photo"):
            new_run(backend, names, faces=others).load(path)


def test_the_order_of_the_photos_decides_the_words(backend, names):
    """Which is why checkpoints and the store count it: the same draws take other photos."""
    found = []
    for photos in (some_photos(), some_photos()[::-1], some_photos()):
        run = new_run(backend, names, faces=photos)
        finish(run)
        found.append(words(run))
    assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def picture(path: Path, seed: int, mode: str = "RGB") -> Path:
    image = some_face(64, seed=seed).image.permute(1, 2, 0).numpy()
    Image.fromarray((image * 255).round().astype(np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize("separate", [False, True], ids=["after one option", "each after its own"])
def test_the_command_line_takes_several_photos(sd_folder, vit_folder, tmp_path, separate):
    photos = [str(picture(tmp_path / f"{seed}.png", seed)) for seed in (1, 2)]
    options = ["--photo", photos[0], "--photo", photos[1]] if separate else ["--photo", *photos]
    out = tmp_path / "anna.safetensors"
    settings = f"--device cpu --steps 1 --resolution 64 --model {sd_folder} --encoder {vit_folder} --out {out}"
    assert main(["train", *options, *settings.split()]) == 0
    assert load_identity(out).header["photos"] == "2"


def test_masks_go_with_the_photo_of_the_same_place(tmp_path):
    photos = [picture(tmp_path / f"{seed}.png", seed) for seed in (1, 2)]
    masks = []
    for number in (0, 1):
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 32 * number : 32 * number + 32] = 255
        masks.append(tmp_path / f"mask{number}.png")
        Image.fromarray(mask).save(masks[-1])
    faces = read_faces(photos, masks)
    # Bicubic edges aside, the left half of the first photo and the right half of the second.
    for number, face in enumerate(faces):
        halves = face.face_mask.chunk(2, dim=1)
        assert halves[number].mean() > 0.95 and halves[1 - number].mean() < 0.05
        assert face.hair_mask.max() == 0
    assert len(read_faces(photos[:1], hair_masks=masks[:1])) == 1


@pytest.mark.parametrize(("photos", "face", "hair"), [(2, 1, 0), (1, 2, 0), (2, 2, 1), (2, 0, 3)])
def test_another_number_of_masks_than_of_photos_is_refused(photos, face, hair):
    which, count = ("--face-mask", face) if face not in (0, photos) else ("--hair-mask", hair)
    with pytest.raises(StableIdentityError, match=f"{which} has {count} files, but --photo has {photos}"):
        read_faces([Path("p.png")] * photos, [Path("m.png")] * face, [Path("h.png")] * hair)
