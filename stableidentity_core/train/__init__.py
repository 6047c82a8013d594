from .config import TrainConfig, defaults_of
from .held_out import HeldOut, held_out_loss
from .loop import train_together
from .report import StepReport
from .run import TrainingRun

__all__ = ["HeldOut", "StepReport", "TrainConfig", "TrainingRun", "defaults_of", "held_out_loss", "train_together"]
