"""A clip's score against a plain twin in numpy, on gaps, on single frames, and on people that change."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.make import rand, randn
from mini_world import weights
from mini_world.look import Look
from mini_world.measure import picture_tensor
from mini_world.person import unseen_person
from mini_world.pipeline import mini_world_encoder
from stableidentity_core.errors import NoFaceError, StableIdentityError
from stableidentity_core.evaluate.similarity import similarity
from stableidentity_core.evaluate.temporal import (
    as_dict,
    clip_plot,
    compare,
    report,
    score_clip,
    undefined_to_next,
    undefined_to_photo,
)
from stableidentity_core.evaluate.temporal.frames import read_clip
from stableidentity_core.face import Detections
from stableidentity_core.face.prepare import aligned_portrait, prepare_face


def units(*rows: torch.Tensor | None) -> list[torch.Tensor | None]:
    return [None if row is None else row.double() / row.double().norm() for row in rows]


def scored(features, references=()):
    return compare(features, references, encoder="random", looked=True)


def twin(features, photos) -> dict[str, np.ndarray]:
    """The same from raw vectors, by loops; nan where a face is missing."""

    def cosine(a, b):
        return np.nan if a is None or b is None else float(a @ b / np.sqrt((a @ a) * (b @ b)))

    rows = [None if row is None else row.double().numpy() for row in features]
    seen = [photo.double().numpy() for photo in photos]
    there = [row for row in rows if row is not None]
    return {
        "photo": np.array([np.mean([cosine(row, photo) for photo in seen]) for row in rows]),
        "next": np.array([cosine(rows[at], rows[at + 1]) for at in range(len(rows) - 1)]),
        "ends": np.array(cosine(there[0], there[-1])),
    }


@pytest.mark.parametrize("missing", [(), (0,), (3, 4, 9), (1, 3, 5, 7, 9, 11)])
def test_means_least_and_drift_equal_the_twin(missing):
    features = [None if frame in missing else row for frame, row in enumerate(randn(12, 20, seed=1) + 0.5)]
    photos = list(randn(3, 20, seed=2) + 0.5)
    score = scored(units(*features), units(*photos))
    expected = twin(features, photos)
    # float64 in another order
    for found, values in ((score.to_photo, expected["photo"]), (score.to_next, expected["next"])):
        assert np.allclose(np.array(found.values, float), values, atol=1e-12, equal_nan=True)  # float64
        if np.isfinite(values).any():
            assert found.mean == pytest.approx(np.nanmean(values), abs=1e-12)
            assert found.least == np.nanargmin(values)
    assert score.first_to_last == pytest.approx(float(expected["ends"]), abs=1e-12)
    assert score.missing == list(missing)
    assert (undefined_to_next(score) is None) == bool(np.isfinite(expected["next"]).any())


def test_gaps_are_told_of_and_in_no_mean():
    a, b = units(torch.tensor([1.0, 0]), torch.tensor([3.0, 4]))
    score = scored([a, None, None, a, b, None], [a])
    assert score.to_next.values == (None, None, None, pytest.approx(0.6), None)
    assert score.to_photo.mean == pytest.approx((1 + 1 + 0.6) / 3)
    text = report(score)
    assert "6 frames, a face in 3. Without a face, and so in no mean: 2-3, 6." in text
    assert "least 0.600 in frame 5." in text and "over 1 pair, least 0.600 between frames 4 and 5." in text
    assert "First to last (drift): 0.600, frame 1 to frame 5." in text


def test_a_clip_of_one_frame_says_what_is_not_defined():
    (a,) = units(randn(8))
    score = scored([a])
    assert score.to_next.mean is None and score.first_to_last is None
    assert "not defined for a clip of one frame" in undefined_to_next(score)
    assert "no photo was given" in undefined_to_photo(score)
    text = report(score)
    assert "nan" not in text.lower() and undefined_to_next(score) in text and undefined_to_photo(score) in text
    assert "only frame 1 shows a face" in text
    facts = json.loads(json.dumps(as_dict(score), allow_nan=False))
    assert facts["frame_to_photo"] is None and facts["frame_to_frame"] == {"mean": None, "least_at": None, "values": []}
    assert clip_plot(score).shape == (384, 768, 3)


def test_frames_without_neighbours_say_so():
    a, b = units(*randn(2, 8))
    score = scored([a, None, b], [a])
    assert "no two neighbouring frames" in undefined_to_next(score)
    assert undefined_to_photo(score) is None and score.to_photo.least == 2


@pytest.mark.parametrize("features", [[], [None, None]])
def test_nothing_to_score_is_an_error(features):
    with pytest.raises(StableIdentityError, match=f"{len(features)} frames and a face in none"):
        scored(features)


# People of the mini world, seen by its face encoder.


@pytest.fixture(scope="module")
def encoder():
    return mini_world_encoder(weights.load_weights(weights.FILE))


def clip_of(*people: int) -> list[torch.Tensor]:
    """A frame for each number, with an expression and a gaze that change as those of a person do."""
    looks = [Look(expression=expression) for expression in ("neutral", "smiling")]
    return [picture_tensor(unseen_person(who), looks[frame % 2]) for frame, who in enumerate(people)]


@pytest.mark.parametrize("one,other", [(1, 2), (3, 4), (5, 6)])
def test_one_person_scores_above_a_clip_that_changes_person(encoder, one, other):
    photo = picture_tensor(unseen_person(one), replace(Look(), scene="beach"))
    photo = prepare_face(photo).face
    same = score_clip(clip_of(*[one] * 6), encoder, [photo])
    changed = score_clip(clip_of(*[one] * 3, *[other] * 3), encoder, [photo])
    assert same.to_photo.mean > changed.to_photo.mean + 0.05
    assert same.to_next.mean > changed.to_next.mean + 0.02
    assert same.first_to_last > changed.first_to_last + 0.1
    assert changed.to_next.least == 2 and changed.to_photo.least >= 3
    assert same.to_photo.values[:3] == changed.to_photo.values[:3]
    print(same.to_photo.mean, changed.to_photo.mean, same.to_next.mean, changed.to_next.mean)


def test_similarities_are_those_of_face_similarity(encoder):
    frames = clip_of(1, 1, 2)
    photo = prepare_face(frames[0]).face
    score = score_clip(frames, encoder, [photo])
    portraits = [aligned_portrait(frame) for frame in frames]
    assert score.to_photo.values == tuple(pytest.approx(similarity(encoder, face, photo)) for face in portraits)
    assert score.to_next.values[1] == pytest.approx(similarity(encoder, portraits[1], portraits[2]))
    assert score.to_photo.values[0] == pytest.approx(1, abs=1e-6) and not score.looked  # a float32 cosine
    assert "taken as aligned portraits" in report(score)


class BrightFaces:
    """Finds one face in the middle of a picture that is not dark."""

    name = "bright faces"

    def __call__(self, picture: torch.Tensor) -> Detections:
        height, width = picture.shape[1:]
        there = int(picture[:, height // 2, width // 2].max() > 0.5)
        middle, side = torch.tensor([width / 2, height / 2]), min(height, width)
        points = torch.tensor([[-0.1, -0.06], [0.1, -0.06], [0, 0.03], [-0.08, 0.12], [0.08, 0.12]])
        box = torch.cat([middle - 0.3 * side, middle + 0.3 * side])
        return Detections(
            boxes=box.expand(there, 4),
            scores=torch.full((there,), 0.9),
            landmarks=(middle + points * side).expand(there, 5, 2),
        )


class Pixels:
    """A face encoder that sees the picture itself."""

    name, licence, width = "pixels", "none", 48

    def __call__(self, portraits: torch.Tensor, mirrored: bool = False) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(portraits, 4).flatten(1)


def bright(seed: int) -> torch.Tensor:
    return 0.6 + 0.4 * rand(3, 96, 160, seed=seed)


def test_faces_are_found_as_prepare_face_finds_them_and_frames_without_one_are_gaps():
    frames, seen = [bright(1), torch.zeros(3, 96, 160), bright(2), bright(3)], []
    photo = prepare_face(bright(4), detector=BrightFaces()).face
    score = score_clip(frames, Pixels(), [photo], detector=BrightFaces(), on_frame=seen.append)
    assert score.faces == (True, False, True, True) and score.looked and seen == [1, 2, 3, 4]
    prepared = [prepare_face(frames[frame], detector=BrightFaces()).face for frame in (0, 2, 3)]
    assert torch.equal(prepared[0].image, aligned_portrait(frames[0], detector=BrightFaces()))
    expected = [similarity(Pixels(), face, photo) for face in prepared]
    assert [value for value in score.to_photo.values if value is not None] == pytest.approx(expected)
    assert score.to_next.values[:2] == (None, None)
    assert "Without a face, and so in no mean: 2." in report(score)


def test_a_clip_without_any_face_is_an_error():
    with pytest.raises(NoFaceError, match=r"any of the clip's 2 frames. The first one: No face found .* 160x96"):
        score_clip([torch.zeros(3, 96, 160)] * 2, Pixels(), detector=BrightFaces())


def test_frames_that_cannot_be_used_are_named():
    with pytest.raises(StableIdentityError, match="Frame 2: The portrait is 160x96"):
        score_clip([rand(3, 96, 96), rand(3, 96, 160)], Pixels())
    with pytest.raises(StableIdentityError, match="Frame 1: Face encoder 'pixels' gave its face a feature of length 0"):
        score_clip([torch.zeros(3, 96, 96)], Pixels())


# The plot.


def coloured(picture: torch.Tensor, red: float, green: float, blue: float, rows: int = 1) -> torch.Tensor:
    """Columns in which at least `rows` pixels of the picture have a colour."""
    found = (picture - torch.tensor([red, green, blue])).abs().amax(-1) < 0.06
    return (found.sum(0) >= rows).nonzero().flatten()


BLUE, ORANGE, GREY = (0.122, 0.467, 0.706), (1.0, 0.498, 0.055), (0.835, 0.847, 0.863)


def test_the_plot_has_both_lines_and_gaps():
    rows = units(*randn(10, 6, seed=3) + 1.5)
    whole = clip_plot(scored(rows, rows[:1]), "a clip")
    assert whole.shape == (384, 768, 3) and whole.dtype == torch.float32 and whole.min() >= 0 and whole.max() <= 1
    assert len(coloured(whole, *BLUE)) > 300 and len(coloured(whole, *ORANGE)) > 300
    assert not torch.equal(whole, clip_plot(scored(rows, rows[:1]), "another clip"))
    assert not len(coloured(clip_plot(scored(rows)), *BLUE)), "a line to a photo that was not given"
    gap = clip_plot(scored([*rows[:4], None, None, *rows[6:]], rows[:1]))
    grey = coloured(gap, *GREY, rows=200)
    assert 120 < len(grey) < 160, "two of ten frames"
    band = gap[40:, grey]  # below the legend
    assert not len(coloured(band, *ORANGE, rows=3)) and not len(coloured(band, *BLUE, rows=3)), "a line in the gap"


def test_negative_similarities_are_in_sight():
    a = torch.tensor([1.0, 0])
    low, high = (clip_plot(scored(units(a, b), units(a))) for b in (-a, a + torch.tensor([0, 0.1])))
    assert not torch.equal(low, high)
    below = (low - torch.tensor(BLUE)).abs().amax(-1) < 0.06
    assert below[250:].any(), "the mark at -1 is cut off"


def test_a_videos_title_that_is_not_utf8_does_not_matter(tmp_path):
    av = pytest.importorskip("av", reason="PYAV IS NOT INSTALLED")
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "QQQQ"
        stream = file.add_stream("ffv1", rate=8)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        file.mux(stream.encode())
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\x80QQQ"))
    assert len(list(read_clip(path))) == 3
