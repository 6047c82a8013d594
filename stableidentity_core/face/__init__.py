from .portrait import Face, FaceFeature, portrait

__all__ = ["Face", "FaceFeature", "portrait"]
