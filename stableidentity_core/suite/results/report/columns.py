"""What the columns of tables mean to a reader."""

from __future__ import annotations

from collections.abc import Iterable

MEANINGS = {  # {metric: (whether more is better; None: neither, what it is)}
    "face_similarity": (
        True,
        "cosine of the face in a picture to the photo's, by a recogniser that was not used in learning; a "
        "picture without a face counts 0",
    ),
    "found_similarity": (True, "the same, only over pictures in which a face was found"),
    "detection_rate": (True, "share of the pictures in which a face was found"),
    "rank_1": (True, "share of the pictures that are more similar to their person than to anybody else"),
    "mean_average_precision": (True, "how far at the top a person's pictures stand when all are sorted by similarity"),
    "other_people_similarity": (None, "mean similarity to the other people; near 0 where faces are told apart"),
    "copied": (
        False,
        "share of the pictures more similar to the photo than two photos of one person usually are: the photo was "
        "copied",
    ),
    "clip_t": (True, "cosine of picture and prompt by CLIP, with “a person” in the person's place"),
    "clip_i": (None, "cosine of picture and photo by CLIP; high also where the photo's background was copied"),
    "prompt_accuracy": (True, "share of what the prompts ask for that the mini world's reader sees in the pictures"),
    "face_diversity": (
        True,
        "distance (LPIPS, for photos) between the faces of one person's pictures; high also where they are strangers",
    ),
    "trusted_face_diversity": (
        True,
        "the same distance times the similarity of the two faces, mean over pairs of one person's pictures",
    ),
    "trusted_photo_diversity": (True, "the same over pairs of the photo and a picture"),
    "photo_distance": (
        None,
        "distance (LPIPS, for photos) from the photo's face to those in the pictures; near 0 for a copied photo",
    ),
    "fid": (False, "distance of all pictures together to those that the suite compares with"),
    "kid": (False, "the same without FID's bias for few pictures"),
}


def meaning(metric: str) -> tuple[bool | None, str] | None:
    """Of a metric, also one measured with a further network, whose name has a suffix; None if not known."""
    known = [name for name in MEANINGS if metric == name or metric.startswith(f"{name}_")]
    return MEANINGS[max(known, key=len)] if known else None


def arrow(metric: str) -> str:
    """Which way is better."""
    found = meaning(metric)
    return {True: "\u00a0↑", False: "\u00a0↓", None: ""}[found[0] if found else None]


def prompt_score(metrics: Iterable[str]) -> str | None:
    """The metric that says how well prompts are followed."""
    return next((name for name in ("clip_t", "prompt_accuracy") if name in metrics), None)
