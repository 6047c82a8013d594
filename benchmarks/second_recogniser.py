"""Train a second recogniser of drawn people, so that the one who chooses a step is not the one who measures it.

python benchmarks/second_recogniser.py [--work DIR] [--minutes 5]

The same small network as the mini world's recogniser, from another start, on 2,000 people whom no other network has
seen. Writes `suites/second_recogniser.safetensors`, which suites name in `[world_options]`. Draws 0.7 GB of pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mini_world.training import dataset
from mini_world.training.assemble import centred, part, under
from mini_world.training.recognisers import RecogniserTraining, train
from mini_world.training.recognition import LOOKS, recognition
from mini_world.training.runs import averaged
from stableidentity_core.files.tensors import save_tensors

FILE = Path(__file__).parent / "suites" / "second_recogniser.safetensors"
SPLIT, HELD_OUT = "second_judge", "judge_held_out"  # other names, other people
RATE, SEED = 2e-3, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/second_recogniser"), help="(default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    data, run = options.work / "data", options.work / "recogniser.pt"
    dataset.ensure(data, SPLIT, 14_000, LOOKS)
    dataset.ensure(data, HELD_OUT, 1_400, LOOKS)
    train(RecogniserTraining, data, SPLIT, run, options.minutes, RATE, SEED, flip=True)
    state = centred(part(averaged(run), "network"), data, SPLIT)
    weights = under("recogniser", state)
    save_tensors(
        FILE, {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}, {}
    )
    model = RecogniserTraining(1).network
    model.load_state_dict(state)
    print(f"TPR at 1 % FAR, without sunglasses and over all looks: {recognition(model.eval(), data, HELD_OUT)}")


if __name__ == "__main__":
    main()
