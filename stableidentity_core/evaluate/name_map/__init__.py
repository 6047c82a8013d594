from .overview import map_people
from .points import METHODS

__all__ = ["METHODS", "map_people"]
