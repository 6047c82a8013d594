"""The map of names and people, and the table of their values."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from helpers.make import randn, some_identity, some_names
from stableidentity_core.errors import MissingPackageError, StableIdentityError, WrongModelError
from stableidentity_core.evaluate.name_map import map_people
from stableidentity_core.evaluate.name_map.labels import Label, place_labels
from stableidentity_core.evaluate.name_map.overview import label_people
from stableidentity_core.evaluate.name_map.picture import COLOURS, space_map
from stableidentity_core.evaluate.name_map.points import lay_out
from stableidentity_core.identity import Identity
from stableidentity_core.text import NameSpace
from stableidentity_core.text.adain import into_space, unit_words

NAMES = some_names(count=30, width=16)


def anybody(seed: int) -> torch.Tensor:  # [2, 16]
    return into_space(unit_words(randn(2, 16, seed=seed).double()), NAMES)


def test_pca_equals_its_twin_by_eigenvectors():
    """Distances in the plane, for the sign of an axis means nothing."""
    people = [anybody(1), anybody(2), randn(2, 16, seed=3)]
    for place, panel in enumerate(lay_out(NAMES, people, "PCA")):
        rows = NAMES.embeddings[:, place].double().numpy()
        everybody = np.concatenate([rows, torch.stack(people)[:, place].double().numpy()]) - rows.mean(0)
        sizes, directions = np.linalg.eigh(np.cov(rows.T))
        expected = everybody @ directions[:, :-3:-1]
        found = torch.cat([panel.names, panel.people]).numpy()
        np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)  # both float64
        assert panel.axes[0] == f"{100 * sizes[-1] / sizes.sum():.1f} % of the names' variance"
        distances = np.linalg.norm(everybody[30:, None] - everybody[:30], axis=-1)
        assert panel.nearest == tuple(distances.argmin(1))


def test_a_name_that_many_share_is_one_point():
    first, last = randn(3, 8), randn(6, 8, seed=1)
    pairs = torch.stack([first[[0, 1, 0, 2, 0, 1]], last], dim=1)
    names = NameSpace(space="clip_h", names=("Tom A", "Ann B", "Tom C", "Kim D", "Tom E", "Annf"), embeddings=pairs)
    one, two = lay_out(names, [], "PCA")
    assert one.words == ("Tom", "Ann", "Kim") and two.words == ("A", "B", "C", "D", "E", "Annf")
    assert (one.position, two.position) == ("first word", "last word")
    assert one.names.shape == (3, 2) and two.names.shape == (6, 2)


def test_two_names_are_enough_for_pca():
    (panel, _last) = lay_out(some_names(count=2, width=8), [randn(2, 8)], "PCA")
    assert panel.names.isfinite().all() and panel.people.shape == (1, 2)
    assert panel.axes == ("100.0 % of the names' variance", "0.0 % of the names' variance")


def test_tsne_keeps_neighbours_together():
    pytest.importorskip("sklearn", reason="SCIKIT-LEARN IS NOT INSTALLED: t-SNE was not tried")
    values = torch.cat([randn(20, 2, 8), 50 + randn(20, 2, 8, seed=1)])
    names = NameSpace(space="clip_h", names=tuple(map(str, range(40))), embeddings=values)
    panel, again = (lay_out(names, [values[3] + 0.1, values[30] + 0.1], "t-SNE")[0] for _ in range(2))
    distance = torch.cdist(panel.people, panel.names)
    assert distance[0, :20].max() < distance[0, 20:].min() and distance[1, 20:].max() < distance[1, :20].min()
    assert torch.equal(panel.names, again.names), "the same map must look the same each time"


def test_without_scikit_learn_the_line_to_type_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.manifold", raising=False)
    with pytest.raises(MissingPackageError, match=r"t-SNE map needs the package sklearn.*pip install scikit-learn"):
        lay_out(NAMES, [anybody(1)], "t-SNE")
    assert lay_out(NAMES, [anybody(1)], "PCA")


def test_too_few_points_for_tsne_and_unknown_methods_are_told():
    with pytest.raises(StableIdentityError, match="3 different points, t-SNE needs at least 4"):
        lay_out(some_names(count=2, width=8), [randn(2, 8)], "t-SNE")
    with pytest.raises(StableIdentityError, match="'umap', needed one of PCA, t-SNE"):
        lay_out(NAMES, [], "umap")


def count(picture: torch.Tensor, colour: str) -> tuple[int, int]:
    """Pixels of a colour in the left and in the right map."""
    near = (picture - torch.tensor(to_rgb(colour))).abs().amax(-1) < 0.02
    maps = near[100:700]
    return int(maps[:, :672].sum()), int(maps[:, 672:].sum())


@pytest.mark.parametrize("method", ["PCA", "t-SNE"])
def test_everybody_is_in_both_maps_in_a_colour_of_their_own(method):
    if method == "t-SNE":
        pytest.importorskip("sklearn", reason="SCIKIT-LEARN IS NOT INSTALLED: t-SNE was not tried")
    people = {"anna": anybody(1), "ben": anybody(2)}
    picture = space_map(NAMES, people, method)
    assert picture.dtype == torch.float32 and picture.min() >= 0 and picture.max() <= 1
    for colour, there in zip(COLOURS[:3], (True, True, False), strict=True):
        # A marker of 100 square points has 178 pixels; labels lie elsewhere.
        assert all((pixels > 60) == there for pixels in count(picture, colour)), (colour, count(picture, colour))


def test_the_picture_shows_whom_it_is_given():
    nobody, anna, ben = (space_map(NAMES, people, "PCA") for people in ({}, {"anna": anybody(1)}, {"ben": anybody(2)}))
    assert nobody.shape[1:] == anna.shape[1:] == (1344, 3)
    assert anna.shape[0] == ben.shape[0] == nobody.shape[0] + 30  # a line of the table
    assert not torch.equal(anna, ben)
    assert torch.equal(anna, space_map(NAMES, {"anna": anybody(1)}, "PCA"))


def test_labels_cover_neither_each_other_nor_the_points():
    figure = Figure(figsize=(6, 6), dpi=96)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = (randn(12, 2) * 0.2).tolist() + [[-3.0, 3.0], [3.0, 3.0], [3.0, -3.0]]
    axes.scatter(*zip(*points, strict=True))
    labels = [Label(text=f"person {i}", at=tuple(point), colour="k", size=10) for i, point in enumerate(points)]
    place_labels(axes, labels, [tuple(point) for point in points], [])
    texts = [text for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert [text.get_text() for text in texts] == [label.text for label in labels]
    frame = axes.get_window_extent()
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_the_table_has_largest_and_smallest_values():
    anna = some_identity(16, trigger="anna", seed=4)
    maps, table = map_people([NAMES], [anna])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    values = NAMES.embeddings.double().numpy()
    z = (anna.words["clip_h"].double().numpy() - values.mean(0)) / values.std(0, ddof=1)
    assert rows[0][:3] == ["clip_h, width 16", "first word: min", "first word: max"]
    assert rows[2][0] == "30 names" and rows[2][1] == f"{values[:, 0].min():.4f}" and rows[2][3] == "0.00"
    last = anna.words["clip_h"][1]
    assert rows[3][0] == "anna"
    assert rows[3][5:] == [f"{last.min():.4f}", f"{last.max():.4f}", f"{z[1].mean():.2f}", f"{z[1].std():.2f}"]
    assert "AdaIN" in table.splitlines()[-1]
    assert torch.equal(maps[0], space_map(NAMES, {"anna": anna.words["clip_h"]}, "PCA"))


def test_each_text_space_has_its_map_and_table():
    spaces = [some_names(width=8, space="clip_l"), some_names(width=12, space="clip_g")]
    anna = Identity(trigger="anna", words={"clip_l": randn(2, 8), "clip_g": randn(2, 12)})
    maps, table = map_people(spaces, [anna])
    assert maps.shape[0] == 2 and not torch.equal(maps[0], maps[1])
    assert "clip_l, width 8" in table and "clip_g, width 12" in table
    with pytest.raises(WrongModelError, match="connected name space is for clip_l"):
        map_people(spaces[:1], [anna])


def test_labels_are_short_and_no_two_are_the_same():
    people = [some_identity(4, trigger=name) for name in ("anna", "way", "way", "x" * 30, "x" * 31)]
    assert label_people(people) == ["anna", "way 1", "way 2", "x" * 23 + "… 1", "x" * 23 + "… 2"]
