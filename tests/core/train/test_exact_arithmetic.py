"""TF32 is off inside, whichever of torch's two sets of switches turned it on, and nothing raises."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stableidentity_core.train.exact_arithmetic import __file__ as FILE

# Each in a process of its own: the switches are global, and reading an older one raises once a newer one is set.
CASES = {
    "as torch starts": "",
    "older flags": "torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True",
    "precision of products": "torch.set_float32_matmul_precision('high')",
    "newer switch": "torch.backends.fp32_precision = 'tf32'",
    "newer switches that differ": (
        "torch.backends.fp32_precision = 'tf32'; torch.backends.cudnn.conv.fp32_precision = 'ieee'"
    ),
}
# By its file: the package around it takes as long to import as torch.
PROGRAM = """
import runpy, torch
exact_arithmetic = runpy.run_path({file!r})["exact_arithmetic"]
{case}
def switches():
    found = torch.backends
    return [part.fp32_precision for part in (found.cuda.matmul, found.cudnn.conv, found.mkldnn.matmul)]
before = switches()
with exact_arithmetic():
    inside = switches()
    torch.randn(2, 2) @ torch.randn(2, 2)
assert set(inside) == {{"ieee"}}, inside
assert switches() == before, (before, switches())
"""


@pytest.mark.parametrize("case", CASES)
def test_float32_is_float32_inside_and_afterwards_all_is_as_before(case):
    program = [sys.executable, "-W", "error", "-c", PROGRAM.format(case=CASES[case], file=FILE)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
