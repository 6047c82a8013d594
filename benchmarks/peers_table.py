"""The tables of `peers.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from stableidentity_core.suite.results.bootstrap import interval_of

COLUMNS = {"face_similarity": "face similarity", "rank_1": "rank-1", "prompt_accuracy": "prompt accuracy"}


def markdown(rows: Mapping[str, Any]) -> str:
    """Means over people of the mean over seeds, with 95 % intervals over people."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for name, row in rows["methods"].items():
        groups.setdefault(without_seed(name), []).append(row)
    conditions = rows["conditions"]
    heads = ["method", *COLUMNS.values(), "seconds", "file", "a name's picture, with and without", "seeds"]
    lines = [
        f"## {conditions['people']} people, {conditions['prompts']} prompts, weights {conditions['weights'][:8]}\n",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *(_line(name, group, rows["best"]) for name, group in groups.items()),
    ]
    sweep = [
        f"| {setting} | {found['similarity']:.3f} | {found['seconds']:.1f} |"
        for setting, found in rows["sweep"].items()
    ]
    lines += [
        "\nTrain LoRA, the sweep, on one person with one seed:\n",
        "| setting | face similarity | seconds |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *sweep, "", _about_names(rows, groups), ""])


def without_seed(method: str) -> str:
    """The name of a method of which there is one for each seed."""
    return re.sub(r"-\d+$", "", method)


def _line(name: str, group: Sequence[Mapping[str, Any]], best: str) -> str:
    cells = [interval_of(_by_person(group, key)).text() for key in COLUMNS]
    seconds = _mean([one for row in group for one in row["seconds"]])
    size = _mean([one for row in group for one in row["bytes"]])
    names = [one["names_same"] for row in group for one in row["names"] if one]
    same = f"{_mean(names):.3f}" if names else "the same picture"
    shown = f"{name} ({best})" if name == "LoRA-best" else name
    return f"| {shown} | {' | '.join(cells)} | {seconds:.1f} | {_size(size)} | {same} | {len(group)} |"


def _by_person(group: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return torch.tensor([row["metrics"][key] for row in group], dtype=torch.float64).mean(0).tolist()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _size(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} KB"


def _about_names(rows: Mapping[str, Any], groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    told = []
    for name, group in groups.items():
        found = [one for row in group for one in row["names"] if one]
        if found:
            before, after = (
                _mean([one[key] for one in found]) for key in ("names_like_person_before", "names_like_person")
            )
            told.append(f"{name} {before:.3f} to {after:.3f}")
    return (
        "Similarity of the pictures of celebrities' names to the person who was learned, without the LoRA and with it: "
        f"{'; '.join(told)}. Pictures of different names are similar by {rows['names_of_each_other']:.3f}. Words "
        "change nothing in the model, so pictures of other names are the same to the last bit."
    )
