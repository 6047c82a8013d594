"""What the pretended device does with functions of torch that move, read or index tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from torch import Tensor

from helpers.pretend_cuda import CPU, CUDA

if TYPE_CHECKING:
    from helpers.pretend_device import PretendDevice

# Each takes the device, torch's function, and its arguments.


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in an argument or a result."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))


def _to(on: PretendDevice, func: Callable, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    copy, other = kwargs.pop("copy", False), kwargs.pop("other", None)
    if args and isinstance(args[0], Tensor):
        other, *args = args
    if other is not None:
        args = (on.place(other), other.dtype, *args)
    device, dtype, non_blocking, memory_format = torch._C._nn._parse_to(*args, **kwargs)
    kept = {} if memory_format is None else {"memory_format": memory_format}
    return on.moved(tensor, device or on.place(tensor), non_blocking, dtype=dtype or tensor.dtype, copy=copy, **kept)


def _type_as(on: PretendDevice, func: Callable, tensor: Tensor, other: Tensor) -> Tensor:
    return _to(on, func, tensor, other)


def _cuda(on: PretendDevice, func: Callable, tensor: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    return on.moved(tensor, CUDA, non_blocking)


def _cpu(on: PretendDevice, func: Callable, tensor: Tensor) -> Tensor:
    return on.moved(tensor, CPU)


def _copy(on: PretendDevice, func: Callable, to: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    across, on_cpu = on.has(to) != on.has(source), source if on.has(to) else to
    if across and not (non_blocking and on_cpu in on.pinned):
        on.wait("copy_ across devices")
    return func(to, source)


def _pin_memory(on: PretendDevice, func: Callable, tensor: Tensor, device: Any = None) -> Tensor:
    if on.has(tensor):
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
    if tensor not in on.pinned:
        tensor = tensor.clone()
        on.pinned.add(tensor)
    return tensor


def _is_pinned(on: PretendDevice, func: Callable, tensor: Tensor, device: Any = None) -> bool:
    return tensor in on.pinned


def _made(on: PretendDevice, func: Callable, data: Any, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.tensor` and its like."""
    asked, pin, wants_gradient = (kwargs.pop(name, None) for name in ("device", "pin_memory", "requires_grad"))
    made = func(data, *args, **kwargs)
    if isinstance(data, Tensor):
        if on.has(data):
            on.put(made, [data])
    elif any(on.has(tensor) for tensor in tensors_in(data)):
        on.wait("a list of the device's numbers")
    if asked is not None:
        made = on.moved(made, torch.device(asked))
    if pin:
        on.pinned.add(made)
    return made.requires_grad_(True) if wants_gradient else made


def _new_tensor(on: PretendDevice, func: Callable, tensor: Tensor, data: Any, **kwargs: Any) -> Tensor:
    return _made(on, torch.tensor, data, **{"dtype": tensor.dtype, "device": on.place(tensor), **kwargs})


def _get_item(on: PretendDevice, func: Callable, tensor: Tensor, index: Any) -> Tensor:
    _note_index(on, tensor, index)
    found = func(tensor, index)
    if on.has(tensor):
        on.put(found)
    return found


def _set_item(on: PretendDevice, func: Callable, tensor: Tensor, index: Any, value: Any) -> None:
    selects = _note_index(on, tensor, index)
    crosses = isinstance(value, Tensor) and on.has(value) != on.has(tensor)
    if crosses and not (on.has(tensor) and value.ndim == 0):  # the CPU's scalars are filled in
        if selects:
            raise RuntimeError("Expected all tensors to be on the same device: the values of an indexed assignment")
        on.wait("assignment across devices")
    func(tensor, index, value)


def _note_index(on: PretendDevice, tensor: Tensor, index: Any) -> bool:
    """Note the waits of an index, and return whether it selects by tensors or lists."""
    parts = index if isinstance(index, tuple) else (index,)
    return any([_note_part(on, on.has(tensor), part) for part in parts])


def _note_part(on: PretendDevice, there: bool, part: Any) -> bool:
    if isinstance(part, slice):
        if any(on.has(bound) for bound in tensors_in((part.start, part.stop, part.step))):
            on.wait("slice by the device's number")
        return False
    if isinstance(part, Tensor):
        return _note_tensor(on, there, part)
    listed = not (part is None or part is Ellipsis or isinstance(part, (bool, int)))
    if listed and there:
        on.wait("index by a list")
    return listed


