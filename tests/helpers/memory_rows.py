"""Trainings whose memory is counted without data (test_memory.py) and measured on a GPU (benchmarks/gpu)."""

from __future__ import annotations

from typing import NamedTuple

import torch

HALF, BF16, FP32 = torch.float16, torch.bfloat16, torch.float32
SIDES = {"sd15": 512, "sd21": 512, "sdxl": 1024}


class MemoryRow(NamedTuple):
    """A training of one picture per step."""

    base: str
    weights: torch.dtype
    dtype: torch.dtype  # that is computed in
    low_memory: bool
    goal: float  # at most so many GB in all


ROWS = [
    MemoryRow("sd21", HALF, BF16, False, 4.0),  # what a GPU does with SD2.1's file
    MemoryRow("sd21", HALF, BF16, True, 2.8),
    MemoryRow("sd21", HALF, HALF, False, 4.0),  # a GPU without bf16
    MemoryRow("sd21", HALF, FP32, False, 6.5),  # a GPU that is faster in fp32
    MemoryRow("sdxl", HALF, BF16, False, 13.0),
    MemoryRow("sdxl", HALF, BF16, True, 8.0),
]
