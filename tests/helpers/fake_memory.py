"""Counting the memory of a training step on tensors without data. Needs ComfyUI on sys.path."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import comfy.sd
import comfy.supported_models
import torch
from comfy import sd1_clip, sdxl_clip
from comfy.text_encoders import sd2_clip
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from helpers.full_size import SD15_UNET, SD21_UNET, SDXL_UNET
from helpers.host_tiny import ClipTarget, patcher, unet_settings

FAMILIES = {
    "sd15": (comfy.supported_models.SD15, SD15_UNET, sd1_clip.SD1Tokenizer, sd1_clip.SD1ClipModel),
    "sd21": (comfy.supported_models.SD20, SD21_UNET, sd2_clip.SD2Tokenizer, sd2_clip.SD2ClipModel),
    "sdxl": (comfy.supported_models.SDXL, SDXL_UNET, sdxl_clip.SDXLTokenizer, sdxl_clip.SDXLClipModel),
}


class PeakMemory(TorchDispatchMode):
    """Bytes of all tensors that operations make inside; views and changes in place make none."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if not any(result.alias_info for result in function._schema.returns):
            for value in tree_leaves(made):
                if isinstance(value, Tensor):
                    self._add(value.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._remove, size)

    def _remove(self, size: int) -> None:
        self.live -= size


def full_size(base: str, weights: torch.dtype) -> tuple[Any, Any]:
    """MODEL and CLIP of full size, with weights that were never written and so take no memory."""
    family, settings, tokenizer, encoder = FAMILIES[base]
    family = family(unet_settings(**settings))
    family.set_inference_dtype(weights, None)
    model = family.get_model({}, device=torch.device("cpu"))
    clip = comfy.sd.CLIP(ClipTarget(tokenizer, encoder), model_options={"dtype": weights})
    return patcher(model), clip


def counted(setting: Callable[[ExitStack], None], step: Callable[[], None]) -> int:
    """Run one step without data and return the peak of its bytes, beyond what `setting` made of weights before."""
    with FakeTensorMode(allow_non_fake_inputs=True), PeakMemory() as memory, ExitStack() as stack:
        setting(stack)
        gc.collect()
        before = memory.peak = memory.live
        step()
        return memory.peak - before
