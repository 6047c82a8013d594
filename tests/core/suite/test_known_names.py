"""Does a model know names: the measure against a twin, the answers, and the mini world, which knows them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from stableidentity_core.cli import main
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.evaluate.metrics.instruments import FoundFaces
from stableidentity_core.suite.engines.base import open_bench
from stableidentity_core.suite.known_names import (
    CELEBRITIES,
    NamesKnown,
    ask_for_names,
    name_groups,
    names_sheet,
    report,
)
from stableidentity_core.suite.known_names.ask import separations
from stableidentity_core.suite.known_names.groups import NEW, SCRAMBLED
from stableidentity_core.suite.known_names.of_model import ask_bench, names_of
from stableidentity_core.suite.known_names.result import GroupResult, verdict
from stableidentity_core.suite.read import read_suite

NAMES = ["Ann Lee", "Bo Kim", "Cy Ray", "Di Fox", "Ed Poe", "Flo May"]
SIDE = 8


def vectors_of(names: int, prompts: int, steadiness: float, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    own, noise = torch.randn(names, 1, 16, generator=g), torch.randn(names, prompts, 16, generator=g)
    return F.normalize(steadiness * own + noise, dim=-1)


def by_loops(vectors: torch.Tensor, found: torch.Tensor, name: int) -> float | None:
    """The separation of a name, written out."""
    prompts = range(vectors.shape[1])
    same = [
        float(vectors[name, p] @ vectors[name, q])
        for p, q in combinations(prompts, 2)
        if found[name, p] and found[name, q]
    ]
    other = [
        float(vectors[name, p] @ vectors[b, q])
        for b in range(len(vectors))
        if b != name
        for p in prompts
        for q in prompts
        if p != q and found[name, p] and found[b, q]
    ]
    if not same or not other:
        return None
    return sum((a > b) + 0.5 * (a == b) for a in same for b in other) / len(same) / len(other)


@pytest.mark.parametrize("lost", [(), ((0, 1), (2, 0), (2, 2), (2, 3), (4, 3))])
def test_the_separation_is_that_of_a_double_loop(lost):
    vectors, found = vectors_of(5, 4, 0.7), torch.ones(5, 4, dtype=torch.bool)
    for place in lost:
        found[place] = False
    twin = [by_loops(vectors, found, name) for name in range(5)]
    assert (twin[2] is None) == bool(lost)
    for ours, theirs in zip(separations(vectors, found), twin, strict=True):
        # A tie that rounding breaks would move it by half a comparison of a thousand.
        assert ours == theirs if ours is None else ours == pytest.approx(theirs, abs=1e-3)


def test_equal_pictures_are_chance_and_steady_people_one():
    everywhere = torch.ones(4, 3, dtype=torch.bool)
    assert separations(torch.ones(4, 3, 2) / 2**0.5, everywhere) == [0.5] * 4
    assert separations(torch.eye(4)[:, None].expand(4, 3, 4), everywhere) == [1.0] * 4


def test_groups_are_of_the_names_and_their_parts():
    groups = name_groups([*NAMES, "Ann Kim"], 4, seed=3)
    assert groups == name_groups([*NAMES, "Ann Kim"], 4, seed=3) != name_groups([*NAMES, "Ann Kim"], 4, seed=4)
    for seed in range(40):
        groups = name_groups([*NAMES, "Ann Kim"], 5, seed)
        names = groups[CELEBRITIES]
        assert len(set(names)) == 5 and not set(groups[NEW]) & {*NAMES, "Ann Kim"}
        assert {name.split()[0] for name in groups[NEW]} == {name.split()[0] for name in names}
        for name, mixed in zip(names, groups[SCRAMBLED], strict=True):
            assert sorted(name.lower()) == sorted(mixed.lower()) and mixed.split()[0][0].isupper()


def test_new_names_are_nobodys_and_differ_where_the_list_allows_it_at_all():
    """People who share a last name, and one whose middle name hides a name that would come out."""
    family = ["Kim Poe", "Kris Poe", "Bo Poe", "Cy Poe"]
    names = [*family, "Di Fox", "Ed Ray", "Flo von May", "Kim Jo Fox", "Cher"]
    for seed in range(40):
        groups = name_groups(names, 4, seed)
        ends = {f"{name.split()[0]} {name.split()[-1]}" for name in names}
        assert len({*groups[NEW]}) == 4 and not {*groups[NEW]} & ends
        assert {name.split()[0] for name in groups[NEW]} <= {name.split()[0] for name in groups[CELEBRITIES]}
    with pytest.raises(StableIdentityError, match="too few of them differ"):
        name_groups([*family, "Di Poe Poe"], 4)


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (NAMES, 3, "is 3, needed 4 to 100"),
        (NAMES, 101, "is 101, needed 4 to 100"),
        ([*NAMES[:3], "Cher", "Madonna", "Prince"], 4, "There are 3 different names of a first"),
        ([f"{first} Kardashian" for first in ("Kim", "Kris", "Khloe", "Kourtney")], 4, "too few of them differ"),
        (["Ann Lee", "Ann Ray", "Ann Fox", "Ann Poe", "Ann May"], 5, "too few of them differ"),
        (NAMES * 9, 7, "There are 6 different names of a first and a last name, needed 7"),
    ],
)
def test_too_few_names_are_refused(names, count, said):
    with pytest.raises(StableIdentityError, match=said):
        name_groups(names, count)


def some(value: float, spread: float = 0.01, faces: float = 1.0) -> GroupResult:
    found = torch.arange(8 * 4).view(8, 4) < faces * 32
    values: list[float | None] = [value + spread * (-1) ** at for at in range(8)]
    pictures = torch.zeros(8, 4, 3, SIDE, SIDE)
    return GroupResult(names=tuple("abcdefgh"), same_first=values, found=found, pictures=pictures)


@pytest.mark.parametrize(
    ("celebrities", "new", "scrambled", "begins", "more"),
    [
        (some(0.9), some(0.9), some(0.6), "Yes: ", "worth landing in."),
        (some(0.9), some(0.9), some(0.9), "Yes: ", "even scrambled letters"),
        (some(0.9), some(0.6), some(0.5), "In part: ", "may waver"),
        (some(0.75, 0.2), some(0.9), some(0.5), "Unclear: ", "more names"),
        (some(0.6), some(0.9), some(0.9), "No: ", "Textual Inversion"),
        (some(0.9, faces=0.4), some(0.9), some(0.5), "Cannot tell: ", "41% of the pictures"),
    ],
)
def test_the_answer(celebrities, new, scrambled, begins, more):
    known = NamesKnown(groups={CELEBRITIES: celebrities, NEW: new, SCRAMBLED: scrambled})
    assert verdict(known).startswith(begins) and more in verdict(known)
    assert report(known, "r").splitlines()[0] == verdict(known)


def test_no_face_at_all_is_chance():
    nobody = some(0.9, faces=0)
    nobody = replace(nobody, same_first=[None] * 8)
    known = NamesKnown(groups={CELEBRITIES: nobody, NEW: nobody, SCRAMBLED: nobody})
    assert known.separation == 0.5 and verdict(known).startswith("Cannot tell: a face was found in 0%")
    assert "| none | 0% |" in report(known, "r") and names_sheet(known).isfinite().all()


def test_features_that_are_not_finite_are_told():
    def find(pictures: torch.Tensor) -> FoundFaces:
        return FoundFaces(crops=pictures, boxes=torch.zeros(len(pictures), 4))

    with pytest.raises(StableIdentityError, match="not finite"):
        ask_for_names(
            name_groups(NAMES, 4),
            paint=lambda prompts, seed: torch.zeros(len(prompts), 3, SIDE, SIDE),
            find=find,
            embed=lambda crops: torch.full((len(crops), 2), torch.nan),
            side=SIDE,
        )


@pytest.fixture(scope="module")
def mini_world() -> NamesKnown:
    suite = read_suite("mini_world")
    bench = open_bench(replace(suite, methods=(), sampling=replace(suite.sampling, steps=6)), "cpu")
    return ask_bench(bench, name_groups(names_of(bench.name_spaces), 5))[0]


def test_the_mini_world_knows_names(mini_world):
    assert verdict(mini_world).startswith("Yes: ")
    assert mini_world.separation > mini_world.groups[SCRAMBLED].separation.mean + 0.2


def test_where_names_are_shuffled_it_is_no(mini_world):
    """The same pictures, each said to be of another name; and names that are none."""
    group = mini_world.groups[CELEBRITIES]
    order = torch.randperm(5 * 4, generator=torch.Generator().manual_seed(1))
    crops = group.pictures.flatten(0, 1)[order]
    find, recogniser = open_bench(replace(read_suite("mini_world"), methods=()), "cpu").face_judge()
    vectors = recogniser.embed(find(crops).crops).view(5, 4, -1)
    shuffled = replace(group, same_first=separations(vectors, group.found))
    for unknown in (shuffled, mini_world.groups[SCRAMBLED]):
        assert verdict(NamesKnown(groups={**mini_world.groups, CELEBRITIES: unknown})).startswith("No: ")


def test_the_command_writes_the_answer(tmp_path, capsys, monkeypatch, mini_world):
    monkeypatch.setattr("stableidentity_core.cli.ask_names.ask_bench", lambda *_args: (mini_world, "judge:1"))
    command = ["evaluate", "names", "mini_world", "--count", "5", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "Yes: this model knows these names" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "names.json").read_text("utf-8"))
    assert found["recogniser"] == "judge:1" and found["groups"][CELEBRITIES]["faces"] == 1
    assert found["separation"] == pytest.approx(mini_world.separation)
    assert (tmp_path / "out" / "names.png").stat().st_size and (tmp_path / "out" / "names.md").is_file()
    assert main(command) == 1 and "names.md" in capsys.readouterr().err
    assert main([*command, "--replace", "--count", "2"]) == 1 and "needed 4 to 100" in capsys.readouterr().err


def test_photos_are_not_needed(tmp_path, capsys):
    command = ["evaluate", "names", "smoke", "--out", str(tmp_path / "out"), "--model", str(tmp_path)]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "--models" in said and "--photos" not in said and "--encoder" not in said
