"""Taking over a database that is there: its documents are sampled, read for what they are, written as models.yaml."""

from datactl.inspect.adopting.adopter import Adopter, Adoption
from datactl.inspect.adopting.guesses import Notice

__all__ = ["Adopter", "Adoption", "Notice"]