def _note_tensor(on: PretendDevice, there: bool, part: Tensor) -> bool:
    number = part.ndim == 0 and part.dtype is not torch.bool
    if on.has(part):
        if not there and not number:
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if number or part.dtype in (torch.bool, torch.uint8):
            on.wait("index by the device's number" if number else "index by a mask")
    elif there and not number:
        on.wait("index by the CPU's numbers")
    return not number


def _numpy(on: PretendDevice, func: Callable, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
    if on.has(tensor):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
    return func(tensor, *args, **kwargs)


@contextmanager
def _engine(on: PretendDevice) -> Iterator[None]:
    """Inside, hooks and recomputed blocks see the device too."""
    with on, mock.patch.object(torch.autograd, "has_torch_function", lambda *_: False):
        yield


def _backward(on: PretendDevice, func: Callable, tensors: Any, *args: Any, **kwargs: Any) -> None:
    if "gradient" in kwargs:  # of Tensor.backward
        kwargs["grad_tensors"] = kwargs.pop("gradient")
    with _engine(on):
        torch.autograd.backward(tensors, *args, **kwargs)


def _grad(on: PretendDevice, func: Callable, outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    with _engine(on):
        found = func(outputs, inputs, *args, **kwargs)
    for gradient, of in zip(found, [inputs] if isinstance(inputs, Tensor) else inputs, strict=True):
        on.put(gradient if on.has(of) else ())
    return found


def _register_hook(on: PretendDevice, func: Callable, tensor: Tensor, hook: Callable) -> Any:
    there = on.has(tensor)

    def hooked(gradient: Tensor) -> Tensor | None:
        on.put(gradient if there else ())
        return hook(gradient)

    return func(tensor, hooked)


def _gradient_of(on: PretendDevice, func: Callable, tensor: Tensor, *owner: Any) -> Tensor | None:
    gradient = func(tensor, *owner)
    on.put(gradient if on.has(tensor) else ())  # the backward pass has made it
    return gradient


def _set_gradient(on: PretendDevice, func: Callable, tensor: Tensor, gradient: Tensor | None) -> None:
    if gradient is not None and on.has(tensor) != on.has(gradient):
        raise RuntimeError("assigned grad has data located on a different device")
    func(tensor, gradient)


def _device_of(on: PretendDevice, func: Callable, tensor: Tensor, *owner: Any) -> torch.device:
    return CUDA if on.has(tensor) else func(tensor, *owner)


def _is_cuda(on: PretendDevice, func: Callable, tensor: Tensor, *owner: Any) -> bool:
    return on.has(tensor)


def _is_cpu(on: PretendDevice, func: Callable, tensor: Tensor, *owner: Any) -> bool:
    return not on.has(tensor) and func(tensor, *owner)


def _get_device(on: PretendDevice, func: Callable, tensor: Tensor) -> int:
    return 0 if on.has(tensor) else -1


def _as_it_is(on: PretendDevice, func: Callable, *args: Any, **kwargs: Any) -> Any:
    return func(*args, **kwargs)


PROPERTIES: dict[Any, Callable[..., Any]] = {
    Tensor.device.__get__: _device_of,
    Tensor.is_cuda.__get__: _is_cuda,
    Tensor.is_cpu.__get__: _is_cpu,
    Tensor.grad.__get__: _gradient_of,
    Tensor.grad.__set__: _set_gradient,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "to": _to,
    "type_as": _type_as,
    "cuda": _cuda,
    "cpu": _cpu,
    "copy_": _copy,
    "pin_memory": _pin_memory,
    "is_pinned": _is_pinned,
    "get_device": _get_device,
    **dict.fromkeys(("tensor", "as_tensor", "asarray"), _made),
    "new_tensor": _new_tensor,
    "__getitem__": _get_item,
    "__setitem__": _set_item,
    **dict.fromkeys(("numpy", "__array__"), _numpy),
    "backward": _backward,
    "grad": _grad,
    "register_hook": _register_hook,
    **dict.fromkeys(("device", "_parse_to", "untyped_storage"), _as_it_is),
}
