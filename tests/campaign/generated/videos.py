"""Clips to be scored, and files of text-to-video models."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

import av
import numpy as np
import torch

from campaign.generated.category import Case
from campaign.generated.identities import odd_tensor
from campaign.generated.pictures import picture
from campaign.mutate import odd_text, spoilt
from helpers.tiny import modelscope_weights, tiny_video_unet
from stableidentity_core.evaluate.temporal import read_clip
from stableidentity_core.video import arrange

KINDS = {"mp4": "mpeg4", "avi": "mpeg4", "mkv": "mpeg4", "mov": "mjpeg", "gif": "gif", "nut": "rawvideo"}


def video(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=8)
        stream.width, stream.height = 32, 24
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        for number in range(5):
            frame = np.full((24, 32, 3), 40 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode(None))


def sound(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


class Videos:
    name = "video files"
    memory = None

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        for kind, codec in KINDS.items():
            video(folder / f"clip.{kind}", codec)
        sound(folder / "clip.wav")
        self.valid = {path.suffix: path.read_bytes() for path in folder.glob("clip.*")}

    def case(self, random: Random, folder: Path) -> Case:
        if random.random() < 0.2:
            return Case("folder", lambda: self._read(self._folder(random, folder)))
        suffix = random.choice(sorted(self.valid))
        content = self.valid[suffix]
        how = random.choice(("whole", "spoilt", "spoilt", "cut", "noise"))
        content = {
            "whole": lambda: content,
            "spoilt": lambda: spoilt(content, random),
            "cut": lambda: content[: random.randrange(len(content))],
            "noise": lambda: random.randbytes(random.randrange(2000)),
        }[how]()
        path = folder / f"clip{random.choice((suffix, suffix, '.mp4', '', '.png'))}"
        path.write_bytes(content)
        return Case(f"{suffix} {how}", lambda: self._read(path))

    def _folder(self, random: Random, folder: Path) -> Path:
        place = folder / "frames"
        place.mkdir()
        for number in range(random.choice((0, 1, 3))):
            name = random.choice((f"{number}", f"a{number}", "²", "١", odd_text(random)[:40].replace("/", "")))
            path = place / f"{number}{name.replace(chr(0), '').encode('utf-8', 'replace').decode()}.png"
            if random.random() < 0.1:
                path.mkdir()
                continue
            picture(random, (32, 32)).save(path, "PNG")
            if random.random() < 0.2:
                path.write_bytes(spoilt(path.read_bytes(), random))
        return place

    def _read(self, path: Path) -> None:
        for frame in islice(read_clip(path), 50):
            assert frame.ndim == 3 and frame.shape[0] == 3, frame.shape
            assert 0 <= frame.min() <= frame.max() <= 1, "values outside 0..1"


def weight(random: Random) -> torch.Tensor:
    """An odd one such as a file of weights can hold."""
    made = odd_tensor(random)
    return torch.zeros(3) if made.is_nested else made


class VideoModels:
    name = "text-to-video weights"
    memory = None

    def __init__(self, folder: Path):
        unet = tiny_video_unet()
        self.valid = [dict(unet.state_dict()), modelscope_weights(unet)]

    def case(self, random: Random, folder: Path) -> Case:
        tensors = dict(random.choice(self.valid))
        keys = sorted(tensors)
        way = random.choice(("shape", "lost", "renamed", "added", "prefix", "part"))
        if way == "prefix":
            tensors = {f"{random.choice(('model.diffusion_model.', 'unet.'))}{key}": tensors[key] for key in keys}
        elif way == "part":
            tensors = {key: tensors[key] for key in random.sample(keys, random.randrange(len(keys)))}
        else:
            # Those that tell the sizes more often than any.
            key = random.choice(
                (
                    random.choice(keys),
                    random.choice([key for key in keys if "proj_in" in key or "conv_in" in key] or keys),
                )
            )
            value = tensors.pop(key)
            if way == "shape":
                tensors[key] = random.choice((value[:1], value.flatten(), torch.zeros(()), weight(random)))
            elif way == "renamed":
                tensors[odd_text(random)[:50]] = value
            elif way == "added":
                tensors |= {key: value, odd_text(random)[:50]: weight(random)}
        return Case(way, lambda: arrange(tensors))
