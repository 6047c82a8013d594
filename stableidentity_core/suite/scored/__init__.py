"""Pictures of a person that were made anywhere, such as in ComfyUI: measured, shown in one sheet, and compared."""

from .comparison import Comparison, compare
from .page import write_comparison
from .pictures import PictureScores, score_pictures
from .prompts import prompts_of_pictures, with_slot
from .sheet import comparison_sheet, contact_sheet
from .table import report

__all__ = [
    "Comparison",
    "PictureScores",
    "compare",
    "comparison_sheet",
    "contact_sheet",
    "prompts_of_pictures",
    "report",
    "score_pictures",
    "with_slot",
    "write_comparison",
]
