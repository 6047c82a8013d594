from .config import TrainConfig, defaults_of
from .held_out import held_out_loss
from .loop import StepReport, TrainingRun, train_together

__all__ = ["StepReport", "TrainConfig", "TrainingRun", "defaults_of", "held_out_loss", "train_together"]
