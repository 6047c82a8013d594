"""Long acts for the tests of cancelling: functions of the pack that stall, and weights at another address."""

from __future__ import annotations

import sys
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfy_api.latest import io

PACK = "ComfyUI-StableIdentity"
FOR_EVER = 600  # seconds


def pack_module(name: str) -> types.ModuleType:
    return next(module for path, module in sys.modules.items() if path.endswith(f"{PACK}.{name}"))


class Stall(io.ComfyNode):
    """The next call of a function of the pack writes a flag file, then waits for another one before it begins."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestStall",
            category="test",
            inputs=[io.String.Input("module"), io.String.Input("function"), io.String.Input("flag")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, module: str, function: str, flag: str) -> io.NodeOutput:
        place, own = pack_module(module), getattr(pack_module(module), function)

        def stalling(*arguments: Any, **options: Any) -> Any:
            setattr(place, function, own)
            Path(flag).touch()
            end = time.monotonic() + FOR_EVER
            while not Path(f"{flag}.over").exists() and time.monotonic() < end:
                time.sleep(0.05)
            return own(*arguments, **options)

        setattr(place, function, stalling)
        return io.NodeOutput()


class WeightAddress(io.ComfyNode):
    """From now on the pack looks for these weights at this address."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestWeightAddress",
            category="test",
            inputs=[io.String.Input("name"), io.String.Input("url")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, name: str, url: str) -> io.NodeOutput:
        weights = pack_module("stableidentity_core.weights.table").WEIGHTS
        weights[name] = replace(weights[name], urls=(url,))
        return io.NodeOutput(ui={"url": [url]})
