"""The command line on tiny models, in this process and as a user starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.tiny import tiny_face_vit, tiny_sd, tiny_sd15, tiny_sdxl
from stableidentity_core.cli import main
from stableidentity_core.identity import Identity, load_identity, save_identity

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    import skimage.data

    folder = tmp_path_factory.mktemp("cli")
    tiny_sd(folder / "model")
    tiny_face_vit(folder / "encoder")
    Image.fromarray(skimage.data.astronaut()).save(folder / "photo.png")
    return folder


def train(world: Path, out: Path, *more: str) -> int:
    options = f"--model {world / 'model'} --encoder {world / 'encoder'} --photo {world / 'photo.png'} --out {out}"
    settings = "--device cpu --steps 6 --resolution 64 --trigger anna"
    return main(["train", *options.split(), *settings.split(), *more])


def test_train_then_inspect_then_convert(world, tmp_path, capsys):
    out = tmp_path / "anna.safetensors"
    assert train(world, out) == 0
    identity = load_identity(out)
    assert identity.trigger == "<anna>" and identity.words["clip_h"].shape == (2, 64)
    shown = capsys.readouterr().err
    assert "\r" not in shown and re.search(r"^100% 6/6 .*loss=", shown, re.MULTILINE), (
        "bars drawn outside of a terminal"
    )
    assert main(["inspect", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["header"]["steps"] == "6" and facts["words"]["clip_h"]["shape"] == [2, 64]
    assert main(["inspect", str(out)]) == 0
    assert "<anna>" in capsys.readouterr().out


def test_a_training_at_a_wild_rate_says_so(world, tmp_path, capsys):
    """At its end, in the header, and where the file is looked into; an ordinary one says nothing of the kind."""
    for name, more, wild in (("tame", (), False), ("wild", ("--learning-rate", "1.0"), True)):
        out = tmp_path / f"{name}.safetensors"
        assert train(world, out, *more) == 0
        assert ("Warning: " in capsys.readouterr().err) == wild
        assert main(["inspect", str(out), "--json"]) == 0
        assert ("learning_rate is 20,000 times the 5e-05 of stableidentity" in capsys.readouterr().out) == wild


@pytest.mark.parametrize(
    ("make", "shapes"), [(tiny_sd15, {"clip_l": (2, 64)}), (tiny_sdxl, {"clip_l": (2, 32), "clip_g": (2, 64)})]
)
def test_other_bases(world, tmp_path, make, shapes):
    out = tmp_path / "anna.safetensors"
    assert train(world, out, "--model", str(make(tmp_path / "model")), "--steps", "2") == 0
    assert {space: words.shape for space, words in load_identity(out).words.items()} == shapes


@pytest.mark.parametrize("kind", ["FluxPipeline", "StableDiffusion3Pipeline", "nothing"])
def test_a_model_of_another_kind(world, tmp_path, capsys, kind):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({} if kind == "nothing" else {"_class_name": kind}))
    assert train(world, tmp_path / "anna.safetensors", "--model", str(folder)) == 1
    assert f"is a {kind}, needed a StableDiffusionPipeline or StableDiffusionXLPipeline" in capsys.readouterr().err


def test_the_refiner_of_sdxl(world, tmp_path, capsys):
    """It has the second of SDXL's text encoders and tokenizers only."""
    folder = tiny_sdxl(tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    nothing = {"text_encoder": [None, None], "tokenizer": [None, None]}
    (folder / "model_index.json").write_text(json.dumps({**index, **nothing}))
    assert train(world, tmp_path / "anna.safetensors", "--model", str(folder)) == 1
    assert "SDXL's refiner" in capsys.readouterr().err


def test_checkpoint_goes_on_to_the_same_words(world, tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    assert train(world, tmp_path / "whole.safetensors", "--steps", "6") == 0
    assert train(world, tmp_path / "half.safetensors", "--steps", "3", *keep(checkpoint)) == 0
    assert train(world, tmp_path / "rest.safetensors", "--steps", "6", *keep(checkpoint)) == 0
    whole, rest = (load_identity(tmp_path / f"{name}.safetensors") for name in ("whole", "rest"))
    assert torch.equal(whole.words["clip_h"], rest.words["clip_h"])


def settings_of(path: Path) -> dict:
    return json.loads(load_identity(path).header["settings"])


def test_the_best_step_is_kept_whether_interrupted_or_not(world, tmp_path, capsys):
    tiny_face_vit(tmp_path / "judge", seed=5)
    options = ("--keep", "best", "--recogniser", str(tmp_path / "judge"), "--score-every", "2")
    whole, half, resumed = (tmp_path / f"{name}.safetensors" for name in ("whole", "half", "resumed"))
    assert train(world, whole, *options) == 0
    header = load_identity(whole).header
    assert list(json.loads(header["scores"])) == ["2", "4", "6"] and header["keep"] == "best"
    assert f"step {header['kept_step']} of 6 kept, similarity" in capsys.readouterr().out
    checkpoint = ("--checkpoint", str(tmp_path / "state.safetensors"), "--checkpoint-every", "3")
    assert train(world, half, *options, *checkpoint, "--steps", "3") == 0
    assert train(world, resumed, *options, *checkpoint) == 0
    assert torch.equal(load_identity(resumed).words["clip_h"], load_identity(whole).words["clip_h"])
    assert load_identity(resumed).header["scores"] == header["scores"]
    assert train(world, tmp_path / "x.safetensors", *checkpoint) == 1
    assert "was made while steps were scored" in capsys.readouterr().err


def test_the_best_step_needs_another_encoder_than_the_training(world, tmp_path, capsys):
    out = tmp_path / "anna.safetensors"
    for options, said in (
        (("--keep", "best"), "Give one with --recogniser"),
        (("--keep", "best", "--recogniser", str(world / "encoder")), "Score with another face encoder"),
        (("--recogniser", "arcface_ir_se50"), "needs --models"),
    ):
        assert train(world, out, *options) == 1
        assert said in capsys.readouterr().err and not out.exists()


def test_a_method_brings_its_own_settings_and_options_go_before_them(world, tmp_path):
    celebs, single = tmp_path / "celebs.safetensors", tmp_path / "single.safetensors"
    assert train(world, celebs, "--method", "celeb_basis", "--steps", "1") == 0
    assert train(world, single, "--method", "celeb_basis", "--steps", "1", "--batch-size", "1", "--alpha", "0.5") == 0
    own = {"method": "celeb_basis", "learning_rate": 1e-2, "batch_size": 2, "alpha": 0.0, "resolution": 64, "steps": 1}
    assert own.items() <= settings_of(celebs).items()
    assert {**own, "batch_size": 1, "alpha": 0.5}.items() <= settings_of(single).items()
    assert "coefficients" in load_identity(celebs).header


def test_textual_inversion_needs_no_encoder(world, tmp_path, capsys):
    out = tmp_path / "free.safetensors"
    options = f"--model {world / 'model'} --photo {world / 'photo.png'} --out {out} --device cpu --resolution 64"
    assert main(["train", *options.split(), "--method", "textual_inversion", "--steps", "2", "--batch-size", "1"]) == 0
    assert "by textual_inversion" in capsys.readouterr().out
    header = load_identity(out).header
    assert header["method"] == "textual_inversion" and "face_encoder" not in header
    assert main(["inspect", str(out)]) == 0
    assert "textual_inversion" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["stableidentity", "celeb_basis"])
def test_the_others_say_that_they_need_one(world, tmp_path, capsys, method):
    out = tmp_path / "never.safetensors"
    options = f"--model {world / 'model'} --photo {world / 'photo.png'} --out {out} --device cpu --method {method}"
    assert main(["train", *options.split()]) == 1
    error = capsys.readouterr().err
    assert f"{method} needs a face encoder" in error and "--encoder" in error and not out.exists()


def test_the_help_tells_each_methods_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: 450; celeb_basis 400; textual_inversion 5000)" in text
    assert "(default: 0.1)" in text


