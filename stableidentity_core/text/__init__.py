"""Text encoders as spaces of words: prompts with room for words, and the space of celebrity names."""

from .names import WORDS, NameSpace, build_name_space, celebrity_names
from .prompts import PromptRows, place_words, tokenize_templates
from .space import PromptLayout, TextSpace

__all__ = [
    "WORDS",
    "NameSpace",
    "PromptLayout",
    "PromptRows",
    "TextSpace",
    "build_name_space",
    "celebrity_names",
    "place_words",
    "tokenize_templates",
]
