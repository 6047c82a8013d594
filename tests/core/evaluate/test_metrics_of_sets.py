"""FID and KID: against closed forms, scipy, plain loops and other packages, and for sets that are too small."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.linalg
import torch

from helpers.make import randn
from stableidentity_core.errors import MissingPackageError
from stableidentity_core.evaluate.metrics import Instruments, PictureFeatures, Sample, made_of, score
from stableidentity_core.evaluate.metrics.fid import Fid, frechet_distance
from stableidentity_core.evaluate.metrics.kid import Kid, kernel_distance

N, WIDTH = 2000, 64


def scipy_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The definition, with scipy's matrix square root."""
    x, y = a.double().numpy(), b.double().numpy()
    one, two = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(one + two - 2 * scipy.linalg.sqrtm(one @ two).real))


@pytest.fixture(scope="module")
def sets() -> tuple[torch.Tensor, torch.Tensor]:
    """Two normal distributions whose means and covariances differ and do not commute."""
    mix_a, mix_b = randn(WIDTH, WIDTH, seed=1) / 8, randn(WIDTH, WIDTH, seed=2) / 8
    a = randn(N, WIDTH, seed=3) @ mix_a
    return a, 0.3 + randn(N - 500, WIDTH, seed=4) @ mix_b


def test_fid_as_scipy_has_it(sets):
    # Both in float64; eigenvalues of a product lose a few digits more than its square root.
    assert frechet_distance(*sets).item() == pytest.approx(scipy_distance(*sets), rel=1e-8)


def test_fid_of_known_means_and_covariances():
    """Samples with exactly these moments, so that the closed form holds without sampling error."""
    raw = randn(N, WIDTH, seed=5).double()
    raw = raw - raw.mean(0)
    white = raw @ torch.linalg.inv(torch.linalg.cholesky(raw.T.cov())).T
    spread_a, spread_b = (torch.linspace(low, 3, WIDTH).double() for low in (0.1, 0.5))
    shift = torch.linspace(-1, 1, WIDTH).double()
    known = shift.square().sum() + (spread_a - spread_b).square().sum()
    assert frechet_distance(white * spread_a, white * spread_b + shift).item() == pytest.approx(known.item(), rel=1e-8)


def test_fid_of_a_set_with_itself_is_0(sets):
    assert 0 <= frechet_distance(sets[0], sets[0]).item() < 1e-6  # of traces of about 64, in float64


def test_kid_as_a_double_loop_has_it():
    a, b = randn(7, 5, seed=1).double(), 0.5 + randn(9, 5, seed=2).double()

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return (float(np.dot(x.numpy(), y.numpy())) / 5 + 1) ** 3

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(part) for j, y in enumerate(part) if i != j]) for part in (a, b)
    ]
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b).item() == pytest.approx(sum(within) - 2 * across, rel=1e-12)


def test_kid_as_torchmetrics_has_it_for_sets_of_one_size(sets):
    from torchmetrics.image.kid import poly_mmd

    a, b = sets[0][:300].double(), sets[1][:300].double()
    assert kernel_distance(a, b).item() == pytest.approx(poly_mmd(a, b).item(), rel=1e-10)


def test_kid_of_one_distribution_is_near_0_for_any_number():
    small, large = ([kernel_distance(*randn(2, n, 8, seed=seed).double()) for seed in range(40)] for n in (10, 80))
    for values in map(torch.stack, (small, large)):
        assert values.min() < 0 < values.max()
        assert abs(values.mean()) < 3 * values.std() / 40**0.5  # unbiased: within three errors of the mean


NETWORK = PictureFeatures(name="means", features=lambda pictures: pictures.mean((2, 3)))


def people(*counts: int) -> list[Sample]:
    return [
        Sample(person=str(number), pictures=randn(n, 3, 2, 2, seed=number), prompts=["{}"] * n)
        for number, n in enumerate(counts)
    ]


def test_the_pictures_of_all_people_are_one_set():
    samples, compared = people(5, 7), randn(20, 3, seed=9)
    scores = score(samples, made_of(Instruments(inception=NETWORK, compared=compared)))
    together = torch.cat([NETWORK.features(shown.pictures) for shown in samples])
    assert scores.mean("fid") == pytest.approx(scipy_distance(together, compared), rel=1e-6)
    assert scores.mean("kid") == pytest.approx(kernel_distance(together.double(), compared.double()).item())
    assert not scores.by_person("fid") and not scores.by_person("kid")


def test_too_few_pictures_are_said_with_the_value():
    few = score(people(5, 7), made_of(Instruments(inception=NETWORK, compared=randn(3000, 3))))
    assert few.notes == {"fid": "n too small: 12, needed 2,048"}
    assert few.values["fid"].isfinite() and few.values["kid"].isfinite()
    assert Fid(NETWORK, randn(2048, 3)).note(people(2048)) == ""
    assert Kid(NETWORK, randn(9, 3)).note(people(1)) == "n too small: 1, needed 2"
    assert Kid(NETWORK, None).note(people(5)) == "no pictures to compare with"


@pytest.mark.parametrize(("counts", "compared"), [((1,), randn(9, 3)), ((5,), randn(1, 3)), ((5,), None)])
def test_one_picture_or_nothing_to_compare_with_gives_no_value(counts, compared):
    scores = score(people(*counts), made_of(Instruments(inception=NETWORK, compared=compared)))
    assert scores.values["fid"].isnan() and scores.values["kid"].isnan()
    assert scores.notes.keys() == {"fid", "kid"}


def test_fid_names_the_package_that_it_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(MissingPackageError, match="FID needs the package torchmetrics"):
        frechet_distance(randn(4, 2), randn(4, 2))