def keep(checkpoint: Path) -> list[str]:
    return ["--checkpoint", str(checkpoint), "--checkpoint-every", "3"]


@pytest.mark.parametrize("ending", [".pt", ".bin", ".safetensors"])
def test_convert_keeps_the_words(tmp_path, ending):
    words = torch.randn(2, 1024, generator=torch.Generator().manual_seed(0))
    source = tmp_path / "ben.safetensors"
    save_identity(Identity(trigger="ben", words={"clip_h": words}), source)
    target = tmp_path / f"converted{ending}"
    assert main(["convert", str(source), str(target), "--trigger", "benjamin"]) == 0
    converted = load_identity(target)
    assert torch.equal(converted.words["clip_h"], words)
    assert converted.trigger == ("<converted>" if ending == ".pt" else "<benjamin>")  # .pt keeps no trigger


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "nowhere"], ["nowhere", "diffusers folder"]),
        (["--encoder", "nowhere"], ["nowhere", "jayanta/vit-base-patch16-224-in21k-face-recognition", "343 MB"]),
        (["--photo", "nowhere.png"], ["nowhere.png"]),
        (["--photo", __file__], ["test_cli.py", "cannot be read as a picture"]),
        (["--trigger", "a b"], ["'a b'", "letters"]),
        (["--out", "anna.png"], ["anna.png", ".safetensors"]),
        (["--steps", "0"], ["steps is 0", "from 1 to"]),
        (["--names", "nowhere.txt"], ["nowhere.txt"]),
        (["--checkpoint", __file__], ["test_cli.py", "complete safetensors"]),
    ],
)
def test_an_error_is_a_sentence_and_exit_code_1(world, tmp_path, capsys, options, said):
    out = tmp_path / "never.safetensors"
    assert train(world, out, *options) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error and all(words in error for words in said), error
    assert not out.exists()


def test_as_a_user_starts_it(tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    command = [sys.executable, "-m", "stableidentity_core"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    failed = subprocess.run([*command, "inspect", broken], capture_output=True, text=True, env=environment)
    assert failed.returncode == 1 and "broken.safetensors" in failed.stderr and "Traceback" not in failed.stderr
    usage = subprocess.run([*command, "convert"], capture_output=True, text=True, env=environment)
    assert usage.returncode == 2 and "required: source, target" in usage.stderr


def test_what_computes_nothing_does_not_wait_for_torch(tmp_path):
    """torch, torchvision and transformers take seconds to import."""
    program = """
import sys
from stableidentity_core.cli import main
assert main(["download", "--list", "--models", sys.argv[1]]) == 0
try:
    main(["--help"])
finally:
    print(sorted({"torch", "torchvision", "transformers"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stderr
