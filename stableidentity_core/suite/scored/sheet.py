"""Contact sheets: the photo, the pictures, and below each its prompt and what was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from ..spec import as_sentence
from .comparison import Comparison
from .pictures import SIMILARITY, PictureScores
from .table import best_and_worst, shown

TILE, GAP, MARGIN, FRAME = 208, 16, 24, 5
TEXT, LINE, LINES, LETTERS = 15, 19, 4, 27  # of captions: size, height of a line, lines of a prompt, letters in each
COLUMNS, MOST = 8, 12  # of one person's pictures; of a comparison, where a row is a method
SHOWN = 96  # of one person's pictures: more would be a picture that few programs open
PAPER, INK, GREY = (250, 249, 246), (28, 30, 34), (96, 100, 108)
BEST, WORST = (0, 114, 178), (213, 94, 0)  # differ for colour-blind people too


@dataclass(frozen=True)
class Tile:
    picture: Tensor  # [3, H, W] uint8
    title: str
    text: str
    frame: tuple[int, int, int] | None = None


def contact_sheet(scores: PictureScores) -> Tensor:
    """The photo, and the pictures in rows with their similarity and prompt score, [1, H, W, 3] in 0..1.

    Of more than `SHOWN` pictures: the best, the worst, and others evenly from first to last.
    """
    count, told = len(scores.prompts), f"mean {shown(scores.mean(SIMILARITY))}"
    chosen = _chosen(count, best_and_worst(scores) or ())
    if len(chosen) < count:
        told += f"\n{len(chosen)} of {count} pictures"
    tiles = [_photo(scores, "photo", told), *_pictures(scores, chosen)]
    columns = min(COLUMNS, max(4, round(len(tiles) ** 0.5) + 1), len(tiles))
    return draw_sheet([tiles[at : at + columns] for at in range(0, len(tiles), columns)])


def comparison_sheet(comparison: Comparison) -> Tensor:
    """A row for each person and method: the photo, and one picture of each of the first prompts, [1, H, W, 3]."""
    rows = []
    for method, scores in comparison.rows:
        tiles, seen = [], set[str]()
        for tile, prompt in zip(_pictures(scores, range(len(scores.prompts))), scores.prompts, strict=True):
            if prompt not in seen:
                tiles.append(tile)
            seen.add(prompt)
        told = f"{comparison.names[scores.face]}\nmean {shown(scores.mean(SIMILARITY))}"
        rows.append([_photo(scores, method, told), *tiles[:MOST]])
    return draw_sheet(rows)


def _photo(scores: PictureScores, title: str, text: str) -> Tile:
    return Tile((scores.photo.clamp(0, 1) * 255).round().byte(), title, text)


def _chosen(count: int, ends: Sequence[int]) -> list[int]:
    if count <= SHOWN:
        return list(range(count))
    even = SHOWN - len(ends)
    return sorted({*ends, *(round(number * (count - 1) / (even - 1)) for number in range(even))})


def _pictures(scores: PictureScores, chosen: Sequence[int]) -> list[Tile]:
    ends, name = best_and_worst(scores), scores.prompt_score
    follows = scores.each(name) if name else None
    tiles = []
    for at in chosen:
        picture, prompt = scores.pictures[at], scores.prompts[at]
        lost = scores.each("detection_rate")[at] == 0
        said = [f"{at + 1}: " + ("no face" if lost else shown(scores.each(SIMILARITY)[at]))]
        said += [f"prompt {follows[at]:.2f}"] if follows and follows[at] is not None else []
        mark = ends.index(at) if ends and at in ends else None
        said += [] if mark is None else [("best", "worst")[mark]]
        tiles.append(
            Tile(picture, ", ".join(said), as_sentence(prompt, "…"), None if mark is None else (BEST, WORST)[mark])
        )
    return tiles


def draw_sheet(rows: Sequence[Sequence[Tile]]) -> Tensor:
    """Rows of pictures with their captions, [1, H, W, 3] in 0..1."""
    heights = [TILE + LINE * (1 + max(_wrapped(tile.text).count("\n") + 1 for tile in row)) + GAP for row in rows]
    columns = max(map(len, rows))
    size = (2 * MARGIN + columns * (TILE + GAP) - GAP, 2 * MARGIN + sum(heights) - GAP)
    page = Image.new("RGB", size, PAPER)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            _draw(page, tile, MARGIN + column * (TILE + GAP), top)
        top += height
    return torch.from_numpy(np.asarray(page).astype(np.float32) / 255)[None]


def _draw(page: Image.Image, tile: Tile, left: int, top: int) -> None:
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(TEXT)
    picture = Image.fromarray(np.ascontiguousarray(tile.picture.movedim(0, -1).numpy()))
    fitted = ImageOps.contain(picture, (TILE, TILE), Image.Resampling.LANCZOS)
    page.paste(fitted, (left + (TILE - fitted.width) // 2, top + (TILE - fitted.height) // 2))
    if tile.frame:
        pen.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline=tile.frame, width=FRAME)
    pen.text((left, top + TILE + 3), tile.title, tile.frame or INK, font)
    pen.multiline_text((left, top + TILE + 3 + LINE), _wrapped(tile.text), GREY, font, spacing=LINE - TEXT)


def _wrapped(text: str) -> str:
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, LETTERS) or [""]]
    return "\n".join(lines[:LINES]) + (" …" if len(lines) > LINES else "")
