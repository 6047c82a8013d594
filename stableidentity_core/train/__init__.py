from .config import TrainConfig, default_config
from .loop import train_together
from .run import TrainingRun
from .step_report import StepReport
from .validation import ValidationSet

__all__ = [
    "StepReport",
    "TrainConfig",
    "TrainingRun",
    "ValidationSet",
    "default_config",
    "train_together",
]
