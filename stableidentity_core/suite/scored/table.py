"""The measurements of one person's pictures in words and as a table."""

from __future__ import annotations

import math

from ..spec import as_sentence
from .pictures import SIMILARITY, PictureScores

NONE = "–"


def report(scores: PictureScores) -> str:
    """What was measured, a line each, and a Markdown table of the pictures."""
    return "\n".join([*_summary(scores), "", *_table(scores)])


def best_and_worst(scores: PictureScores) -> tuple[int, int] | None:
    """Numbers of the pictures, from 0, by similarity; None for a single picture or without a difference."""
    values = [-math.inf if value is None else value for value in scores.each(SIMILARITY)]
    best, worst = (choose(range(len(values)), key=values.__getitem__) for choose in (max, min))
    return None if values[best] == values[worst] else (best, worst)


def shown(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _summary(scores: PictureScores) -> list[str]:
    lines = [_similarity(scores), *_prompts(scores), *_faces(scores)]
    told = [SIMILARITY, scores.prompt_score, "detection_rate"]
    told += ["found_similarity"] if scores.mean("found_similarity") == scores.mean(SIMILARITY) else []
    for name, metric in scores.metrics.items():
        if name not in told and scores.mean(name) is not None:
            lines.append(f"{_capital(str(metric['title']))}: {shown(scores.mean(name))}")
    return [*lines, f"Recogniser: {scores.networks[0]}", *scores.notes]


def _similarity(scores: PictureScores) -> str:
    count, ends = len(scores.prompts), best_and_worst(scores)
    text = f"Face similarity: {shown(scores.mean(SIMILARITY))}"
    if count == 1:
        return f"{text}, of 1 picture"
    if ends is None:
        return f"{text} in the mean of {count} pictures, the same for all"
    best, worst = (f"{shown(scores.each(SIMILARITY)[at])} (picture {at + 1})" for at in ends)
    return f"{text} in the mean of {count} pictures; best {best}, worst {worst}"


def _prompts(scores: PictureScores) -> list[str]:
    name = scores.prompt_score
    if name is None:
        return []
    value = scores.mean(name)
    why = "" if value is not None else ": no prompt asks for anything that can be read"
    return [f"Prompts ({scores.metrics[name]['title']}): {shown(value)}{why}"]


def _faces(scores: PictureScores) -> list[str]:
    missing = [str(number) for number, found in enumerate(scores.each("detection_rate"), 1) if found == 0]
    if not missing:
        return []
    return [f"No face in {len(missing)} of {len(scores.prompts)} pictures, which count 0: {', '.join(missing)}"]


def _table(scores: PictureScores) -> list[str]:
    columns = [name for name in scores.metrics if scores.metrics[name].get("pictures") and name != "detection_rate"]
    titles = [str(scores.metrics[name]["title"]) for name in columns]
    values = [scores.each(name) for name in columns]
    rows = [
        [str(number + 1), as_sentence(prompt).replace("|", r"\|"), *(shown(value[number]) for value in values)]
        for number, prompt in enumerate(scores.prompts)
    ]
    head = ["Picture", "Prompt", *map(_capital, titles)]
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
