"""What is missing, and what the figures do not mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...spec import Suite
from ..found import Found, titles_of
from .html import Markup, element, section

FEW_PEOPLE, FEW_PICTURES = 20, 2048
SHOWN = 12  # names in one sentence


def missing(suite: Suite, found: Sequence[Found], people: Sequence[str], failures: Mapping[str, str]) -> Markup | None:
    """None where everything is there."""
    measured = {each.spec.name for each in found}
    holes = [
        f"{each.spec.name}: nothing of {_listed([one for one in people if one not in set(each.people)])}; its means "
        "are over the others, so compare them by the differences person by person."
        for each in found
        if set(people) - set(each.people)
    ]
    unmeasured = [f"{spec.name}: not measured." for spec in suite.methods if spec.name not in measured]
    reasons = [element("li", element("b", what), f": {why}") for what, why in failures.items()]
    if not (holes or unmeasured or reasons):
        return None
    said = element("ul", [element("li", line) for line in [*holes, *unmeasured]])
    details = [element("h3", "What failed"), element("ul", reasons)] if reasons else []
    return section("missing", "What is missing", said, details)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def limits(suite: Suite, found: Sequence[Found], people: Sequence[str]) -> Markup:
    return section(
        "limits",
        "What these figures do not mean",
        element("ul", [element("li", one) for one in _limits(suite, found, people)]),
    )


def _limits(suite: Suite, found: Sequence[Found], people: Sequence[str]) -> list[str]:
    titles = titles_of(found)
    said = [
        "They do not compare with the figures of the paper (arXiv 2401.15975) or of other papers: its scoring code is "
        "unpublished, and people, prompts, recogniser and sampler differ. The methods of this report compare with each "
        "other."
    ]
    if suite.world == "mini world":
        said.append(
            "People, pictures and networks are those of a small drawn world. It shows which way of learning is better "
            "there, and says nothing of how photos of real people turn out."
        )
    elif any(name.startswith("face_similarity") for name in titles):
        said.append(
            "More similarity is not always better. Two real photos of one person reach about 0.46 with usual "
            "recognisers; well above that, the photo was copied rather than the person learned. "
            "Look at the distance to the photo, and at the pictures."
        )
    if any(each.spec.kind == "added" for each in found):
        said.append(
            "Pictures that were added come from other programs, some from other base models: a difference may be the "
            "base's or the sampler's rather than the method's."
        )
    if any(name.startswith("clip") for name in titles):
        said.append(
            "CLIP sees whether something looks like the prompt, not whether the picture is good, or a likeness."
        )
    if len(people) < FEW_PEOPLE:
        said.append(
            f"{len(people)} people are few: intervals of so few are themselves uncertain, and usually too narrow."
            if len(people) > 1
            else "Of one person there are no intervals: another person may give the opposite order."
        )
    if "fid" in titles and len(people) * suite.pictures < FEW_PICTURES:
        said.append(
            f"FID of {len(people) * suite.pictures:,} pictures is too high: it needs {FEW_PICTURES:,} or more. At best "
            "it orders the methods of this report; KID is less biased."
        )
    said.append(
        "The intervals are about people only: other prompts, seeds, photos of the same people, or trainings with "
        "another seed, would change the values too. Of twenty differences that are truly 0, about one is bold by "
        "chance."
    )
    return said
