"""A GPU that is not there: tensors say `cuda:0` and are computed by the CPU.

It shows two kinds of faults that otherwise only a GPU shows: operands on different devices, and waits for the device.

Which tensors are on the device is known by their storages, not by their class. Views, parameters, saved activations and
what `.data` is set to are then right by themselves, and autograd works on plain CPU tensors. What happens inside a
function of torch is not seen, only what goes in and comes out; nor are the operations of the backward pass, apart from
hooks and recomputed blocks, nor other threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

from helpers.pretend_cuda import CPU, CUDA, Wait, pretended_cuda, where_from
from helpers.pretend_functions import FUNCTIONS, PROPERTIES, tensors_in

MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What must read the device's numbers to go on; of the last ones, to know whether they worked.
READS = _names("""
    item tolist __bool__ __int__ __float__ __index__ __complex__ __format__ __repr__ __contains__ is_nonzero equal
    allclose nonzero argwhere masked_select unique unique_consecutive bincount
    linalg_eigh linalg_svd linalg_inv linalg_solve linalg_cholesky inverse cholesky svd
""")
READS_SOMETIMES: dict[str, Callable[[tuple, dict], bool]] = {
    "where": lambda args, kwargs: len(args) + len(kwargs) == 1,
    "repeat_interleave": lambda args, kwargs: (
        kwargs.get("output_size") is None and any(isinstance(repeats, Tensor) for repeats in args[1:] or args)
    ),
    "one_hot": lambda args, kwargs: len(args) == 1 and kwargs.get("num_classes", -1) == -1,
}
# Made where `device` says, wherever the numbers are that say how large, or of what.
FACTORIES = _names("arange linspace full zeros ones empty eye rand randn randint scalar_tensor")
ANYWHERE = {"_has_compatible_shallow_copy_type", "broadcast_tensors"}  # take operands of all devices
JOINS = _names("cat concat concatenate stack hstack vstack dstack column_stack")  # take no scalars either


class Storages:
    """A set of storages, each for as long as it lives."""

    def __init__(self):
        self._known: dict[int, StorageWeakRef] = {}
        self._clean_at = 4096

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self._known[storage._cdata] = StorageWeakRef(storage)  # its address is not used again while this is here
        if len(self._known) >= self._clean_at:
            self._known = {key: reference for key, reference in self._known.items() if not reference.expired()}
            self._clean_at = max(4096, 2 * len(self._known))

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._known


class PretendDevice(TorchFunctionMode):
    """Inside this context there is a device `cuda:0`; `waits` grows with each wait for it.

    Tensors stay where they are between several uses of one instance. The device has no random generator of its own.

        with PretendDevice() as gpu:
            network.to("cuda")
            network(torch.rand(1, 3, device="cuda")).sum().item()
            print(*gpu.waits)
            network(torch.rand(1, 3))  # RuntimeError: two devices
    """

    def __init__(self):
        super().__init__()
        self.device = CUDA
        self.waits: list[Wait] = []
        self.pinned = Storages()
        self._there = Storages()
        self._depth = 0
        self._patches = ExitStack()

    def __enter__(self) -> PretendDevice:
        if self._depth == 0:
            self._patches.enter_context(pretended_cuda(self.has, lambda: self.wait("synchronize")))
        self._depth += 1
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._depth -= 1
        if self._depth == 0:
            self._patches.close()

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            own = PROPERTIES.get(func)
            return func(*args, **kwargs) if own is None else own(self, func, *args)
        own = FUNCTIONS.get(name)
        if own is None:
            return self._computed(func, name, args, kwargs)
        return own(self, func, *args, **kwargs)

    def has(self, tensor: Tensor) -> bool:
        """Whether the tensor is on the device."""
        return tensor in self._there

    def place(self, tensor: Tensor) -> torch.device:
        """Where the tensor says that it is."""
        return CUDA if self.has(tensor) else CPU

    def wait(self, why: str) -> None:
        """Note that whoever calls torch now waits for the device."""
        self.waits.append(Wait(why, where_from()))

    def put(self, result: Any, given: Iterable[Tensor] = ()) -> None:
        """The new tensors in a result are on the device; those that share an operand's storage are where it is."""
        old = {tensor.untyped_storage()._cdata for tensor in given}
        for tensor in tensors_in(result):
            if tensor.untyped_storage()._cdata not in old:
                self._there.add(tensor)

    def moved(self, tensor: Tensor, device: torch.device, non_blocking: bool = False, **changes: Any) -> Tensor:
        """The tensor on one of the two devices; across, it is always a copy."""
        was_there, is_there = self.has(tensor), device.type == "cuda"
        if was_there != is_there:
            # To the CPU without blocking, torch copies into pinned memory.
            if not non_blocking or (is_there and tensor not in self.pinned):
                self.wait(f"copy to {device.type}")
            changes["copy"] = True
        moved = tensor.to(CPU if is_there else device, **changes)
        if is_there:
            self._there.add(moved)
        elif was_there and non_blocking:
            self.pinned.add(moved)
        return moved

    def _computed(self, func: Callable, name: str, args: tuple, kwargs: dict) -> Any:
        """A function that computes where its operands are, or where `device` says."""
        asked = kwargs.get("device")
        asked = None if asked is None else torch.device(asked)
        plain = dict(kwargs)
        if asked is not None and asked.type == "cuda":
            plain["device"] = CPU
        if plain.get("pin_memory"):
            plain["pin_memory"] = False  # torch has no such memory without a GPU
        given = list(tensors_in((args, kwargs)))
        there = any(self.has(tensor) for tensor in given)
        if there:
            self._check(name, args, kwargs, given)
            self._note_reading(name, args, kwargs)
        made_there = (there and name not in FACTORIES) if asked is None else asked.type == "cuda"
        if made_there and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        result = func(*args, **plain)
        if made_there:
            self.put(result, given)
        if kwargs.get("pin_memory"):
            self.pinned.add(result)
        return result

    def _note_reading(self, name: str, args: tuple, kwargs: dict) -> None:
        sometimes = READS_SOMETIMES.get(name)
        if name in READS or name in FACTORIES or (sometimes is not None and sometimes(args, kwargs)):
            self.wait(name)

    def _check(self, name: str, args: tuple, kwargs: dict, given: list[Tensor]) -> None:
        """Raise for operands on two devices; the CPU's may be scalars, but nothing of the device goes into them."""
        here = [tensor for tensor in given if not self.has(tensor)]
        if not here or name in ANYWHERE or name in FACTORIES:
            return
        in_place = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
        into: Iterator[Tensor] = tensors_in(kwargs.get("out", args[0] if in_place and args else None))
        if name in JOINS or any(tensor.ndim > 0 for tensor in here) or not all(self.has(tensor) for tensor in into):
            found = ", ".join(f"{list(tensor.shape)} on {self.place(tensor)}" for tensor in given)
            raise RuntimeError(f"{MIXED} ({name} of {found})")
