"""Words in prompts of flow models: bit-equal to the plain prompt where they are a name's own rows."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.tensors import save_tensors
from stableidentity_core.identity import Identity
from stableidentity_core.text import celebrity_names, tokenize_templates
from stableidentity_core.text.stand_in import tokens_in_sentence

pytestmark = pytest.mark.host
FAMILIES = ["SD3.5", "Z-Image", "Wan"]
PROMPTS = ["a photo of {} on the beach", "{}, smiling", "oil painting ({}:1.3) by a master", "very long " * 45 + "{}"]
# Where a person touches other letters, which some tokenizers join with those of a name.
TOUCHING = ["photo,{}, smiling", '"{}" poster', "a-{}-b", "super-{}", "一张{}的照片", "x{}", "{}2 and {}"]


@pytest.fixture(scope="module", params=FAMILIES)
def text(request, host, trios):
    return host.any_text.host_text(trios(request.param)[1])


def encoded(clip, prompt: str):
    with torch.inference_mode():
        return clip.encode_from_tokens(clip.tokenize(prompt), return_pooled=True, return_dict=True)


def a_name(text) -> str:
    """Two tokens in every encoder, in a sentence and at its beginning."""
    return next(
        name
        for name in reversed(celebrity_names())
        if all(
            len(read(name)) == 2
            for space in text.spaces
            for read in (space.tokenize, lambda one, space=space: tokens_in_sentence(space.tokenize, one))
        )
    )


def person(text, name: str, prompt: str, trigger: str = "<anna>") -> Identity:
    """The name's own rows as they are read in this prompt."""
    words = {}
    for space in text.spaces:
        begins = prompt.startswith("{") or "({" in prompt  # the host tokenizes what is in brackets by itself
        ids = space.tokenize(name) if begins else tokens_in_sentence(space.tokenize, name)
        words[space.name] = space.embed(torch.tensor(ids))
    return Identity(trigger=trigger, words=words)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [*((family, prompt) for family in FAMILIES for prompt in PROMPTS), ("Flux.2 klein", PROMPTS[0])],
    indirect=["text"],
)
def test_the_conditioning_of_a_names_own_rows_is_the_plain_prompts(text, host, tmp_path, prompt):
    name = a_name(text)
    if "(" in prompt and text.spaces[0].name == "qwen3_4b":
        prompt = prompt.replace("({}:1.3)", "{}")  # this tokenizer reads brackets as text
    own = person(text, name, prompt)
    applied = host.prompts.apply_identities(text.clip, [own], tmp_path)
    plain, ours = encoded(text.clip, prompt.format(name)), encoded(applied, prompt.format("<anna>"))
    assert torch.equal(plain["cond"], ours["cond"])
    assert (plain["pooled_output"] is None) == (ours["pooled_output"] is None)
    if plain["pooled_output"] is not None:
        assert torch.equal(plain["pooled_output"], ours["pooled_output"])
    nobody = encoded(text.clip, prompt.format("somebody else"))["cond"]
    assert nobody.shape != plain["cond"].shape or (nobody - plain["cond"]).abs().max() > 1e-3


def test_stock_embedding_reads_a_file_of_sd3_as_apply_identity_does(host, trios, tmp_path):
    """With this family's tokenizers the host's own way works; with the others a trigger has to be typed."""
    text = host.any_text.host_text(trios("SD3.5")[1])
    own = person(text, a_name(text), "a photo of {}")
    save_tensors(tmp_path / "own.safetensors", own.words, {})
    applied = host.prompts.apply_identities(text.clip, [own], tmp_path)
    tokenizers = [text.tokenizer(encoder) for encoder in text.family.encoders]
    before = [tokenizer.embedding_directory for tokenizer in tokenizers]
    try:
        for tokenizer in tokenizers:
            tokenizer.embedding_directory = [str(tmp_path)]
        stock = encoded(text.clip, "a photo of embedding:own on the beach")
    finally:
        for tokenizer, folder in zip(tokenizers, before, strict=True):
            tokenizer.embedding_directory = folder
    ours = encoded(applied, "a photo of <anna> on the beach")
    assert torch.equal(stock["cond"], ours["cond"]) and torch.equal(stock["pooled_output"], ours["pooled_output"])


@pytest.mark.parametrize("prompt", TOUCHING)
def test_a_person_may_touch_other_letters(text, host, tmp_path, prompt):
    words = {space.name: torch.randn(2, space.width) * 0.05 for space in text.spaces}
    applied = host.prompts.apply_identities(text.clip, [Identity(trigger="anna", words=words)], tmp_path)
    tokens = applied.tokenize(prompt.format("<anna>", "<anna>"))
    for encoder in text.family.encoders:
        entries = [entry for row in tokens[encoder.tokens] for entry in row]
        placed = [entry[0]["data"] for entry in entries if isinstance(entry[0], dict)]
        wanted = [*words[encoder.space]] * prompt.count("{}")
        assert len(placed) == len(wanted) and all(map(torch.equal, placed, wanted)), encoder.space


