"""The demonstration: real places of the world, and the story of their documents told by running the commands."""

from datactl.demo.places import write_places
from datactl.demo.story import tell

__all__ = ["tell", "write_places"]
