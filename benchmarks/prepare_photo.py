"""What preparing a photo costs without the networks: time and memory, as rows of a Markdown table.

python benchmarks/prepare_photo.py [--photos 4000x3000 8000x6000] [--repeats 5] [--threads 1]

Times are the least of the repeats; processor time is what stays comparable when the machine does
other work. Memory is what the largest moment takes beyond the host's own picture, which is made first.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from stableidentity_core.face import (
    Candidate,
    Detections,
    align_face,
    choose_face,
    detect_faces,
    draw_candidates,
    photo_of_image,
)
from stableidentity_core.face.parsing import masks_of_parts
from stableidentity_core.face.retinaface import make_anchors

SIZE = 512
FACE = torch.tensor([[0.378, 0.464], [0.623, 0.466], [0.504, 0.615], [0.393, 0.748], [0.606, 0.748]])
HEADER = "| photo | face's square | time | processor time | check | find | cut out | preview | memory |"


class KnowsTheFace:
    """Stands in for the detection network; the anchors, which are made anew for each size, are made."""

    name = "known face"

    def __init__(self, share: float):
        self.share = share  # of the photo's short side that the square of the portrait takes

    def __call__(self, picture: Tensor) -> Detections:
        height, width = picture.shape[1:]
        make_anchors(height, width, [[16, 32], [64, 128], [256, 512]], [8, 16, 32])
        points = (FACE - 0.5) * self.share * min(height, width) + torch.tensor([width / 2, height / 2])
        box = torch.cat([points.amin(0), points.amax(0)])
        return Detections(boxes=box[None], scores=torch.tensor([0.99]), landmarks=points[None])


class Clock:
    def __init__(self):
        self.parts: dict[str, float] = {}
        self.wall = time.perf_counter()

    def __call__(self, part: str, work: Callable):
        started = time.process_time()
        result = work()
        self.parts[part] = (time.process_time() - started) * 1000
        return result


def prepare(image: Tensor, share: float, parts: Tensor) -> tuple[float, dict[str, float]]:
    """Milliseconds on the wall, and of the processor for each part."""
    clock = Clock()
    photo = clock("check", lambda: photo_of_image(image))
    size = photo.shape[1:]
    faces: list[Candidate] = clock("find", lambda: detect_faces(photo, KnowsTheFace(share)))
    chosen = choose_face(faces, "largest", size)

    def cut_out():
        alignment = align_face(chosen.landmarks, size, SIZE)
        return alignment.warp(photo), masks_of_parts(parts)

    clock("cut out", cut_out)
    clock("preview", lambda: draw_candidates(photo, faces, chosen))
    return (time.perf_counter() - clock.wall) * 1000, clock.parts


def measure(width: int, height: int, share: float, repeats: int) -> str:
    parts = torch.randint(0, 19, (SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    prepare(torch.rand(480, 640, 3), 0.5, parts)  # what libraries do once
    image = torch.empty(height, width, 3).uniform_(generator=torch.Generator().manual_seed(0))
    before = peak()
    runs = [prepare(image, share, parts) for _ in range(repeats)]
    memory = peak() - before
    wall = min(run[0] for run in runs)
    least = {part: min(run[1][part] for run in runs) for part in runs[0][1]}
    columns = [f"{width}x{height} ({width * height / 1e6:.0f} MP)", f"{share * min(width, height):.0f}"]
    columns += [f"{value:.0f} ms" for value in (wall, sum(least.values()), *least.values())]
    return "| " + " | ".join([*columns, f"{memory:.0f} MB (picture {image.numel() * 4 / 2**20:.0f})"]) + " |"


def peak() -> float:
    """The most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", nargs="+", default=["4000x3000", "8000x6000"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.4, 0.95], help="of the short side, per photo")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.row:
        width, height = map(int, options.photos[0].split("x"))
        print(measure(width, height, options.shares[0], options.repeats), flush=True)
        return
    print(HEADER + "\n" + "|---" * (HEADER.count("|") - 1) + "|", flush=True)
    for photo in options.photos:  # each in a process of its own, whose peak is its own
        for share in options.shares:
            row = ["--row", "--photos", photo, "--shares", share, "--repeats", options.repeats]
            row += ["--threads", options.threads]
            subprocess.run([sys.executable, __file__, *map(str, row)], check=True)


if __name__ == "__main__":
    main()
