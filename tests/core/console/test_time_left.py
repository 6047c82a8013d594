"""How long counted work still takes."""

from __future__ import annotations

import random

import pytest

from stableidentity_core.console.time_left import TimeLeft, describe_duration, describe_time_left


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def after(left: TimeLeft, clock: Clock, *durations: float, kind: str = "step") -> float | None:
    for duration in durations:
        clock.now += duration
        left.done(kind)
    return left.seconds()


def test_nothing_is_said_before_anything_is_known(clock):
    left = TimeLeft({"step": 3}, {"step": 1.0}, clock)
    clock.now += 100
    assert left.seconds() is None
    assert after(left, clock, 10.0) == pytest.approx(2 * 110)


def test_it_counts_down_while_a_part_goes_on_and_ends_at_nothing(clock):
    left = TimeLeft({"step": 10}, {"step": 1.0}, clock)
    assert after(left, clock, 20.0) == pytest.approx(180)
    clock.now += 15
    assert left.seconds() == pytest.approx(165)
    assert after(left, clock, *[20.0] * 9) == 0
    assert after(left, clock, 20.0) == 0, "more parts than there should be"


def test_a_slow_beginning_is_forgotten_with_the_second_step(clock):
    left = TimeLeft({"first": 1, "step": 99}, {"first": 5.0, "step": 1.0}, clock)
    assert after(left, clock, 60.0, kind="first") == pytest.approx(99 * 12)
    assert after(left, clock, 2.0) == pytest.approx(98 * 2)


def test_what_was_never_done_is_guessed_by_what_was_and_then_measured(clock):
    left = TimeLeft({"step": 11, "picture": 2}, {"step": 1.0, "picture": 10.0}, clock)
    assert after(left, clock, 3.0) == pytest.approx(10 * 3 + 2 * 30)
    assert after(left, clock, 100.0, kind="picture") == pytest.approx(10 * 3 + 100)


def test_work_that_comes_in_bursts_keeps_its_mean(clock):
    """Pictures of eight steps are encoded with the first of them."""
    left = TimeLeft({"step": 1000}, {"step": 1.0}, clock)
    round_of_eight = [9.0] + 7 * [1.0]
    after(left, clock, *round_of_eight)
    for done in range(2, 100):
        for _each in range(8):
            after(left, clock, round_of_eight[0])
            round_of_eight = round_of_eight[1:] + round_of_eight[:1]
            if done > 4:
                assert left.seconds() == pytest.approx(2 * (1000 - 8 * done), rel=0.25, abs=30)


def test_what_is_shown_does_not_flicker(clock):
    """With steps of very different lengths, the text changes about as often as it must, and hardly ever back."""
    left, lengths = TimeLeft({"step": 400}, {"step": 1.0}, clock), random.Random(0)
    shown = []
    for _step in range(400):
        after(left, clock, lengths.uniform(0.1, 0.9))
        shown.append(left.seconds())
    texts = [describe_time_left(seconds) for seconds in shown]
    changes = [text for text, before in zip(texts[1:], texts, strict=False) if text != before]
    assert len(changes) <= 18 and len(changes) - len({*changes}) <= 2, changes
    assert shown[20] == pytest.approx(190, rel=0.3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds left"),
        (9.9, "a few seconds left"),
        (31, "40 s left"),
        (89, "90 s left"),
        (91, "2 min left"),
        (600, "10 min left"),
        (5399, "90 min left"),
        (5701, "1 h 40 min left"),
        (2 * 3600, "2 h left"),
        (11.6 * 3600, "11 h left"),
    ],
)
def test_time_left_in_words(seconds, text):
    assert describe_time_left(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.43, "0.4 s"), (74.2, "74 s"), (119.4, "119 s"), (749.7, "12 min 30 s"), (11100, "3 h 5 min"), (36000, "10 h")],
)
def test_durations_in_words(seconds, text):
    assert describe_duration(seconds) == text
