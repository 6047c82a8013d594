"""Content hashes of tensors."""

from __future__ import annotations

import pytest
import torch

from helpers.make import randn
from stableidentity_core.fingerprint import fingerprint_tensors


def of(**tensors: torch.Tensor) -> str:
    return fingerprint_tensors(tensors.items())


def test_same_content_same_hash_in_any_order_and_memory_layout():
    a, b = randn(3, 4), randn(5)
    assert of(a=a, b=b) == of(b=b.clone(), a=a.clone())
    assert of(a=a) == of(a=a.t().contiguous().t()) == of(a=torch.stack([a, a], dim=-1)[..., 0])


@pytest.mark.parametrize("index", [(0, 0), (1, 2), (2, 3)])
def test_any_value_of_a_small_tensor_counts(index):
    changed = randn(3, 4)
    changed[index] += 1e-6
    assert of(a=randn(3, 4)) != of(a=changed)


def test_names_shapes_and_precisions_count():
    a = randn(3, 4)
    hashes = [of(a=a), of(b=a), of(a=a.reshape(4, 3)), of(a=a.half()), of(a=a.bfloat16()), of(a=a, b=randn(0)), of()]
    assert len(set(hashes)) == len(hashes)


def test_swapped_contents_count():
    a, b = randn(5), randn(5, seed=1)
    assert of(a=a, b=b) != of(a=b, b=a)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.float64])
def test_every_precision_can_be_hashed(dtype):
    a, b = (torch.tensor([float(bit) for bit in bits]).to(dtype) for bits in ("01101", "01100"))
    assert of(a=a) == of(a=a.clone()) != of(a=b)


def test_large_tensors_are_told_apart_by_samples_from_first_to_last():
    large = randn(100_000)
    for change in (slice(0, 30), slice(50_000, 50_030), slice(99_970, 100_000)):
        other = large.clone()
        other[change] += 1
        assert of(a=other) != of(a=large), change


def test_more_samples_than_values_hash_the_whole():
    large = randn(10_000)
    for index in (1, 4_999, 9_999):
        other = large.clone()
        other[index] += 1
        whole = [fingerprint_tensors([("a", value)], samples=10_000) for value in (large, other)]
        assert whole[0] != whole[1], index
