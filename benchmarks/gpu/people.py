"""1, 4 and 16 people in one training."""

from __future__ import annotations

from collections.abc import Iterator

from speed_models import make_world
from training_speed import several

from .job import Row, Setting

PEOPLE = (1, 4, 16)
PRICE = 4.0  # of single trainings, for the most people


def measure(setting: Setting) -> Iterator[Row]:
    """Steps of SD2.1 at 512 pixels, or in short of the mini world with fewer people."""
    world = make_world("mini" if setting.short else "sd21", setting.device)
    counts: list[int] = [*PEOPLE[:2]] if setting.short else [*PEOPLE]
    rounds, block = (1, 1) if setting.short else (3, 5)
    seconds = {int(count): taken for count, taken in several(world, counts, rounds, block).items()}
    for count, taken in seconds.items():
        price, most = taken / seconds[1], count == PEOPLE[-1]
        yield Row(
            what=f"{count} in one training",
            measured=f"{1e3 * taken:.1f} ms a step, {price:.2f} times that of one person",
            figures={"people": count, "seconds_per_step": taken, "price": price},
            goal=f"at most {PRICE:g} times that of one person" if most else "",
            met=price <= PRICE if most and not setting.short else None,
        )
