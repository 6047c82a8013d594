from .config import TrainConfig, defaults_of
from .loop import StepReport, TrainingRun, held_out_loss

__all__ = ["StepReport", "TrainConfig", "TrainingRun", "defaults_of", "held_out_loss"]
