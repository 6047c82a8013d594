from .config import TrainConfig
from .loop import StepReport, TrainingRun, held_out_loss

__all__ = ["StepReport", "TrainConfig", "TrainingRun", "held_out_loss"]
