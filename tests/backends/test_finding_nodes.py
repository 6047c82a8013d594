"""Every node can be found: by search words in three languages, and in a menu in the order of use."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from helpers.pack import pack_module

pytestmark = pytest.mark.host
HAN, KANA = re.compile("[\u4e00-\u9fff]"), re.compile("[\u3040-\u30ff]")


@pytest.fixture(scope="module")
def search(comfyui):
    return pack_module("nodes.search", comfyui)


@pytest.fixture(scope="module")
def ids(nodes):
    return {node.GET_SCHEMA().node_id for node in nodes.NODES}


def test_every_node_has_words_in_three_languages(search, ids):
    assert search.ALIASES.keys() == ids
    for node_id, (english, chinese, japanese) in search.ALIASES.items():
        assert english.isascii() and english.count(",") >= 2, node_id
        assert HAN.search(chinese) and not KANA.search(chinese), node_id
        assert KANA.search(japanese), node_id


def test_no_word_is_given_twice_or_finds_everything(search):
    words = {node_id: search.aliases_of(node_id) for node_id in search.ALIASES}
    assert all(word for own in words.values() for word in own)
    assert not {node_id: own for node_id, own in words.items() if len(own) != len({*map(str.lower, own)})}
    word, count = Counter(word for own in words.values() for word in own).most_common(1)[0]
    assert count < len(words) / 2, word


@pytest.mark.parametrize(
    "word",
    ["likeness", "portrait", "face id", "faceid", "instantid", "textual inversion", "embedding", "photo", "lora"]
    + ["celebrity", "人脸", "肖像", "照片", "身份", "顔", "顔写真", "写真", "人物"],
)
def test_a_word_of_the_field_finds_a_node(search, word):
    assert any(word in search.aliases_of(node_id) for node_id in search.ALIASES)


def test_the_host_is_told_the_words(nodes, search):
    known = "search_aliases" in {field.name for field in dataclasses.fields(nodes.io.Schema)}
    for node in nodes.NODES:
        schema = node.GET_SCHEMA()
        assert getattr(schema, "search_aliases", []) == (search.aliases_of(schema.node_id) if known else [])


def test_a_host_without_search_words_gets_schemas_it_knows(search, monkeypatch):
    @dataclasses.dataclass
    class OldSchema:
        node_id: str

    class Node:
        @classmethod
        def define_schema(cls):
            return OldSchema("StableIdentityTrain")

    monkeypatch.setattr(search, "io", SimpleNamespace(Schema=OldSchema))
    assert vars(search.searchable(Node).define_schema()) == {"node_id": "StableIdentityTrain"}


def test_every_node_is_in_one_of_the_categories_which_are_sorted_by_use(nodes, comfyui):
    categories = pack_module("nodes.categories", comfyui).CATEGORIES
    assert list(categories) == sorted(categories)
    assert [re.fullmatch(r"StableIdentity/(\d) \w+", name)[1] for name in categories] == list("12345678")
    assert {node.GET_SCHEMA().category for node in nodes.NODES} == {*categories}
