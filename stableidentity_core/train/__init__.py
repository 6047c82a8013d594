from .config import TrainConfig, defaults_of
from .loop import train_together
from .run import TrainingRun
from .step_report import StepReport
from .validation import HeldOut, held_out_loss

__all__ = ["HeldOut", "StepReport", "TrainConfig", "TrainingRun", "defaults_of", "held_out_loss", "train_together"]
