"""Words as points of a plane: of the first words of names and people, and of their last words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import StableIdentityError
from ...optional import optional_import
from ...text.names import NameSpace

METHODS = ("PCA", "t-SNE")
POSITIONS = ("first word", "last word")
PERPLEXITY = 30.0  # the usual one; fewer points take less
FEWEST = 4  # points that t-SNE can place


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One word position of names and people in the plane."""

    position: str
    words: tuple[str, ...]  # of the names, each once
    names: Tensor  # [M', 2] float64
    people: Tensor  # [K, 2] float64
    nearest: tuple[int, ...]  # for each person the row of the name at the smallest distance in the whole space
    axes: tuple[str, str]


def lay_out(names: NameSpace, words: Sequence[Tensor], method: str) -> list[Panel]:
    """Both word positions in the plane.

    Args:
        words: [2, D] of each person.
        method: PCA takes the two directions in which the names differ most and drops people into them; t-SNE
            (van der Maaten and Hinton, 2008) places names and people together so that neighbours stay neighbours.

    Raises:
        StableIdentityError: t-SNE of too few points; MissingPackageError: t-SNE without scikit-learn.
    """
    if method not in METHODS:
        raise StableIdentityError(f"The map's method is {method!r}, needed one of {', '.join(METHODS)}.")
    people = torch.stack(list(words)).double() if words else torch.empty(0, 2, names.width, dtype=torch.float64)
    return [_panel(names, people[:, place], place, method) for place in range(len(POSITIONS))]


def _panel(names: NameSpace, people: Tensor, place: int, method: str) -> Panel:
    rows, kept = _each_once(names.embeddings[:, place].double())
    place_points = _pca if method == "PCA" else _tsne
    points, axes = place_points(rows, people)
    return Panel(
        position=POSITIONS[place],
        words=tuple(_word(names.names[row], place) for row in kept),
        names=points[: len(rows)],
        people=points[len(rows) :],
        nearest=tuple(torch.cdist(people, rows).argmin(dim=1).tolist()),
        axes=axes,
    )


def _each_once(rows: Tensor) -> tuple[Tensor, list[int]]:
    """Rows [M, D] without repeats, and where they stood first: many names share a first or a last name."""
    first: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row.numpy().tobytes(), number)
    kept = list(first.values())
    return rows[kept], kept


def _word(name: str, place: int) -> str:
    parts = name.split()
    return parts[place] if len(parts) == len(POSITIONS) else name


def _pca(names: Tensor, people: Tensor) -> tuple[Tensor, tuple[str, str]]:
    mean = names.mean(dim=0)
    _left, sizes, directions = torch.linalg.svd(names - mean, full_matrices=False)
    plane = torch.zeros(2, names.shape[1], dtype=names.dtype)
    plane[: len(directions)] = directions[:2]
    # The sign of a direction is the library's whim; the largest entry is made positive.
    largest = plane.gather(1, plane.abs().argmax(dim=1, keepdim=True))
    plane = plane * torch.where(largest < 0, -1.0, 1.0)
    shares = torch.zeros(2, dtype=names.dtype)
    shares[: len(sizes)] = (sizes.square() / sizes.square().sum().clamp_min(1e-300))[:2]
    first, second = (f"{100 * share:.1f} % of the names' variance" for share in shares.tolist())
    return (torch.cat([names, people]) - mean) @ plane.T, (first, second)


def _tsne(names: Tensor, people: Tensor) -> tuple[Tensor, tuple[str, str]]:
    points = torch.cat([names, people])
    if len(points) < FEWEST:
        raise StableIdentityError(
            f"There are {len(points)} different points, t-SNE needs at least {FEWEST}. Choose PCA, or more names."
        )
    manifold = optional_import("sklearn.manifold", feature="the t-SNE map", install="pip install scikit-learn")
    placing = manifold.TSNE(
        n_components=2,
        perplexity=min(PERPLEXITY, (len(points) - 1) / 3),
        init="pca",
        learning_rate="auto",
        random_state=0,
    )
    placed = placing.fit_transform(points.float().numpy())
    return torch.from_numpy(placed).double(), ("", "")
