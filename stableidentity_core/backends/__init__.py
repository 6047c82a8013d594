from .protocol import Conditioning, DiffusionBackend, Prediction

__all__ = ["Conditioning", "DiffusionBackend", "Prediction"]
