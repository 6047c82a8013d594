"""Train the mini world from scratch: python -m mini_world.training RUN_FOLDER [--stages ...]

Every stage can be interrupted and resumed. The seeds, training times and metrics of the shipped
weights are in the README.md next to this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mini_world.training import assemble as finish
from mini_world.training import autoencoder, dataset, recognisers, text, unet
from mini_world.training import exported as shipped

SPLITS = {
    "held_out": (512, 0),
    "base": (40_000, 0),
    "crowd": (24_000, 0),
    "judge": (14_000, 7),
    "judge_held_out": (1_400, 7),
    "prior": (14_000, 7),
}
MINUTES = {"autoencoder": 36.0, "unet": 50.0, "decoder": 15.0}


def main() -> None:
    stages = ("data", "autoencoder", "text", "recognisers", "unet", "decoder", "ship")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder for pictures (3.3 GB) and training states")
    parser.add_argument("--stages", nargs="+", choices=stages, default=stages)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--from-shipped", action="store_true", help="start with the weights that the pack ships")
    parser.add_argument("--slower", type=float, default=1.0, help="factor for all training times")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data, run = options.run / "data", options.run / "run"
    run.mkdir(parents=True, exist_ok=True)
    minutes = {stage: value * options.slower for stage, value in MINUTES.items()}
    again = options.from_shipped
    shipped_vae = shipped.autoencoder() if again else None
    work = {
        "data": lambda: [dataset.ensure(data, split, *sizes) for split, sizes in SPLITS.items()],
        "autoencoder": lambda: autoencoder.train(data, run, minutes["autoencoder"], shipped_vae),
        "text": lambda: text.train(data, run, shipped.text if again else None),
        "recognisers": lambda: shipped.evaluators(run) if again else recognisers.train_all(data, run),
        "unet": lambda: unet.train(data, run, minutes["unet"], shipped.denoiser if again else None),
        "decoder": lambda: autoencoder.polish(data, run, minutes["decoder"], unet.encode_pictures(data, run, "base")),
        "ship": lambda: finish.finish(data, run),
    }
    for stage in stages:
        if stage in options.stages:
            print(f"== {stage}", flush=True)
            work[stage]()


if __name__ == "__main__":
    main()
