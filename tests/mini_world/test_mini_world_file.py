"""The mini world's file: what is packed comes back, and what is not whole is refused."""

from __future__ import annotations

import pytest
import torch

from helpers.mini_world_pack import word_ids
from mini_world import weights
from mini_world.describe import describe
from mini_world.person import unseen_person
from mini_world.pipeline import taesd_for_diffusers
from mini_world.sizes import TEXT, TEXT_WIDTH
from mini_world.training.export import pack, taesd_for_host
from stableidentity_core.errors import DamagedFileError, MissingFileError

IDS = [0, 320, 1125, 49406, 49407]


def parts(**changes):
    """Some weights of each network, by the names that training knows them by."""
    rows = torch.randn(len(IDS) + 1, TEXT_WIDTH)
    return {
        "unet": {"conv_in.bias": torch.randn(64)},
        "text": {"embeddings.token_embedding.weight": rows, "embeddings.position_ids": torch.arange(77)[None]},
        "ids": IDS,
        "vae": {"encoder.layers.0.weight": torch.randn(64, 3), "decoder.layers.0.bias": torch.randn(64)},
        "encoder": {"layernorm.bias": torch.randn(96)},
        "judge": {"trunk.1.num_batches_tracked": torch.tensor(70_000)},
        **changes,
    }


@pytest.fixture
def unhashed(monkeypatch):
    monkeypatch.setattr(weights, "check_file", lambda path: None)


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_what_is_packed_comes_back(tmp_path, unhashed, prefix):
    given = parts()
    given["text"] = {prefix + key: value for key, value in given["text"].items()}
    sha256 = pack(tmp_path / "world", **given)
    assert sha256 == pack(tmp_path / "again", **given)
    loaded = weights.load_weights(tmp_path / "world")
    assert loaded.known_ids == frozenset(IDS)
    rows, given_rows = loaded.text[weights.EMBEDDING], given["text"][f"{prefix}embeddings.token_embedding.weight"]
    assert rows.shape == (TEXT["vocab_size"], TEXT_WIDTH) and list(loaded.text) == [weights.EMBEDDING]
    assert torch.equal(rows[IDS], given_rows[:-1].half().float())
    assert torch.equal(rows[777], given_rows[-1].half().float()), "an unknown word has the last row"
    assert torch.equal(loaded.unet["conv_in.bias"], given["unet"]["conv_in.bias"].half().float())
    assert loaded.judge["trunk.1.num_batches_tracked"] == 70_000
    assert loaded.vae.keys() == {"taesd_encoder.0.weight", "taesd_decoder.1.bias"}


def test_the_vaes_names_go_there_and_back():
    names = {f"{part}.layers.{i}.conv.2.weight": torch.tensor(i) for part in ("encoder", "decoder") for i in range(20)}
    assert taesd_for_diffusers(taesd_for_host(names)) == names


def test_what_cannot_be_packed(tmp_path):
    with pytest.raises(ValueError, match=r"6 rows for 4 ids"):
        pack(tmp_path / "world", **parts(ids=IDS[:4]))
    with pytest.raises(ValueError, match=r"5 ids, 4 of them different"):
        pack(tmp_path / "world", **parts(ids=[*IDS[:4], 0]))
    with pytest.raises(ValueError, match=r"unet.a has values that float16 cannot hold: the largest is 70000"):
        pack(tmp_path / "world", **parts(unet={"a": torch.tensor([7e4])}))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_whole(tmp_path, monkeypatch):
    path = tmp_path / "world"
    with pytest.raises(MissingFileError, match=r"weights are not at .*world.*repository again"):
        weights.load_weights(path)
    monkeypatch.setattr(weights, "SHA256", pack(path, **parts()))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"world .*bytes\) is damaged .*SHA-256.*repository again"):
        weights.load_weights(path)


def test_the_shipped_file_is_the_one_meant():
    assert weights.FILE.stat().st_size <= 25_000_000
    missing = set(word_ids()) - weights.load_weights(weights.FILE).known_ids
    assert not missing, f"{len(missing)} ids of captions, templates and names are unknown to the mini world"


def test_people_in_words():
    words = [describe(unseen_person(number)) for number in range(200)]
    assert all(text.startswith(("a woman with ", "a man with ")) and " eyes" in text for text in words)
    women = " ".join(text for text in words if text.startswith("a woman"))
    assert not [beard for beard in ("stubble", "moustache", "goatee", "beard") if beard in women]
    assert len(set(words)) > 150
