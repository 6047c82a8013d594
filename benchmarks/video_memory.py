"""Memory and time of the full-size text-to-video UNet against the estimate that the host gets, as table rows.

COMFYUI_PATH=... PYTHONPATH=.:tests python benchmarks/video_memory.py [--clips 16x128x128 8x256x256 2x576x320]

One call of the UNet for one clip, on the processor in fp32, with weights of one small number (neither time nor
memory depends on them). The peak is the process's resident memory during the call, less what it was before; each
clip has a process of its own, in which freed memory goes back at once. Time is that of the processor, summed over its
cores: what else runs on the machine hardly counts. Sampling with cfg takes two such calls a step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from speed_measures import resident

from stableidentity_core.video import FULL, VideoSize, check_clip

HEADER = "| clip | estimate for the host | measured peak | estimate / measured | processor time for a frame |"
MB = 1 << 20
# glibc otherwise keeps freed memory, which would then seem to be in use before the next call.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": "0"}


def parse(text: str) -> VideoSize:
    length, width, height = map(int, text.split("x"))
    return check_clip(VideoSize(width=width, height=height, length=length))


def full_size_model(comfyui: Path):
    """The host's model, as its node makes it, without a file."""
    from helpers.pack import pack_module

    unet = pack_module("nodes.host.video.unet", comfyui)
    host = pack_module("nodes.host.video.model", comfyui)
    family = host.VideoFamily(unet.unet_settings(FULL))
    family.set_inference_dtype(torch.float32, None)
    model = host.VideoModel(family)
    with torch.no_grad():
        for parameter in model.diffusion_model.parameters():
            parameter.fill_(1e-3)
    return model


def row(clip: VideoSize) -> str:
    model = full_size_model(Path(os.environ["COMFYUI_PATH"]))
    latents = torch.randn(clip.latents, generator=torch.Generator().manual_seed(0))
    text = torch.zeros(clip.length, 77, FULL.context)
    options = {"cond_or_uncond": [0]}
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = resident("VmRSS"), time.process_time()
    with torch.inference_mode():
        model.diffusion_model(latents, torch.full((clip.length,), 500.0), text, transformer_options=options)
    seconds, peak = time.process_time() - started, resident("VmHWM") - before
    estimate = model.memory_required(list(latents.shape))
    return (
        f"| {clip.length} x {clip.width}x{clip.height} | {estimate / MB:.0f} MiB | {peak / MB:.0f} MiB "
        f"| {estimate / peak:.2f} | {seconds / clip.length:.1f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", nargs="+", default=["16x128x128", "8x256x256", "2x576x320"])
    parser.add_argument("--one", help="measure this clip in this very process")
    arguments = parser.parse_args()
    if arguments.one:
        print(row(parse(arguments.one)))
        return
    print(HEADER, "|---|---|---|---|---|", sep="\n", flush=True)
    for text in arguments.clips:
        command = [sys.executable, __file__, "--one", text]
        done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
        print(done.stdout.strip() or done.stderr.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
