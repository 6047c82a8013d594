"""`score` on the command line: folders and videos, with and without a photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.tiny import tiny_face_vit
from stableidentity_core.cli import main
from stableidentity_core.encode import load_face_encoder
from stableidentity_core.evaluate.similarity import similarity
from stableidentity_core.face import portrait, read_photo


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """An encoder, a photo, and a clip of four frames whose last is upside down."""
    import skimage.data

    folder = tmp_path_factory.mktemp("score")
    tiny_face_vit(folder / "encoder")
    photo = Image.fromarray(skimage.data.astronaut()[:256, 100:356])
    photo.save(folder / "photo.png")
    (folder / "clip").mkdir()
    for number in range(1, 5):
        turned = 180 if number == 4 else number
        photo.rotate(turned).save(folder / "clip" / f"{number}.png")
    return folder


def score(world: Path, out: Path, *more: str, clip: str = "clip") -> int:
    return main(["score", str(world / clip), "--encoder", str(world / "encoder"), "--out", str(out), *more])


def test_a_folder_of_frames(world, tmp_path, capsys):
    assert score(world, tmp_path / "out", "--photo", str(world / "photo.png")) == 0
    told = capsys.readouterr().out
    facts = json.loads((tmp_path / "out" / "score.json").read_text("utf-8"))
    encoder = load_face_encoder(world / "encoder")
    photo, *frames = [
        portrait(read_photo(path)).image
        for path in (world / "photo.png", *(world / "clip" / f"{number}.png" for number in range(1, 5)))
    ]
    expected = [similarity(encoder, frame, photo) for frame in frames]
    # The same calls; JSON keeps all digits.
    assert facts["frame_to_photo"]["values"] == pytest.approx(expected, abs=1e-12)
    assert facts["frame_to_photo"]["mean"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert facts["frame_to_photo"]["least_at"] == 4 and facts["frame_to_frame"]["least_at"] == 3
    ends = {"frames": [1, 4], "similarity": pytest.approx(similarity(encoder, frames[0], frames[3]), abs=1e-12)}
    assert facts["first_to_last"] == ends
    assert facts["frames"] == 4 and facts["frames_without_face"] == [] and facts["faces_looked_for"] is False
    assert f"{facts['frame_to_photo']['mean']:.3f}" in told and "between frames 3 and 4" in told
    with Image.open(tmp_path / "out" / "score.png") as picture:
        assert picture.size == (768, 384)


def test_a_video_without_a_photo(world, tmp_path, capsys):
    av = pytest.importorskip("av", reason="PYAV IS NOT INSTALLED")
    with av.open(str(world / "clip.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 256
        for number in range(1, 4):
            with Image.open(world / "clip" / f"{number}.png") as picture:
                file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode(None))
    assert score(world, tmp_path / "out", clip="clip.mp4") == 0
    facts = json.loads((tmp_path / "out" / "score.json").read_text("utf-8"))
    assert facts["frame_to_photo"] is None and len(facts["frame_to_frame"]["values"]) == 2
    assert "no photo was given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--photo", "nowhere.png"], ["nowhere.png"]),
        (["--encoder", "nowhere"], ["nowhere"]),
        (["--models", "nowhere"], ["nowhere", "retinaface_resnet50"]),
        (["--face", "nicest"], ["--face is 'nicest'", "largest"]),
    ],
)
def test_an_error_is_a_sentence_and_nothing_is_written(world, tmp_path, capsys, options, said):
    assert score(world, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error and all(words in error for words in said), error
    assert not (tmp_path / "out").exists()


def test_a_clip_that_is_not_there(world, tmp_path, capsys):
    assert score(world, tmp_path / "out", clip="nowhere.mp4") == 1
    assert "No clip at" in capsys.readouterr().err and not (tmp_path / "out").exists()
