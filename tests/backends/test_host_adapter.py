"""What only the ComfyUI adapter has to get right: patches, precision, and the module it shares with the host."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from helpers.pack import pack_module
from helpers.rounding import assert_computed_in
from helpers.tiny import tiny_sd15, tiny_sdxl
from stableidentity_core.backends import Compute
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.errors import TrainingError, WrongModelError
from stableidentity_core.text import tokenize_templates
from stableidentity_core.train.gradient_check import check_directions, check_gradient, gradient_direction

pytestmark = pytest.mark.host


@pytest.fixture
def trio(comfyui, tiny_eps):
    pack_module("nodes.host.backend", comfyui)
    from helpers import host_tiny

    with torch.inference_mode():
        return host_tiny.load_trio(tiny_eps)


@pytest.fixture
def adapter(comfyui):
    return pack_module("nodes.host.backend", comfyui)


@pytest.fixture
def attention(comfyui):
    return pack_module("nodes.host.attention", comfyui)


def with_lora(model, strength: float = 1.0):
    """A clone whose first cross-attention has a full-weight patch, as a merge or LoRA node makes it."""
    key = next(key for key in model.model.state_dict() if key.endswith("attn2.to_k.weight"))
    patched = model.clone()
    added = patched.add_patches({key: ("diff", (torch.ones(1).expand(model.model.state_dict()[key].shape),))}, strength)
    assert added == [key]
    return patched


def test_fingerprint_does_not_depend_on_what_is_loaded(comfyui, trio):
    from comfy import model_management

    model, clip, _vae = trio
    fingerprint = pack_module("nodes.host.fingerprint", comfyui).model_fingerprint
    patched = with_lora(model)
    plain, changed = fingerprint(model, clip), fingerprint(patched, clip)
    assert plain != changed
    model_management.load_models_gpu([patched])
    assert (fingerprint(model, clip), fingerprint(patched, clip)) == (plain, changed)
    model_management.load_models_gpu([model])
    assert (fingerprint(model, clip), fingerprint(patched, clip)) == (plain, changed)
    assert fingerprint(with_lora(model, 0.5), clip) not in (plain, changed)


def test_fingerprint_leaves_out_what_files_lack_and_nothing_reads(comfyui, tmp_path):
    """The host leaves the projection after CLIP-L as the memory happened to be, another at each loading."""
    fingerprint = pack_module("nodes.host.fingerprint", comfyui).model_fingerprint
    from helpers import host_tiny

    for folder in (tiny_sd15(tmp_path / "sd15"), tiny_sdxl(tmp_path / "sdxl")):
        model, clip, _vae = host_tiny.load_trio(folder)
        before = fingerprint(model, clip)
        weights = dict(clip.cond_stage_model.named_parameters())
        weights["clip_l.transformer.text_projection.weight"].data.fill_(1e9)
        assert fingerprint(model, clip) == before
        weights["clip_l.transformer.text_model.final_layer_norm.weight"].data.mul_(1.5)
        assert fingerprint(model, clip) != before
    before = fingerprint(model, clip)
    weights["clip_g.transformer.text_projection.weight"].data.mul_(1.5)  # SDXL's pooled vector goes through it
    assert fingerprint(model, clip) != before


def test_fingerprint_tells_the_type_that_streamed_weights_are_cast_to(comfyui, trio):
    """With dynamic VRAM the weights stay as they are in the file, whatever `weight_dtype` is."""
    model, clip, _vae = trio
    fingerprint = pack_module("nodes.host.fingerprint", comfyui).model_fingerprint
    before = fingerprint(model, clip)
    model.model.diffusion_model.dtype = torch.float8_e4m3fn
    assert fingerprint(model, clip) != before


def test_the_copy_that_is_trained_is_checked(trio, adapter, tiny_eps, monkeypatch):
    """With dynamic VRAM only the copy has the type that the user chose."""
    from helpers import host_tiny

    model, clone = trio[0], adapter.weights.static_clone
    in_fp8 = host_tiny.load_model(tiny_eps)
    in_fp8.model.diffusion_model.to(torch.float8_e4m3fn)
    monkeypatch.setattr(adapter.weights, "static_clone", lambda one: in_fp8 if one is model else clone(one))
    needed = r"quantised weights \(.*float8_e4m3fn.*Load the file of the full model, with weight_dtype 'default' if"
    with pytest.raises(WrongModelError, match=needed), adapter.comfy_backend(*trio):
        pass
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("option", "what", "dtype"),
    [
        ("fp8_e4m3fn-unet", "MODEL", torch.float8_e4m3fn),
        ("fp8_e5m2-unet", "MODEL", torch.float8_e5m2),
        ("fp64-unet", "MODEL", torch.float64),
        ("fp8_e5m2-text-enc", "CLIP", torch.float8_e5m2),
    ],
)
def test_an_option_of_the_server_that_stores_weights_so_is_named(comfyui, adapter, monkeypatch, option, what, dtype):
    """Loading another file would not help."""
    check = pack_module("nodes.host.checks", comfyui)
    network = torch.nn.Linear(3, 3).to(dtype).requires_grad_(False)
    with pytest.raises(WrongModelError, match="Load the file of the full model") as other:
        check.check_quantised(network, what)
    assert ("weight_dtype" in str(other.value)) == (what == "MODEL")
    assert ("quantised" in str(other.value)) == (dtype != torch.float64)
    monkeypatch.setattr(check.args, option.replace("-", "_"), True)
    with pytest.raises(WrongModelError, match=f"{what} holds .*started with --{option}, .*start it without") as named:
        check.check_quantised(network, what)
    assert "weight_dtype" not in str(named.value) and "Load the file" not in str(named.value)
    # The option of the one does not explain the other's.
    with pytest.raises(WrongModelError, match="Load the file"):
        check.check_quantised(network, {"MODEL": "CLIP", "CLIP": "MODEL"}[what])


def test_weights_that_the_host_has_moved_are_made_trainable(comfyui, adapter, tiny_eps):
    """Made in inference mode and moved outside of it, a weight looks like any other and autograd still refuses it."""
    from helpers import host_tiny

    def direction(trio):
        with adapter.comfy_backend(*trio) as backend:
            return gradient_direction(backend)

    before = direction(host_tiny.load_trio(tiny_eps))
    with torch.inference_mode():
        moved = host_tiny.load_trio(tiny_eps)
    for network in (moved[0].model, moved[1].cond_stage_model):
        network._apply(torch.clone)  # as Module.to does on the way to a GPU
        weight = next(network.parameters())
        assert not weight.is_inference()
        with pytest.raises(RuntimeError, match="version counter"):
            _ = weight._version
    assert torch.equal(direction(moved), before)


def test_the_check_before_training_keeps_no_copy_of_the_weights(comfyui, adapter, tiny_eps):
    """fp16 weights cast to fp32 all at once would take several times the memory of a training with little memory."""
    from helpers import host_tiny

    check = pack_module("nodes.host.session", comfyui).check_host_gradient
    trio = (host_tiny.load_model(tiny_eps, torch.float16), host_tiny.load_clip(tiny_eps), host_tiny.load_vae(tiny_eps))
    kept: dict[int, Tensor] = {}
    compute = Compute(precision="bf16", low_memory=True)

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with adapter.comfy_backend(*trio) as backend:
        with saved_tensors_hooks(note, lambda tensor: tensor):
            check(backend, compute)
        with backend.computing(compute):
            networks = [*backend.networks.own.modules, *backend.networks.now.modules]
        for network in networks:
            for parameter in network.parameters():
                kept.pop(parameter.untyped_storage().data_ptr(), None)
        weights = 4 * sum(parameter.numel() for parameter in backend.unet.parameters())
    # Measured: 0.1 of the weights in fp32; 1.6 of them when both passes kept all casts.
    assert 0 < sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) < 0.2 * weights


def test_sdxl_is_told_what_the_sampler_tells_it(comfyui, adapter, tmp_path):
    import comfy.samplers

    from helpers import host_tiny

    trio = host_tiny.load_trio(tiny_sdxl(tmp_path))
    with adapter.comfy_backend(*trio) as backend:
        rows = {space.name: tokenize_templates(["a {}", "{} here"], space) for space in backend.text_spaces}
        words = {space.name: torch.randn(2, 2, space.width) for space in backend.text_spaces}
        given = backend.encode_text(rows, words)
        z_t = torch.randn(2, 4, 128, 120)  # 1024 pixels high, 960 wide
        conds = [{"cross_attn": given.context, "pooled_output": given.pooled, "model_conds": {}}]
        made = comfy.samplers.encode_model_conds(trio[0].model.extra_conds, conds, z_t, z_t.device, "positive")
        assert torch.equal(backend._sizes_and_pooled(z_t, given), made[0]["model_conds"]["y"].cond)


def test_sdxl_that_predicts_v(comfyui, adapter, tmp_path):
    from helpers import host_tiny

    folder = tiny_sdxl(tmp_path, prediction="v_prediction")
    with adapter.comfy_backend(*host_tiny.load_trio(folder)) as backend:
        assert backend.objective.name == load_diffusers(folder).objective.name == "v_prediction"


def test_clip_skip_is_that_of_the_prompts(comfyui, adapter, tmp_path):
    """As CLIP Set Last Layer sets it, for both text encoders of SDXL; the pooled output does not change."""
    from helpers import host_tiny

    model, clip, vae = host_tiny.load_trio(tiny_sdxl(tmp_path))
    deep = clip.clone()
    deep.clip_layer(-3)
    found = {}
    for name, one in {"plain": clip, "deep": deep}.items():
        with adapter.comfy_backend(model, one, vae) as backend:
            rows = {space.name: tokenize_templates(["a {}"], space) for space in backend.text_spaces}
            ids = {space.name: torch.tensor([space.tokenize("tom cruise")]) for space in backend.text_spaces}
            words = {space.name: space.embed(ids[space.name]) for space in backend.text_spaces}
            found[name] = backend.encode_text(rows, words)
        context, pooled = one.encode_from_tokens(one.tokenize("a tom cruise"), return_pooled=True)
        # The same layers in the host; one layer more or less changes 0.1, see below.
        torch.testing.assert_close(found[name].context, context, rtol=0, atol=1e-5)
        torch.testing.assert_close(found[name].pooled, pooled, rtol=0, atol=1e-5)
    assert (found["plain"].context - found["deep"].context).abs().max() > 0.1


def test_training_sees_the_lora_of_its_model_and_no_other(trio, adapter):
    model, clip, vae = trio

    def direction(of):
        with adapter.comfy_backend(of, clip, vae) as backend:
            return gradient_direction(backend)

    plain = direction(model)
    # Of vectors of length one; rounding is a thousandth of that.
    assert not torch.allclose(direction(with_lora(model)), plain, atol=1e-3)
    assert torch.equal(direction(model), plain)


def test_copies_in_another_type_have_the_lora_wherever_the_weights_were(trio, adapter):
    """The host takes it off the weights that it moves away."""
    model, clip, vae = trio
    bf16 = Compute(precision="bf16")
    found = []
    for of, moved in ((model, False), (with_lora(model), False), (with_lora(model), True)):
        with adapter.comfy_backend(of, clip, vae) as backend:
            if moved:
                for entry in list(adapter.weights.model_management.current_loaded_models):
                    entry.model_unload()
                adapter.weights.model_management.current_loaded_models.clear()
            with backend.computing(bf16):
                found.append(gradient_direction(backend))
    plain, patched, moved = found
    assert not torch.allclose(plain, patched, atol=1e-2)  # bf16 rounds to a hundredth of vectors of length one
    assert torch.equal(patched, moved)


def test_patches_that_training_would_leave_out_are_refused(trio, adapter):
    model, clip, vae = trio
    patched = model.clone()
    patched.set_model_attn1_patch(lambda q, k, v, options: (q * 0, k, v))
    with pytest.raises(WrongModelError, match="attn1_patch"), adapter.comfy_backend(patched, clip, vae):
        pass


def test_half_precision_points_the_same_way(trio, adapter):
    """fp32 weights computed in bf16, as fp16 weights are on a GPU."""
    model, clip, vae = trio
    model = model.clone()
    model.set_model_compute_dtype(torch.bfloat16)
    with adapter.comfy_backend(model, clip, vae) as backend:
        assert backend.dtype == torch.bfloat16
        rough = gradient_direction(backend)
        with backend.computing_exactly():
            exact = gradient_direction(backend)
            assert check_gradient(backend, compare=True) < 0.02
    check_directions(rough, exact)
    assert_computed_in(torch.bfloat16, rough, exact)
    with pytest.raises(TrainingError, match="cosine"):
        check_directions(rough, torch.randn_like(exact) / exact.numel() ** 0.5)


def test_a_kernel_with_a_wrong_backward_is_found(trio, adapter, attention, monkeypatch):
    """As an attention kernel does that has no backward of its own: half of the gradient is lost, without an error."""
    model, clip, vae = trio
    right = attention.attention_pytorch

    def wrong(q, k, *args, **kwargs):
        return right(q, k.detach(), *args, **kwargs)

    monkeypatch.setattr(attention, "attention_pytorch", wrong)
    with adapter.comfy_backend(model, clip, vae) as backend, pytest.raises(TrainingError, match="differs by"):
        check_gradient(backend, compare=True)


def test_fp16_weights_are_computed_in_fp16_as_they_are_where_that_is_asked_for(adapter, tiny_eps):
    """As on a GPU without bf16; by default they are computed in fp32 there."""
    from helpers import host_tiny

    trio = (host_tiny.load_model(tiny_eps, torch.float16), host_tiny.load_clip(tiny_eps), host_tiny.load_vae(tiny_eps))
    with adapter.comfy_backend(*trio) as backend:
        exact = gradient_direction(backend)
        with backend.computing(Compute(precision="fp16")):
            assert backend.dtype == torch.float16 and backend.unet is backend.networks.own.unet
            rough = gradient_direction(backend)
    assert_computed_in(torch.float16, rough, exact)


@pytest.mark.parametrize("low_memory", [False, True])
def test_weights_of_the_same_size_are_copied_in_the_other_type_and_smaller_ones_cast_by_block(
    comfyui, adapter, tiny_eps, low_memory
):
    """As fp16 checkpoints are loaded: the same direction as in fp32, whichever way."""
    from helpers import host_tiny

    trio = (host_tiny.load_model(tiny_eps, torch.float16), host_tiny.load_clip(tiny_eps), host_tiny.load_vae(tiny_eps))
    with adapter.comfy_backend(*trio) as backend:
        assert backend.dtype == torch.float32
        exact = gradient_direction(backend)
        with backend.computing(Compute(low_memory=low_memory)):
            assert (backend.unet is backend.networks.own.unet) == low_memory
            # The same sums in another order of the batch's rows; rounding of fp32 in vectors of length one.
            torch.testing.assert_close(gradient_direction(backend), exact, rtol=0, atol=1e-5)
        with backend.computing(Compute(precision="bf16", low_memory=low_memory)):
            assert backend.dtype == torch.bfloat16 and backend.unet is not backend.networks.own.unet
            assert {value.dtype for value in backend.unet.parameters()} == {torch.bfloat16}
            rough = gradient_direction(backend)
        assert backend.unet is backend.networks.own.unet and backend.dtype == torch.float32
    assert_computed_in(torch.bfloat16, rough, exact)


def test_the_check_before_a_16_bit_training_finds_a_wrong_backward_by_finite_difference(
    trio, comfyui, adapter, attention, monkeypatch
):
    """Both sides of a comparison of 16 and 32 bits would have the same fault."""
    check = pack_module("nodes.host.session", comfyui).check_host_gradient
    right = attention.attention_pytorch
    with adapter.comfy_backend(*trio) as backend:
        check(backend, Compute(precision="bf16"))
        monkeypatch.setattr(attention, "attention_pytorch", lambda q, k, *args, **kw: right(q, k.detach(), *args, **kw))
        with pytest.raises(TrainingError, match="differs by"):
            check(backend, Compute(precision="bf16"))


def test_the_check_before_a_16_bit_training_finds_a_kernel_that_is_wrong_in_16_bits_only(
    trio, comfyui, adapter, attention, monkeypatch
):
    check = pack_module("nodes.host.session", comfyui).check_host_gradient
    right = attention.attention_pytorch

    def wrong(q: Tensor, k: Tensor, v: Tensor, *args, **kwargs) -> Tensor:
        return right(q, k, v if v.dtype == torch.float32 else -v.detach(), *args, **kwargs)

    monkeypatch.setattr(attention, "attention_pytorch", wrong)
    with adapter.comfy_backend(*trio) as backend, pytest.raises(TrainingError, match="in 16 bits than in fp32"):
        check(backend, Compute(precision="bf16"))


def test_the_weights_device_is_checked_only_after_other_models_were_used(trio, adapter, monkeypatch):
    """Asking hundreds of weights at each step took a twentieth of it."""
    asked: list[int] = []
    check = adapter.weights.weights_off_device
    with adapter.comfy_backend(*trio) as backend:
        monkeypatch.setattr(adapter.weights, "weights_off_device", lambda patchers: asked.append(1) or check(patchers))
        (space,) = backend.text_spaces
        rows = {space.name: tokenize_templates(["a {}"], space)}
        words = {space.name: torch.zeros(1, 2, space.width)}
        for _ in range(3):
            backend.encode_text(rows, words)
        assert len(asked) == 1
        backend.encode_posterior(torch.rand(1, 3, 64, 64))
        backend.encode_text(rows, words)
        assert len(asked) == 2


def test_the_deviation_is_found_when_the_host_encodes_tiles(comfyui, trio, monkeypatch):
    """Short of memory, the host encodes tiles; their moments cannot be joined here, so it is asked for both."""
    posterior_of = pack_module("nodes.host.posterior", comfyui).posterior_of
    vae, images = trio[2], torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    encode, calls = vae.first_stage_model.encode, []

    def short_of_memory(pixels: Tensor) -> Tensor:
        """Twice: for the pack, then for the host, which goes on with tiles."""
        calls.append(pixels)
        if len(calls) < 3:
            raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB.")
        return encode(pixels)

    with torch.inference_mode():
        mean, std = posterior_of(vae, images)
        monkeypatch.setattr(vae.first_stage_model, "encode", short_of_memory)
        tiled = posterior_of(vae, images)
    assert type(vae.first_stage_model.regularization).__name__ == "DiagonalGaussianRegularizer"
    # One tile takes in the whole picture; the host adds three differently turned passes and divides.
    torch.testing.assert_close(tiled[0], mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(tiled[1], std, atol=1e-4, rtol=0)
