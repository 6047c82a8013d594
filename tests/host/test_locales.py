"""The translations: complete, current, and in the words of their language."""

from __future__ import annotations

import copy
import json
import re
import subprocess

import pytest

from helpers.locales import LATIN, english_left, tool
from helpers.server import ROOT, ComfyServer

LANGUAGES = ("ja", "zh")
WIDE = re.compile(r"[\u3040-\u9fff]")
SYNTAX = set("{}@|")  # that vue-i18n, which reads nodeDefs.json, takes for its own
KEPT = re.compile(r"models(?:/\w+)+|\w+\.(?:pth|safetensors|md)\b|<(?!trigger)\w+>|embedding:|\{\w+\}|\d[\d.,]*")
WRITES = "run: python docs/make_locales.py FOLDER_OF_COMFYUI, and fill what is empty in locales/"


@pytest.fixture(scope="module")
def info(server: ComfyServer) -> dict:
    return server.object_info()


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def translations(language: str) -> dict[str, str]:
    return tool.read(language)


def test_each_language_has_its_translations():
    assert tuple(tool.languages()) == LANGUAGES


def test_every_text_is_translated_and_nothing_else(info, translations):
    texts = set(tool.english(info))
    assert not texts - {text for text, translation in translations.items() if translation.strip()}, WRITES
    assert not translations.keys() - texts, "these texts are used nowhere"


def test_comfyui_is_given_the_translations(info, language, translations, server):
    for name, content in tool.built(info, translations).items():
        assert json.loads((ROOT / "locales" / language / name).read_text("utf-8")) == content, WRITES
    served = server.client.get("/i18n")[language]
    assert served["nodeDefs"]["StableIdentityTrain"]["display_name"] == translations["StableIdentity Train"]
    assert served["nodeCategories"]["1 Photo"] == translations["1 Photo"]


def test_a_changed_text_lacks_its_translation(info, translations):
    changed = copy.deepcopy(info)
    train = changed["StableIdentityTrain"]
    train["input"]["required"]["steps"][1]["tooltip"] = "Steps of the training."
    (text,) = set(tool.english(changed)) - translations.keys()
    assert text == "Steps of the training."
    assert "tooltip" not in tool.built(changed, translations)["nodeDefs.json"]["StableIdentityTrain"]["inputs"]["steps"]
    filled = tool.in_order(tool.english(changed), translations)
    assert filled[text] == "" and list(filled)[-1] == "Training steps (paper: 450).", (
        "the old one is at hand, at the end"
    )


def test_no_english_is_left(translations):
    assert {text: left for text, one in translations.items() if (left := english_left(one))} == {}


def test_sentences_are_in_the_language(translations):
    sentences = {text: one for text, one in translations.items() if len(LATIN.findall(text)) > 3}
    assert {text: one for text, one in sentences.items() if not WIDE.search(one)} == {}


def test_numbers_paths_and_placeholders_are_kept(translations):
    for text, translation in translations.items():
        lost = [part for part in KEPT.findall(text) if part.rstrip(".,") not in translation]
        assert not lost, f"{text!r} became {translation!r}"


def test_vue_reads_them_as_they_are(info, translations):
    texts = json.dumps(tool.built(info, translations)["nodeDefs.json"], ensure_ascii=False)
    values = re.findall(r': "([^"]*)"', texts)
    assert [value for value in values if SYNTAX & {*value}] == []


def test_the_registry_gets_what_comfyui_reads():
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore"]
    dropped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [path for path in dropped if path.startswith("locales/")] == [f"locales/{one}.json" for one in LANGUAGES]
