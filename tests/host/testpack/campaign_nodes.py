"""Nodes for the campaign: what the server holds, nodes that are wrong on purpose, and weights from other addresses."""

from __future__ import annotations

import ctypes
import gc
import os
import time
from typing import Any

import torch
from comfy_api.latest import io

from .tiny import in_use

PAGE = os.sysconf("SC_PAGE_SIZE")
TABLE = "stableidentity_core.weights.table"
_kept: list[Any] = []


class CountMemory(io.ComfyNode):
    """Live tensors, memory and open files of this process."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestMemory",
            category="test",
            inputs=[io.Int.Input("look", default=0, max=2**31), io.Boolean.Input("count", default=True)],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, look: int, count: bool) -> io.NodeOutput:
        if not count:
            return io.NodeOutput(ui={})
        used = in_use.bytes_in_use()  # after it has collected garbage
        ctypes.CDLL(None).malloc_trim(0)
        tensors = [thing for thing in gc.get_objects() if _is_tensor(thing)]
        sizes = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * PAGE
        seen = {
            "tensors": len(tensors),
            "tensor_bytes": sum(sizes.values()),
            "memory": resident,
            "in_use": used,
            "handles": len(os.listdir("/proc/self/fd")),
        }
        return io.NodeOutput(ui={name: [value] for name, value in seen.items()})


def _is_tensor(thing: Any) -> bool:
    return issubclass(type(thing), torch.Tensor) and thing.layout is torch.strided and thing.device.type == "cpu"


class Leak(io.ComfyNode):
    """Keeps something for ever at each run."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestLeak",
            category="test",
            inputs=[io.Combo.Input("kind", options=["tensor", "memory", "handle"]), io.Int.Input("number", max=2**31)],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, kind: str, number: int) -> io.NodeOutput:
        make = {
            "tensor": lambda: torch.zeros(1),
            "memory": lambda: bytearray(os.urandom(1)) * (4 << 20),
            "handle": lambda: open(os.devnull, "rb"),  # noqa: SIM115 - left open on purpose
        }
        _kept.append(make[kind]())
        return io.NodeOutput(ui={"kept": [len(_kept)]})


class Deaf(io.ComfyNode):
    """Does not listen to an interrupt for so long."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestDeaf",
            category="test",
            inputs=[io.Float.Input("seconds"), io.Int.Input("number", max=2**31)],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, seconds: float, number: int) -> io.NodeOutput:
        time.sleep(seconds)
        return io.NodeOutput(ui={"number": [number]})


class BadText(io.ComfyNode):
    """Any text at all, past the checks of widgets: it comes as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestText", category="test", inputs=[io.String.Input("json")], outputs=[io.String.Output()]
        )

    @classmethod
    def execute(cls, json: str) -> io.NodeOutput:
        from json import loads

        return io.NodeOutput(loads(json))


CAMPAIGN_NODES = [CountMemory, Leak, Deaf, BadText]
