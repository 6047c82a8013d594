"""A clip's score in words and as plain values. Frames are counted from 1 on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .score import Series, TemporalScore

ALIGNED = "No face was looked for: the frames were taken as aligned portraits."


def report(score: TemporalScore) -> str:
    """What there is to say, a line each."""
    lines = [_faces(score), f"Face encoder: {score.encoder}", _to_photo(score), _to_next(score), _ends(score)]
    return "\n".join([*lines, *([] if score.looked else [ALIGNED])])


def undefined_to_photo(score: TemporalScore) -> str | None:
    """Why frame to photo has no value; None where it has one."""
    if score.to_photo is None:
        return "Frame to photo: left out, no photo was given."
    return None


def undefined_to_next(score: TemporalScore) -> str | None:
    """Why frame to frame has no value; None where it has one."""
    if score.to_next.known:
        return None
    if len(score.faces) == 1:
        return "Frame to frame: not defined for a clip of one frame; it compares neighbouring frames."
    return "Frame to frame: not defined, for no two neighbouring frames both show a face."


def as_dict(score: TemporalScore) -> dict[str, Any]:
    """The score for JSON: null stands where a face is missing or a value is not defined."""
    first, last = score.ends
    return {
        "face_encoder": score.encoder,
        "faces_looked_for": score.looked,
        "frames": len(score.faces),
        "frames_without_face": [frame + 1 for frame in score.missing],
        "frame_to_photo": None if score.to_photo is None else _series(score.to_photo),
        "frame_to_frame": _series(score.to_next),
        "first_to_last": {"frames": [first + 1, last + 1], "similarity": score.first_to_last},
    }


def _series(series: Series) -> dict[str, Any]:
    least = None if series.least is None else series.least + 1
    return {"mean": series.mean, "least_at": least, "values": list(series.values)}


def _faces(score: TemporalScore) -> str:
    count = len(score.faces)
    text = f"{count} {'frame' if count == 1 else 'frames'}, a face in {count - len(score.missing)}"
    if not score.missing:
        return f"{text}."
    return f"{text}. Without a face, and so in no mean: {numbers(score.missing)}."


def numbers(frames: Sequence[int]) -> str:
    """Frames counted from 0 on as people write them: 1, 4-6, 9."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return ", ".join(f"{run[0] + 1}" + (f"-{run[-1] + 1}" if len(run) > 1 else "") for run in runs)


def _to_photo(score: TemporalScore) -> str:
    series = score.to_photo
    if series is None or series.least is None:
        return undefined_to_photo(score) or ""
    return (
        f"Frame to photo: {series.mean:.3f} in the mean, least {series.values[series.least]:.3f} in frame "
        f"{series.least + 1}."
    )


def _to_next(score: TemporalScore) -> str:
    series = score.to_next
    if series.least is None:
        return undefined_to_next(score) or ""
    pairs = f"{len(series.known)} {'pair' if len(series.known) == 1 else 'pairs'}"
    return (
        f"Frame to frame: {series.mean:.3f} in the mean over {pairs}, least {series.values[series.least]:.3f} between "
        f"frames {series.least + 1} and {series.least + 2}."
    )


def _ends(score: TemporalScore) -> str:
    first, last = (frame + 1 for frame in score.ends)
    if score.first_to_last is None:
        return f"First to last: not defined, for only frame {first} shows a face."
    return f"First to last (drift): {score.first_to_last:.3f}, frame {first} to frame {last}."
