"""Clips on disk: folders of pictures in the order of their numbers, and videos."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from stableidentity_core.errors import MissingFileError, MissingPackageError, StableIdentityError
from stableidentity_core.evaluate.temporal import read_clip


def save_frames(folder: Path, *names: str) -> None:
    """Grey pictures that get lighter in the order of the names given."""
    folder.mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (16, 12), (20 * number,) * 3).save(folder / name)


def write_video(path: Path, count: int) -> None:
    """Frames of 64x48 that get lighter."""
    av = pytest.importorskip("av", reason="PYAV IS NOT INSTALLED")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=8)
        stream.width, stream.height = 64, 48
        for number in range(count):
            picture = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (40 * number,) * 3))
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))


def test_pictures_come_in_the_order_of_their_numbers(tmp_path):
    save_frames(tmp_path / "clip", "frame_1.png", "frame_2.jpg", "frame_10.png", "frame_011.webp")
    (tmp_path / "clip" / "notes.txt").write_text("not a frame")
    frames = list(read_clip(tmp_path / "clip"))
    assert [frame.shape for frame in frames] == [(3, 12, 16)] * 4
    means = torch.stack([frame.mean() for frame in frames])
    assert torch.allclose(means, torch.arange(4) * 20 / 255, atol=5 / 255)  # JPEG and WebP round; steps are 20


def test_a_video_gives_all_its_frames(tmp_path):
    write_video(tmp_path / "clip.mp4", 6)
    frames = list(read_clip(tmp_path / "clip.mp4"))
    assert [frame.shape for frame in frames] == [(3, 48, 64)] * 6
    means = torch.stack([frame.mean() for frame in frames])
    assert torch.allclose(means, torch.arange(6) * 40 / 255, atol=10 / 255)  # the codec rounds; steps are 40


def test_a_video_needs_pyav_and_pictures_do_not(tmp_path, monkeypatch):
    write_video(tmp_path / "clip.mp4", 1)
    save_frames(tmp_path / "clip", "1.png")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"Reading a video needs the package av.*pip install av"):
        list(read_clip(tmp_path / "clip.mp4"))
    assert len(list(read_clip(tmp_path / "clip"))) == 1


def test_what_is_no_clip_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"No clip at .*nowhere; needed a video file, or a folder"):
        list(read_clip(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=r"No pictures in .*empty; needed the clip's frames, as \.bmp"):
        list(read_clip(tmp_path / "empty"))
    pytest.importorskip("av", reason="PYAV IS NOT INSTALLED")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(StableIdentityError, match=r"text\.mp4 \(11 bytes\) cannot be read as a video"):
        list(read_clip(tmp_path / "text.mp4"))
