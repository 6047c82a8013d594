"""The user's cancel inside the host, seen while something runs that does not look for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from helpers.pack import pack_module
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import tokenize_templates
from stableidentity_core.train.gradient_check import gradient_direction

pytestmark = pytest.mark.host
AT_ONCE = 15.0  # seconds: half of what anything takes that does not look for a cancel; two on an idle machine


@pytest.fixture
def host(comfyui) -> Iterator[SimpleNamespace]:
    cancel = pack_module("nodes.host.cancel", comfyui)
    from comfy import model_management

    yield SimpleNamespace(
        stoppable=cancel.stoppable,
        checked=cancel.checked,
        StoppableTorch=cancel.StoppableTorch,
        interrupt=model_management.interrupt_current_processing,
        interrupted=model_management.processing_interrupted,
        Interrupt=model_management.InterruptProcessingException,
    )
    model_management.interrupt_current_processing(False)


def test_a_cancel_does_not_wait_for_an_act_that_does_not_look(host):
    begun, over, given = threading.Event(), threading.Event(), []

    def act() -> None:
        begun.set()
        over.wait()

    def cancel() -> None:
        begun.wait()
        given.append(time.monotonic())
        host.interrupt()

    threading.Thread(target=cancel, daemon=True).start()
    with pytest.raises(host.Interrupt):
        host.stoppable(act)
    assert time.monotonic() - given[0] < AT_ONCE
    over.set()


def test_what_ends_after_a_cancel_does_not_take_the_next_ones_cancel(host):
    over = threading.Event()
    host.interrupt()
    with pytest.raises(host.Interrupt):
        host.stoppable(over.wait)
    host.interrupt()  # of the next prompt
    over.set()
    time.sleep(0.5)
    assert host.interrupted()


@pytest.mark.parametrize("inference", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_an_act_runs_in_the_modes_of_its_caller(host, inference, grad):
    with torch.inference_mode(inference), torch.set_grad_enabled(grad):
        wanted = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        assert host.stoppable(lambda: (torch.is_inference_mode_enabled(), torch.is_grad_enabled())) == wanted
        assert host.stoppable(lambda: torch.zeros(1)).is_inference() == inference


def test_results_and_errors_come_as_they_are(host):
    def fail() -> None:
        raise StableIdentityError("a sentence")

    assert host.stoppable(lambda: 7) == 7
    with pytest.raises(StableIdentityError, match="a sentence"):
        host.stoppable(fail)


def test_many_of_something_are_looked_at_one_by_one(host):
    seen = []
    with pytest.raises(host.Interrupt):
        for number in host.checked(range(9)):
            seen.append(number)
            if number == 2:
                host.interrupt()
    assert seen == [0, 1, 2]


@pytest.fixture
def adapter(comfyui, tiny_eps) -> Callable:
    backend = pack_module("nodes.host.backend", comfyui)
    from helpers import host_tiny

    with torch.inference_mode():
        trio = host_tiny.load_trio(tiny_eps)
    return lambda: backend.comfy_backend(*trio)


def loss_of(backend) -> torch.Tensor:
    (space,) = backend.text_spaces
    rows = {space.name: tokenize_templates(["a photo of a {}"], space)}
    words = {space.name: torch.randn(1, 2, space.width, requires_grad=True)}
    conditioning = backend.encode_text(rows, words)
    return backend.predict(torch.randn(1, 4, 8, 8), torch.tensor([500]), conditioning).sum()


@pytest.mark.parametrize("inference", [False, True])
def test_code_that_computes_by_torch_sees_a_cancel(host, inference):
    values, seen = torch.zeros(2), 0
    with pytest.raises(host.Interrupt), torch.inference_mode(inference), host.StoppableTorch():
        while True:  # a test that hangs has failed
            values = values + 1
            seen += 1
            if seen == 3:
                host.interrupt()
    assert seen == 3


def test_a_cancel_is_seen_in_the_backward_pass(host, adapter):
    """Of a model of full size on a CPU it takes many seconds, in which none of the host's own code runs."""
    with adapter() as backend:
        loss = loss_of(backend)
        host.interrupt()
        with pytest.raises(host.Interrupt):
            loss.backward()
        assert not host.interrupted()
        gradient_direction(backend)  # afterwards all is as before


def test_a_cancel_is_seen_within_a_prediction(host, adapter, monkeypatch):
    """Also on older hosts, whose layers do not look themselves."""
    from comfy import ops

    monkeypatch.setattr(ops, "run_every_op", lambda: None, raising=False)
    with adapter() as backend:
        parts = []
        for part in backend.unet.modules():
            part.register_forward_pre_hook(lambda *_: parts.append(host.interrupt()))
        with pytest.raises(host.Interrupt):
            loss_of(backend)
        assert len(parts) < 0.2 * sum(1 for _part in backend.unet.modules())


def test_a_look_for_a_cancel_leaves_with_the_training(host, adapter):
    with adapter() as backend:
        networks = [backend.unet, *backend.text.encoders.values()]
        looking = [part for network in networks for part in network.modules() if part._forward_hooks]
    assert len(looking) > 10 and not any(part._forward_hooks for part in looking)


def test_fingerprints_of_models_see_a_cancel(host, comfyui, tiny_eps):
    fingerprint = pack_module("nodes.host.fingerprint", comfyui)
    from helpers import host_tiny

    model, clip, vae = host_tiny.load_trio(tiny_eps)
    for act in (lambda: fingerprint.model_fingerprint(model, clip), lambda: fingerprint.vae_fingerprint(vae)):
        host.interrupt()
        with pytest.raises(host.Interrupt):
            act()


def test_reading_very_many_names_sees_a_cancel(host, comfyui, tiny_eps):
    session = pack_module("nodes.host.session", comfyui)
    from helpers import host_tiny

    _model, clip, _vae = host_tiny.load_trio(tiny_eps)
    host.interrupt()
    with pytest.raises(host.Interrupt):
        session.host_name_spaces(clip, ["Emma Stone", "Tom Cruise"])
    assert session.host_name_spaces(clip, ["Emma Stone", "Tom Cruise"])[0].names == ("Emma Stone", "Tom Cruise")
