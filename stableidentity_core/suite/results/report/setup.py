"""What was run: people, prompts, sampling, methods with their settings, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ...spec import Suite, as_sentence
from ...world import World
from ..found import Found
from .html import Markup, Part, element, joined, section, table
from .tables import method_name

STAGES = {"learn": "Learning", "paint": "Painting", "score": "Measuring"}


def setup(suite: Suite, world: World, found: Sequence[Found]) -> Markup:
    rows = [[each.spec.name, each.spec.kind, each.spec.group, _options(each.spec.options)] for each in found]
    prompts = [element("li", as_sentence(prompt, "…")) for prompt in suite.prompts]
    return section(
        "setup",
        "What was run",
        element("dl", [joined(element("dt", name), element("dd", text)) for name, text in _facts(suite, world)]),
        table(["Method", "Kind", "Table", "Settings"], rows, caption="Methods", number=False),
        element("details", element("summary", f"{len(prompts)} prompts, … is the person"), element("ol", prompts)),
    )


def _facts(suite: Suite, world: World) -> list[tuple[str, str]]:
    drawn, scoring = suite.sampling, suite.scoring
    sampling = f"DDIM, {drawn.steps} steps, {drawn.size} x {drawn.size} pixels, guidance {drawn.cfg:g}"
    negative = f", negative prompt “{drawn.negative}”" if drawn.negative else ""
    seeds = f"{'seed' if len(drawn.seeds) == 1 else 'seeds'} {', '.join(map(str, drawn.seeds))}"
    facts = [
        ("World", suite.world),
        *((name.replace("_", " "), _shown(value)) for name, value in suite.world_options.items()),
        ("Sampling", f"{sampling}{negative}, {seeds}"),
        ("Recognisers", ", ".join(map(_shown, scoring.recognisers)) or f"those of the {suite.world}"),
        ("CLIP", ", ".join(map(_shown, scoring.clips)) or "not measured"),
        ("FID and KID compare with", scoring.compared or "nothing"),
        *((f"Fingerprint: {name}", fact) for name, fact in sorted(world.facts.items())),
    ]
    return [(name, text) for name, text in facts if text]


def _shown(value: Any) -> str:
    """Of a path its last part alone: a report is passed on."""
    text = str(value)
    return PurePath(text.replace("\\", "/")).name if "/" in text or "\\" in text else text


def _options(options: Mapping[str, Any]) -> Part:
    given = {**options, **options.get("settings", {})}
    written = [f"{name} = {_written(value)}" for name, value in given.items() if name != "settings" and value != ""]
    return joined([element("code", one) for one in written]) if written else "–"


def _written(value: Any) -> str:
    return _shown(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def times(found: Sequence[Found]) -> Markup:
    """The only part of the page that differs between two runs with equal results."""
    head = ["Method", *(f"{title}, s" for title in STAGES.values()), "Peak memory, GB"]
    rows = [[method_name(each), *(_second(each, stage) for stage in STAGES), _gigabytes(each.peak)] for each in found]
    lead = (
        "Mean seconds a person, of the tasks themselves: without loading models, and as if one worker did them all. "
        "Peak memory is that of tensors on a GPU; where a processor computes, that of the whole process, which has "
        "also done the work of the methods before."
    )
    return section("times", "Times", element("p", lead), table(head, rows, caption="Seconds a person"))


def _second(each: Found, stage: str) -> str:
    return f"{each.seconds[stage]:.1f}" if stage in each.seconds else "–"


def _gigabytes(count: int | None) -> str:
    return f"{count / 1e9:.1f}" if count else "–"