def test_embedding_is_refused_where_the_host_reads_it_wrongly(text, host, tmp_path, caplog):
    """Behind Apply Identity it would be a picture of nobody, with no word said."""
    words = {space.name: torch.ones(2, space.width) for space in text.spaces}
    applied = host.prompts.apply_identities(text.clip, [Identity(trigger="anna", words=words)], tmp_path)
    for prompt in ("a photo of embedding:anna smiling", "(Embedding: anna-2:1.2), <anna>"):
        if text.family.name == "SD3.5":
            applied.tokenize(prompt)
            continue
        with pytest.raises(
            StableIdentityError, match=rf"{text.family.name} does not read as a person.*instead: <anna>"
        ):
            applied.tokenize(prompt)
    caplog.clear()
    ours, same = (applied.tokenize(prompt) for prompt in ("embedding:<anna> smiling", "<anna> smiling"))
    assert {key: len(rows[0]) for key, rows in ours.items()} == {key: len(rows[0]) for key, rows in same.items()}
    assert "does not exist" not in caplog.text


def test_a_weight_that_an_encoder_reads_as_text_is_told_once(text, host, tmp_path, caplog):
    words = {space.name: torch.ones(2, space.width) for space in text.spaces}
    applied = host.prompts.apply_identities(text.clip, [Identity(trigger="anna", words=words)], tmp_path)
    for _time in range(2):
        tokens = applied.tokenize("a photo of (<anna> in the snow:1.2)")
        applied.tokenize("<anna> (smiling:1.3)")
    applied.tokenize("a photo of <anna> (from above)")
    weights = {entry[1] for rows in tokens.values() for row in rows for entry in row if isinstance(entry[0], dict)}
    told = [record.getMessage() for record in caplog.records if "knows no weights" in record.getMessage()]
    assert (weights == {1.2} and not told) or (weights == {1.0} and len(told) == 2 and "Z-Image" in told[0])


def test_two_people_stand_each_in_their_place(text, host, tmp_path):
    generator = torch.Generator().manual_seed(0)

    def someone(trigger: str) -> Identity:
        words = {space.name: torch.randn(2, space.width, generator=generator) * 0.05 for space in text.spaces}
        return Identity(trigger=trigger, words=words)

    anna, bert = someone("anna"), someone("bert")
    applied = host.prompts.apply_identities(text.clip, [anna, bert], tmp_path)
    tokens = applied.tokenize("<bert> with <anna> and <bert>")
    for encoder in text.family.encoders:
        placed = [entry[0]["data"] for row in tokens[encoder.tokens] for entry in row if isinstance(entry[0], dict)]
        wanted = [word for who in (bert, anna, bert) for word in who.words[encoder.space]]
        assert all(torch.equal(one, other) for one, other in zip(placed, wanted, strict=True))


def test_training_reads_prompts_as_the_host_does(text):
    """Rows of the core are the host's token lists, but for the padding that zeros take the place of."""
    name = a_name(text)
    for template in ("a photo of {} in the snow", "{} reads a book"):
        tokens = text.clip.tokenize(template.format(name))
        for encoder, space in zip(text.family.encoders, text.spaces, strict=True):
            made = tokenize_templates([template], space)
            row, theirs = made.token_ids[0].tolist(), [entry[0] for entry in tokens[encoder.tokens][0]]
            places = made.positions[0].tolist()
            kept = [at for at in range(len(row)) if at not in places]
            assert [row[at] for at in kept] == [theirs[at] for at in kept]
            rest = set(theirs[len(row) :])
            assert not rest or (text.family.filled == len(theirs) and len(rest) == 1)


def test_wan_without_padding_is_wan_with_it(host, trios):
    """The encoder masks what is padded and the host sets it to zero: leaving it out saves most of the work."""
    text = host.any_text.host_text(trios("Wan")[1])
    prompt = "a photo of a person in the snow"
    rows = {text.spaces[0].name: tokenize_templates([prompt], text.spaces[0])}
    with torch.inference_mode():
        (ours,) = text.encode(rows, {text.spaces[0].name: torch.zeros(1, 0, text.spaces[0].width)})
    theirs = encoded(text.clip, prompt)["cond"]
    assert ours.context.shape == theirs.shape and rows["umt5xxl"].token_ids.shape[1] < 20
    # float32 sums in another order; a wrong mask changes it by its own size
    assert (ours.context - theirs).norm() < 1e-4 * theirs.norm()


def test_people_with_another_number_of_words_are_refused(host, trios, tmp_path):
    text = host.any_text.host_text(trios("Z-Image")[1])
    words = {space.name: torch.ones(3, space.width) for space in text.spaces}
    with pytest.raises(StableIdentityError, match=r"<anna> has 3 words; with Z-Image a person is 2"):
        host.prompts.apply_identities(text.clip, [Identity(trigger="anna", words=words)], tmp_path)
