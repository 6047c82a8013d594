"""Where the work of a suite runs, by the options of the command line."""

from __future__ import annotations

from argparse import Namespace

import pytest

from helpers.suites import paint_suite
from stableidentity_core.cli.engine_options import engine_of
from stableidentity_core.errors import StableIdentityError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "local", "workers": 2}, "--workers is for the engines processes and ray"),
        ({"engine": "processes", "workers": 10**9}, "--workers is 1,000,000,000, needed at most 60"),
    ],
)
def test_workers_that_cannot_be(options, message):
    suite = paint_suite(methods=[{"name": "ours"}])
    with pytest.raises(StableIdentityError, match=message):
        engine_of(suite, Namespace(device="cpu", **options))
