"""The pretended GPU itself: what it refuses, what it counts, and that its numbers are the CPU's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from helpers.make import rand, randn, rng
from helpers.pretend_device import PretendDevice


@pytest.fixture
def gpu():
    with PretendDevice() as device:
        yield device


@pytest.fixture
def there(gpu) -> Tensor:  # [3, 4], on the device
    tensor = randn(3, 4).to("cuda")
    gpu.waits.clear()
    return tensor


HERE, MASK, ROWS = randn(3, 4, seed=1), torch.tensor([True, False, True]), torch.tensor([0, 2])

MIXED = {
    "product": lambda there: there * HERE,
    "product, the CPU's first": lambda there: HERE @ there.T,
    "in place": lambda there: there.add_(HERE),
    "into the CPU's": lambda there: HERE.clone().add_(there),
    "into the CPU's scalar": lambda there: torch.tensor(1.0).add_(there.sum()),
    "into out": lambda there: torch.add(there, there, out=torch.empty(3, 4)),
    "cat": lambda there: torch.cat([there, HERE]),
    "stack of scalars": lambda there: torch.stack([there.sum(), HERE.sum()]),
    "where": lambda there: torch.where(there > 0, there, HERE),
    "where, by the CPU's": lambda there: torch.where(HERE > 0, there, there),
    "linear": lambda there: F.linear(there, HERE),
    "a layer": lambda there: nn.Linear(4, 2)(there),
    "embedding": lambda there: F.embedding(ROWS, there),
    "gather": lambda there: there.gather(0, ROWS[None].expand(2, 2)),
    "the CPU's, indexed by the device's": lambda there: HERE[ROWS.to("cuda")],
    "indexed assignment": lambda there: there.__setitem__(ROWS, HERE[:2]),
    "a list of tensors": lambda there: torch._foreach_add([there], [HERE]),
    "the CPU's random numbers": lambda there: torch.randn(3, device="cuda", generator=rng()),
}


@pytest.mark.parametrize("compute", MIXED.values(), ids=MIXED)
def test_operands_on_two_devices_are_refused(there, compute):
    with pytest.raises(RuntimeError, match="device"):
        compute(there)


PERMITTED = {
    "a number": lambda there: there * 2,
    "the CPU's scalar": lambda there: there * torch.tensor(2.0),
    "the CPU's scalar first": lambda there: torch.tensor(2.0) - there,
    "where, with the CPU's scalar": lambda there: torch.where(there > 0, there, torch.tensor(0.0)),
    "a scalar that is filled in": lambda there: there.clone().__setitem__(0, torch.tensor(1.0)),
    "sizes and types": lambda there: (there.shape, there.dtype, there.stride(), there.is_contiguous()),
    "slices": lambda there: there[1:, None, ..., 2],
    "a number of the CPU as index": lambda there: there[torch.tensor(1)],
    "the device's numbers as index": lambda there: there[torch.arange(2, device="cuda")],
    "made there": lambda there: torch.zeros_like(there) + there.new_ones(4) + torch.full((4,), 2.0, device="cuda"),
    "another type": lambda there: there.double().to(torch.float16).type_as(there),
    "to the same device": lambda there: there.to("cuda").to(there.device).cuda(),
    "a pinned copy": lambda there: HERE.pin_memory().to("cuda", non_blocking=True),
    "a pinned copy into the device's": lambda there: there.clone().copy_(HERE.pin_memory(), non_blocking=True),
    "a copy that is read later": lambda there: there.to("cpu", non_blocking=True),
    "where it is": lambda there: (there.device, there.is_cuda, there.is_cpu, there.get_device()),
    "a choice": lambda there: torch.where(there > 0, 1.0, 0.0),
    "clipped gradients": lambda there: nn.utils.clip_grad_norm_([with_gradient(there)], 1.0),
}


def with_gradient(values: Tensor) -> nn.Parameter:
    parameter = nn.Parameter(values.clone())
    parameter.square().sum().backward()
    return parameter


@pytest.mark.parametrize("compute", PERMITTED.values(), ids=PERMITTED)
def test_what_a_gpu_permits_is_permitted_and_waits_for_nothing(gpu, there, compute):
    compute(there)
    assert not gpu.waits, list(map(str, gpu.waits))


WAITS = {
    "cpu": lambda there: there.cpu(),
    "to the cpu": lambda there: there.to("cpu"),
    "item": lambda there: there.sum().item(),
    "tolist": lambda there: there.tolist(),
    "a condition": lambda there: bool(there.any()),
    "float": lambda there: float(there.sum()),
    "text": lambda there: f"{there.sum():.2f}",
    "nonzero": lambda there: there.nonzero(),
    "where without values": lambda there: torch.where(there > 0),
    "a mask": lambda there: there[there > 0],
    "a mask of the CPU": lambda there: there[MASK],
    "indices of the CPU": lambda there: there[ROWS],
    "a list as index": lambda there: there[[0, 2]],
    "a list as index of an assignment": lambda there: there.__setitem__([0, 2], 1.0),
    "the device's number as index": lambda there: HERE[torch.ones((), dtype=torch.int64, device="cuda")],
    "the device's number in a slice": lambda there: HERE[: (there > 9).sum()],
    "equal": lambda there: torch.equal(there, there),
    "allclose": lambda there: torch.allclose(there, there),
    "a pageable copy": lambda there: HERE.to("cuda"),
    "a pageable copy that is not to block": lambda there: HERE.to("cuda", non_blocking=True),
    "a pinned copy that blocks": lambda there: HERE.pin_memory().to("cuda"),
    "to another tensor": lambda there: HERE.to(there),
    "copied into the device's": lambda there: there.copy_(HERE),
    "assigned": lambda there: there.__setitem__(slice(None), HERE),
    "a tensor of numbers": lambda there: torch.tensor([1.0, 2.0], device="cuda"),
    "a new tensor of numbers": lambda there: there.new_tensor([1.0]),
    "synchronize": lambda there: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("compute", WAITS.values(), ids=WAITS)
def test_waits_are_counted_one_each_and_say_where(gpu, there, compute):
    compute(there)
    (wait,) = gpu.waits
    assert "test_pretend_device.py" in str(wait)


def test_numpy_does_not_take_tensors_of_the_device(there):
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        there.numpy()


def test_tensors_say_where_they_are(gpu):
    here = torch.zeros(2)
    there = here.to("cuda:0")
    assert (there.device, there.is_cuda, there.is_cpu, there.get_device()) == (gpu.device, True, False, 0)
    assert (here.device.type, here.is_cuda, here.is_cpu, here.get_device()) == ("cpu", False, True, -1)
    for made in (there[0], there.view(1, 2), there + 1, there.detach(), there.new_zeros(3), copy.deepcopy(there)):
        assert made.device == gpu.device
    there.add_(1)
    assert here.sum() == 0, "a copy, whichever way"
    assert there.cpu().device.type == torch.zeros_like(there, device="cpu").device.type == "cpu"
    assert here.pin_memory().is_pinned() and not here.is_pinned()


def test_a_storage_that_is_gone_leaves_nothing_behind(gpu):
    """The allocator gives its address to the next tensor, which is on the CPU."""
    for _ in range(10_000):
        assert torch.ones(4).device.type == "cpu"
        assert torch.ones(4, device="cuda").is_cuda


def test_nothing_is_left_of_it_outside():
    before = torch.autocast.__init__, torch.cuda.synchronize, torch._C._group_tensors_by_device_and_dtype
    with PretendDevice() as gpu:
        tensor = torch.ones(2, device="cuda")
    assert tensor.device.type == "cpu" and tensor.numpy().sum() == 2
    with pytest.raises((AssertionError, RuntimeError)):
        torch.ones(2, device="cuda:99")
    assert before == (torch.autocast.__init__, torch.cuda.synchronize, torch._C._group_tensors_by_device_and_dtype)
    with gpu:
        assert tensor.is_cuda, "one that is used again knows its tensors"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 8), nn.Linear(8, 4)])
        for seed, parameter in enumerate(self.parameters()):
            parameter.data = randn(*parameter.shape, seed=seed)
        self.register_buffer("shift", rand(4))

    def forward(self, values: Tensor) -> Tensor:
        first, second = self.layers
        return second(F.gelu(first(values))) + self.shift


def gradients(device: str, recompute: bool, dtype: torch.dtype | None) -> list[Tensor]:
    """Of a small network's weights and input after two steps of Adam, on the CPU."""
    network, values = Block().to(device), randn(3, 4).to(device).requires_grad_(True)
    seen: list[Tensor] = []
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
            output = checkpoint(network, values, use_reentrant=False) if recompute else network(values)
        output.register_hook(lambda gradient: seen.append(gradient * torch.ones(4, device=device)))
        output.float().square().mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.1)
        optimizer.step()
    (direct,) = torch.autograd.grad(network(values).sum(), values)
    return [value.detach().cpu() for value in (*seen, direct, values.grad, *network.parameters())]


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["fp32", "autocast"])
def test_gradients_and_steps_are_those_of_the_cpu(recompute, dtype):
    """Bit by bit: the same kernels in the same order, also where torch takes its functions over lists for a GPU."""
    plain = gradients("cpu", recompute, dtype)
    with PretendDevice():
        there = gradients("cuda", recompute, dtype)
    assert len(plain) == len(there) == 8
    assert all(torch.equal(one, other) for one, other in zip(plain, there, strict=True))
    assert not plain[-1].equal(Block().layers[1].bias), "something was learned"


def test_a_network_left_on_the_cpu_is_found(gpu, there):
    network = Block().to("cuda")
    network.shift = network.shift.cpu()
    with pytest.raises(RuntimeError, match=r"cuda:0 and cpu! \(add of \[3, 4\] on cuda:0, \[4\] on cpu\)"):
        network(there)
