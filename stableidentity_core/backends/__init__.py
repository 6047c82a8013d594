from .compute import Compute
from .protocol import Conditioning, DiffusionBackend, Posterior, Prediction

__all__ = ["Compute", "Conditioning", "DiffusionBackend", "Posterior", "Prediction"]
