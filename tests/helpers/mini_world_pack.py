"""What tests need of the mini world."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from mini_world import weights
from mini_world.look import CHOICES, Look, caption
from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.text.names import celebrity_names
from stableidentity_core.train.templates import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
NAMES = 200


def word_ids() -> list[int]:
    """CLIP's ids of the words of captions and templates, and of some names."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = packaged_tokenizer(Path(folder))
    looks = [replace(Look(), **{part: option}) for part, options in CHOICES.items() for option in options]
    texts = [*(caption(look, "") for look in looks), *TEMPLATES, *celebrity_names()[:NAMES]]
    words = {word for text in texts for word in text.replace("{}", "").split()}
    found = {token for word in words for token in tokenizer(word, add_special_tokens=False)["input_ids"]}
    return sorted({0, tokenizer.bos_token_id, tokenizer.eos_token_id, *found})


def pack_with_world(folder: Path) -> Path:
    """A copy of the pack, to be spoilt.

    Returns:
        The weights file in the copy.
    """
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copy(ROOT / "__init__.py", folder / "__init__.py")
    for part in ("mini_world", "nodes", "stableidentity_core", "web"):
        shutil.copytree(ROOT / part, folder / part, ignore=skipped)
    file = folder / weights.FILE.resolve().relative_to(ROOT)  # pytest finds the core by way of tests/..
    return file
