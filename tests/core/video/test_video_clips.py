"""Sizes of clips, windows of frames, and the noise that windows share."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.video import PRESETS, VideoSize, check_clip
from stableidentity_core.video.windows import shared_noise, window_weights, windows


@pytest.mark.parametrize("clip", PRESETS.values(), ids=PRESETS)
def test_presets_are_sound(clip):
    assert check_clip(clip).latents == (clip.length, 4, clip.height // 8, clip.width // 8)


@pytest.mark.parametrize(
    "change,said",
    [
        ({"width": 250}, "width is 250 pixels.*248 or 256"),
        ({"height": 7}, "height is 7 pixels.*Choose 8"),
        ({"height": 0}, "height is 0 pixels.*Choose 8"),
        ({"length": 0}, "0 frames"),
        ({"fps": 0.0}, "at 0 fps"),
    ],
)
def test_a_clip_without_latents_is_refused(change, said):
    with pytest.raises(StableIdentityError, match=said):
        check_clip(VideoSize(**{"width": 256, "height": 256, "length": 16} | change))


@pytest.mark.parametrize("frames", [1, 4, 5, 8, 9, 16, 23])
@pytest.mark.parametrize("overlap", [0, 1, 3])
def test_windows_cover_all_frames_in_order_and_end_with_the_clip(frames, overlap):
    found = windows(frames, 4, overlap)
    assert sorted({frame for window in found for frame in window}) == list(range(frames))
    assert found[-1][-1] == frames - 1
    assert all(window == list(range(window[0], window[0] + min(frames, 4))) for window in found)
    shared = [len(set(one) & set(other)) for one, other in pairwise(found)]
    assert all(count >= overlap for count in shared)
    assert all(one[0] < other[0] for one, other in pairwise(found))


@pytest.mark.parametrize("length,overlap", [(0, 0), (4, 4), (4, 5), (4, -1)])
def test_windows_that_do_not_advance_are_refused(length, overlap):
    with pytest.raises(StableIdentityError, match=f"Windows of {length} frames with an overlap of {overlap}"):
        windows(9, length, overlap)


def test_weights_are_positive_symmetric_and_largest_in_the_middle():
    assert window_weights(5).tolist() == [1, 2, 3, 2, 1]
    assert window_weights(4).tolist() == [1, 2, 2, 1]
    assert window_weights(1).tolist() == [1]


def test_shared_noise_repeats_the_frames_of_the_first_window():
    noise = torch.arange(11.0)[:, None].expand(11, 2)
    shared = shared_noise(noise, 4, 1, seed=3)
    assert torch.equal(shared[:4], noise[:4]), "the first window is as it was"
    assert sorted(shared[4:7, 0].tolist()) == [0, 1, 2]
    assert sorted(shared[7:10, 0].tolist()) == sorted(shared[3:6, 0].tolist())
    assert torch.equal(noise, torch.arange(11.0)[:, None].expand(11, 2)), "the argument is left alone"
    assert torch.equal(shared, shared_noise(noise, 4, 1, seed=3))
    many = torch.arange(60.0)
    assert not torch.equal(shared_noise(many, 20, 1, seed=3), shared_noise(many, 20, 1, seed=4))
