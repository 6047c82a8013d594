"""Neutral prompts around the words: the CLIP ImageNet templates as Textual Inversion uses them."""

from __future__ import annotations

_MEDIA = ("photo", "illustration", "depiction")

# `{medium}` varies; phrases without it stand once per medium, which keeps the published proportions.
_PHRASES = (
    "a {medium} of a {}",
    "a rendering of a {}",
    "a cropped photo of the {}",
    "the photo of a {}",
    "a {medium} of a clean {}",
    "a {medium} of a dirty {}",
    "a dark photo of the {}",
    "a {medium} of my {}",
    "a {medium} of the cool {}",
    "a close-up photo of a {}",
    "a bright photo of the {}",
    "a cropped photo of a {}",
    "a {medium} of the {}",
    "a good photo of the {}",
    "a {medium} of one {}",
    "a close-up photo of the {}",
    "a rendition of the {}",
    "a {medium} of the clean {}",
    "a rendition of a {}",
    "a {medium} of a nice {}",
    "a good photo of a {}",
    "a {medium} of the nice {}",
    "a {medium} of the small {}",
    "a {medium} of the weird {}",
    "a {medium} of the large {}",
    "a {medium} of a cool {}",
    "a {medium} of a small {}",
)


def _fill(phrase: str, medium: str) -> str:
    text = phrase.replace("{medium}", medium)
    return text.replace("a illustration", "an illustration")


TEMPLATES: tuple[str, ...] = tuple(_fill(phrase, medium) for medium in _MEDIA for phrase in _PHRASES)
