"""Context windows for text-to-video models.

The host has context windows too. These are simpler, behave the same on all of its versions, and give each
window the ControlNet images of its own frames; the host's give every window those of the first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import comfy.context_windows
import comfy.patcher_extension
from comfy import model_management
from torch import Tensor, zeros, zeros_like

from ....stableidentity_core.video.windows import check_windows, shared_noise, window_weights, windows

Cond = dict[str, Any]
KEY = "stableidentity_video_windows"


class VideoWindows(comfy.context_windows.ContextHandlerABC):
    """Denoises window by window, with a weighted mean where they overlap."""

    dim = 0  # frames; the host's memory estimate reads this and context_length

    def __init__(self, length: int, overlap: int):
        super().__init__()
        check_windows(length, overlap)
        self.context_length, self.overlap = length, overlap

    def should_use_context(
        self, model: Any, conds: Any, x_in: Tensor, timestep: Tensor, model_options: dict[str, Any]
    ) -> bool:
        return len(x_in) > self.context_length

    def get_resized_cond(
        self, cond_in: list[Cond] | None, x_in: Tensor, window: list[int], device: Any = None
    ) -> list[Cond] | None:
        """The conditionings of these frames; values that are not per frame are unchanged."""
        return self._of_window(cond_in, len(x_in), window, {})

    def execute(
        self,
        calc_cond_batch: Callable[..., list[Tensor]],
        model: Any,
        conds: list[list[Cond] | None],
        x_in: Tensor,  # [F, 4, h, w]
        timestep: Tensor,  # [F]
        model_options: dict[str, Any],
    ) -> list[Tensor]:
        """The denoised frames for each conditioning, [F, 4, h, w] each."""
        frames = len(x_in)
        sums, total = [zeros_like(x_in) for _ in conds], zeros(frames, 1, 1, 1, device=x_in.device)
        for window in windows(frames, self.context_length, self.overlap):
            model_management.throw_exception_if_processing_interrupted()
            controls: dict[int, Any] = {}  # one copy for all conditionings, so that they are batched together
            parts = [self._of_window(cond, frames, window, controls) for cond in conds]
            times = timestep[window] if len(timestep) == frames else timestep
            found = calc_cond_batch(model, parts, x_in[window], times, model_options)
            weights = window_weights(len(window)).to(x_in.device)[:, None, None, None]
            total[window] += weights
            for whole, part in zip(sums, found, strict=True):
                whole[window] += part * weights
        return [whole / total for whole in sums]

    def _of_window(
        self, conds: list[Cond] | None, frames: int, window: list[int], controls: dict[int, Any]
    ) -> list[Cond] | None:
        if conds is None:
            return None
        return [
            {name: self._value(name, value, frames, window, controls) for name, value in cond.items()} for cond in conds
        ]

    def _value(self, name: str, value: Any, frames: int, window: list[int], controls: dict[int, Any]) -> Any:
        if name == "control" and value is not None:
            return _control_of(value, window, controls)
        if name == "model_conds" and value is not None:
            return {key: _model_cond(cond, frames, window) for key, cond in value.items()}
        return value[window] if isinstance(value, Tensor) and len(value.shape) and len(value) == frames else value


def with_windows(model: Any, length: int, overlap: int, share_noise: bool) -> Any:
    """A clone of a MODEL that denoises clips longer than `length` window by window.

    Raises:
        StableIdentityError: the overlap is not shorter than the window.
    """
    clone = model.clone()
    clone.model_options["context_handler"] = VideoWindows(length, overlap)
    comfy.context_windows.create_prepare_sampling_wrapper(clone)  # estimates the memory of one window
    if share_noise:
        kind = comfy.patcher_extension.WrappersMP.SAMPLER_SAMPLE
        clone.add_wrapper_with_key(kind, KEY, _with_shared_noise)
    return clone


def _with_shared_noise(
    sample: Callable[..., Tensor], guider: Any, sigmas: Tensor, extra: Any, callback: Any, noise: Tensor, *more: Any
) -> Tensor:
    handler = extra["model_options"]["context_handler"]
    if isinstance(handler, VideoWindows) and len(noise) > handler.context_length:
        noise = shared_noise(noise, handler.context_length, handler.overlap, extra["seed"] or 0)
    return sample(guider, sigmas, extra, callback, noise, *more)


def _control_of(control: Any, window: list[int], made: dict[int, Any]) -> Any:
    """A copy with the images of these frames; if there are fewer images than frames, they repeat, as in the host."""
    if id(control) in made:
        return made[id(control)]
    part = made[id(control)] = copy.copy(control)
    part.cond_hint = part.extra_concat = None  # cached from the images of other frames
    part.cond_hint_original = _pictures(control.cond_hint_original, window)
    part.extra_concat_orig = [_pictures(extra, window) for extra in getattr(control, "extra_concat_orig", [])]
    if control.previous_controlnet is not None:
        part.previous_controlnet = _control_of(control.previous_controlnet, window, made)
    return part


def _pictures(hint: Any, window: list[int]) -> Any:
    if not isinstance(hint, Tensor) or len(hint) == 1:
        return hint
    return hint[[frame % len(hint) for frame in window]]


def _model_cond(cond: Any, frames: int, window: list[int]) -> Any:
    value = getattr(cond, "cond", None)
    if isinstance(value, Tensor) and value.ndim and len(value) == frames:
        return cond._copy_with(value[window])
    if isinstance(value, int) and value == frames:  # num_video_frames
        return cond._copy_with(len(window))
    return cond
