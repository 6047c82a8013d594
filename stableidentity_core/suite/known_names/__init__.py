"""Whether a model knows names, before a person is learned on it: a method that lands among names needs some."""

from .ask import PROMPTS, Paint, ask_for_names
from .groups import CELEBRITIES, Groups, name_groups
from .result import NamesKnown, verdict
from .sheet import names_sheet
from .table import report

__all__ = [
    "CELEBRITIES",
    "PROMPTS",
    "Groups",
    "NamesKnown",
    "Paint",
    "ask_for_names",
    "name_groups",
    "names_sheet",
    "report",
    "verdict",
]
