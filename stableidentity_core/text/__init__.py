"""Text encoders as spaces of words: prompts with room for words, and the space of celebrity names."""

from .names import NameSpace, build_name_space, celebrity_names
from .prompts import PromptRows, place_words, prompt_rows

__all__ = ["NameSpace", "PromptRows", "build_name_space", "celebrity_names", "place_words", "prompt_rows"]
