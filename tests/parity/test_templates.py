"""The prompt templates against the published list, of which only a hash and two counts are kept here."""

from __future__ import annotations

import hashlib

from stableidentity_core.train.templates import TEMPLATES

PUBLISHED_SHA256 = "d19639f5d424374f24e73897cdeae6da9ecf23f0afc3b7d2c5c34c9a62742898"  # of the sorted lines


def test_each_phrase_is_as_frequent_as_in_the_published_list():
    assert len(TEMPLATES) == 81 and len(set(TEMPLATES)) == 57, sorted(set(TEMPLATES))
    assert hashlib.sha256("\n".join(sorted(TEMPLATES)).encode()).hexdigest() == PUBLISHED_SHA256
