"""schema: models.yaml -> a Registry of frozen Models, and what follows from each of them."""

from __future__ import annotations

from datactl.schema.fields import Field
from datactl.schema.frozen import FrozenDict, freeze, thaw
from datactl.schema.indexes import Index
from datactl.schema.model import Model
from datactl.schema.models_file import define_model, load_models, parse_models
from datactl.schema.plural import pluralize
from datactl.schema.policies import (
    Access,
    Aggregation,
    ArchivePolicy,
    ArchiveSelection,
    ArchiveTiers,
    EventPolicy,
    Handler,
    Marks,
)
from datactl.schema.registry import Registry
from datactl.schema.types import NOW, FieldType

__all__ = [
    "NOW",
    "Access",
    "Aggregation",
    "ArchivePolicy",
    "ArchiveSelection",
    "ArchiveTiers",
    "EventPolicy",
    "Field",
    "FieldType",
    "FrozenDict",
    "Handler",
    "Index",
    "Marks",
    "Model",
    "Registry",
    "define_model",
    "freeze",
    "load_models",
    "models_file_schema",
    "parse_models",
    "pluralize",
    "thaw",
]


def models_file_schema() -> dict[str, object]:
    """The draft-07 JSON Schema of models.yaml."""
    from datactl.schema.file_schema import models_file_schema as made

    return made()
