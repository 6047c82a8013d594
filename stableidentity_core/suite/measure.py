"""The metrics of one method over all people, as JSON: values of people, of pictures and of pairs of pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..evaluate.metrics import Metric, Sample
from ..evaluate.metrics.scores import check_names
from .bench import Bench
from .spec import Suite


def measure(bench: Bench, suite: Suite, samples: Mapping[str, Sample], compared: Sequence[Mapping[str, Tensor]]) -> Any:
    """All that is known of one method.

    Args:
        samples: of each person whose pictures are there.
        compared: features of the pictures that FID and KID compare with.

    Returns:
        {"people": [...], "metrics": {name: {"title", "people": [P values] or None, "all": value or None,
        "note", "pictures": [P lists of N values] or None, "pairs": [P lists of N (N - 1) / 2 values] or None}}};
        nan is None.
    """
    metrics = bench.metrics(_together(bench, compared))
    check_names([metric.name for metric in metrics])
    found = {metric.name: values_of(metric, list(samples.values())) for metric in metrics} if samples else {}
    return {"people": list(samples), "prompts": list(suite.prompts), "metrics": found}


def _together(bench: Bench, features: Sequence[Mapping[str, Tensor]]) -> Tensor | None:
    name = bench.inception_feature
    known = [one[name] for one in features if name in one]
    return torch.cat(known) if known else None


def values_of(metric: Metric, samples: Sequence[Sample]) -> dict[str, Any]:
    """One metric of these people, as in `measure`."""
    values = metric(samples).double().cpu()
    each, pairs, note = (getattr(metric, name, None) for name in ("each", "of_pairs", "note"))
    return {
        "title": metric.title,
        "people": _plain(values.tolist()) if values.ndim else None,
        "all": None if values.ndim else _plain(values.item()),
        "note": note(samples) if note else "",
        "pictures": [_plain(each(sample).double().cpu().tolist()) for sample in samples] if each else None,
        "pairs": [_plain(pairs(sample).double().cpu().tolist()) for sample in samples] if pairs else None,
    }


def _plain(value: Any) -> Any:
    """nan is not JSON."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return round(value, 6) if math.isfinite(value) else None
