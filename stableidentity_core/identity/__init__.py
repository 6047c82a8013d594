from .file import load_identity, save_identity
from .prompt import find_triggers, normalize_trigger
from .types import Identity

__all__ = ["Identity", "find_triggers", "load_identity", "normalize_trigger", "save_identity"]
