"""Mixes, the way between two people, and people drawn from the space of names."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from helpers.make import randn, some_identity, some_names
from stableidentity_core.errors import StableIdentityError, WrongModelError
from stableidentity_core.identity import Identity, load_identity, save_identity
from stableidentity_core.identity.blend import interpolate_identities, mix_identities, sample_identity
from stableidentity_core.text import NameSpace
from stableidentity_core.text.adain import into_space, unit_words

NAMES = some_names(count=40, width=24)
SDXL = (some_names(count=40, width=24, space="clip_l"), some_names(count=40, width=32, space="clip_g", seed=9))
# Words are float32: a rounding of 6e-8 times values up to 10, in deviations that begin at 3e-3, at most 2e-4.
ROUNDING = 2e-4


def learned(name_spaces: Sequence[NameSpace] = (NAMES,), seed: int = 0, **more: str) -> Identity:
    """Words as Eq. 4 makes them of random numbers."""
    words = {
        names.space: into_space(unit_words(randn(2, names.width, seed=seed).double()), names) for names in name_spaces
    }
    return Identity(trigger=f"person-{seed}", words=words, header=more)


def in_deviations(words: torch.Tensor, names: NameSpace) -> np.ndarray:  # [2, D]
    """Standardised in numpy from the names themselves."""
    values = names.embeddings.double().numpy()
    return (words.double().numpy() - values.mean(0)) / values.std(0, ddof=1)


def mixed_slowly(people: list[Identity], weights: list[float]) -> np.ndarray:
    """Word by word, in numpy."""
    values = NAMES.embeddings.double().numpy()
    result = np.zeros((2, NAMES.width))
    for place in (0, 1):
        mean, deviation = values[:, place].mean(0), values[:, place].std(0, ddof=1)
        together = np.zeros(NAMES.width)
        for person, weight in zip(people, weights, strict=True):
            z = (person.words["clip_h"][place].double().numpy() - mean) / deviation
            together += weight * (z - z.mean()) / z.std()
        result[place] = deviation * (together - together.mean()) / together.std() + mean
    return result


def assert_in_space(identity: Identity, name_spaces: Sequence[NameSpace]) -> None:
    assert identity.words.keys() == {names.space for names in name_spaces}
    for names in name_spaces:
        z = in_deviations(identity.words[names.space], names)
        assert identity.words[names.space].dtype == torch.float32 and z.shape == (2, names.width)
        np.testing.assert_allclose(z.mean(-1), 0, atol=ROUNDING)
        np.testing.assert_allclose(z.std(-1), 1, atol=ROUNDING)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [1.0, 2.0, 0.5], [0.0, 3.0, 1.0]])
def test_a_mix_equals_its_slow_twin(weights):
    people = [learned(seed=1), learned(seed=2), some_identity(NAMES.width, seed=3)]
    found = mix_identities(people, weights, [NAMES], "mix").words["clip_h"]
    np.testing.assert_allclose(found.numpy(), mixed_slowly(people, weights), rtol=1e-5, atol=1e-6)  # float32 words


@pytest.mark.parametrize("name_spaces", [(NAMES,), SDXL], ids=["one space", "two spaces"])
def test_all_that_is_made_of_people_stays_in_the_space_of_names(name_spaces):
    a, b, c = (learned(name_spaces, seed) for seed in (1, 2, 3))
    made = [
        mix_identities([a, b], [1, 1], name_spaces, "mean"),
        mix_identities([a, b, c], [0.2, 5, 1], name_spaces, "mix"),
        *interpolate_identities(a, b, 1.0, name_spaces, "way", steps=5),
        sample_identity(name_spaces, 7, "drawn"),
    ]
    for one in made:
        assert_in_space(one, name_spaces)
    mean = torch.stack([a.words[name_spaces[0].space], b.words[name_spaces[0].space]]).mean(0)
    assert in_deviations(mean, name_spaces[0]).std() < 0.9, "a plain mean would have left it"


def test_only_the_proportions_of_weights_count():
    people = [learned(seed=1), learned(seed=2)]
    made = [mix_identities(people, weights, [NAMES], "mix") for weights in ([1, 2], [0.5, 1.0], [1e300, 2e300])]
    assert made[0].content_hash == made[1].content_hash == made[2].content_hash
    assert made[0].content_hash != mix_identities(people, [2, 1], [NAMES], "mix").content_hash


def test_a_person_of_weight_zero_is_not_in_the_mix():
    a, b, c = (learned(seed=seed) for seed in (1, 2, 3))
    with_c = mix_identities([a, c, b], [1, 0, 2], [NAMES], "mix")
    without = mix_identities([a, b], [1, 2], [NAMES], "mix")
    # Float64, rounded to float32 once.
    torch.testing.assert_close(with_c.words["clip_h"], without.words["clip_h"], rtol=0, atol=1e-6)
    assert [parent["trigger"] for parent in json.loads(with_c.header["parents"])] == ["<person-1>", "<person-2>"]


def test_the_way_leads_from_one_person_to_the_other():
    a, b = learned(seed=1), learned(seed=2)
    way = interpolate_identities(a, b, 1.0, [NAMES], "way", steps=5)
    assert len(way) == 5 and {one.trigger for one in way} == {"<way>"}
    for end, person in ((way[0], a), (way[-1], b)):
        torch.testing.assert_close(end.words["clip_h"], person.words["clip_h"], rtol=1e-5, atol=1e-6)  # as above

    def likeness(one: Identity, person: Identity) -> float:
        z, other = (in_deviations(identity.words["clip_h"], NAMES) for identity in (one, person))
        return float((z * other).mean())

    falling = [likeness(one, a) for one in way]
    assert falling == sorted(falling, reverse=True) and falling[0] - falling[-1] > 0.5
    assert abs(likeness(way[2], a) - likeness(way[2], b)) < ROUNDING
    half = interpolate_identities(a, b, 0.5, [NAMES], "way", steps=3)
    for found, expected in zip(half, way[:3], strict=True):
        torch.testing.assert_close(found.words["clip_h"], expected.words["clip_h"], rtol=0, atol=1e-6)  # as above
    (alone,) = interpolate_identities(a, b, 0.5, [NAMES], "way")
    assert alone.content_hash == mix_identities([a, b], [1, 1], [NAMES], "mean").content_hash


def test_the_size_of_foreign_words_does_not_count():
    """A textual inversion far outside the names weighs as much as anybody else, and comes back among them."""
    a, b = learned(seed=1), learned(seed=2)
    z = (b.words["clip_h"].double() - NAMES.mean) / NAMES.std
    wild = Identity(trigger="wild", words={"clip_h": into_space(30 * z + 5, NAMES)})
    tame, found = (mix_identities([a, one], [1, 1], [NAMES], "mix") for one in (b, wild))
    torch.testing.assert_close(found.words["clip_h"], tame.words["clip_h"], rtol=1e-4, atol=1e-4)  # wild's rounding
    only = mix_identities([wild], [1], [NAMES], "wild")
    torch.testing.assert_close(only.words["clip_h"], b.words["clip_h"], rtol=1e-4, atol=1e-4)


def test_a_drawn_person_is_a_sum_of_names():
    """Up to the normalisation, which adds the same number in all dimensions."""
    few = some_names(count=6, width=24)
    z = in_deviations(sample_identity([few], 3, "drawn").words["clip_h"], few)
    values = few.embeddings.double().numpy()
    standardised = (values - values.mean(0)) / values.std(0, ddof=1)
    for place in (0, 1):
        parts = np.stack([*standardised[:, place], np.ones(24)], axis=1)
        shares, _none, rank, _sizes = np.linalg.lstsq(parts, z[place], rcond=None)
        assert rank == 6  # 6 names span 5 dimensions, and the ones another
        np.testing.assert_allclose(parts @ shares, z[place], atol=ROUNDING)


def test_first_and_last_names_go_together_in_a_drawn_person_as_in_the_names():
    first = randn(12, 16)
    names = NameSpace(space="clip_h", names=tuple(map(str, range(12))), embeddings=torch.stack([first, 3 - first], 1))
    z = in_deviations(sample_identity([names], 5, "drawn").words["clip_h"], names)
    np.testing.assert_allclose(z[0], -z[1], atol=ROUNDING)


def test_both_spaces_of_a_drawn_person_mean_the_same_names():
    """Also when a name is missing in one of them."""
    values = randn(12, 2, 16)
    small = NameSpace(space="clip_l", names=tuple(map(str, range(12))), embeddings=values)
    large = NameSpace(space="clip_g", names=tuple(map(str, range(1, 12))), embeddings=2 * values[1:] + 1)
    drawn = sample_identity([small, large], 5, "drawn").words
    a, b = in_deviations(drawn["clip_l"], small), in_deviations(drawn["clip_g"], large)
    # One of 12 names is left out; numbers of their own would give a correlation of 0 +- 0.18.
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_the_seed_decides_who_is_drawn():
    drawn = [sample_identity([NAMES], seed, "drawn") for seed in (1, 1, 2, 2**64 - 1)]
    assert drawn[0].content_hash == drawn[1].content_hash
    assert len({one.content_hash for one in drawn}) == 3
    assert drawn[2].header["seed"] == "2" and drawn[2].header["method"] == "sample"
    assert drawn[0].header["names_fingerprint"] != sample_identity([SDXL[0]], 1, "x").header["names_fingerprint"]


def test_the_file_says_what_a_mix_was_made_of(tmp_path):
    common = {"method": "stableidentity", "base_fingerprint": "abc", "face_encoder_licence": "research only"}
    a, b = learned(seed=1, **common), learned(seed=2, **common)
    save_identity(mix_identities([a, b], [1, 3], [NAMES], "mix"), tmp_path / "mix.safetensors")
    header = load_identity(tmp_path / "mix.safetensors").header
    assert json.loads(header["parents"]) == [
        {"trigger": "<person-1>", "words": a.content_hash, "method": "stableidentity", "weight": 0.25},
        {"trigger": "<person-2>", "words": b.content_hash, "method": "stableidentity", "weight": 0.75},
    ]
    assert header["version"] and len(header["date"]) == len("2024-01-26")
    assert header["method"] == "mix" and header["names"] == "40" and header["base_fingerprint"] == "abc"
    assert header["face_encoder_licence"] == "research only"
    other = learned(seed=3, base_fingerprint="xyz")
    assert "base_fingerprint" not in mix_identities([a, other], [1, 1], [NAMES], "mix").header


def sd15(trigger: str = "anna") -> Identity:
    return Identity(trigger=trigger, words={"clip_l": randn(2, 768)})


WIDE = some_names(count=3, width=1024)


@pytest.mark.parametrize(
    "people, weights, names, told",
    [
        ([], [], WIDE, "0 identities to mix, needed at least 1"),
        ([some_identity()], [1, 1], WIDE, "2 weights for 1 people"),
        ([some_identity(), some_identity()], [0, 0], WIDE, r"All weights are 0 \(0, 0\)"),
        ([some_identity(), some_identity()], [1, -0.5], WIDE, "weights are 1, -0.5; needed numbers of 0 or more"),
        ([some_identity(), some_identity()], [1, float("nan")], WIDE, "weights are 1, nan"),
        ([some_identity(), some_identity()], [1, float("inf")], WIDE, "weights are 1, inf"),
        (
            [sd15()],
            [1],
            WIDE,
            r"<anna> was learned for clip_l \(width 768\), but the connected name space is for clip_h",
        ),
        (
            [some_identity(trigger="ben"), sd15()],
            [1, 1],
            WIDE,
            r"<ben> was learned for clip_h \(width 1024\), <anna> for clip_l \(width 768\): "
            "words of different base models",
        ),
        (
            [Identity(trigger="long", words={"clip_h": randn(5, 1024)})],
            [1],
            WIDE,
            "<long> has 5 words, needed 2",
        ),
    ],
)
def test_what_cannot_be_mixed_is_told(people, weights, names, told):
    with pytest.raises(StableIdentityError, match=told):
        mix_identities(people, weights, [names], "mix")


def test_people_of_other_text_spaces_are_of_another_base():
    xl = learned(SDXL, seed=1)
    half = Identity(trigger="half", words={"clip_l": xl.words["clip_l"]})
    with pytest.raises(WrongModelError, match=r"clip_g \(width 32\), clip_l \(width 24\), <half> for clip_l"):
        mix_identities([xl, half], [1, 1], SDXL, "mix")
    with pytest.raises(WrongModelError, match="but the connected name space is for clip_l"):
        mix_identities([xl], [1], SDXL[:1], "mix")
    with pytest.raises(StableIdentityError, match="no name space"):
        sample_identity([], 0, "drawn")


@pytest.mark.parametrize("t", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_way_beyond_its_ends_is_refused(t):
    with pytest.raises(StableIdentityError, match=rf"t is {t}, needed a number from 0 \(only <person-1>\) to 1"):
        interpolate_identities(learned(seed=1), learned(seed=2), t, [NAMES], "way")


def test_a_way_without_steps_is_refused():
    with pytest.raises(StableIdentityError, match="steps is 0, needed 1"):
        interpolate_identities(learned(seed=1), learned(seed=2), 1.0, [NAMES], "way", steps=0)


def test_opposite_people_cancel_each_other():
    a = learned(seed=1)
    opposite = Identity(trigger="opposite", words={"clip_h": 2 * NAMES.mean - a.words["clip_h"]})
    with pytest.raises(StableIdentityError, match="opposite people cancel each other"):
        mix_identities([a, opposite], [1, 1], [NAMES], "nobody")
    assert_in_space(mix_identities([a, opposite], [2, 1], [NAMES], "a"), [NAMES])


def test_names_that_are_all_alike_measure_nothing():
    values = NAMES.embeddings.clone()
    values[:, 0] = values[0, 0]
    alike = NameSpace(space="clip_h", names=NAMES.names, embeddings=values)
    with pytest.raises(StableIdentityError, match=r"40 names have one and the same value in 24 of 48 places"):
        mix_identities([learned(seed=1)], [1], [alike], "mix")
